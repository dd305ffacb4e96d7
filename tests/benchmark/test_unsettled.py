"""Fits that ended far from converged, or collapsed, are told; others and the supervised are not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.analysis.board import Board
from benchmark.records.segments import Writer
from benchmark.records.store import Store
from benchmark.show.leaderboard import render
from tasks.metrics.convergence import FAR, WINDOW, last_gain
from tests.helpers.stores import key, trial_record

STEADY = np.linspace(2.0, 1.0, 20)
SETTLED = 1.0 + np.exp(-np.arange(30.0))
TASK = {
    "task": "survival/X/os", "version": 1, "circular": "", "status": "ok", "reason": "",
    "n_patients": 30, "n_events": 12,
    "scores": [{"metric": "harrell_c", "value": 0.6, "higher_is_better": True, "chance": 0.5,
                "low": 0.0, "high": 1.0, "primary": True, "status": "ok", "reason": ""}],
}  # fmt: skip


def board(folder: Path) -> Board:
    """A method a kind of ending, two folds each; `even` has one fold of either kind."""
    endings: dict[str, list[tuple[NDArray[np.float64], tuple[float, ...], float | None]]] = {
        "steady": [(STEADY, (30.0, 20.0), -2.0)] * 2,
        "even": [(STEADY, (30.0, 20.0), -2.0), (SETTLED, (30.0, 20.0), -2.0)],
        "settled": [(SETTLED, (30.0, 20.0), -2.0)] * 2,
        "line": [(SETTLED, (30.0, 1.5), -2.0)] * 2,
        "point": [(SETTLED, (30.0, 9.0), -0.001)] * 2,
        "short": [(STEADY[:6], (30.0, 20.0), -2.0)] * 2,
        "told": [(STEADY, (), None)] * 2,
    }
    for name in ("records", "predictions"):
        (folder / name).mkdir()
    writer = Writer(folder, "a.jsonl")
    for method, fits in endings.items():
        for fold, (losses, ranks, uniformity) in enumerate(fits):
            watched = {"effective_rank": ranks, "uniformity": [-3.0, uniformity]} if ranks else {}
            role = "supervised" if method == "told" else "self-supervised"
            writer.append(
                trial_record(
                    trial=key(f"{method}{fold}"), method=method, role=role, fold=fold, n_folds=2,
                    losses={"total": losses.tolist()}, geometry=watched, tasks=[TASK],
                ),
                [],
            )  # fmt: skip
    return Board.of(Store(folder), over_patients=False)


def test_they_are_counted_by_method(tmp_path: Path) -> None:
    found = {one.method: (one.fits, one.far, one.collapsed) for one in board(tmp_path).unsettled}
    assert found == {"even": (2, 1, 0), "line": (2, 0, 2), "point": (2, 0, 2), "steady": (2, 2, 0)}


def test_the_leaderboard_links_to_them(tmp_path: Path) -> None:
    pages = render(board(tmp_path))
    assert "some fits of 4 methods" in pages.front
    assert "| `even` | smoke | 2 | 1 | 0 |" in pages.tables["unsettled.md"]
    assert "settled`" not in pages.tables["unsettled.md"]


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-3, 5.0), (100.0, -7.0)])
def test_the_gain_is_a_part_of_the_fall_whatever_the_scale(scale: float, offset: float) -> None:
    line = last_gain((STEADY * scale + offset).tolist())
    assert line == pytest.approx(WINDOW / (len(STEADY) - (WINDOW + 1) / 2))
    assert (last_gain((SETTLED * scale + offset).tolist()) or 0.0) < 1e-3 < FAR
    assert last_gain((STEADY[:9] * scale + offset).tolist()) is None
    assert last_gain((STEADY[::-1] * scale + offset).tolist()) == 0.0
