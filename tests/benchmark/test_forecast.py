"""What is told without computing anything: `run --dry-run`, `--version`, `-h`."""

import io
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.cli.console import Voice
from benchmark.cli.run import on_console
from benchmark.records.store import Store
from tests.helpers.stores import trial_record
from tests.helpers.sweeps import command, inside


def dry(results: Path) -> str:
    """Of two methods, five folds and three seeds, in one line."""
    done = inside(*command(results, methods="pca,constant"), "--workers", "2", "--dry-run")
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_what_would_run_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    text = dry(tmp_path / "results")
    assert "0 results recorded before, 30 trials to run." in text
    assert "pca │ 15 │ 15 │ ?" in text
    assert "By records" not in text
    assert 'methods = "pca,constant" tasks = "survival"' in text
    assert not (tmp_path / "results").exists()


def test_the_time_is_that_of_records_of_the_same_kind(tmp_path: Path) -> None:
    record = trial_record(
        trial="0" * 16, method="pca", cohort="PLANTED-VECTORS", budget="smoke",
        fit_seconds=99.0, embed_seconds=1.0,
    )  # fmt: skip
    store = Store(tmp_path)
    with store.locked(lambda: None):
        store.writer().append(record, [])
    text = dry(tmp_path)
    assert "pca │ 15 │ 15 │ 0:25:00" in text
    assert "embeddings of 15 of 30 take 0:12:30 on 2 workers" in text


@pytest.mark.parametrize(
    ("voice", "told"),
    [
        (Voice.QUIET, ""),
        (Voice.NORMAL, ""),
        (
            Voice.VERBOSE,
            "pca on X, fold 0, seed 0: 1 skipped; fit and embeddings 1.5 s survival/X/os: few",
        ),
    ],
)
def test_a_line_a_trial_where_much_is_asked(voice: Voice, told: str) -> None:
    score = {"metric": "c", "value": None, "higher_is_better": True, "chance": 0.5, "low": 0.0,
             "high": 1.0, "primary": True, "status": "skipped", "reason": "few"}  # fmt: skip
    task = {"task": "survival/X/os", "version": 1, "circular": "", "status": "skipped",
            "reason": "few", "n_patients": 3, "n_events": 0, "scores": [score]}  # fmt: skip
    console = Console(file=io.StringIO(), width=200)
    with on_console(console, voice) as listener:
        listener.embedded()
        before = console.file.getvalue()  # type: ignore[attr-defined]
        listener.finished(trial_record(trial="0" * 16, tasks=[task]))
    assert bool(before) is (voice is not Voice.QUIET)
    after = console.file.getvalue().removeprefix(before)  # type: ignore[attr-defined]
    assert " ".join(after.split()) == told


def test_the_program_names_its_version_and_helps() -> None:
    assert inside("--version").stdout == f"mirror-bench {version('mirror-bench')}\n"
    assert inside("run", "-h").stdout == inside("run", "--help").stdout != ""
