"""A metric that a kind lists is shown everywhere, without another edit."""

import csv
import io
from math import inf
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.main import app
from benchmark.engine.folds import outer_folds
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.trial import run_trial
from benchmark.records.segments import Writer
from methods.base import Budget
from methods.registry import all_methods
from tasks.base import Metric, Protocol, Task
from tasks.registry import all_tasks, under
from tests.helpers.planted import planted, planted_folder

NAME, VALUE = "share_of_seven", 0.4375


def seven(evidence: object) -> float:
    assert evidence is not None
    return VALUE


def shown(*words: str | Path) -> str:
    run = CliRunner().invoke(app, [str(word) for word in words])
    assert run.exit_code == 0, run.output
    return run.stdout


@pytest.mark.parametrize(
    "protocol", [Protocol.STRICT, pytest.param(Protocol.PAPER, marks=pytest.mark.slow)]
)
def test_an_added_metric_is_in_records_results_leaderboard_and_page(
    protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, folder = planted(bags=False), planted_folder(bags=False)
    tasks = [task for task in under(protocol, all_tasks([cohort])) if task.default]
    added = Metric(NAME, higher_is_better=True, chance=0.25, bounds=(0.0, inf), function=seven)
    kinds: set[type[Task]] = {type(task) for task in tasks}
    for kind in kinds:
        monkeypatch.setattr(kind, "metrics", (*kind.metrics, added))
    request = Request(
        methods=[all_methods()[name] for name in ("mean-concat", "constant")],
        tasks=tasks,
        cohorts=[(folder, cohort)],
        folds=outer_folds("patient", 2, [cohort]),
        seeds=(0,),
        budget=Budget.SMOKE,
        protocol=protocol,
    )
    results = tmp_path / "results"
    for name in ("records", "predictions"):
        (results / name).mkdir(parents=True)
    writer = Writer(results, "1.jsonl")
    for trial in make_plan(request, {}, overwrite=False, retry_failed=False).trials:
        record, predictions = run_trial(trial, tmp_path / "cache", "cpu")
        writer.append(record, predictions)

    rows = list(csv.DictReader(io.StringIO(shown("results", "--results", results))))
    assert {row["task"] for row in rows if row["metric"] == NAME} == {task.name for task in tasks}
    scored = [row for row in rows if row["metric"] == NAME and row["method"] == "mean-concat"]
    assert {row["value"] for row in scored} == {str(VALUE)}

    board, page = tmp_path / "leaderboard.md", tmp_path / "page"
    shown("leaderboard", "--results", results, "--output", board)
    tables = "".join(path.read_text() for path in (results / "tables").iterdir())
    shown("report", "--results", results, "--output", page)
    pages = "".join(path.read_text() for path in page.rglob("*.html"))
    # a csv file has a column for all tasks of a page, a page a table a task
    assert NAME in tables
    assert str(VALUE) in tables
    assert pages.count(NAME) >= len(tasks)
    assert f"{VALUE:.3f}" in pages
