"""Lines of what can be computed again: each carries its key and a checksum, or it is a miss."""

import hashlib
import json
from typing import Any


def seal(key: object, value: object) -> bytes:
    """A line of text that says what it is of, and whether it is whole.

    Args:
        key: What the value hangs on, as JSON has it.
        value: As JSON has it.
    """
    body = json.dumps([key, value], separators=(",", ":")).encode("ascii")
    return hashlib.sha256(body).hexdigest().encode("ascii") + b" " + body + b"\n"


def unseal(line: bytes) -> tuple[Any, Any] | None:
    """Key and value of a line, or None: it is cut, damaged, empty or something else's."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    if hashlib.sha256(body).hexdigest().encode("ascii") != checksum:
        return None
    try:
        key, value = json.loads(body)
    except (ValueError, TypeError, RecursionError):  # a true checksum of something else
        return None
    return key, value
