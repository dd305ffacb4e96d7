"""docs/tutorial.ipynb: what its cells ask of the library, the library takes."""

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import mirror_bench as mb

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.ipynb"


def calls() -> Iterator[tuple[str, ast.Call]]:
    """The names and calls of the library in its cells."""
    cells = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(sources) == 10
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="mb"), attr=name)):
                    yield name, node


def test_the_library_takes_what_the_cells_give_it() -> None:
    called = set()
    for name, call in calls():
        called.add(name)
        keywords = {word.arg: None for word in call.keywords if word.arg is not None}
        inspect.signature(getattr(mb, name)).bind(*call.args, **keywords)
    assert {"load_cohort", "run", "leaderboard", "figures"} <= called
