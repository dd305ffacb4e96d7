"""`mirror-bench run` as a user runs it: real files, a real Ray, a real MLflow server."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from benchmark.cli import main
from tasks.survival import Survival
from tests.planted import planted_folder

PROGRAM = Path(sys.executable).with_name("mirror-bench")
COLUMNS = (
    "task,cohort,method,protocol,fold,seed,metric,value,higher_is_better,"
    "n_patients,n_events,status,reason,trial"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small cohort of slide vectors."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(planted_folder(bags=False), folder / "cohort")
    return folder


def bench(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=cwd,
    )


def command(
    data: Path, results: Path, *more: str | Path, methods: str = "pca,random-init"
) -> list[str | Path]:
    fixed: list[str | Path] = ["--tasks", "survival", "--budget", "smoke", "--seeds", "0"]
    return ["run", "--methods", methods, *fixed, "--data", data, "--results", results, *more]


def tables(results: Path) -> tuple[str, str]:
    return tuple(  # type: ignore[return-value]
        bench(name, "--results", results, "--format", "csv").stdout
        for name in ("results", "predictions")
    )


@pytest.fixture(scope="module")
def reference(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run with one worker, from a folder with strange modules in it."""
    results = tmp_path_factory.mktemp("reference") / "results"
    stranger = tmp_path_factory.mktemp("stranger")
    (stranger / "tasks").mkdir()
    (stranger / "tasks" / "__init__.py").write_text("raise RuntimeError('a stranger')")
    done = bench(*command(data, results, "--workers", "1"), cwd=stranger)
    assert done.returncode == 0, done.stdout + done.stderr
    return results


def test_the_tables_have_their_columns_and_every_trial(reference: Path) -> None:
    records, predictions = tables(reference)
    assert records.splitlines()[0] == COLUMNS
    frame = pd.read_csv(io.StringIO(records))
    assert len(frame) == 2 * 5 * len(Survival.metrics)
    assert set(frame.loc[frame["metric"] == "harrell_c", "status"]) == {"ok"}
    # Some folds are too small for some metrics, and say so.
    others = frame[frame["status"] != "ok"]
    assert set(others["status"]) == {"skipped"}
    assert others["reason"].str.len().min() > 0
    assert others["value"].isna().all()
    assert predictions.startswith("task,cohort,method,protocol,fold,seed,patient,risk,time_months")


def test_harrells_c_is_what_the_predictions_give(reference: Path) -> None:
    records, predictions = (pd.read_csv(io.StringIO(text)) for text in tables(reference))
    cell = ["task", "method", "fold", "seed"]
    recorded = records[records["metric"] == "harrell_c"].set_index(cell)["value"].to_dict()
    for key, rows in predictions.groupby(cell):
        c = concordance_index_censored(rows["event"] == 1, rows["time_months"], rows["risk"])[0]
        assert recorded[key] == pytest.approx(c, abs=1e-9)


