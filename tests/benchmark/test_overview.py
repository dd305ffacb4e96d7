"""The front of the leaderboard: what stands over cohorts, what on pages, the control check."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.analysis.board import Board
from benchmark.analysis.control import check_control
from benchmark.analysis.standings import standings
from benchmark.show import files as board_files
from benchmark.show.leaderboard import render
from tasks.errors import InputError
from tests.helpers.frames import fake, records

FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def several(n_tasks: int = 7) -> pd.DataFrame:
    def one(i: int) -> pd.DataFrame:
        task = f"{'survival' if i % 2 else 'subtyping'}/C{i}/os"
        ranked = {"mirror": [FOLDS], "pca": [[x - 0.01 * (i + 1) for x in FOLDS]]}
        floor = records({"floor": [[x - 0.005 for x in FOLDS]]}, task=task, role="control")
        return pd.concat([records(ranked, task=task), floor])

    return pd.concat([one(i) for i in range(n_tasks)], ignore_index=True)


def permuted(**shifts: float) -> pd.DataFrame:
    """Ten deals of two tasks; each method off chance by so much, its deals by 0.03 around that."""
    noise = np.tile([-0.03, 0.03], 5)
    return pd.concat(
        [
            records({m: [[0.5 + x + e] * 5 for e in noise] for m, x in shifts.items()},
                    task=f"survival/C{i}/os", protocol="strict+permuted-labels")
            for i in range(2)
        ]
    )  # fmt: skip


def test_permuted_labels_are_a_check_on_any_folds() -> None:
    frame = permuted(mirror=0.0, pca=0.01)
    again = frame.assign(protocol="strict+site-folds+permuted-labels")
    check = check_control(standings(pd.concat([frame, again])))
    assert check is not None
    assert {one.tasks for one in check.judged} == {4}
    board = render(Board(again))
    assert "Means of **2 of 2 methods** lie within 4 standard errors of chance (0.5)" in board.front
    assert "mean rank" not in board.whole


def test_other_folds_and_planted_cohorts_are_tables_over_tasks_of_their_own() -> None:
    five = several().assign(protocol="strict+site-folds")
    three = five.assign(n_folds=3)[five["fold"] < 3]
    three["trial"] += "/3"
    page = render(Board(pd.concat([five, three]))).tables["strict-site-folds-default.md"]
    assert page.count("**Survival**: ") == page.count("**Tissue type**: ") == 2
    assert "folds\n" in page


def test_permuted_labels_are_a_check_and_no_ranking() -> None:
    frame = permuted(mirror=0.0, leaky=0.05, low=-0.05, flat=0.01)
    control = Board(frame).control
    assert control is not None
    found = {c.method: c for c in control.judged}
    assert {m: c.at_chance for m, c in found.items()} == {
        "mirror": True, "leaky": False, "low": False, "flat": True
    }  # fmt: skip
    board = render(Board(frame))
    assert "Means of **2 of 4 methods** lie within 4 standard errors of chance (0.5)" in board.front
    t = 0.05 / (0.03 * (20 / 19) ** 0.5 / 20**0.5)
    z = stats.norm.isf(stats.t.sf(t, 19))
    assert found["leaky"].z == pytest.approx(z)
    outside = f"`leaky` 0.550 (20 deals, z +{z:.1f}), `low` 0.450 (20 deals, z -{z:.1f})."
    assert f"outside: {outside}" in board.front
    assert "mean rank" not in board.whole
    page = board.tables["permuted-labels.md"]
    assert f"| ⚠ | `leaky` | 0.550 | 20 | +{z:.1f} | 0.550 | 0.550 |" in page


def test_two_deals_judge_nobody() -> None:
    frame = permuted(leaky=0.3)
    control = Board(frame[(frame["seed"] < 2) & (frame["task"] == "survival/C0/os")]).control
    assert control is not None
    assert control.judged == ()


def test_links_lead_to_the_pages() -> None:
    board = render(Board(fake()), folder="some/where")
    linked = {part.split(")")[0] for part in board.front.split("](some/where/")[1:]}
    for page in board.tables.values():
        linked |= set(re.findall(r"\]\(([\w.-]+\.csv)\)", page))
    assert linked == set(board.tables)


def test_every_file_is_checked_and_earlier_ones_go(tmp_path: Path) -> None:
    output, folder = tmp_path / "leaderboard.md", tmp_path / "results" / "tables"
    board = render(Board(fake()), folder=board_files.link(folder, output))
    assert "](results/tables/survival.md)" in board.front
    folder.mkdir(parents=True)
    (folder / "old.md").write_text("earlier")
    board_files.write(board, output, folder)
    assert not board_files.differing(board, output, folder, tmp_path / "figures")
    assert sorted(path.name for path in folder.iterdir()) == sorted(board.tables)
    for path in (output, *folder.iterdir()):
        kept = path.read_text()
        path.write_text(kept + " ")
        assert board_files.differing(board, output, folder, tmp_path / "figures") == [path]
        path.unlink()
        assert board_files.differing(board, output, folder, tmp_path / "figures") == [path]
        path.write_text(kept)
    (folder / "old.md").write_text("earlier")
    assert board_files.differing(board, output, folder, tmp_path / "figures") == [folder / "old.md"]


def test_overview_goes_into_a_page_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- leaderboard -->\nold\n<!-- /leaderboard -->\nafter\n")
    board = render(Board(several()))
    board_files.excerpt(board, page)
    once = page.read_text()
    board_files.excerpt(board, page)
    assert page.read_text() == once
    assert once.startswith("before\n<!-- leaderboard -->\n\nIn short: of 1 method ")
    assert once.endswith("\n\n<!-- /leaderboard -->\nafter\n")
    assert "\nold\n" not in once
    assert "| survival in |" in once
    page.write_text("without marks")
    with pytest.raises(InputError, match="expected the lines"):
        board_files.excerpt(board, page)


@pytest.mark.parametrize("row", range(0, 30, 7))
def test_deleting_a_record_changes_the_pages(row: int) -> None:
    frame = several(2)
    assert (
        render(Board(frame.drop(index=frame.index[row % len(frame)]))).whole
        != render(Board(frame)).whole
    )
