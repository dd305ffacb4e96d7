"""The committed results: no number off its scale, no row that contradicts itself."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.standings import ALPHA

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def board() -> Board:
    return Board.from_folder(RESULTS, over_patients=False)


def test_no_interval_leaves_its_scale_and_no_row_contradicts_itself(board: Board) -> None:
    seen = 0
    for table in board.standings:
        low, high = table.primary.bounds
        for row in table.rows:
            where = f"{table.key} {row.method}"
            if not np.isnan(row.score.low):
                assert low <= row.score.low <= row.score.mean <= row.score.high <= high, where
            found = row.difference
            if np.isnan(found.p):
                continue
            seen += 1
            assert low - high <= found.low <= found.mean <= found.high <= high - low, where
            assert (found.p < ALPHA) == (found.low > 0 or found.high < 0), where
            # what it could show is more than what it did not
            assert found.p < ALPHA or abs(found.mean) < row.smallest, where
    assert seen > 1000


def test_ranks_are_ranks(board: Board) -> None:
    assert len(board.kinds) > 2
    for kind in board.kinds:
        ranks = np.array([e.rank for e in kind.entrants if not np.isnan(e.rank)])
        assert ((ranks >= 1) & (ranks <= len(ranks))).all()
        assert ranks.mean() == pytest.approx((len(ranks) + 1) / 2)
