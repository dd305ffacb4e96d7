"""The sweep as this process sees it: a driver process of its own runs Ray, and hands results over.

Whatever happens to Ray stays there: what it prints, its handlers of signals, its ways to end a
process. This one keeps the records, watches, and ends everything in a moment, for Ray never holds
anything that is worth a graceful end.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

import psutil

from benchmark.engine.messages import Ended, Finished, Lost, Message, Setting, Started
from benchmark.engine.plan import Trial
from tasks.errors import InputError, MachineError

_GLANCE = 0.5
"""Seconds between two looks at whether Ray is alive."""

_AT_ONCE = 2.0
"""Seconds in which a signal to this process, and its consequences elsewhere, arrive in any order:
a scheduler sends it to all processes of a job."""

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

# Tune's own files are of no use here: our records are the truth for resuming.
_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_MAX_PENDING_TRIALS_PG": "auto",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A busy machine answers late (seen at a load of nine a core), and Ray takes the one node there
    # is for dead. Daemons of a cluster that runs already have settings of their own.
    "RAY_health_check_timeout_ms": "120000",
    "RAY_health_check_failure_threshold": "10",
}
_ALONE = {
    # What it starts listens on the loopback, as on a notebook computer.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Tune's actors do not take the workers that wait for tasks.
    "RAY_prestart_worker_first_driver": "0",
}
"""For a Ray of our own."""


@contextmanager
def sweeping(plan: Sequence[Trial], setting: Setting) -> Iterator[Iterator[Finished | Lost]]:
    """Run the trials of a plan, in the order in which they are to be started.

    No thread of this process should begin before the block: the driver is forked from it.

    Yields:
        What becomes of each trial, as it does. Leaving the block early ends them all.

    Raises:
        InputError: No cluster answers at the address.
        MachineError: Ray did not start, or it died.
    """
    # A forked process has its modules for nothing; but Ray, once loaded, does not survive a fork.
    context: Any = multiprocessing.get_context("spawn" if "ray" in sys.modules else "fork")
    receiver, sender = context.Pipe(duplex=False)
    driver = context.Process(
        target=_drive, args=(tuple(plan), setting, sender, os.getpid()), daemon=True
    )
    try:
        # Until the driver has handlers of its own, a signal must not find there those of ours.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            driver.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        sender.close()
        yield _outcomes(receiver)
    finally:
        if driver.pid is not None:
            _end_session(driver.pid)
            driver.join()


def _outcomes(receiver: Connection) -> Iterator[Finished | Lost]:
    watched: dict[str, psutil.Process] = {}
    while True:
        try:
            message: Message | None = receiver.recv() if receiver.poll(_GLANCE) else None
        except (EOFError, OSError):
            raise _death("") from None
        match message:
            case Started(processes):
                with suppress(psutil.NoSuchProcess):
                    watched = {name: psutil.Process(pid) for name, pid in processes.items()}
            case Ended(error):
                if error is not None:
                    raise error
                return
            case Finished() | Lost():
                yield message
        for name, process in watched.items():
            if not _lives(process) and not receiver.poll():
                raise _death(f" ({name})")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _death(what: str) -> MachineError:
    """Ray's death as an error; where a signal came with it, that is raised meanwhile."""
    time.sleep(_AT_ONCE)
    return MachineError(
        f"Ray died{what} in mid-sweep; what is finished is recorded, and the same command goes on "
        "from it"
    )


def _end_session(driver: int) -> None:
    """Kill a driver and all that it started, which shares its session, until nothing is left."""
    while True:
        pids = [driver, *(pid for pid in psutil.pids() if _session(pid) == driver)]
        living = [pid for pid in dict.fromkeys(pids) if _kill(pid)]
        if not living:
            return
        time.sleep(0.02)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _kill(pid: int) -> bool:
    """Kill a process; false if there is none, or but its remains."""
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
    return True


def _drive(plan: tuple[Trial, ...], setting: Setting, sender: Connection, parent: int) -> None:
    """The driver: a session of its own, silent, which outlives neither its parent nor its work."""
    os.setsid()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)  # its parent decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    with suppress(OSError, AttributeError):  # where there is no Linux
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.stdout = sys.stderr = os.fdopen(nowhere, "w")
    # Ray puts the driver's working directory and its script's first on every worker's sys.path: a
    # stranger's `tasks/` there would shadow ours. The scratch folder holds no module.
    os.chdir(setting.folder)
    sys.argv = [str(setting.folder / "driver")]
    os.environ.update(_SETTINGS if setting.address else _SETTINGS | _ALONE)
    error: Exception | None = None
    try:
        from benchmark.engine.ray_tune import tune_trials  # noqa: PLC0415  it loads Ray

        tune_trials(plan, setting, sender.send)
    except (InputError, MachineError) as known:
        error = known
    except BaseException as unknown:  # noqa: BLE001  a driver that does not say why it ends
        words = " ".join(f"{type(unknown).__name__}: {unknown}".split())
        error = MachineError(f"Ray failed: {words[:300]}")
    with suppress(OSError):
        sender.send(Ended(error))
        while True:  # with Ray's processes, until its parent has seen that it ended
            signal.pause()
    os._exit(1)
