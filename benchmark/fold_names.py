"""What outer folds are called in the names of protocols: numbers of other folds share no table."""

import re

from tasks.splits import Dealing

_DEALT = re.compile(rf"({'|'.join(Dealing)})-folds(?:-x([1-9]\d*))?")


def folds_name(dealing: Dealing, repeats: int = 1) -> str:
    """Empty for folds of patients, dealt once; otherwise as `site-folds` or `patient-folds-x3`."""
    if repeats > 1:
        return f"{dealing}-folds-x{repeats}"
    return "" if dealing is Dealing.PATIENT else f"{dealing}-folds"


def dealt_as(name: str) -> tuple[Dealing, int] | None:
    """The inverse of `folds_name`; None for the folds of a file."""
    if not name:
        return Dealing.PATIENT, 1
    found = _DEALT.fullmatch(name)
    return found and (Dealing(found[1]), int(found[2] or 1))


def repeats_of(protocol: str) -> int:
    """How often the patients were dealt anew under a protocol, from its whole name."""
    found = (_DEALT.fullmatch(part) for part in protocol.split("+"))
    return max((int(match[2] or 1) for match in found if match), default=1)
