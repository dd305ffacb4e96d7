"""What every test starts from."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings
from threadpoolctl import threadpool_limits

# A busy machine must not fail a test.
settings.register_profile("mirror-bench", deadline=None)
settings.load_profile("mirror-bench")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """As in a trial: one thread, so that sums are added in one order."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
