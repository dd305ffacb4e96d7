"""The leaderboard as csv and LaTeX: the same numbers as in markdown, and filters."""

import io

import pandas as pd
import pytest

from benchmark.analysis.board import Board
from benchmark.show.export import latex, sheet
from tasks.errors import InputError
from tests.helpers.frames import fake, records, rendered

FOLDS = [0.60, 0.62, 0.58, 0.64, 0.61]


def test_csv_has_a_row_per_task_and_method_with_the_numbers_of_the_tables() -> None:
    board = Board(fake())
    frame = pd.read_csv(io.StringIO(sheet(board)))
    assert len(frame) == sum(len(table.rows) for table in board.standings)
    text = rendered(fake())
    for line in frame.itertuples():
        assert f"{line.score:.3f} ± {line.sd:.3f}" in text
    reference = frame[frame["method"] == "mirror"]
    assert reference["difference"].isna().all()


def test_latex_escapes_what_latex_reads_and_balances() -> None:
    frame = records({"mirror": [FOLDS], "a_b": [[x - 0.02 for x in FOLDS]]}, task="survival/A_B/os")
    text = latex(Board(frame))
    assert r"\texttt{a\_b}" in text
    assert r"harrell\_c $\uparrow$" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert all(line.count("&") == 6 for line in body.splitlines() if "texttt" in line)
    assert text.isascii()


def test_filters_leave_what_they_name() -> None:
    board = Board(fake())
    only = board.chosen("survival", "pca,mirror", None).records
    assert set(only["method"]) == {"pca", "mirror"}
    assert {task.split("/")[0] for task in only["task"]} == {"survival"}
    brca = board.chosen("*/TCGA-BRCA/*", None, "strict").records
    assert brca["cohort"].unique() == ["TCGA-BRCA"]
    for bad in (("x", None, None), (None, "nobody", None), (None, None, "paper")):
        with pytest.raises(InputError, match="expected one of"):
            board.chosen(*bad)
