"""`--split`: the outer folds a run is made of, and what its protocol is then called."""

from pathlib import Path

import pytest

from benchmark.folds import outer_folds
from benchmark.plan import Control, protocol_name
from tasks.base import Protocol
from tasks.errors import InputError
from tasks.splits import make_splits
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
