"""What outer folds are called in the names of protocols: numbers of other folds share no table."""

import re
from collections.abc import Sequence

from tasks.base import Split
from tasks.data.splits import Dealing, split_fingerprint

_DEALT = re.compile(rf"({'|'.join(Dealing)})-folds(?:-x([1-9]\d*))?")
_OF_FILE = re.compile(r"folds-of-.*-n(\d+)", re.DOTALL)


def folds_name(dealing: Dealing, repeats: int = 1) -> str:
    """Empty for folds of patients, dealt once; otherwise as `site-folds` or `patient-folds-x3`."""
    if repeats > 1:
        return f"{dealing}-folds-x{repeats}"
    return "" if dealing is Dealing.PATIENT else f"{dealing}-folds"


def folds_of_file(name: str, splits: Sequence[Split]) -> str:
    """After the file, who is in which part, and the number of splits: `folds-of-FILE-1a2b3c-n5`.

    Two files of one name, or one that was edited, have other folds.
    """
    return f"folds-of-{name}-{split_fingerprint(splits)[:6]}-n{len(splits)}"


def dealt_as(name: str) -> tuple[Dealing, int] | None:
    """The inverse of `folds_name`; None for the folds of a file."""
    if not name:
        return Dealing.PATIENT, 1
    found = _DEALT.fullmatch(name)
    return found and (Dealing(found[1]), int(found[2] or 1))


def n_splits(protocol: str, n_folds: int) -> int:
    """How many splits a trial was made for, from a protocol's whole name and its folds."""
    for part in protocol.split("+")[1:]:
        if (dealt := _DEALT.fullmatch(part)) is not None:
            return n_folds * int(dealt[2] or 1)
        if (of_file := _OF_FILE.fullmatch(part)) is not None:
            return int(of_file[1])
    return n_folds
