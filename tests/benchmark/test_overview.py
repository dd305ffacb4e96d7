"""The top of the leaderboard: groups over tasks, ranks of those set apart, the control check."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs

from benchmark.analysis.board import Board
from benchmark.analysis.control import check_control
from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.ranks import letters, placements, rankings
from benchmark.analysis.standings import standings
from benchmark.show import files as board_files
from benchmark.show.leaderboard import FRONT_TASKS, render
from tasks.errors import InputError
from tests.helpers.frames import fake, records

FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def clear(n_tasks: int = 12, n_methods: int = 6, seed: int = 0) -> np.ndarray:
    """Scores in which each method is better than the next by about the noise of a task."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 1.0, (n_tasks, n_methods)) - np.arange(n_methods)


def test_methods_share_a_letter_unless_nemenyi_tells_them_apart() -> None:
    scores = clear()
    names = [f"m{i}" for i in range(6)]
    groups = letters(names, scores)
    p = scikit_posthocs.posthoc_nemenyi_friedman(-scores).to_numpy()
    pairs = list(combinations(range(6), 2))
    assert {bool(p[i, j] < 0.05) for i, j in pairs} == {True, False}
    for i, j in pairs:
        shared = set(groups[names[i]]) & set(groups[names[j]])
        assert bool(shared) == (p[i, j] >= 0.05)


def test_without_evidence_all_are_one_group_and_the_incomplete_have_none() -> None:
    noise = np.random.default_rng(1).normal(size=(12, 5))
    assert set(letters("abcde", noise).values()) == {"a"}
    assert set(letters("abcdef", clear(n_tasks=5)).values()) == {"a"}  # too few tasks
    holed = clear()
    holed[3, 2] = np.nan
    assert "c" not in letters("abcdef", holed)


def several(n_tasks: int = 7) -> pd.DataFrame:
    def one(i: int) -> pd.DataFrame:
        task = f"{'survival' if i % 2 else 'subtyping'}/C{i}/os"
        ranked = {"mirror": [FOLDS], "pca": [[x - 0.01 * (i + 1) for x in FOLDS]]}
        floor = records({"floor": [[x - 0.005 for x in FOLDS]]}, task=task, role="control")
        return pd.concat([records(ranked, task=task), floor])

    return pd.concat([one(i) for i in range(n_tasks)], ignore_index=True)


def test_what_is_not_ranked_has_the_rank_that_it_would_have_and_moves_nobody() -> None:
    tables = standings(deduplicate(several()))
    (floor,) = placements(tables)
    assert (floor.method, floor.overall.rank, floor.wins) == ("floor", 2.0, 0)
    assert [r.overall.rank for r in rankings(tables)] == [1.0, 2.0]
    front = render(Board(several())).front
    assert "| `floor` | 2.0 (2.0 to 2.0) | 2.0 (2.0 to 2.0) | 2.0 (2.0 to 2.0) | 7/7 |" in front
    assert "A floor or control scores above every ranked method in 0 of 7 tasks." in front


def test_front_page_says_in_words_who_cannot_be_told_apart() -> None:
    names = [f"m{i}" for i in range(6)]
    frames = [
        records({m: [[x + 0.05 * s for x in FOLDS]] for m, s in zip(names, row, strict=True)},
                task=f"survival/C{i}/os")
        for i, row in enumerate(clear())
    ]  # fmt: skip
    front = render(Board(pd.concat(frames))).front
    groups = letters(names, clear())
    first = [m for m in names if "a" in groups[m]]
    assert f"**Over tasks, {len(first)} of 6 cannot be told apart from the best mean rank" in front
    line = next(row for row in front.splitlines() if row.startswith("| survival/C0/os |"))
    assert "of 5" in line or "all 5 others" in line or "nobody" in line


def test_tasks_with_one_method_to_rank_count_for_nothing() -> None:
    lonely = records({"mirror": [FOLDS]}, task="retention/C/x")
    front = render(Board(pd.concat([several(), lonely]))).front
    assert "**7 tasks, 2 ranked methods.**" in front
    assert "Not counted, with fewer than two methods to rank: 1." in front


def permuted(scores: dict[str, list[float]]) -> pd.DataFrame:
    return pd.concat(
        [
            records({m: [[x] * 5] for m, xs in scores.items() for x in [xs[i]]},
                    task=f"survival/C{i}/os", protocol="strict+permuted-labels")
            for i in range(2)
        ]
    )  # fmt: skip


def test_permuted_labels_are_a_check_on_any_folds() -> None:
    frame = permuted({"mirror": [0.55, 0.45], "pca": [0.50, 0.52]})
    again = frame.assign(protocol="strict+site-folds+permuted-labels")
    check = check_control(standings(pd.concat([frame, again])))
    assert check is not None
    assert {one.tasks for one in check.judged} == {4}
    board = render(Board(again))
    assert "Means of **2 of 2 methods** lie within 0.5 ± 0.06" in board.front
    assert "mean rank" not in board.whole.split("How to read the numbers")[1].split("</details>")[1]


def test_other_folds_and_planted_cohorts_are_tables_over_tasks_of_their_own() -> None:
    five = several().assign(protocol="strict+site-folds")
    three = five.assign(n_folds=3)[five["fold"] < 3]
    three["trial"] += "/3"
    page = render(Board(pd.concat([five, three]))).tables["strict-site-folds-default.md"]
    assert page.count("**7 tasks, 2 ranked methods.**") == 2
    assert "folds\n" in page


def test_permuted_labels_are_a_check_and_no_ranking() -> None:
    frame = permuted({"mirror": [0.55, 0.45], "leaky": [0.60, 0.54], "low": [0.40, 0.44]})
    control = Board(frame).control
    assert control is not None
    found = {c.method: c for c in control.judged}
    assert {m: c.at_chance for m, c in found.items()} == {
        "mirror": True, "leaky": False, "low": False
    }  # fmt: skip
    board = render(Board(frame))
    assert "Means of **1 of 3 methods** lie within 0.5 ± 0.06" in board.front
    assert "outside: `leaky` 0.570 (2 tasks), `low` 0.420 (2 tasks)." in board.front
    assert "mean rank" not in board.whole.split("How to read the numbers")[1].split("</details>")[1]
    assert "| ⚠ | `leaky` | 0.570 | 0.600 | 0.540 |" in board.tables["permuted-labels.md"]


def test_a_large_front_page_leaves_the_tables_to_their_pages() -> None:
    one = {"mirror": [FOLDS], "pca": [FOLDS]}
    frames = [records(one, task=f"survival/C{i:03d}/os") for i in range(FRONT_TASKS + 1)]
    few, many = (render(Board(pd.concat(some))) for some in (frames[:-1], frames))
    assert "<summary>survival/C000/os: best" in few.front
    assert "<summary>survival" not in many.front
    assert "| survival/C080/os |" in many.front
    assert "## survival/C080/os" in many.tables["survival.md"]


def test_links_lead_to_the_pages() -> None:
    board = render(Board(fake()), folder="some/where")
    linked = {part.split(")")[0] for part in board.front.split("](some/where/")[1:]}
    assert linked <= set(board.tables)
    assert set(board.tables) - linked == set()


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
    assert once.startswith("before\n<!-- leaderboard -->\n\n**7 tasks")
    assert once.endswith("\n\n<!-- /leaderboard -->\nafter\n")
    assert "\nold\n" not in once
    assert "| a | `mirror` |" in once
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
