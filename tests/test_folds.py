"""`--split`: the outer folds a run is made of, and what its protocol is then called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.fold_names import dealt_as, folds_name, repeats_of
from benchmark.folds import outer_folds
from benchmark.plan import Control, protocol_name
from tasks.base import Protocol
from tasks.errors import InputError
from tasks.splits import Dealing, make_splits
from tests.planted import planted


def test_folds_of_patients_are_the_default_and_have_no_name() -> None:
    cohort = planted(bags=False)
    folds = outer_folds("patient", 4, [cohort])
    assert folds.names == {cohort.name: ""}
    assert folds.splits == {cohort.name: make_splits(cohort, 4)}


def test_folds_of_sites_keep_each_site_on_one_side() -> None:
    cohort = planted(bags=False)
    folds = outer_folds("site", 3, [cohort])
    assert folds.names == {cohort.name: "site-folds"}
    for split in folds.splits[cohort.name]:
        sides = [{p.split("-")[1] for p in part} for part in (split.train, split.test)]
        assert not sides[0] & sides[1]


@given(st.sampled_from(Dealing), st.integers(1, 30))
def test_the_name_of_folds_says_how_they_were_dealt(dealing: Dealing, repeats: int) -> None:
    name = folds_name(dealing, repeats)
    assert dealt_as(name) == (dealing, repeats)
    assert repeats_of(protocol_name(Protocol.STRICT, name, Control.PERMUTED_LABELS)) == repeats
    assert dealt_as(f"folds-of-{name}") is None
    assert repeats_of(f"strict+folds-of-{name}") == 1


def test_patients_dealt_twice_have_folds_of_their_own(tmp_path: Path) -> None:
    cohort = planted(bags=False)
    folds = outer_folds("patient", 3, [cohort], 2)
    assert folds.names == {cohort.name: "patient-folds-x2"}
    assert folds.n_folds == {cohort.name: 3}
    assert folds.splits == {cohort.name: make_splits(cohort, 3, repeats=2)}
    assert folds.splits[cohort.name][:3] == make_splits(cohort, 3)
    with pytest.raises(InputError, match="--repeats: expected 1 with the folds of"):
        outer_folds(str(tmp_path), 3, [cohort], 2)


def test_folds_of_a_file_are_the_files(tmp_path: Path) -> None:
    cohort = planted(bags=False)
    patients = cohort.patients
    for fold in range(2):
        test = patients[fold * 20 : fold * 20 + 20]
        rows = [p for p in patients if p not in test]
        lines = [f"{i},{train},{test[i] if i < len(test) else ''}" for i, train in enumerate(rows)]
        (tmp_path / f"splits_{fold}.csv").write_text("\n".join([",train,val", *lines]))
    folds = outer_folds(str(tmp_path), 5, [cohort])
    assert folds.names == {cohort.name: f"folds-of-{tmp_path.name}"}
    first, second = folds.splits[cohort.name]
    assert first.test == patients[:20]
    assert second.test == patients[20:40]


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(InputError, match="patient or site"):
        outer_folds("sites", 3, [planted(bags=False)])


def test_a_protocol_is_named_after_all_that_sets_its_numbers_apart() -> None:
    assert protocol_name(Protocol.STRICT, "", None) == "strict"
    name = protocol_name(Protocol.STRICT, "site-folds", Control.PERMUTED_LABELS)
    assert name == "strict+site-folds+permuted-labels"
