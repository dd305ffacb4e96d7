"""A real sweep under kill -9, a full disk and an impatient user: what it records is the same."""

import os
import signal
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from tasks.seeds import generator
from tests.helpers.sweeps import (
    N_TRIALS,
    are_gone,
    command,
    descendants_of,
    ended,
    has_recorded,
    mlflow_server,
    recorded,
    start,
    tables,
    workers_of,
)
from tests.helpers.time_limits import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The tables of an undisturbed run."""
    results = tmp_path_factory.mktemp("reference")
    code, out, err = ended(start(command(results)))
    assert code == 0, out + err
    assert len(recorded(results)) == N_TRIALS
    return tables(results)


@pytest.mark.parametrize("number", range(5))
def test_killed_at_random_it_records_the_same(
    number: int, reference: list[str], tmp_path: Path
) -> None:
    """Workers, the driver and the MLflow server, each at a moment of its own."""
    rng = generator("chaos", number)
    victims = rng.permutation(["worker", "worker", "worker", "driver", "server"])
    moments = np.sort(rng.choice(np.arange(1, N_TRIALS - 4), len(victims), replace=False))
    results = tmp_path / "results"
    with mlflow_server(tmp_path) as (uri, server):
        words = command(results, "--tracking-uri", uri)
        run = start(words)
        for victim, moment in zip(victims, moments, strict=True):
            wait_until(partial(has_recorded, run, results, moment))
            assert run.poll() is None, ended(run)
            if victim == "server":
                os.killpg(server.pid, signal.SIGKILL)
            elif victim == "driver":
                orphans = workers_of(run.pid)
                run.kill()
                run.communicate()
                wait_until(partial(are_gone, orphans))
                run = start(words)
            else:
                wait_until(partial(kill_a_worker, run, rng))
        code, out, err = ended(run)
    assert code == 0, out + err
    assert tables(results) == reference
    assert set(Counter(recorded(results)).values()) == {1}
    assert not list((results / "cache").glob("*.tmp"))


def kill_a_worker(run: "subprocess.Popen[str]", rng: np.random.Generator) -> bool:
    """Whether one was killed, or none will come."""
    workers = workers_of(run.pid)
    if workers:
        os.kill(int(rng.choice(workers)), signal.SIGKILL)
    return bool(workers) or run.poll() is not None


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    reference: list[str], tmp_path: Path
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(results)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        # MLflow's database elsewhere: it would take the little room before the first record.
        words = command(results, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
        code, _, err = ended(start(words))
        assert code == 1
        assert err.startswith(f"error: {results}: expected room for one more record, found: No spa")
        assert err.count("error") == 1
        for folder in ("records", "predictions"):
            for path in (results / folder).glob("*.jsonl"):
                assert path.read_bytes().endswith(b"\n") or not path.stat().st_size
        kept = len(recorded(results))
        assert 0 < kept < N_TRIALS
        subprocess.run(["mount", "-o", "remount,size=256m", str(results)], check=True)
        code, out, err = ended(start(words))
        assert code == 0, out + err
        assert f"{kept} results recorded before, {N_TRIALS - kept} trials" in out
        assert tables(results) == reference
        assert set(Counter(recorded(results)).values()) == {1}
    finally:
        subprocess.run(["umount", str(results)], check=True)


@pytest.mark.parametrize("how", ["ctrl-c twice", "SIGTERM", "gcs_server", "raylet"])
def test_ended_early_the_same_command_goes_on(
    how: str, reference: list[str], tmp_path: Path
) -> None:
    run = start(command(tmp_path))
    wait_until(partial(has_recorded, run, tmp_path, 1))
    processes = descendants_of(run.pid)
    if how == "ctrl-c twice":
        for _ in range(2):
            run.send_signal(signal.SIGINT)
            time.sleep(0.2)
    elif how == "SIGTERM":
        run.send_signal(signal.SIGTERM)
    else:
        (victim,) = (pid for pid in processes if psutil.Process(pid).name() == how)
        os.kill(victim, signal.SIGKILL)
    code, out, err = ended(run)
    assert code == {"ctrl-c twice": 130, "SIGTERM": 143}.get(how, 1), out + err
    assert "the same command goes on from it" in out + err
    assert "Traceback" not in err
    assert are_gone(processes)
    code, out, err = ended(start(command(tmp_path)))
    assert code == 0, out + err
    assert tables(tmp_path) == reference
    assert set(Counter(recorded(tmp_path)).values()) == {1}


def test_two_runs_on_one_folder_compute_every_trial_once(
    reference: list[str], tmp_path: Path
) -> None:
    both = [start(command(tmp_path)) for _ in range(2)]
    told = [ended(run) for run in both]
    assert [code for code, _, _ in told] == [0, 0], told
    waited = ["Another run is using this results folder" in out for _, out, _ in told]
    assert sorted(waited) == [False, True]
    assert f"{N_TRIALS} results recorded before, 0 trials to run" in told[waited.index(True)][1]
    assert set(Counter(recorded(tmp_path)).values()) == {1}
    assert tables(tmp_path) == reference


KILLER = """
import os, signal
from methods.base import Config, MethodSpec
from methods.floors import Constant

class Killer(Constant):
    def fit(self, train, context):
        with open(os.environ["KILLER_LOG"], "a") as log:
            log.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

SPECS = (MethodSpec("killer", "dies", "floors", "none", Killer, Config()),)
"""


def test_a_method_that_kills_its_worker_is_tried_three_times_and_recorded(tmp_path: Path) -> None:
    package, results, log = tmp_path / "package", tmp_path / "results", tmp_path / "log"
    (package / "killer-1.dist-info").mkdir(parents=True)
    (package / "killer.py").write_text(KILLER)
    (package / "killer-1.dist-info" / "METADATA").write_text("Name: killer\nVersion: 1\n")
    (package / "killer-1.dist-info" / "entry_points.txt").write_text(
        "[mirror_bench.methods]\nkiller = killer\n"
    )
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = command(results, "--folds", "2", "--seeds", "0", methods="killer,constant")
    code, out, err = ended(start(words, PYTHONPATH=path, KILLER_LOG=str(log)))
    assert code == 1, out + err
    assert "2 results failed" in out
    assert "the worker was lost" in out
    assert log.read_text() == "x" * 3 * 2
    records, _ = tables(results)
    assert records.count("three times") == records.count(",killer,") > 0
    assert records.count(",constant,strict,") > 0
    assert not [row for row in records.splitlines() if "failed" in row and ",constant," in row]
