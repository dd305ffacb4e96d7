"""Peak memory of this process between two moments, as Linux counts it."""

import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Let the peak begin anew; where that is not allowed, it goes on from the process's start."""
    try:
        _RESET.write_text("5")
    except OSError:
        return


def peak_memory() -> float | None:
    """Most resident memory since the last reset, in MB; None where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    except OSError:
        return None
    return int(found[1]) / 1000 if found else None
