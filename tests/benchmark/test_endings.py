"""How a run ends that does not finish: in one line, at once, and with nothing left behind."""

import signal
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from tests.helpers.sweeps import (
    command,
    descendants_of,
    ended,
    has_recorded,
    recorded,
    start,
)
from tests.helpers.time_limits import slowness, wait_until

pytestmark = pytest.mark.timeout(120)
GOES_ON = "What is finished is recorded; the same command goes on from it."


@dataclass(frozen=True)
class Ending:
    """How a run ended: exit code, words, and how long after what ended it."""

    code: int
    out: str
    err: str
    seconds: float


def processes_of(run: "subprocess.Popen[str]") -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in descendants_of(run.pid)]


def named(processes: list[psutil.Process], name: str) -> psutil.Process:
    return next(process for process in processes if process.name() == name)


def has_started(run: "subprocess.Popen[str]", name: str) -> bool:
    """Whether a process of that name runs below, or never will."""
    names = set()
    for pid in descendants_of(run.pid):
        try:
            names.add(psutil.Process(pid).name())
        except psutil.NoSuchProcess:
            continue
    return name in names or run.poll() is not None


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ending(run: "subprocess.Popen[str]", processes: list[psutil.Process], since: float) -> Ending:
    code, out, err = ended(run)
    seconds = time.monotonic() - since
    # An orphan that has ended stays in the table until the system's first process looks at it.
    assert [process for process in processes if is_alive(process)] == []
    assert "Traceback" not in out + err
    return Ending(code, out, err, seconds)


def test_a_run_listens_on_this_machine_alone_and_sigterm_ends_it(tmp_path: Path) -> None:
    run = start(command(tmp_path))
    wait_until(partial(has_recorded, run, tmp_path, 1))
    processes = processes_of(run)
    listening = [
        connection.laddr.ip
        for process in [psutil.Process(run.pid), *processes]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    since = time.monotonic()
    for _ in range(2):  # a scheduler that is impatient
        run.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    how = ending(run, processes, since)
    assert how.code == 143
    assert how.err == ""
    assert how.out.endswith(f"Terminated. {GOES_ON}")
    assert how.seconds < 10 * slowness()
    assert recorded(tmp_path)
    # gcs_server, raylet, its agent of environments, the driver, two workers
    assert len(listening) >= 6
    assert {address for address in listening if not is_loopback(address)} == set()


def is_loopback(address: str) -> bool:
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["gcs_server", "raylet"])
def test_a_dead_ray_is_one_line(victim: str, tmp_path: Path) -> None:
    run = start(command(tmp_path))
    wait_until(partial(has_recorded, run, tmp_path, 1))
    processes = processes_of(run)
    since = time.monotonic()
    named(processes, victim).kill()
    how = ending(run, processes, since)
    assert how.code == 1
    assert how.err == (
        f"error: Ray died ({victim}) in mid-sweep; what is finished is recorded, and the same "
        "command goes on from it"
    )
    assert how.seconds < 15 * slowness()
    assert recorded(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["gcs_server", "raylet", "ray::RuntimeEnvAgent"])
def test_sigterm_while_ray_starts(moment: str, tmp_path: Path) -> None:
    run = start(command(tmp_path))
    wait_until(partial(has_started, run, moment[:15]))
    processes = processes_of(run)
    since = time.monotonic()
    run.send_signal(signal.SIGTERM)
    how = ending(run, processes, since)
    assert how.code == 143
    assert how.err == ""
    assert how.out.endswith(f"Terminated. {GOES_ON}")
    assert how.seconds < 10 * slowness()


@pytest.mark.slow
def test_a_scheduler_that_signals_every_process_of_a_job(tmp_path: Path) -> None:
    run = start(command(tmp_path))
    wait_until(partial(has_recorded, run, tmp_path, 1))
    processes = processes_of(run)
    since = time.monotonic()
    for process in [*processes, psutil.Process(run.pid)]:
        process.terminate()
    how = ending(run, processes, since)
    assert how.code == 143
    assert how.err == ""
    assert how.out.endswith(f"Terminated. {GOES_ON}")


@pytest.mark.slow
def test_a_closed_terminal_ends_a_run_unless_under_nohup(tmp_path: Path) -> None:
    run = start(command(tmp_path))
    wait_until(partial(has_recorded, run, tmp_path, 1))
    processes = processes_of(run)
    run.send_signal(signal.SIGHUP)
    assert ending(run, processes, time.monotonic()).code == 129
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = start(command(tmp_path))
        wait_until(partial(has_recorded, run, tmp_path, len(recorded(tmp_path)) + 1))
        run.send_signal(signal.SIGHUP)
        assert ended(run)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)
