"""`--baseline`: every method compared with one that the user names."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.analysis.findings import reference_of
from benchmark.analysis.standings import REFERENCE
from benchmark.cli.main import main
from benchmark.show import columns
from benchmark.show.leaderboard import render
from benchmark.show.tables import View
from benchmark.show.terminal import show
from tasks.errors import InputError
from tests.helpers.frames import fake, records
from tests.helpers.stores import write_store


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


def test_report_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = {"mirror": [[0.6, 0.7, 0.8]], "pca": [[0.5, 0.7, 0.7]], "cca": [[0.4, 0.5, 0.6]]}
    write_store(tmp_path / "results", records(methods))
    arguments = ["mirror-bench", "report", "--results", str(tmp_path / "results")]
    arguments += ["--output", str(tmp_path / "page"), "--baseline"]
    monkeypatch.setattr(sys, "argv", [*arguments, "pca"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    index = (tmp_path / "page/index.html").read_text()
    (task,) = (tmp_path / "page/tasks").glob("*.html")
    assert ">pca</th>" in index  # of the column of its scores
    assert "difference to <code>pca</code>" in index
    assert ">Δ to pca</th>" in task.read_text()
    assert "the score of <code>pca</code>" in task.read_text()
    assert "Δ to mirror" not in task.read_text() + index
    monkeypatch.setattr(sys, "argv", [*arguments, "pcaa"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "did you mean pca" in capsys.readouterr().err.replace("\n", " ")


def test_nobody_asked_is_as_before() -> None:
    assert render(Board(fake()), "tables") == render(Board(fake()).against(None), "tables")


def test_a_method_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"--baseline: expected .*'pcaa' \(did you mean pca"):
        Board(fake()).against("pcaa")
