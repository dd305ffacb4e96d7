"""The store: whole lines or none, the last attempt wins, two runs never at once."""

import gzip
import lzma
import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmark.records.frames import TIDY
from benchmark.records.schema import Predictions, TrialRecord
from benchmark.records.segments import Stamps, write_segment
from benchmark.records.store import Store
from methods.base import Budget, Role
from tasks.errors import InputError
from tests.helpers.stores import trial_record
from tests.helpers.time_limits import wait_until


def record(
    trial: str = "a" * 16,
    attempt: int = 1,
    value: float | None = 0.6,
    code: str = "c",
    finished: str = "2026-01-01T00:00:00.000+00:00",
    version: int = 1,
    **fields: Any,
) -> TrialRecord:
    status = "ok" if value is not None else "failed"
    score = {
        "metric": "harrell_c",
        "value": value,
        "higher_is_better": True,
        "chance": 0.5,
        "low": 0.0,
        "high": 1.0,
        "primary": True,
        "status": status,
        "reason": "" if value is not None else "broke",
    }
    task = {
        "task": "survival/X/os",
        "version": version,
        "circular": "",
        "status": status,
        "reason": score["reason"],
        "n_patients": 10,
        "n_events": 3,
        "scores": [score],
    }
    fields = {"code": code, "finished": finished, "tasks": [task]} | fields
    return trial_record(trial=trial, attempt=attempt, **fields)


def prediction(trial: str = "a" * 16, attempt: int = 1, risk: float = 0.1) -> Predictions:
    columns: dict[str, Any] = {
        "patient": ["TCGA-AA-0001"],
        "risk": [risk],
        "time_months": [3.0],
        "event": [1],
    }
    return Predictions(trial=trial, attempt=attempt, task="survival/X/os", columns=columns)


def test_roles_and_budgets_are_those_of_methods() -> None:
    for word in Role:
        assert type(record(role=word).role) is str
    for budget in Budget:
        assert record(budget=budget).budget == budget
    for name in ("role", "budget"):
        field = TrialRecord.model_fields[name]
        words = set(Role if name == "role" else Budget)
        assert set((field.description or "").removeprefix("one of ").split(", ")) == words


def opened(folder: Path) -> Store:
    store = Store(folder)
    with store.locked(lambda: None):
        pass
    return store


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.writer().append(record(), [prediction()])
    records, predictions = store.records(), store.predictions()
    assert tuple(records.columns[: len(TIDY)]) == TIDY
    assert records["value"].tolist() == [0.6]
    assert predictions["risk"].tolist() == [0.1]
    assert predictions["method"].tolist() == ["pca"]


