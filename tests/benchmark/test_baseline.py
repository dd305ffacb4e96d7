"""`--baseline`: every method compared with one that the user names."""

import io

import numpy as np
import pytest
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.analysis.findings import reference_of
from benchmark.analysis.standings import REFERENCE
from benchmark.show import columns
from benchmark.show.leaderboard import render
from benchmark.show.tables import View
from benchmark.show.terminal import show
from tasks.errors import InputError
from tests.helpers.frames import fake


def test_differences_are_to_the_baseline_and_turn_round() -> None:
    usual, board = Board(fake()), Board(fake()).against("pca")
    for table, before in zip(board.standings, usual.standings, strict=True):
        rows, old = ({row.method: row for row in t.rows} for t in (table, before))
        assert table.reference is rows["pca"]
        assert np.isnan(rows["pca"].difference.mean)
        turned = -old["pca"].difference.mean
        assert rows[REFERENCE].difference.mean == pytest.approx(turned, abs=1e-8)
        assert [row.method for row in table.rows] == [row.method for row in before.rows]


def test_every_place_names_it() -> None:
    board = Board(fake()).against("pca")
    out = io.StringIO()
    show(board, Console(file=out, width=100))
    assert "Δ difference to pca" in out.getvalue()
    headers = [c.header for c in columns.scores(board.standings[0]).seen(View.TERMINAL).columns]
    assert "Δ to pca" in headers
    assert all(reference_of(kind) == "pca" for kind in board.kinds)
    assert "**Δ** to `pca`" in render(board, "tables").whole
    frame = board.frame()
    assert set(frame["reference"].dropna()) == {"pca"}


def test_nobody_asked_is_as_before() -> None:
    assert render(Board(fake()), "tables") == render(Board(fake()).against(None), "tables")


def test_a_method_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"--baseline: expected .*'pcaa' \(did you mean pca"):
        Board(fake()).against("pcaa")
