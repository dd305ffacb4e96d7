"""Every `--json`: nothing in it is as Python writes it, and its keys have one order."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmark.cli.main import app
from benchmark.records.store import Store
from tasks.data.fetch.tcga_hif import TCGA_HIF
from tests.helpers.planted import planted_folder
from tests.helpers.stores import key, trial_record
from tests.helpers.sweeps import inside

DATA = str(planted_folder(bags=False))
COMMANDS = {
    "list methods": (),
    "list tasks": ("--data", DATA),
    "list cohorts": ("--data", DATA),
    "audit": (DATA,),
    "data verify": (DATA,),
}
_PYTHON = re.compile(r"Path\(|\w+\(\w+=|<\w+[.: ]|array\(|^[(\[{].*[)\]}]$|\bNone\b|\bnan\b")


def with_json(command: Any, name: str = "") -> Iterator[str]:
    for child, sub in getattr(command, "commands", {}).items():
        yield from with_json(sub, f"{name} {child}".strip())
    if any("--json" in param.opts for param in command.params):
        yield name


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        assert list(value) == sorted(value)
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def test_no_command_is_forgotten() -> None:
    assert set(with_json(typer.main.get_command(app))) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_plain(command: str) -> None:
    done = inside(*command.split(), *COMMANDS[command], "--json")
    found = [text for text in texts(json.loads(done.stdout)) if _PYTHON.search(text)]
    assert found == []


@pytest.mark.parametrize("command", ["list methods", "list tasks", "list cohorts"])
def test_tables_are_readable_in_a_narrow_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = inside(*command.split(), *COMMANDS[command]).stdout
    assert max(map(len, text.splitlines())) <= 60
    assert "…" not in text
    rows = json.loads(inside(*command.split(), *COMMANDS[command], "--json").stdout)
    for row in rows:
        assert row["name"] in text


def test_what_of_a_results_folder_can_be_fetched_is_marked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sources = {"TCGA-BRCA": TCGA_HIF.source, "TCGA-KIRP": "elsewhere", "X": TCGA_HIF.source}
    with store.locked(lambda: None):
        for name, source in sources.items():
            store.writer().append(trial_record(trial=key(name), cohort=name, source=source), [])
    done = inside("list", "cohorts", "--json", "--results", tmp_path)
    found = {row["name"]: row["fetch"] for row in json.loads(done.stdout)}
    assert found == {"TCGA-BRCA": "tcga-hif", "TCGA-KIRP": "", "X": ""}
