"""A headless Chromium for tests of the page, driven by the W3C WebDriver protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.time_limits import Deadline, slowness

TAB, ENTER, SPACE = "\ue004", "\ue007", " "

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_PAGE_SECONDS = 10.0  # on a quiet machine


def absent() -> str:
    """Why there can be no browser, or nothing."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


class Browser:
    """One window.

    Args:
        address: Of a running ChromeDriver.
        profile: An empty folder.
    """

    def __init__(self, address: str, profile: Path) -> None:
        self._address = address
        options = {
            "binary": shutil.which("chromium"),
            "args": [*_FLAGS, f"--user-data-dir={profile}"],
        }
        asked = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": asked}})
        self._address += f"/session/{session['sessionId']}"
        self.open("about:blank")
        self.requests()  # those of the browser's own first page

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self._call("POST", "/url", {"url": url})
        # ChromeDriver has been seen to answer while a page from the disk was not yet parsed.
        there = f"location.href.split('#')[0] === {json.dumps(url.split('#', maxsplit=1)[0])}"
        self.wait(f"{there} && document.readyState === 'complete'")

    def run(self, script: str, *arguments: object) -> Any:
        """What a function body returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        deadline = Deadline(_PAGE_SECONDS)
        while not self.run(f"return Boolean({script})"):
            assert deadline.left() > 0, f"waited in vain: {script}"
            time.sleep(0.02)

    def click(self, css: str) -> None:
        """As a reader does: it must be in sight."""
        found = self._call("POST", "/element", {"using": "css selector", "value": css})
        self._call("POST", f"/element/{found[_ELEMENT]}/click", {})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        board = {"type": "key", "id": "keyboard", "actions": actions}
        self._call("POST", "/actions", {"actions": [board]})

    def back(self) -> None:
        """One page back."""
        self._call("POST", "/back", {})

    def resize(self, width: int, height: int = 800) -> None:
        """As a device of so many CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", size)

    def emulate(self, media: str = "", **features: str) -> None:
        """A medium (`print`) and features (prefers_color_scheme="dark")."""
        asked = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self._devtools("Emulation.setEmulatedMedia", {"media": media, "features": asked})

    def screenshot(self, path: Path) -> None:
        """The whole page as a PNG."""
        shot = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """What the console has said since the last call, warnings and errors."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """Every address that was asked for since the last call."""
        entries = self._call("POST", "/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """End the session and with it the browser."""
        self._call("DELETE", "", None)

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _call(self, verb: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self._address + path,
            data=None if body is None else json.dumps(body).encode(),
            method=verb,
        )
        try:
            with urllib.request.urlopen(request, timeout=60 * slowness()) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that is ended at the end.

    Args:
        folder: Empty; holds the profile and the driver's log.
    """
    with (folder / "driver.log").open("w+") as log:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0", "--log-level=WARNING"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        opened = None
        try:
            opened = Browser(
                f"http://127.0.0.1:{_port(driver, folder / 'driver.log')}", folder / "profile"
            )
            yield opened
        finally:
            if opened is not None:
                opened.close()
            driver.terminate()
            driver.wait()


def _port(driver: "subprocess.Popen[bytes]", log: Path) -> int:
    """ChromeDriver says which free port it took."""
    while driver.poll() is None:
        _, announced, rest = log.read_text().partition("started successfully on port ")
        if announced and "\n" in rest:
            return int(rest.splitlines()[0].rstrip("."))
        time.sleep(0.05)
    raise AssertionError(f"ChromeDriver did not start: {log.read_text()}")
