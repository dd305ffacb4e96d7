"""This machine: how busy it is, what of it a process may use, what a process has used."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

import psutil

SECONDS = 10.0
"""Between two samples."""

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Load:
    """Samples the machine, under the names by which MLflow shows it."""

    def __init__(self) -> None:
        self.sample()  # the share of CPU time is since the sample before

    @property
    def wait(self) -> float:
        """Seconds until the next sample is due."""
        return max(0.0, self._due - time.monotonic())

    def sample(self) -> dict[str, float]:
        """Share of CPU time spent since the last sample, and memory in use; what can be known."""
        self._due = time.monotonic() + SECONDS
        figures: dict[str, float] = {}
        # A system may hide any of it, each in its own way.
        with suppress(psutil.Error, OSError, RuntimeError, ValueError):
            figures["system/cpu_utilization_percentage"] = psutil.cpu_percent()
        with suppress(psutil.Error, OSError, RuntimeError, ValueError):
            memory = psutil.virtual_memory()
            used = memory.total - memory.available
            figures["system/system_memory_usage_megabytes"] = used / 1e6
            figures["system/system_memory_usage_percentage"] = 100.0 * used / memory.total
        return figures


def usable_cpus() -> int:
    """As many as this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system has it
        return os.cpu_count() or 1


def reset_peak_memory() -> None:
    """Let the peak begin anew; where that is not allowed, it goes on from the process's start."""
    with suppress(OSError):
        _RESET.write_text("5")


def peak_memory() -> float | None:
    """Most resident memory since the last reset, in MB; None where the system does not say.

    Read from Linux itself: psutil does not know it.
    """
    try:
        peak = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    except OSError:
        return None
    return int(peak[1]) / 1000 if peak else None
