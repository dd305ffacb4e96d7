"""Real sweeps as processes, and what they left on the disk."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import unittest.mock
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from benchmark.cli.main import main
from tests.helpers.planted import planted_folder
from tests.helpers.time_limits import wait_until

PROGRAM = Path(sys.executable).with_name("mirror-bench")
N_TRIALS = 4 * 5 * 3


def command(
    results: Path,
    *more: str,
    methods: str = "constant,pca,wsi-only,clinical",
    data: Path | None = None,
) -> list[str]:
    """The words of a small survival run; on the planted slide vectors, if no data are given."""
    words = ["--methods", methods, "--tasks", "survival", "--budget", "smoke"]
    words += ["--repeats", "1", "--seeds", "0,1,2", *more]
    data = data or planted_folder(bags=False)
    return ["run", *words, "--data", str(data), "--results", str(results)]


def bench(*words: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command of `mirror-bench` to its end."""
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, cwd=cwd)


def inside(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """The same in this process, of what starts no other: it costs no seconds of imports."""
    out, err = io.StringIO(), io.StringIO()
    listed = ["mirror-bench", *map(str, words)]
    with (
        unittest.mock.patch.object(sys, "argv", listed),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main()
    code = left.value.code
    assert isinstance(code, int) or code is None
    return subprocess.CompletedProcess(listed, code or 0, out.getvalue(), err.getvalue())


def start(words: list[str], **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code and what was written, lines joined."""
    try:
        out, err = process.communicate()
    except BaseException:  # the test's time limit
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, " ".join(out.split()), " ".join(err.split())


def tables(results: Path) -> list[str]:
    shown = [inside(name, "--results", results) for name in ("results", "predictions")]
    assert [table.returncode for table in shown] == [0, 0]
    return [table.stdout for table in shown]


def recorded(results: Path) -> list[tuple[str, int]]:
    """(trial, attempt) of every whole line."""
    lines = [
        line
        for path in (results / "records").glob("*.jsonl")
        for line in path.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    return [(line["trial"], line["attempt"]) for line in map(json.loads, lines)]


def descendants_of(process: int) -> list[int]:
    """The processes below one, as Linux shows them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    below: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in {process, *below}} - below:
        below |= more
    return sorted(below)


def title(process: int) -> str:
    """What a process calls itself, empty if it has gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def workers_of(driver: int) -> list[int]:
    """Ray's worker processes below a driver or a node.

    Not its agents, which carry a title like theirs: with one of them dies the node, and with the
    node, Ray ends every process that is connected to it.
    """
    return [pid for pid in descendants_of(driver) if re.match(r"ray::(?!\w+Agent)", title(pid))]


def are_gone(processes: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in processes)


def has_recorded(run: "subprocess.Popen[str]", results: Path, n: int) -> bool:
    """Whether so many trials are recorded, or never will be."""
    return len(recorded(results)) >= n or run.poll() is not None


@contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A real MLflow server on loopback: its address, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/m.db"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--artifacts-destination", "artifacts"]
    log = folder / "mlflow-server.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [PROGRAM.with_name("mlflow"), "server", *where, *store],
            cwd=folder,
            # its queues of jobs, which nobody asks for here, are six more processes
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):

        def listens() -> bool:
            assert process.poll() is None, log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            wait_until(listens)
            yield f"http://127.0.0.1:{port}", process
        finally:  # without it, leaving the block would wait for the server's end
            os.killpg(process.pid, signal.SIGKILL)
