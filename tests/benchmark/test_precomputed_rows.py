"""Embeddings of others as rows of the board: same heads, same folds, other contents another key."""

import io
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.engine.cohorts import asked_as
from benchmark.engine.plan import Plan, make_plan
from benchmark.engine.rerun import rerun
from benchmark.engine.runner import Listener, RunOptions, resolve
from benchmark.engine.trial import lost_record, run_trial
from benchmark.records.schema import TrialRecord
from benchmark.records.store import Store
from benchmark.show.leaderboard import render
from tasks.base import Status
from tasks.data.cohort import Precomputed, VectorModality
from tasks.data.precomputed import Given
from tasks.errors import InputError
from tests.helpers.planted import planted, planted_folder
from tests.helpers.sweeps import inside

PATIENTS = planted(bags=False).patients


def table(path: Path, patients: Iterable[str], shift: float = 0.0) -> Path:
    """The first factors of the planted slides as if a foundation model had found them."""
    slides = planted(bags=False).modalities["wsi"]
    assert isinstance(slides, VectorModality)
    having = [patient for patient in patients if patient in set(slides.patients)]
    values = slides.rows(having)[:, :8] + np.float32(shift)
    frame = pd.DataFrame(values, columns=[f"d{j}" for j in range(8)])
    frame.insert(0, "slide", [f"{patient}-01Z-00-DX1.AAAA" for patient in having])
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of one cohort, whose embeddings `titan` are of all its patients."""
    folder = tmp_path / "data" / "PLANTED-VECTORS"
    shutil.copytree(planted_folder(bags=False), folder)
    table(folder / "titan.csv", PATIENTS)
    with (folder / "cohort.toml").open("a") as manifest:
        manifest.write('\n[embeddings.titan]\npath = "titan.csv"\npretrained_on = ["GTEx"]\n')
    return folder.parent


def options(data: Path, methods: str, *given: str, cohorts: str | None = None) -> RunOptions:
    return RunOptions(
        methods, "survival", cohorts, data, folds=3, repeats=1, embeddings=tuple(given)
    )


def planned(asked: RunOptions) -> Plan:
    return make_plan(resolve(asked, Listener()), {}, overwrite=False, retry_failed=False)


def computed(asked: RunOptions, results: Path) -> list[TrialRecord]:
    """All trials of a run, in this process, recorded."""
    store, records = Store(results), []
    with store.locked(lambda: None):
        writer = store.writer()
        for trial in planned(asked).trials:
            record, predictions = run_trial(trial, results / "cache", "cpu")
            writer.append(record, predictions)
            records.append(record)
    return records


def keys(plan: Plan) -> dict[tuple[str, int], str]:
    return {(trial.method, trial.split.fold): trial.key for trial in plan.trials}


def test_a_row_is_scored_as_others_are_and_says_where_it_is_from(
    data: Path, tmp_path: Path
) -> None:
    records = computed(options(data, "titan,titan+rna,pca"), tmp_path / "results")
    assert {record.tasks[0].status for record in records} == {Status.OK}
    by_method = {record.method: record for record in records if record.fold == 0}
    assert len({record.split for record in by_method.values()}) == 1
    assert len({record.tasks[0].n_patients for record in by_method.values()}) == 1
    row = by_method["titan"]
    assert (row.role, row.family) == ("precomputed", "precomputed")
    assert row.summary == "slide embeddings trained elsewhere on GTEx"
    assert any("180 of 180 patients with both sides covered" in note for note in row.notes)
    board = Board.from_folder(tmp_path / "results", over_patients=False)
    (standing,) = board.standings
    roles = {entry.method: entry.role for entry in standing.rows}
    assert roles == {"titan": "precomputed", "titan+rna": "precomputed", "pca": "self-supervised"}
    assert [entry.method for entry in standing.ranked] == ["pca"]
    page = "".join(text for name, text in render(board).tables.items() if name.endswith(".md"))
    assert "Trained elsewhere" in page
    assert "titan: slide embeddings trained elsewhere on GTEx" in page


def test_the_contents_are_in_the_key_and_the_place_is_not(data: Path, tmp_path: Path) -> None:
    one = keys(planned(options(data, "titan,pca")))
    moved = data / "PLANTED-VECTORS" / "other.csv"
    (data / "PLANTED-VECTORS" / "titan.csv").rename(moved)
    manifest = data / "PLANTED-VECTORS" / "cohort.toml"
    manifest.write_text(manifest.read_text().replace("titan.csv", "other.csv"))
    assert keys(planned(options(data, "titan,pca"))) == one
    table(moved, PATIENTS, shift=1.0)
    other = keys(planned(options(data, "titan,pca")))
    assert {place for place in one if one[place] != other[place]} == {
        ("titan", i) for i in range(3)
    }
    # given beside, it is another name and the same thing: no other method notices
    given = f"chief={table(tmp_path / 'chief.csv', PATIENTS)}"
    assert keys(planned(options(data, "pca", given))).items() <= other.items()


def test_a_run_that_was_killed_goes_on_from_what_is_recorded(data: Path, tmp_path: Path) -> None:
    asked = options(data, "titan,titan+rna")
    store, whole = Store(tmp_path / "results"), planned(asked)
    with store.locked(lambda: None):
        writer = store.writer()
        for trial in whole.trials[:2]:
            writer.append(*run_trial(trial, tmp_path / "cache", "cpu"))
    rest = make_plan(
        resolve(asked, Listener()), store.history().attempts, overwrite=False, retry_failed=False
    )
    assert rest.n_done == 2
    assert [trial.key for trial in rest.trials] == [trial.key for trial in whole.trials[2:]]
    table(data / "PLANTED-VECTORS" / "titan.csv", PATIENTS, shift=1.0)
    anew = make_plan(
        resolve(asked, Listener()), store.history().attempts, overwrite=False, retry_failed=False
    )
    assert anew.n_done == 0  # of other embeddings nothing is recorded


def test_half_of_the_patients_are_a_cohort_of_their_own(data: Path, tmp_path: Path) -> None:
    half = planted(bags=False).complete()[::2]
    given = f"chief={table(tmp_path / 'half.csv', half)}"
    whole = computed(options(data, "chief,pca", given), tmp_path / "results")
    skipped = [record.tasks[0] for record in whole if record.method == "chief"]
    assert {task.status for task in skipped} == {Status.SKIPPED}
    assert {task.reason for task in skipped} == {
        "embeddings chief are there of 90 of 180 patients with both sides; --cohorts "
        "PLANTED-VECTORS@chief asks every method of these"
    }
    asked = options(data, "chief,pca", given, cohorts="PLANTED-VECTORS@chief")
    part = computed(asked, tmp_path / "results")
    assert {record.cohort for record in part} == {"PLANTED-VECTORS@chief"}
    assert {record.tasks[0].task for record in part} == {"survival/PLANTED-VECTORS@chief/os"}
    assert {record.tasks[0].status for record in part} == {Status.OK}
    assert sum(record.tasks[0].n_patients or 0 for record in part if record.method == "pca") <= 90
    counts = [
        {record.tasks[0].n_patients for record in part if record.fold == fold} for fold in range(3)
    ]
    assert all(len(of_fold) == 1 for of_fold in counts)  # the same patients, whoever is asked
    standings = Board.from_folder(tmp_path / "results", over_patients=False).standings
    assert len(standings) == 2  # never in one table


@pytest.mark.parametrize("cohorts", [None, "PLANTED-VECTORS@chief"])
def test_a_trial_is_computed_again_to_the_bit(
    data: Path, tmp_path: Path, cohorts: str | None
) -> None:
    some = PATIENTS if cohorts is None else planted(bags=False).complete()[::2]
    file = table(tmp_path / "chief.csv", some)
    records = computed(
        options(data, "chief+rna", f"chief={file}", cohorts=cohorts), tmp_path / "results"
    )

    def again(given: Given) -> tuple[int, str]:
        said = io.StringIO()
        console = Console(file=said, width=200)
        return rerun(records[0].trial, tmp_path / "results", data, None, console, given), ""

    assert again((("chief", file),))[0] == 0
    with pytest.raises(InputError, match=r"expected the (embeddings|data) of"):
        again((("chief", table(file, some, shift=1.0)),))
    with pytest.raises(InputError, match=r"expected (the )?embeddings of"):
        again(())


def test_a_lost_worker_has_a_record_too(data: Path) -> None:
    asked = resolve(options(data, "titan"), Listener())
    (trial, *_) = make_plan(asked, {}, overwrite=False, retry_failed=False).trials
    record = lost_record(trial, asked.cohorts[0][1])
    assert (record.method, record.role) == ("titan", "precomputed")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--embeddings", "chief"], "--embeddings: expected NAME=FILE, found 'chief'"),
        (["--embeddings", "a+b=titan.csv"], "but without a +"),
        (["--embeddings", "chief=nowhere.csv"], "expected a file or a folder, found none"),
        (["--embeddings", "pca={file}"], "embeddings.pca: expected another name than a method's"),
        (["--embeddings", "titan={file}"], "found [embeddings.titan] there"),
        (["--methods", "titn"], "did you mean titan"),
        (["--cohorts", "PLANTED-VECTORS@chief"], "expected embeddings of PLANTED-VECTORS, titan"),
        (["--cohorts", "PLANTED@titan"], "unknown cohort 'PLANTED'"),
        (["--embeddings", "chief={pickle}"], "found a pickle"),
    ],
)
def test_bad_words_are_one_line_and_exit_2(
    data: Path, tmp_path: Path, words: list[str], expected: str
) -> None:
    (tmp_path / "t.pt").write_bytes(b"PK\x03\x04")
    file = table(tmp_path / "t.csv", PATIENTS)
    words = [word.format(file=file, pickle=tmp_path / "t.pt") for word in words]
    results = tmp_path / "results"
    common = ("--methods", "pca", "--tasks", "survival", "--data", data, "--results", results)
    done = inside("run", *common, *words)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert expected in line
    assert not results.exists()


def test_verify_audit_and_lists_know_of_them(data: Path) -> None:
    half = planted(bags=False).complete()[::2]
    folder = data / "PLANTED-VECTORS"
    frame = pd.read_csv(table(folder / "half.csv", half)).assign(d0=1.0, **{"OS.time": 3.5})
    frame["OS.time"] += np.arange(len(frame)) % 30
    frame.to_csv(folder / "half.csv", index=False)
    with (folder / "cohort.toml").open("a") as manifest:
        manifest.write('[embeddings.chief]\npath = "half.csv"\n')
    shown = inside("data", "verify", folder, "--json")
    assert shown.returncode == 1
    (cohort,) = json.loads(shown.stdout)["cohorts"]
    found = [f for f in cohort["facts"] if "chief" in f["part"]]
    said = {f["check"]: f for f in found if f["weight"] != "fact"}
    assert (said["partners"]["n"], said["partners"]["total"]) == (90, 180)
    assert said["values"]["n"] == 1
    assert said["features"]["weight"] == "problem"
    audited = inside("audit", folder)
    assert audited.returncode == 1
    assert "embeddings.chief" in audited.stdout
    done = inside("list", "methods", "--data", data, "--json")
    assert {"titan", "titan+rna", "chief"} <= {row["name"] for row in json.loads(done.stdout)}
    done = inside("list", "cohorts", "--data", data, "--json")
    (row,) = json.loads(done.stdout)
    assert row["embeddings"] == [
        "chief (wsi of 9, 90 of 180 patients)",
        "titan (wsi of 8, 180 of 180 patients)",
    ]


def test_a_part_of_a_cohort_is_found_by_its_name() -> None:
    cohort = planted(bags=False)
    made = {"titan": resolve_made()}
    loaded = [(Path("folder"), replace(cohort, embeddings=made))]
    source, part = asked_as("PLANTED-VECTORS@titan", loaded)
    assert part.name == "PLANTED-VECTORS@titan"
    assert source != Path("folder")


def resolve_made() -> Precomputed:
    slides = planted(bags=False).modalities["wsi"]
    assert isinstance(slides, VectorModality)
    return Precomputed("wsi", slides, (), 180, 180)
