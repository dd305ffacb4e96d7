"""What `mirror-bench report` says while it writes: what it does, how far it is, what is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(elapsed_when_finished=False, compact=True),
)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """On standard error: a bar in a terminal, a line for each step before the pages elsewhere.

    Yields:
        Takes what is done next, how many pages are done, and of how many; 0 while unknown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda doing, done, _: None if done else console.print(doing, markup=False)
        return
    with Progress(*_COLUMNS, console=console, transient=True) as shown:
        bar = shown.add_task("", total=None)

        def told(doing: str, done: int, total: int) -> None:
            if total and shown.tasks[0].total is None:
                shown.reset(bar)  # the pages' pace says how long they take, not the reading's
            shown.update(bar, description=doing, completed=done, total=total or None)

        yield told
