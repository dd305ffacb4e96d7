"""Time limits for a machine that others use too: those written in tests are of a quiet one.

A process is not given a limit of its own: pytest-timeout's, which stands here multiplied by how
slow the machine is, ends whatever a test waits for.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

import pytest
import pytest_timeout

_QUIET_SECONDS = 0.2
"""Starting Python with numpy, on a quiet core of 2025."""
_VALID_SECONDS = 30.0

_measured: tuple[float, float] | None = None


def slowness() -> float:
    """How many times slower than a quiet one this machine is now; measured twice a minute.

    Of the time that a small program takes and the processes that wait for a core, the worse: the
    program alone would not see how Ray's many processes share what is left of the machine.
    """
    global _measured  # noqa: PLW0603  one measurement serves the whole session
    if _measured is None or time.monotonic() - _measured[0] > _VALID_SECONDS:
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", "import numpy"], check=True)
        end = time.monotonic()
        crowd = os.getloadavg()[0] / (os.cpu_count() or 1)
        _measured = end, max(1.0, (end - start) / _QUIET_SECONDS, crowd)
    return _measured[1]


class Deadline:
    """A moment that moves away as long as the machine is slow.

    Args:
        seconds: From now, on a quiet machine.
    """

    def __init__(self, seconds: float) -> None:
        self._start = time.monotonic()
        self._seconds = seconds

    def left(self) -> float:
        """Seconds until then, as slow as the machine is now; at most zero when it has passed."""
        spent = time.monotonic() - self._start
        quiet = self._seconds - spent
        return quiet if quiet > 0 else self._seconds * slowness() - spent


def wait_until(true: Callable[[], object]) -> None:
    """Wait for a condition; the test's own time limit ends the wait."""
    while not true():
        time.sleep(0.02)


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool:
    """Start a test's time limit, which gives way as long as the machine is slow."""
    pytest_timeout.pytest_timeout_set_timer(item, settings)
    fail = signal.getsignal(signal.SIGALRM)
    if settings.method != "signal" or not callable(fail):
        return True
    deadline = Deadline(settings.timeout)

    def at_the_limit(number: int, frame: FrameType | None) -> None:
        left = deadline.left()
        if left > 0:
            signal.setitimer(signal.ITIMER_REAL, left)
        else:
            fail(number, frame)

    signal.signal(signal.SIGALRM, at_the_limit)
    return True
