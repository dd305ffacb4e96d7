"""A small planted cohort for tests."""

import functools
import tempfile
from pathlib import Path

from tasks.data.cohort import Cohort
from tasks.data.load import load_cohort
from tasks.data.synthetic import EMBEDDED, write_planted


@functools.cache
def planted_folder(bags: bool) -> Path:
    """The folder of an embedded cohort, written once a session."""
    folder = Path(tempfile.mkdtemp(prefix="mirror-bench-tests-")) / "cohort"
    write_planted(EMBEDDED[0 if bags else 1], folder)
    return folder


@functools.cache
def planted(bags: bool) -> Cohort:
    """An embedded cohort: with bags, or with slide vectors."""
    return load_cohort(planted_folder(bags))
