"""What every test starts from. A busy machine must not fail one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from tests.helpers.time_limits import pytest_timeout_set_timer

__all__ = ["pytest_timeout_set_timer"]

# The same examples every time: a change is judged by what it changes. Others are searched by
# `pytest --hypothesis-profile explore -m hypothesis`.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("explore"), derandomize=True)
settings.load_profile("same")

# Files that are gone in a moment need no disk: databases and records wait for it at every commit.
_MEMORY, _ENOUGH = Path("/dev/shm"), 4 * 2**30
_roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
if _roomy and "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

os.environ |= {
    # Ray's workers give way to every other program, and what tests wait for is them.
    "RAY_worker_niceness": "0",
    # A server that takes its time to answer is not lost.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "600",
}


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """As in a trial: one thread, so that sums are added in one order."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
