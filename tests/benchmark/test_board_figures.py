"""The figures beside the leaderboard: drawn by one command, checked against its records."""

from pathlib import Path

import pandas as pd

from benchmark.analysis.board import Board
from benchmark.show import files as board_files
from benchmark.show.figures.of_board import draw
from benchmark.show.leaderboard import Leaderboard, render
from tests.helpers.frames import fake, records
from tests.helpers.stores import write_store

FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def several() -> pd.DataFrame:
    """Six planted tasks, a real one, an ablation."""
    ranked = {m: [[x - 0.05 * i for x in FOLDS]] for i, m in enumerate(("mirror", "pca", "clip"))}
    frames = [records(ranked, task=f"survival/P{i}/os") for i in range(6)]
    variant = {"mirror-less": [[x - 0.02 for x in FOLDS]]}
    planted = [frame.assign(source="planted by mirror-bench") for frame in frames]
    less = records(variant, task="survival/P0/os", role="ablation", parent="mirror")
    real = [records(ranked, task=f"survival/TCGA-{c}/os", source="a hospital") for c in "XY"]
    return pd.concat([*planted, less.assign(source="planted by mirror-bench"), *real])


def test_figures_are_drawn_checked_and_taken_away(tmp_path: Path) -> None:
    store = write_store(tmp_path / "results", several())
    folder, figures = tmp_path / "results" / "tables", tmp_path / "figures"
    recorded = Board.of(store)
    board = render(recorded)
    written = {path.name for path in draw(recorded, board.source, figures)}
    assert {
        "ablations-mirror.svg",
        "forest-survival-tcga-x-os.svg",
        "ranks-survival-planted.svg",
    } <= written
    before = {path.name: path.read_bytes() for path in figures.iterdir()}
    shuffled = recorded.records.sample(frac=1.0, random_state=0)
    draw(Board(shuffled, store.predictions), board.source, figures)
    assert {path.name: path.read_bytes() for path in figures.iterdir()} == before

    output = tmp_path / "leaderboard.md"
    board_files.write(board, output, folder)
    assert board_files.differing(board, output, folder, figures) == []
    (figures / "map-of-mine.svg").write_text("<svg/>")
    less = Board(recorded.records[recorded.records["cohort"] != "TCGA-X"], store.predictions)
    other = render(less)
    board_files.write(other, output, folder)
    assert figures / "ranks-survival-planted.svg" in board_files.differing(
        other, output, folder, figures
    )
    draw(less, other.source, figures)
    assert board_files.differing(other, output, folder, figures) == []
    assert not (figures / "forest-survival-tcga-x-os.svg").exists()
    assert (figures / "map-of-mine.svg").exists()


def test_a_leaderboard_says_what_it_is_by_its_numbers() -> None:
    frame = fake()
    board = render(Board(frame))
    assert board.source == Leaderboard(board.front + " ", board.tables).source
    frame["value"] += 0.001
    assert board.source != render(Board(frame)).source
