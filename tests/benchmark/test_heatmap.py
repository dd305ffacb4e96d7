"""Methods on tasks as a coloured table: signs, gaps, and what it is relative to."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.analysis.board import Board
from benchmark.show.heatmap import SHADES, STRONGEST, methods_on_tasks, shade
from benchmark.show.html import write_report
from benchmark.show.tables import View
from tests.helpers.frames import records
from tests.helpers.stores import write_store

SCORES = {"mean-concat": [[0.60, 0.62]], "pca": [[0.64, 0.66]], "cca": [[0.50, 0.52]]}


def frame() -> pd.DataFrame:
    gap = SCORES | {"cca": [[0.5, np.nan]]}
    return pd.concat(
        [
            records(SCORES, task="survival/ONE/os"),
            records(SCORES, task="survival/TWO/os", higher_is_better=False),
            records(gap, task="subtyping/ONE/type", metric="auroc"),
        ],
        ignore_index=True,
    )


def cells(board: Board) -> dict[str, dict[str, tuple[str, int]]]:
    found = methods_on_tasks(board.standings, "All")
    assert found is not None
    shown = [column for column in found.seen(View.PAGE).columns if column.shade]
    return {
        line[0].task: {c.header: (c.words(line), c.shade(line)) for c in shown if c.shade}
        for line in found.rows
    }


def test_better_is_above_whatever_the_direction() -> None:
    found = cells(Board(frame()))
    assert found["survival/ONE/os"] == {"pca": ("+.04", 2), "cca": ("-.10", -SHADES)}
    assert found["survival/TWO/os"] == {"pca": ("-.04", -2), "cca": ("+.10", SHADES)}
    assert found["subtyping/ONE/type"] == {"pca": ("+.04", 2), "cca": ("-", 0)}


def test_relative_to_the_baseline_that_was_asked_for() -> None:
    found = cells(Board(frame()).against("pca"))
    assert found["survival/ONE/os"] == {"mean-concat": ("-.04", -2), "cca": ("-.14", -SHADES)}


def test_nothing_without_what_it_is_relative_to() -> None:
    board = Board(records({"mirror": [[0.6, 0.7]], "pca": [[0.5, 0.6]]}))
    assert methods_on_tasks(board.standings, "All") is None


@given(st.floats(-2, 2))
def test_shades_are_odd_and_bounded(x: float) -> None:
    assert shade(-x) == -shade(x)
    assert abs(shade(x)) == (SHADES if abs(x) >= STRONGEST else round(SHADES * abs(x) / STRONGEST))


def test_page_says_values_under_the_pointer(tmp_path: Path) -> None:
    write_report(write_store(tmp_path / "results", frame()), tmp_path / "page")
    text = (tmp_path / "page/methods-on-tasks.html").read_text()
    assert 'title="pca on survival/ONE/os: 0.650 (' in text
    assert "; mean-concat: 0.610 (" in text
    assert text.count(f"above-{SHADES}") == text.count(f"below-{SHADES}") == 1
    assert "methods-on-tasks.html" in (tmp_path / "page/index.html").read_text()


def test_no_difference_has_no_shade() -> None:
    assert shade(np.nan) == 0
    assert shade(0.004) == pytest.approx(0)
