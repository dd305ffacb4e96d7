"""docs/tutorial.ipynb: its cells run, and what is committed below them is what they give."""

import ast
import inspect
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import mirror_bench as mb
from tests.helpers.time_limits import slowness

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.ipynb"
READ: Any = nbformat.read  # which has no types
COMMITTED = READ(TUTORIAL, as_version=4)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def words(cell: Any) -> list[str]:
    """What a cell shows, without digits: the last of them is the processor's."""
    data = [output.get("data", {}) for output in cell.outputs]
    text = " ".join(str(one.get("text/plain", "")) for one in data)
    pictures = ["picture" for one in data if "image/png" in one]
    return sorted(re.findall(r"[a-z][a-z-]{2,}", text)) + pictures


def calls() -> Iterator[ast.Call]:
    for cell in code(COMMITTED):
        for node in ast.walk(ast.parse(cell.source)):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="mb"))):
                    yield node


def test_every_cell_was_run_in_order_and_none_failed() -> None:
    cells = code(COMMITTED)
    assert [cell.execution_count for cell in cells] == [*range(1, 11)]
    kinds = [output.output_type for cell in cells for output in cell.outputs]
    assert set(kinds) <= {"execute_result", "display_data"}
    assert sum("picture" in words(cell) for cell in cells) >= 3
    assert TUTORIAL.stat().st_size < 300_000


def test_the_library_takes_what_the_cells_give_it() -> None:
    called = set()
    for call in calls():
        assert isinstance(call.func, ast.Attribute)
        called.add(call.func.attr)
        keywords = {word.arg: None for word in call.keywords if word.arg is not None}
        inspect.signature(getattr(mb, call.func.attr)).bind(*call.args, **keywords)
    assert {"load_cohort", "run", "leaderboard", "figures"} <= called


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_cells_give_what_is_committed(tmp_path: Path) -> None:
    notebook = READ(TUTORIAL, as_version=4)
    began = time.monotonic()
    client = NotebookClient(notebook, timeout=None, record_timing=False)
    client.execute(cwd=str(tmp_path))
    took = time.monotonic() - began
    given = tmp_path / TUTORIAL.name
    given.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    for now, then in zip(code(notebook), code(COMMITTED), strict=True):
        assert words(now) == words(then), f"cp {given} {TUTORIAL} if that is right"
    assert took < 180 * slowness()
