"""Ctrl-C: the first ends a sweep, and no further one disturbs how it ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def first_interrupt_only() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first SIGINT and ignore the rest, until the block is left.

    Impatient users press twice; the second must not leave processes behind or hide the account.
    And pandas takes an interrupt inside its parser for an error in the file: it stays an interrupt.
    """
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except Exception as error:
        if stopped:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
