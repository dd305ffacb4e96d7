"""Any two methods: the same numbers as the statistics give for each pair alone."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.every_pair import of_comparison, of_kind, of_task, paired
from benchmark.analysis.findings import Findings
from benchmark.analysis.stats import nadeau_bengio
from tests.helpers.frames import fake, records


@pytest.fixture(scope="module")
def board() -> Board:
    return Board(fake())


def test_a_pair_on_a_task_is_the_corrected_resampled_t(board: Board) -> None:
    for table in board.standings:
        pairs = of_task(table)
        rows = {row.method: row for row in table.rows}
        assert "contrastive" not in pairs.methods or rows["contrastive"].cells == table.cells
        for i, j in combinations(range(len(pairs.methods)), 2):
            a, b = (rows[pairs.methods[k]] for k in (i, j))
            expected = nadeau_bengio(np.subtract(a.folds, b.folds), 1 / 4)
            assert pairs.difference[i, j] == pytest.approx(expected.mean, abs=1e-12)
            assert pairs.difference[i, j] + pairs.reach[i, j] == pytest.approx(expected.high)
            assert pairs.difference[j, i] == -pairs.difference[i, j]
            assert paired(table, a, b) == expected


def test_lower_is_better_turns_the_sign() -> None:
    frame = records({"a": [[0.2, 0.3, 0.2]], "b": [[0.4, 0.5, 0.3]]}, higher_is_better=False)
    (table,) = Board(frame).standings
    pairs = of_task(table)
    assert pairs.methods == ("a", "b")
    assert pairs.difference[0, 1] == pytest.approx(0.5 / 3)


def test_equal_folds_have_no_interval_and_one_fold_none() -> None:
    (table,) = Board(records({"a": [[0.25, 0.5]], "b": [[0.125, 0.375]]})).standings
    assert np.isnan(of_task(table).reach).all()
    (table,) = Board(records({"a": [[0.2]], "b": [[0.1]]})).standings
    pairs = of_task(table)
    assert np.isnan(pairs.reach).all()
    assert pairs.difference[0, 1] == pytest.approx(0.1)


def test_over_cohorts_is_the_hierarchical_model(board: Board) -> None:
    for kind in board.kinds:
        pairs = of_kind(kind)
        for first, second in combinations(pairs.methods, 2):
            assert pairs.pair(first, second) == kind.pair(first, second)
    assert of_kind(board.kinds[0]).pair("pca", "nothing").n == 0


def test_a_setting_has_a_task_for_each_table(board: Board) -> None:
    tasks, kinds = of_comparison(board.main[0])
    assert [pairs.table for pairs in tasks] == list(board.main[0].tables)
    assert [pairs.of for pairs in kinds] == list(board.main[0].kinds)


def test_the_first_page_says_the_same_of_a_pair() -> None:
    values = {"pca": [[0.7, 0.72, 0.6]], "mirror": [[0.6, 0.59, 0.6]], "clip": [[0.5, 0.52, 0.6]]}
    frame = pd.concat([records(values, task=f"survival/C{i}/os") for i in range(3)])
    of = Board(frame).main[0]
    ((pairs,), (found,)) = of_comparison(of)[1], Findings(of.kinds).kinds
    for claim in found.claims:
        first, second = sorted((claim.method, claim.reference))
        sign = 1.0 if first == claim.method else -1.0
        ours = sorted(sign * end for end in (claim.found.low, claim.found.high))
        there = pairs.pair(first, second)
        assert ours == pytest.approx([there.low, there.high], abs=1e-9)
        assert there.high - there.low > (alone := of.kinds[0].pair(first, second)).high - alone.low
    assert len(found.claims) == 2
