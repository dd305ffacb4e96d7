"""Where what can be computed again is kept between runs."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache folder; it may not exist, and it may not be writable."""
    if chosen := os.environ.get("MIRROR_BENCH_CACHE"):
        return Path(chosen).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "mirror-bench"
    return Path("~/.cache/mirror-bench").expanduser()