def test_workers_and_order_change_nothing(data: Path, reference: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = bench(*command(data, results, "--workers", "2", methods="random-init,pca"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(results) == tables(reference)


def test_a_second_run_computes_nothing(data: Path, reference: Path) -> None:
    before = tables(reference)
    done = bench(*command(data, reference))
    assert done.returncode == 0
    assert "10 results recorded before, 0 trials to run" in " ".join(done.stdout.split())
    assert tables(reference) == before


def test_the_leaderboard_is_checked(reference: Path, tmp_path: Path) -> None:
    board = tmp_path / "leaderboard.md"
    arguments = ("leaderboard", "--results", reference, "--output", board)
    assert bench(*arguments, "--check").returncode == 1
    assert bench(*arguments).returncode == 0
    assert bench(*arguments, "--check").returncode == 0
    board.write_text(board.read_text() + " ")
    assert bench(*arguments, "--check").returncode == 1
    part = bench(*arguments, "--check", "--methods", "pca")
    assert part.returncode == 2
    assert "--check: expected the whole board" in part.stderr
    (tmp_path / "taken").write_text("")
    taken = bench("leaderboard", "--results", reference, "--output", tmp_path / "taken" / "b.md")
    assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)


def _recorded(results: Path) -> int:
    return sum(len(p.read_bytes().splitlines()) for p in (results / "records").glob("*.jsonl"))


def _lines(results: Path) -> list[dict[str, Any]]:
    files = (results / "records").glob("*.jsonl")
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def test_a_killed_run_goes_on(data: Path, reference: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    process = subprocess.Popen(
        [PROGRAM, *map(str, command(data, results))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while _recorded(results) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = _recorded(results)
    assert kept >= 2
    done = bench(*command(data, results))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kept} results recorded before" in " ".join(done.stdout.split())
    assert tables(results) == tables(reference)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A real MLflow server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "server"
    folder.mkdir()
    store = [
        "--workers",
        "1",
        "--backend-store-uri",
        f"sqlite:///{folder}/m.db",
        "--artifacts-destination",
        "art",
    ]
    with subprocess.Popen(
        [PROGRAM.with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), *store],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}", process
        os.killpg(process.pid, signal.SIGKILL)


def test_an_mlflow_server_sees_a_parent_and_its_children(
    data: Path, tmp_path: Path, server: tuple[str, "subprocess.Popen[bytes]"]
) -> None:
    uri, _ = server
    results = tmp_path / "results"
    done = bench(*command(data, results, "--tracking-uri", uri, "--folds", "2"))
    assert done.returncode == 0, done.stdout + done.stderr
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("mirror-bench")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(parents) == 1
    assert len(children) == 4
    child = children[0]
    assert child.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    assert child.data.params["method"] in {"pca", "random-init"}
    assert any(name.endswith("harrell_c") for name in child.data.metrics)
    names = [file.path for file in client.list_artifacts(child.info.run_id, "predictions")]
    assert len(names) == 1
    top = {file.path for file in client.list_artifacts(child.info.run_id)}
    assert top == {"predictions", "record.json"}
    lines = {line["trial"]: line for line in _lines(results)}
    for run in children:
        line, tags = lines[run.data.tags["trial"]], run.data.tags
        assert (tags["data"], tags["code"], tags["split"]) == (
            line["data"],
            line["code"],
            line["split"],
        )
        assert tags["version.torch"] == line["versions"]["torch"]
        assert run.data.metrics["system/peak_memory_megabytes"] == line["peak_memory_mb"]
    load = client.get_metric_history(parents[0].info.run_id, "system/cpu_utilization_percentage")
    assert load
    assert all(0 <= point.value <= 100 for point in load)


def test_a_server_that_is_stopped_loses_no_record(
    data: Path, reference: Path, tmp_path: Path, server: tuple[str, "subprocess.Popen[bytes]"]
) -> None:
    uri, process = server
    results = tmp_path / "results"
    with subprocess.Popen(
        [PROGRAM, *map(str, command(data, results, "--tracking-uri", uri))],
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        deadline = time.monotonic() + 200
        while _recorded(results) < 1 and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    assert "no record is lost" in " ".join(output.split())
    assert tables(results) == tables(reference)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (["--methods", "miror"], "mirror"),
        (["--tasks", "survivl"], "survival"),
        (["--data", "/nonexistent/folder"], "/nonexistent/folder"),
        (["--results", "/dev/null/results"], "/dev/null"),
        (["--seeds", "0,x"], "--seeds"),
        (["--cohorts", "NOBODY"], "NOBODY"),
    ],
)
def test_bad_words_are_one_clear_line_and_exit_2(
    data: Path, tmp_path: Path, change: list[str], found: str
) -> None:
    done = bench(*command(data, tmp_path / "results"), *change)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert found in line
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (["--folds", "1"], "--folds"),
        (["--folds", "5000"], "--folds must lie between 2 and the number of patients"),
        (["--device", "gpu"], "--device: expected one of cpu"),
        (["--fold", "3"], "--folds"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    data: Path,
    tmp_path: Path,
    change: list[str],
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*command(data, tmp_path / "results", methods="pca"), *change]
    monkeypatch.setattr(sys, "argv", ["mirror-bench", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert found in line
    assert not (tmp_path / "results").exists()


def test_bad_files_are_one_clear_line_and_exit_2(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(data / "cohort", broken)
    manifest = broken / "cohort.toml"
    text = manifest.read_text()
    tomllib.loads(text)
    manifest.write_text(text.replace("[clinical]", "[clinicl]"))
    done = bench(*command(broken, tmp_path / "results"))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "cohort.toml" in line
    assert "clinical" in line


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "found"),
    [
        (
            "cohort.toml",
            r"\[modalities\.rna\][^\[]*",
            "",
            "cohort.toml: expected [modalities.rna] beside [modalities.wsi]",
        ),
        (
            "slide_features.csv",
            "TCGA-Q",
            "TCGA-Z",
            "expected patients with wsi and rna, found none among",
        ),
    ],
)
def test_a_cohort_without_pairs_is_refused(
    data: Path,
    tmp_path: Path,
    file: str,
    pattern: str,
    replacement: str,
    found: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(data / "cohort", cohort)
    changed = re.sub(pattern, replacement, (cohort / file).read_text())
    (cohort / file).write_text(changed)
    # a renamed patient has no row of truth
    manifest = cohort / "cohort.toml"
    manifest.write_text(re.sub(r"\[truth\][^\[]*", "", manifest.read_text()))
    words = command(cohort, tmp_path / "results", methods="pca")
    monkeypatch.setattr(sys, "argv", ["mirror-bench", *map(str, words)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert found in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_list_is_stable_json(data: Path) -> None:
    methods = json.loads(bench("list", "methods", "--json").stdout)
    assert {"mirror", "contrastive", "random-init", "pca"} <= {row["name"] for row in methods}
    tasks = json.loads(bench("list", "tasks", "--json", "--data", data).stdout)
    assert "survival/PLANTED-VECTORS/os" in {row["name"] for row in tasks}
    cohorts = json.loads(bench("list", "cohorts", "--json", "--data", data).stdout)
    assert [row["name"] for row in cohorts] == ["PLANTED-VECTORS"]


def test_a_ray_that_does_not_start_is_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nowhere")
    done = bench(*command(data, tmp_path / "results", methods="constant"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: Ray did not start on this machine")
    assert done.stderr.count("\n") == 1
