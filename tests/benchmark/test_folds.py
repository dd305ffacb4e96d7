"""`--split`: the outer folds a run is made of, and what its protocol is then called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.engine.folds import outer_folds
from benchmark.records.protocol import DealtFolds, FileFolds
from tasks.data.splits import Dealing, make_splits
from tasks.errors import InputError
from tests.helpers.planted import planted


def test_folds_of_patients_are_the_default_and_have_no_name() -> None:
    cohort = planted(bags=False)
    folds = outer_folds("patient", 4, [cohort])
    assert folds.origins == {cohort.name: DealtFolds()}
    assert folds.splits == {cohort.name: make_splits(cohort, 4)}


def test_folds_of_sites_keep_each_site_on_one_side() -> None:
    cohort = planted(bags=False)
    folds = outer_folds("site", 3, [cohort])
    assert folds.origins == {cohort.name: DealtFolds(Dealing.SITE)}
    for split in folds.splits[cohort.name]:
        sides = [{p.split("-")[1] for p in part} for part in (split.train, split.test)]
        assert not sides[0] & sides[1]


def test_patients_dealt_twice_have_folds_of_their_own(tmp_path: Path) -> None:
    cohort = planted(bags=False)
    folds = outer_folds("patient", 3, [cohort], 2)
    assert folds.origins == {cohort.name: DealtFolds(repeats=2)}
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
    assert folds.origins == {cohort.name: FileFolds.of(tmp_path.name, folds.splits[cohort.name])}
    first, second = folds.splits[cohort.name]
    assert first.test == patients[:20]
    assert second.test == patients[20:40]


def test_an_edited_file_has_folds_of_another_name() -> None:
    splits = make_splits(planted(bags=False), 4)
    names = {FileFolds.of("a.csv", s) for s in (splits, splits[:3], splits[1:], splits[::-1])}
    assert len(names) == 4


def test_random_splits_of_a_file_are_as_many_folds_as_test_everybody_once(tmp_path: Path) -> None:
    cohort = planted(bags=False)
    rng = np.random.default_rng(0)
    for fold in range(12):
        order = rng.permutation(cohort.patients)
        test, train = order[: len(order) // 4], order[len(order) // 4 :]
        lines = [f"{i},{p},{test[i] if i < len(test) else ''}" for i, p in enumerate(train)]
        (tmp_path / f"splits_{fold}.csv").write_text("\n".join([",train,val", *lines]))
    folds = outer_folds(str(tmp_path), 5, [cohort])
    assert folds.n_folds == {cohort.name: 4}
    (origin,) = folds.origins.values()
    assert origin.n_splits(4) == 12


def test_sites_that_can_be_dealt_in_one_way_only_are_not_dealt_again() -> None:
    cohort = planted(bags=False)
    sites = {patient.split("-")[1] for patient in cohort.patients}
    few = replace(cohort, patients=tuple(p for p in cohort.patients if p[5:7] in sorted(sites)[:3]))
    with pytest.raises(InputError, match="expected folds that differ"):
        outer_folds("site", 3, [few], 2)


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(InputError, match="patient or site"):
        outer_folds("sites", 3, [planted(bags=False)])
