"""What holds arrays prints short."""

import pytest

from tasks.data.cohort import BagModality, Modality, Slide
from tasks.data.splits import make_splits
from tests.helpers.planted import planted


@pytest.mark.parametrize("bags", [True, False])
def test_a_cohort_prints_five_lines(bags: bool) -> None:
    cohort = planted(bags)
    lines = repr(cohort).splitlines()
    assert len(lines) == 5
    complete = len(cohort.complete())
    assert lines[0] == (
        f"Cohort {cohort.name}: {len(cohort.patients)} patients, {complete} with every modality, "
        "planted"
    )
    assert [line.split(":")[0].strip() for line in lines[1:3]] == list(cohort.modalities)
    assert f"os ({cohort.endpoints['os'].event.sum()} of " in lines[3]
    assert max(map(len, lines)) < 120


def slides_of(modality: Modality) -> list[tuple[Slide, ...]]:
    return list(modality.slides.values()) if isinstance(modality, BagModality) else []


def test_its_parts_print_a_line() -> None:
    for cohort in map(planted, (True, False)):
        parts = [
            *cohort.modalities.values(),
            *cohort.endpoints.values(),
            *cohort.labels.values(),
            *make_splits(cohort, 3),
            *(slides[0] for m in cohort.modalities.values() for slides in slides_of(m)),
        ]
        for part in parts:
            assert repr(part).startswith(f"{type(part).__name__}(")
            assert len(repr(part)) < 300
            assert "\n" not in repr(part)
    assert "time=float64[197]" in repr(planted(True).endpoints["os"])
    assert "fold=0" in repr(make_splits(planted(True), 3)[0])
