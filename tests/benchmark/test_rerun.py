"""A recorded trial computed again: to the bit, or it is said where not."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.engine.folds import outer_folds
from benchmark.engine.overrides import configured, recorded_config
from benchmark.engine.plan import Request, make_plan
from benchmark.engine.rerun import drawn, find_trial, rerun, rerun_sample
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import Control, Pruner, Tuning
from benchmark.records.schema import TrialRecord
from benchmark.records.store import Store
from methods.base import Budget, Config
from methods.registry import all_methods, select_methods
from tasks.base import Protocol
from tasks.errors import InputError
from tasks.registry import select_tasks, under
from tests.helpers.planted import planted, planted_folder

DATA = planted_folder(bags=False)

Json = dict[str, Any]


def record(
    results: Path,
    method: str = "pca",
    control: Control | None = None,
    protocol: Protocol = Protocol.STRICT,
    split: str = "patient",
    repeats: int = 1,
    tuning: Tuning | None = None,
    change: Callable[[Json], None] = lambda _: None,
) -> str:
    """Run one trial, store it after a change, and return its key."""
    cohort = planted(bags=False)
    request = Request(
        methods=configured(select_methods(method), [] if method != "pca" else ["pca.components=3"]),
        tasks=under(protocol, select_tasks("survival,subtyping", [cohort])),
        cohorts=[(DATA, cohort)],
        folds=outer_folds(split, 3, (cohort,), repeats),
        seeds=(7,),
        budget=Budget.SMOKE,
        control=control,
        protocol=protocol,
        tuning=tuning,
    )
    trial = make_plan(request, {}, overwrite=False, retry_failed=False).trials[1]
    record, predictions = run_trial(trial, results / "cache", "cpu")
    line = record.model_dump(mode="json")
    change(line)
    store = Store(results)
    with store.locked(lambda: None):
        changed = TrialRecord.model_validate_json(json.dumps(line))
        store.writer().append(changed, predictions)
    return trial.key


def again(key: str, results: Path, data: Path = DATA) -> tuple[int, str]:
    said = io.StringIO()
    code = rerun(key, results, data, None, Console(file=said, width=200))
    return code, said.getvalue()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"method": "contrastive"},
        {"method": "abmil"},
        {"control": Control.PERMUTED_LABELS},
        {"protocol": Protocol.PAPER},
        {"split": "site"},
        {"repeats": 2},
        {"tuning": Tuning(3, Pruner.MEDIAN)},
    ],
    ids=str,
)
def test_a_trial_agrees_with_itself(tmp_path: Path, how: dict[str, Any]) -> None:
    key = record(tmp_path, **how)
    code, said = again(key, tmp_path)
    assert code == 0, said
    assert "agree to the last bit" in said
    assert "changed since" not in said


def test_the_last_bit_counts(tmp_path: Path) -> None:
    def change(line: Json) -> None:
        line["tasks"][0]["scores"][0]["value"] += 1e-15

    key = record(tmp_path, change=change)
    code, said = again(key[:6], tmp_path)
    assert code == 1
    assert "1 of " in said
    assert "scores differ" in said


def test_a_changed_method_runs_and_is_said_to_have_changed(tmp_path: Path) -> None:
    def change(line: Json) -> None:
        line["code"] = "another"
        line["versions"]["torch"] = "0.1"
        line["tasks"][0]["version"] -= 1

    code, said = again(record(tmp_path, change=change), tmp_path)
    assert code == 0
    assert "changed since: source of pca (another to " in said
    assert "changed since: torch (0.1 to " in said
    assert "changed since: version of " in said


def _another_split(line: Json) -> None:
    line["split"] = "another"


def _another_field(line: Json) -> None:
    line["config"]["more"] = 1


def _another_method(line: Json) -> None:
    line["method"] = "pcca"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_another_split, "expected the patients of its fold 1, found others"),
        (_another_field, "pca: expected the configuration's fields components"),
        (_another_method, "unknown method 'pcca'"),
    ],
)
def test_what_cannot_be_run_again_is_refused(
    tmp_path: Path, change: Callable[[Json], None], found: str
) -> None:
    key = record(tmp_path, change=change)
    with pytest.raises(InputError, match=found):
        again(key, tmp_path)


def test_other_data_are_refused(tmp_path: Path) -> None:
    key = record(tmp_path / "results")
    other = tmp_path / "data"
    shutil.copytree(DATA, other)
    manifest = other / "cohort.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("PLANTED-VECTORS", "ELSEWHERE"))
    with pytest.raises(InputError, match="expected the cohort PLANTED-VECTORS, found ELSEWHERE"):
        again(key, tmp_path / "results", other)
    manifest.write_text(text)
    table = other / "slide_features.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[:-1]))
    with pytest.raises(InputError, match=f"expected the data of trial {key}"):
        again(key, tmp_path / "results", other)


def test_a_key_must_name_one_trial(tmp_path: Path) -> None:
    keys = sorted([record(tmp_path), record(tmp_path, method="constant")])
    store = Store(tmp_path)
    assert find_trial(store, keys[0][:8]).line.trial == keys[0]
    with pytest.raises(InputError, match="found 'xyz'"):
        find_trial(store, "xyz")
    with pytest.raises(InputError, match=f"with which 2 begin: {keys[0]}, {keys[1]}"):
        find_trial(store, "")


def sampled(results: Path, n: int, seed: int | None = None, data: Path = DATA) -> tuple[int, str]:
    said = io.StringIO()
    code = rerun_sample(n, seed, results, data, None, Console(file=said, width=200))
    return code, said.getvalue()


def test_who_is_drawn_depends_on_the_lot_alone() -> None:
    trials = [f"{i:016x}" for i in range(40)]
    assert drawn(trials, 3, 1) == drawn(trials[::-1], 3, 1)
    assert {trial for lot in range(200) for trial in drawn(trials, 3, lot)} == set(trials)
    assert sorted(drawn(trials, 99, 1)) == trials


def test_a_sample_of_the_trials_is_done_again(tmp_path: Path) -> None:
    def change(line: Json) -> None:
        line["tasks"][0]["scores"][0]["value"] += 1e-15

    record(tmp_path)
    code, said = sampled(tmp_path, 5)
    assert code == 0, said
    assert "1 of 1 trials agree to the last bit, drawn from 1 of 1 whose cohorts are here" in said
    changed = record(tmp_path, method="constant", change=change)
    code, said = sampled(tmp_path, 2)
    assert code == 1
    assert f"{changed}: constant on PLANTED-VECTORS, fold 1, seed 7: 1 of " in said
    assert "1 of 2 trials agree" in said


def test_a_sampled_trial_that_cannot_be_done_again_counts(tmp_path: Path) -> None:
    def another_method(line: Json) -> None:
        line["method"] = "pcca"

    record(tmp_path, change=another_method)
    code, said = sampled(tmp_path, 1)
    assert code == 1
    assert "not computed again: unknown method 'pcca'" in said
    with pytest.raises(
        InputError, match=r"expected cohorts of .*, PLANTED-VECTORS, found PLANTED-BAGS"
    ):
        sampled(tmp_path, 1, data=planted_folder(bags=True))


class Colour(StrEnum):
    """One colour."""

    RED = "red"


@dataclass(frozen=True)
class Painted(Config):
    """A field of each kind that JSON has not."""

    file: Path | None = None
    colour: Colour = Colour.RED
    width: float = 1.0
    sizes: tuple[int, ...] = (1, 2)


def test_a_configuration_survives_the_record() -> None:
    spec = replace(all_methods()["pca"], config=Painted())
    values = json.loads('{"file": "a/b", "colour": "red", "width": 0.1, "sizes": [3]}')
    config = recorded_config(spec, values)
    assert config == Painted(Path("a/b"), Colour.RED, 0.1, (3,))
    assert isinstance(config, Painted)
    assert isinstance(config.colour, Colour)
