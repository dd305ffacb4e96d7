"""File names of pages, from names that are users' data."""

import hashlib
import re
from urllib.parse import urlencode

LONGEST = 80


def slug(*parts: object) -> str:
    """A name that is one plain file name on every system, different for different parts.

    A single part of lower-case letters, digits, dots and hyphens stays as it is; anything else is
    made so, and gets a digest of what it was.
    """
    text = "-".join(str(part) for part in parts)
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:LONGEST]
    if len(parts) == 1 and plain == text:
        return plain
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:6]
    return f"{plain}-{digest}".lstrip("-")


def cohort_page(cohort: str) -> str:
    """Of a cohort, relative to the root of the report."""
    return f"cohort-{slug(cohort)}.html"


def compare_page(method: str = "", other: str = "") -> str:
    """Of any two methods, those that are named chosen, relative to the root of the report."""
    chosen = {"a": method, "b": other}
    return "compare.html" + (f"?{urlencode(chosen)}" if method else "")


def method_page(method: str) -> str:
    """Of a method, relative to the root of the report."""
    return f"methods/{slug(method)}.html"


def method_data(method: str) -> str:
    """What that page loads to show trials."""
    return f"data/{slug(method)}.js"


def task_data(what: str, task: str, protocol: str, budget: str, n_folds: int) -> str:
    """A table of a task's page to download: `what` of its trials."""
    return f"data/{slug(what, task, protocol, budget, n_folds)}.csv.gz"


def task_page(task: str, protocol: str, budget: str, n_folds: int) -> str:
    """Of a task under a protocol and budget, relative to the root of the report."""
    return f"tasks/{slug(task, protocol, budget, n_folds)}.html"
