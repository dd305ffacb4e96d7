"""What ends a command early: the first signal does, and no further one disturbs how."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, a scheduler that ends a job, or a terminal that is closed.

    Attributes:
        signal: Which of them.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)

    @property
    def code(self) -> int:
        """With which a command exits, as a shell has it."""
        return 128 + self.signal


@contextmanager
def first_interrupt_only() -> Iterator[None]:
    """Raise Interrupted at the first of the signals and ignore the rest, until the block is left.

    Impatient users press twice; the second must not leave processes behind or hide the account.
    And pandas takes an interrupt inside its parser for an error in the file: it stays an interrupt.
    """
    stopped: int | None = None

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = number
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    # Under nohup a closed terminal ends nothing.
    heeded = [n for n in _SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    except Exception as error:
        if stopped is not None:
            raise Interrupted(stopped) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
