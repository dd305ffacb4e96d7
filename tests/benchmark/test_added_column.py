"""What methods add to age, sex and stage: a column with an interval, where it was measured."""

import numpy as np
import pytest

from benchmark.analysis.board import Board
from benchmark.analysis.stats import nadeau_bengio
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.trial import run_trial
from benchmark.records.store import Store
from benchmark.show import columns
from benchmark.show.leaderboard import render
from benchmark.show.tables import View
from methods.base import Budget
from methods.registry import select_methods
from tasks.registry import select_tasks
from tests.helpers.planted import planted, planted_folder

METHODS = "pca,clinical,constant"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    results, cohort = tmp_path_factory.mktemp("results"), planted(bags=False)
    request = Request(
        methods=select_methods(METHODS),
        tasks=select_tasks("survival,subtyping", [cohort]),
        cohorts=[(planted_folder(bags=False), cohort)],
        folds=outer_folds("patient", 3, (cohort,), 1),
        seeds=(0,),
        budget=Budget.SMOKE,
    )
    store = Store(results)
    with store.locked(lambda: None):
        writer = store.writer()
        for trial in make_plan(request, {}, overwrite=False, retry_failed=False).trials:
            writer.append(*run_trial(trial, results / "cache", "cpu"))
    return Board.from_folder(results, over_patients=False)


def test_the_interval_is_that_of_the_differences_of_the_folds(board: Board) -> None:
    for kind, measure in (("survival", "added_c"), ("subtyping", "added_auroc")):
        table = next(one for one in board.standings if one.kind == kind)
        rows = {row.method: row for row in table.rows}
        of = board.records
        of = of[(of["task"] == table.task) & (of["metric"] == measure)].sort_values("fold")
        values = of[of["method"] == "pca"]["value"].to_numpy(dtype=float)
        # of these three, the constant has no spread: the family is of two
        expected = nadeau_bengio(values, 1 / 2, 2)
        assert rows["pca"].added.mean == pytest.approx(expected.mean)
        assert rows["pca"].added.low == pytest.approx(max(expected.low, -1.0))
        assert rows["constant"].added.mean == 0
        assert np.isnan(rows["constant"].added.low)
        assert abs(rows["clinical"].added.mean) < 0.05


def test_the_column_is_on_pages_in_markdown_and_in_the_csv(board: Board) -> None:
    table = next(one for one in board.standings if one.kind == "survival")
    shown = columns.scores(table)
    for view in (View.PAGE, View.MARKDOWN, View.TERMINAL):
        headers = [column.header for column in shown.seen(view).columns]
        assert any(header.startswith("adds to age, sex, stage") for header in headers)
    pages = render(board).tables
    assert any("adds to age, sex, stage (95 %)" in text for text in pages.values())
    frame = board.frame()
    assert {"added_c", "added_low", "added_high", "added_p", "with_clinical_c"} <= set(frame)
