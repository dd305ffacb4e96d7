"""Documentation: its commands and its Python are run, a page in a folder of its own, in order."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

NOT_RUN = {
    "needs a network",
    "needs a GPU",
    "needs several machines",
    "takes hours",
    "serves until Ctrl-C",
    "installs the package, which CI does before any test",
    "my-method is yours, and is not registered here",
    "names files of yours",
}
"""Why a block is not run. Whoever adds one must add its reason here."""

QUICK = ("add-a-method.md", "add-a-task.md")
"""Pages that are run with the normal tests; the others train more and are slow."""

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+?) -->\n)?"
    r"```(?P<language>console|python)\n(?P<text>.*?)```",
    re.DOTALL,
)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """Commands that stand together; with a reason they are not run."""

    commands: tuple[str, ...]
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if found["language"] == "python":
            yield Block((f".venv/bin/python -c {shlex.quote(found['text'])}",), found["reason"])
            continue
        lines = found["text"].replace("\\\n", " ").splitlines()
        yield Block(tuple(line for line in lines if line.strip()), found["reason"])


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = [page for page in PAGES if any(block.reason is None for block in blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_not_run_says_why(page: Path) -> None:
    assert {block.reason for block in blocks(page)} - {None} <= NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_is_a_page_that_shows_the_leaderboard() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("\n") <= 150
    shown = (
        readme.partition("<!-- leaderboard -->")[2].partition("<!-- /leaderboard -->")[0].strip()
    )
    assert shown.startswith("In short: ")
    assert shown.strip() in (ROOT / "leaderboard.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page.name in QUICK else pytest.mark.slow, id=page.name)
        for page in RUN
    ],
)
@pytest.mark.timeout(1200)
def test_every_command_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    for block in blocks(page):
        for command in block.commands if block.reason is None else ():
            done = subprocess.run(
                ["bash", "-euc", command.replace(".venv/bin/", f"{binaries}/")],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
