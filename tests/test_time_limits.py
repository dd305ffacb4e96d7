"""Time limits give way to a busy machine, and to nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.time_limits import slowness

ROOT = Path(__file__).parent.parent
CONFTEST = """
from tests.helpers import time_limits
from tests.helpers.time_limits import pytest_timeout_set_timer

time_limits.slowness = lambda: {}
"""
TEST = """
import time

import pytest

@pytest.mark.timeout(1)
def test_sleeps():
    time.sleep(2)
"""


@pytest.mark.parametrize(("slow", "verdict"), [(1.5, "1 failed"), (9.0, "1 passed")])
def test_a_limit_is_that_of_a_quiet_machine(slow: float, verdict: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(slow))
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert verdict in done.stdout, done.stdout + done.stderr


def test_this_machine_is_measured() -> None:
    """A busy one is slower; none is faster than the limits were written for."""
    assert slowness() >= 1.0
