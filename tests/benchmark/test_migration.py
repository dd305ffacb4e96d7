"""Lines of schema 1 are read as those of the present one."""

import json
import math
from pathlib import Path

import pytest

from benchmark.records.migration import measure
from benchmark.records.schema import TrialRecord
from benchmark.records.store import Store
from tasks.base import Task
from tasks.kinds.mutation import Mutation
from tasks.registry import KINDS, PUBLISHED
from tests.helpers.frames import fake
from tests.helpers.stores import trial_record, write_store

YOUNGER = (Mutation,)
"""Kinds of which there is no record of schema 1."""


@pytest.mark.parametrize(
    "kind",
    [kind for kind in (*KINDS, *PUBLISHED) if kind not in YOUNGER],
    ids=lambda kind: str(kind.__name__),
)
def test_old_scores_are_given_what_their_metrics_declare_today(kind: type[Task]) -> None:
    for metric in kind.metrics:
        low, high = (bound if math.isfinite(bound) else None for bound in metric.bounds)
        assert measure(metric.name) == {"chance": metric.chance, "low": low, "high": high}


def test_nothing_is_known_of_another_metric() -> None:
    assert measure("colour") == {"chance": None, "low": None, "high": None}


def old(record: TrialRecord) -> str:
    """As schema 1 had it: without checksum, what is planted, chance and bounds."""
    line = record.model_dump(mode="json")
    del line["planted"]
    for task in line["tasks"]:
        for score in task["scores"]:
            for name in ("chance", "low", "high"):
                del score[name]
    return json.dumps(line)


def test_a_line_from_before_encoders_were_recorded_names_none() -> None:
    line = trial_record(trial="t", encoder="HIPT", pretrained_on=["TCGA"]).model_dump(mode="json")
    record = TrialRecord.model_validate_json(json.dumps(line))
    assert (record.encoder, record.pretrained_on) == ("HIPT", ("TCGA",))
    del line["encoder"], line["pretrained_on"]
    record = TrialRecord.model_validate_json(json.dumps(line))
    assert (record.encoder, record.pretrained_on) == ("", ())


def test_a_folder_of_schema_1_gives_the_same_tables(tmp_path: Path) -> None:
    frame = fake()
    store = write_store(tmp_path / "new", frame)
    assert set(frame["planted"]) == {True, False}
    for kind in ("records", "predictions"):
        (tmp_path / "old" / kind).mkdir(parents=True)
    records = [trial for trial, _ in store.results()]
    unique = {record.trial: record for record in records}
    (tmp_path / "old" / "records" / "a.jsonl").write_text(
        "".join(f"{old(record)}\n" for record in unique.values())
    )
    predictions = store.folder / "predictions" / "0.jsonl"
    lines = [json.loads(text) for text in predictions.read_text().splitlines()]
    kept = [{k: v for k, v in line.items() if k not in ("schema", "crc32")} for line in lines]
    (tmp_path / "old" / "predictions" / "a.jsonl").write_text(
        "".join(f"{json.dumps(line)}\n" for line in kept)
    )
    before = Store(tmp_path / "old")
    assert before.records().equals(store.records())
    assert before.predictions().equals(store.predictions())
    assert before.history() == store.history()
    assert before.attempted() == store.attempted()
