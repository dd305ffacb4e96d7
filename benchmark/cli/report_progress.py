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

_PAGES = 25
"""A line is said of so many, where there is no terminal."""

_COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(elapsed_when_finished=False, compact=True),
)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """On standard error: a bar in a terminal; elsewhere a line a step, and one every few pages.

    A line is said when its step is done: what ends in the first one says its error alone.

    Yields:
        Takes what is done next, how many pages are done, and of how many; 0 while unknown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        begun: list[str] = []

        def said(doing: str, done: int, total: int) -> None:
            if begun:
                console.print(f"{begun.pop()}: done", markup=False, highlight=False)
            if total == 0:
                begun.append(doing)
            elif done and done % _PAGES == 0:
                console.print(f"{done} of {total} pages", highlight=False)

        yield said
        return
    with Progress(*_COLUMNS, console=console, transient=True) as shown:
        bar = shown.add_task("", total=None)

        def told(doing: str, done: int, total: int) -> None:
            if total and shown.tasks[0].total is None:
                shown.reset(bar)  # the pages' pace says how long they take, not the reading's
            shown.update(bar, description=doing, completed=done, total=total or None)

        yield told
