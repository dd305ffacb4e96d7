"""`mirror-bench report --serve`: the folder, shown on this machine alone."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from tasks.errors import InputError

LOOPBACK = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder, for who names this machine as itself.

    A page from elsewhere can have its host's name point here (DNS rebinding), and would then read
    patients' predictions: such a request names that host.
    """

    def send_head(self) -> BytesIO | BinaryIO | None:
        """The file, or 403 for a name that is not this machine's."""
        name = (self.headers.get("Host") or "").rpartition(":")[0]
        if name not in {LOOPBACK, "localhost"}:
            self.send_error(HTTPStatus.FORBIDDEN, "this report is shown on its own machine alone")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """A report that was written again is not shown from a browser's cache."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing of single requests."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the folder on the loopback address.

    Args:
        folder: A report.
        port: 0 for any that is free.

    Raises:
        InputError: If the port is taken.
    """
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise InputError(f"--port {port}: expected a free port, found: {error.strerror}") from error


def serve(folder: Path, port: int, started: Callable[[str], None]) -> None:
    """Show a report until Ctrl-C.

    Args:
        folder: The report.
        port: 0 for any that is free.
        started: Called with the address.

    Raises:
        InputError: If the port is taken.
    """
    with server(folder, port) as running:
        started(f"http://{LOOPBACK}:{running.server_port}/")
        with suppress(KeyboardInterrupt):
            running.serve_forever()
