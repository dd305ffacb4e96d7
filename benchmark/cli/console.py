"""Where commands print to."""

from rich.console import Console


def open_console() -> Console:
    """The terminal; 100 columns where the output is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=100)