def test_a_torn_last_line_is_no_record_and_hides_no_other(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.writer().append(record("a" * 16), [])
    store.writer().append(record("b" * 16), [])
    torn = sorted((tmp_path / "records").glob("*.jsonl"))[0]
    torn.write_bytes(torn.read_bytes()[:-20])
    assert len(store.records()) == 1


def test_a_torn_prediction_with_its_record_missing_is_ignored(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.writer().append(record("a" * 16), [prediction("a" * 16)])
    for path in (tmp_path / "records").glob("*.jsonl"):
        path.unlink()
    assert store.predictions().empty


def test_the_last_attempt_wins_in_whichever_segment_it_stands(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.writer().append(record(attempt=2, value=0.7), [prediction(attempt=2, risk=0.2)])
    store.writer().append(record(attempt=1, value=None), [prediction(attempt=1)])
    assert store.records()["value"].tolist() == [0.7]
    assert store.predictions()["risk"].tolist() == [0.2]
    assert store.history().attempts[("a" * 16, "survival/X/os")].number == 2


def test_an_edited_method_supersedes_what_it_was_before(tmp_path: Path) -> None:
    store = opened(tmp_path)
    later = "2026-01-02T00:00:00.000+00:00"
    store.writer().append(record("b" * 16, value=0.7, code="new", finished=later), [])
    store.writer().append(record("a" * 16, value=0.6, code="old"), [])
    assert store.records()["value"].tolist() == [0.7]
    assert len(store.history().attempts) == 2


def test_a_task_of_a_later_version_supersedes_what_it_was_for_every_method(tmp_path: Path) -> None:
    store = opened(tmp_path)
    other = record("c" * 16, value=0.5, method="cca")
    later = "2026-01-02T00:00:00.000+00:00"
    corrected = record("b" * 16, value=0.7, finished=later, version=2)
    for line in (other, record("a" * 16, value=0.6), corrected):
        store.writer().append(line, [])
    assert store.records()["value"].tolist() == [0.7]


def test_a_fold_of_other_patients_supersedes_what_it_was_for_every_method(tmp_path: Path) -> None:
    store = opened(tmp_path)
    later = "2026-01-02T00:00:00.000+00:00"
    lines = [
        record("a" * 16, value=0.6, split="old"),
        record("b" * 16, value=0.5, split="old", method="cca"),
        record("c" * 16, value=0.7, split="new", finished=later),
        record("d" * 16, value=0.4, split="old", fold=1),
    ]
    for line in lines:
        store.writer().append(line, [])
    assert sorted(store.records()["value"]) == [0.4, 0.7]
    assert {trial.trial[0] for trial, _ in store.results()} == {"c", "d"}


def test_a_clock_that_was_set_back_lets_no_older_version_win(tmp_path: Path) -> None:
    future = "2200-01-01T00:00:00.000+00:00"
    store = opened(tmp_path)
    store.writer().append(record("a" * 16, value=0.6, code="old", finished=future), [])
    stamps = Stamps(store.history().finished)
    now = [stamps.next() for _ in range(3)]
    assert future < now[0] < now[1] < now[2]
    store.writer().append(record("b" * 16, value=0.7, code="new", finished=now[0]), [])
    assert store.records()["value"].tolist() == [0.7]


def test_without_records_a_stamp_is_the_time(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    stamp = datetime.fromisoformat(Stamps(opened(tmp_path).history().finished).next())
    assert timedelta(seconds=-0.002) < stamp - before < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ending", "unpacked"), [(".jsonl.gz", gzip.decompress), (".jsonl.xz", lzma.decompress)]
)
def test_a_compressed_segment_is_read_like_any_other(
    tmp_path: Path, ending: str, unpacked: Callable[[bytes], bytes]
) -> None:
    lines = [record("a" * 16, value=0.6), record("b" * 16, value=0.7)]
    for name in ("plain", "packed", "again"):
        suffix = ".jsonl" if name == "plain" else ending
        store = opened(tmp_path / name)
        write_segment(store.folder / "records" / f"merged{suffix}", lines)
        write_segment(
            store.folder / "predictions" / f"merged{suffix}",
            [prediction("a" * 16), prediction("b" * 16)],
        )
    plain, packed = Store(tmp_path / "plain"), Store(tmp_path / "packed")
    assert packed.records().equals(plain.records())
    assert packed.predictions().equals(plain.predictions())
    assert packed.history() == plain.history()
    path = Path("records") / f"merged{ending}"
    whole = (tmp_path / "packed" / path).read_bytes()
    assert whole == (tmp_path / "again" / path).read_bytes()
    assert unpacked(whole) == (plain.folder / "records" / "merged.jsonl").read_bytes()
    assert not list((tmp_path / "packed").rglob("*.tmp"))


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl.xz"])
@pytest.mark.parametrize("cut", [5, -9, -30])
def test_a_damaged_compressed_segment_is_an_error_that_names_it(
    tmp_path: Path, cut: int, ending: str
) -> None:
    store = opened(tmp_path)
    path = store.folder / "records" / f"merged{ending}"
    write_segment(path, [record()])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(
        InputError, match=rf"{path.name}: line \d: expected a whole compressed file"
    ):
        store.records()


def test_what_fits_cost_is_averaged_over_those_that_ended(tmp_path: Path) -> None:
    store = opened(tmp_path)
    lost = record("c" * 16, value=None, fit_seconds=None, embed_seconds=None)
    for line in (record("a" * 16), record("b" * 16, fit_seconds=2.0), lost):
        store.writer().append(line, [])
    assert store.history().seconds == {("pca", "X", "smoke"): 2.0}


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.writer().append(record(), [])
    path = next((tmp_path / "records").glob("*.jsonl"))
    good = path.read_bytes()
    for line in (b"{not json}\n", b"{}\n", b"[]\n"):
        path.write_bytes(line + good)
        with pytest.raises(InputError, match=rf"{path.name}: line 1"):
            store.records()


def test_a_results_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="results folder that can be written"),
        Store(tmp_path / "file").locked(lambda: None),
    ):
        pass


def _hold(folder: Path, held: Any, release: Any) -> None:
    with Store(folder).locked(lambda: None):
        held.set()
        release.wait()


def test_a_second_run_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, held, release), daemon=True)
    process.start()
    wait_until(lambda: held.is_set() or not process.is_alive())
    assert held.is_set()
    waited = []

    def waiting() -> None:
        waited.append(True)
        release.set()

    with Store(tmp_path).locked(waiting):
        process.join()
    assert waited == [True]
    assert process.exitcode == 0
