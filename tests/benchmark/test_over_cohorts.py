"""Methods over cohorts: who is compared, on what, and that relabelled methods win nothing."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.over_cohorts import KindComparison
from benchmark.analysis.stats import nadeau_bengio, pooled
from tests.helpers.frames import records

FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]
OTHER = [0.63, 0.64, 0.62, 0.65, 0.61]


def cohort(name: str, kind: str = "survival", label: str = "os", **columns: Any) -> pd.DataFrame:
    """MIRROR, PCA a little better, and a floor below both."""
    task = f"{kind}/{name}/{label}"
    shift = 0.001 * (sum(map(ord, name)) % 7)
    ranked = {"mirror": [FOLDS], "pca": [[x + shift for x in OTHER]]}
    floor = records({"floor": [[x - 0.05 for x in FOLDS]]}, task=task, role="control", **columns)
    return pd.concat([records(ranked, task=task, **columns), floor])


def kinds(*frames: pd.DataFrame) -> tuple[KindComparison, ...]:
    return Board(pd.concat(frames, ignore_index=True)).kinds


def test_one_primary_task_a_cohort_whatever_else_there_is() -> None:
    found = kinds(
        *(cohort(name) for name in ("A", "B", "TCGA-BRCA")),
        cohort("TCGA-BRCA", label="pfi"),
        cohort("B", label="dss"),
        cohort("A->B", label="os"),
        cohort("A", kind="retrieval", label="pairs"),
        cohort("B", kind="retrieval", label="pairs"),
        cohort("A", kind="subtyping", label="type"),
        cohort("B", kind="subtyping", label="type", circular="rna"),
    )
    (survival,) = found
    assert survival.tasks == ("survival/A/os", "survival/B/os", "survival/TCGA-BRCA/pfi")
    assert survival.cohorts == ("A", "B", "TCGA-BRCA")


def test_a_union_is_left_out_beside_its_members() -> None:
    (found,) = kinds(cohort("RCC"), cohort("TCGA-KIRP"), cohort("A"))
    assert found.cohorts == ("A", "TCGA-KIRP")


def test_a_pair_is_pooled_from_what_each_cohort_shows() -> None:
    (found,) = kinds(cohort("A"), cohort("B"))
    estimates = []
    for name in ("A", "B"):
        shift = 0.001 * (sum(map(ord, name)) % 7)
        estimates.append(nadeau_bengio(np.subtract(OTHER, FOLDS) + shift, 1 / 4))
    critical = 2.7764451051977987  # t(0.975, 4)
    expected = pooled(
        [e.mean for e in estimates], [(e.high - e.mean) / critical for e in estimates]
    )
    assert vars(found.pair("pca", "mirror")) == pytest.approx(vars(expected))
    assert found.pair("mirror", "pca").delta == pytest.approx(-expected.delta)
    assert found.pair("mirror", "mirror").n == 0


def test_positive_is_better_whatever_the_direction() -> None:
    up, down = (
        kinds(*(cohort(name, higher_is_better=higher) for name in "AB"))[0]
        for higher in (True, False)
    )
    assert up.pair("pca", "mirror").delta == pytest.approx(-down.pair("pca", "mirror").delta)
    assert [e.method for e in up.entrants] == ["pca", "mirror", "floor"]
    assert [e.method for e in down.entrants] == ["floor", "mirror", "pca"]


def test_roles_stand_in_one_list_and_ablations_do_not() -> None:
    ablation = records({"variant": [FOLDS]}, task="survival/A/os", role="ablation")
    (found,) = kinds(cohort("A"), cohort("B"), ablation)
    assert {e.method: (e.role, e.rank) for e in found.entrants} == {
        "pca": ("self-supervised", 1.0),
        "mirror": ("self-supervised", 2.0),
        "floor": ("control", 3.0),
    }


def test_who_lacks_a_cohort_has_no_rank_but_the_comparisons_that_it_can_have() -> None:
    late = [
        records({"late": [[x + 0.1 for x in FOLDS]]}, task=f"survival/{name}/os") for name in "AB"
    ]
    lost = records({"late": [[0.7, np.nan, 0.7, 0.7, 0.7]]}, task="survival/C/os")
    (found,) = kinds(*(cohort(name) for name in "ABC"), *late, lost)
    entrant = found.entrants[-1]
    assert (entrant.method, entrant.cohorts, entrant.group) == ("late", 2, "")
    assert np.isnan(entrant.rank)
    assert [e.rank for e in found.entrants[:-1]] == [1.0, 2.0, 3.0]
    assert found.pair("late", "mirror").n == 2


def test_one_cohort_or_one_method_compares_nothing() -> None:
    assert kinds(cohort("A")) == ()
    assert kinds(*(records({"mirror": [FOLDS]}, task=f"survival/{c}/os") for c in "AB")) == ()


def many(n_cohorts: int) -> KindComparison:
    names = [f"m{i}" for i in range(6)]
    rng = np.random.default_rng(0)
    frames = [
        records(
            {
                name: [[x - 0.05 * i + e for x in FOLDS]]
                for i, (name, e) in enumerate(zip(names, rng.normal(0, 0.05, 6), strict=True))
            },
            task=f"survival/C{c}/os",
        )
        for c in range(n_cohorts)
    ]
    return kinds(*frames)[0]


def test_methods_share_a_letter_unless_their_ranks_are_apart_by_more_than_chance() -> None:
    found = many(12)
    of = {e.method: e for e in found.entrants}
    apart = [abs(of[a].rank - of[b].rank) > found.apart for a, b in combinations(sorted(of), 2)]
    shared = [bool(set(of[a].group) & set(of[b].group)) for a, b in combinations(sorted(of), 2)]
    assert set(apart) == {True, False}
    assert shared == [not x for x in apart]


def test_few_cohorts_have_no_letters() -> None:
    found = many(5)
    assert found.apart == np.inf
    assert {e.group for e in found.entrants} == {""}
    assert {bool(e.group) for e in many(6).entrants} == {True}


def test_the_order_of_records_is_of_no_consequence() -> None:
    frame = pd.concat([cohort("A"), cohort("B"), cohort("C")], ignore_index=True)
    (one,), (other,) = Board(frame).kinds, Board(frame.iloc[::-1]).kinds
    assert one.entrants == other.entrants
    assert one.pair("pca", "mirror") == other.pair("pca", "mirror")
