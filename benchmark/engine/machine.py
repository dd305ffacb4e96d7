"""How busy the machine is, as Linux counts it: under the names by which MLflow shows it."""

import re
import time
from pathlib import Path

_STAT, _MEMORY = Path("/proc/stat"), Path("/proc/meminfo")

SECONDS = 10.0
"""Between two samples."""


class Load:
    """Samples the machine; what the system does not tell is left out."""

    def __init__(self) -> None:
        self._before = _cpu()
        self._due = time.monotonic() + SECONDS

    @property
    def wait(self) -> float:
        """Seconds until the next sample is due."""
        return max(0.0, self._due - time.monotonic())

    def sample(self) -> dict[str, float]:
        """Share of CPU time spent since the last sample, and memory in use."""
        self._due = time.monotonic() + SECONDS
        now, before = _cpu(), self._before
        self._before = now
        found = {}
        if now is not None and before is not None and now[1] > before[1]:
            busy = (now[0] - before[0]) / (now[1] - before[1])
            found["system/cpu_utilization_percentage"] = 100.0 * busy
        memory = _memory()
        if memory is not None:
            used, total = memory
            found["system/system_memory_usage_megabytes"] = used / 1000
            found["system/system_memory_usage_percentage"] = 100.0 * used / total
        return found


def _cpu() -> tuple[int, int] | None:
    """Busy and all clock ticks since the machine started."""
    try:
        ticks = [int(x) for x in _STAT.read_text().splitlines()[0].split()[1:9]]
    except (OSError, IndexError, ValueError):
        return None
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # less idle and waiting for the disk


def _memory() -> tuple[int, int] | None:
    """Memory in use and in all, in kB."""
    try:
        text = _MEMORY.read_text()
    except OSError:
        return None
    found = {name: re.search(rf"{name}:\s+(\d+) kB", text) for name in ("MemTotal", "MemAvailable")}
    total, available = found["MemTotal"], found["MemAvailable"]
    return (
        None
        if total is None or available is None
        else (
            int(total[1]) - int(available[1]),
            int(total[1]),
        )
    )
