"""The shape of results: what a trial writes, the store checks and every table reads.

`SCHEMA` is its number; a line of schema 1 is brought to it in `benchmark.records.migration`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from typing_extensions import TypeAliasType

from benchmark.records.protocol import TrialProtocol
from tasks.base import Status
from tasks.data.formats.cells import shown
from tasks.errors import InputError
from tasks.metrics.convergence import last_gain
from tasks.names import COHORT, COHORT_RULE, NAME, NAME_RULE, TASK

SCHEMA = 2

FOLDERS = ("records", "predictions")
"""What a results folder holds."""


class DamagedError(InputError):
    """Something in a results folder that cannot be read; `mirror-bench results repair` can help.

    Args:
        path: The file, in `records/` or `predictions/`.
        detail: Where in it, what was expected, what was found.
    """

    def __init__(self, path: Path, detail: str) -> None:
        self.detail = detail
        results = next(p.parent for p in path.parents if p.name in FOLDERS)
        super().__init__(
            f"{path}: {detail}; mirror-bench results repair --results {results} moves it aside"
        )


class NewerError(ValueError):
    """What a newer mirror-bench wrote: not damaged, and not to be read here."""

    def __init__(self, schema: object) -> None:
        super().__init__(
            f"schema: expected {SCHEMA} or older, found {shown(schema)}, which a newer "
            "mirror-bench reads"
        )


_LARGEST = 2**63 - 1


def _time(text: str) -> str:
    """Times in one form, so that the later text is the later time."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo != UTC or time.isoformat(timespec="milliseconds") != text:
        raise ValueError(f"expected a time in UTC to the millisecond, found {shown(text)}")
    return text


def _protocol(value: object) -> TrialProtocol:
    if isinstance(value, TrialProtocol):
        return value
    if not isinstance(value, str):
        raise ValueError(f"expected a text, found {shown(value)}")
    return TrialProtocol.parse(value)


def _one_of(*words: str) -> Any:
    return Field(pattern=f"^({'|'.join(words)})$", description=f"one of {', '.join(words)}")


Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$", description=NAME_RULE)]
"""By the rule of `cohort.toml`: it becomes a part of file names, pages and terminals."""

CohortName = Annotated[str, Field(pattern=f"^{COHORT.pattern}$", description=COHORT_RULE)]
TaskName = Annotated[str, Field(pattern=f"^{TASK.pattern}$", description="KIND/COHORT/LABEL")]
ConfigValue = TypeAliasType(
    "ConfigValue", "bool | int | float | str | list[ConfigValue] | dict[str, ConfigValue] | None"
)
"""What a configuration holds, once it is written down: pydantic's own JsonValue takes NaN."""

Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Positive = Annotated[int, Field(ge=1, le=_LARGEST)]
Time = Annotated[str, AfterValidator(_time)]
_Role = Annotated[
    str, _one_of("self-supervised", "ablation", "control", "supervised", "precomputed")
]
_Budget = Annotated[str, _one_of("smoke", "default", "paper")]
"""The words of `methods.base`, which whoever reads records need not import."""

_Protocol = Annotated[
    TrialProtocol,
    PlainValidator(_protocol),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string"}),
]


class Record(BaseModel):
    """Strict: a truth is no whole number, there is no NaN, and no key but these."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class ScoreRecord(Record):
    """One metric of one task on one test fold.

    Attributes:
        metric: Its name.
        value: None unless `status` is ok.
        higher_is_better: Its direction.
        chance: What a model that knows nothing scores; None where that depends on the patients.
        low: The least value there can be, None if there is no bound.
        high: The largest.
        primary: Whether it is the task's first.
        status: What became of it.
        reason: Empty if ok.
    """

    metric: Name
    value: float | None
    higher_is_better: bool
    chance: float | None
    low: float | None
    high: float | None
    primary: bool
    status: Status
    reason: str


def _first_is_primary(scores: tuple[ScoreRecord, ...]) -> tuple[ScoreRecord, ...]:
    names = [score.metric for score in scores]
    if len(set(names)) < len(names):
        raise ValueError(f"expected each metric once, found {shown(names)}")
    if [score.primary for score in scores] != [i == 0 for i in range(len(scores))]:
        raise ValueError("expected the first score as the primary one, and no other")
    return scores


class TaskRecord(Record):
    """One task of a trial.

    Attributes:
        task: KIND/COHORT/LABEL.
        version: Of the task kind.
        circular: The modality that the label was called from, empty if none.
        status: ok if any score is; otherwise the primary score's.
        reason: Empty if ok.
        n_patients: Test patients scored.
        n_events: Events among them, None where the task has none.
        scores: The primary one first.
    """

    task: TaskName
    version: Count
    circular: str
    status: Status
    reason: str
    n_patients: Count | None
    n_events: Count | None
    scores: Annotated[
        tuple[ScoreRecord, ...], Field(min_length=1), AfterValidator(_first_is_primary)
    ]


class CandidateRecord(Record):
    """A configuration that a search judged.

    Attributes:
        config: The fields that the search may change.
        value: Mean of the criterion over the inner folds, None if one of them gave none.
        reason: Why not, else empty.
        seconds: Wall time of judging it.
    """

    config: dict[str, ConfigValue]
    value: float | None
    reason: str
    seconds: float


class SearchRecord(Record):
    """A search for hyper-parameters inside the training patients.

    Attributes:
        criterion: The task whose primary metric judged.
        metric: That metric.
        chosen: Place among the candidates of the configuration that was fitted.
        seconds: Of all of them.
        candidates: In the order in which they were tried.
    """

    criterion: TaskName
    metric: Name
    chosen: Count
    seconds: float
    candidates: tuple[CandidateRecord, ...]


class TrialRecord(Record):
    """One fit, and every task scored on its embeddings.

    Attributes:
        trial: Its key.
        attempt: How often it had been tried, with this time.
        method: Name; with its `family`, `parent` (of an ablation) and `summary`.
        role: What the method is in the comparison.
        config: The method's configuration; of a search, the first one tried.
        budget: Under which `config` was chosen.
        search: How a better configuration was sought, None if it was not.
        protocol: How the tasks were asked, of which folds.
        cohort: Name; with its `source`, `licence` and `notes`.
        encoder: What made its slide features; empty in lines from before it was recorded.
        pretrained_on: Whose slides that had been trained on, without labels.
        planted: Whether the cohort is synthetic and says nothing about cancer.
        fold: Of the outer split; `split` is the fingerprint of its patients.
        n_folds: Of one deal, where the patients are dealt repeatedly.
        seed: The repeat.
        data: Fingerprint of the cohort.
        code: Fingerprint of the method's source.
        versions: Of Python and of libraries.
        device: Where it ran, empty if that is not known.
        fit_seconds: Wall time, None if nothing was fitted; `embed_seconds` likewise.
        parameters: Trained numbers of the method.
        step_flops: Of a training step.
        peak_memory_mb: Of the worker, or of its accelerator.
        losses: By name, a value an epoch.
        geometry: How embeddings of some training patients lay, by name: a value before training
            and one after each epoch; empty in lines from before it was recorded.
        genes: Those that were selected, if genes were.
        tasks: What was scored.
        finished: When the store took it.
    """

    trial: Name
    attempt: Positive
    method: Name
    family: str
    role: _Role
    parent: Name | None
    summary: str
    config: dict[str, ConfigValue]
    budget: _Budget
    search: SearchRecord | None
    protocol: _Protocol
    cohort: CohortName
    source: str
    licence: str
    encoder: str = ""
    pretrained_on: tuple[str, ...] = ()
    planted: bool
    notes: tuple[str, ...]
    fold: Count
    split: Name
    n_folds: Positive
    seed: Count
    data: Name
    code: Name
    versions: dict[str, str]
    device: str
    fit_seconds: float | None
    embed_seconds: float | None
    parameters: Count | None
    step_flops: Count | None
    peak_memory_mb: float | None
    losses: dict[str, tuple[float, ...]]
    geometry: dict[str, tuple[float, ...]] = {}
    genes: tuple[str, ...]
    tasks: tuple[TaskRecord, ...]
    finished: Time

    @property
    def last_gain(self) -> float | None:
        """What the last epochs gained of the loss's whole fall, None of few epochs or none."""
        return last_gain(self.losses.get("total", ()))

    @property
    def effective_rank(self) -> float | None:
        """Of the embedding after training, None where it was not watched."""
        return self._after_training("effective_rank")

    @property
    def uniformity(self) -> float | None:
        """Likewise."""
        return self._after_training("uniformity")

    def _after_training(self, name: str) -> float | None:
        values = self.geometry.get(name)
        return values[-1] if values else None

    @cached_property
    def made_by(self) -> str:
        """The method's source and configuration as one text."""
        return json.dumps([self.code, self.config], sort_keys=True)


Column = list[str] | list[int] | list[float]


def _columns(columns: dict[str, Column]) -> dict[str, Column]:
    if "patient" not in columns:
        raise ValueError(f"expected a column patient, found {shown(sorted(columns))}")
    for name in (*columns, *map(str, columns["patient"])):
        if not name.isprintable():
            raise ValueError(f"expected names without control characters, found {shown(name)}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("expected lists of one length, found others")
    return columns


class Predictions(Record):
    """What a trial's head said of each test patient of one task.

    Attributes:
        trial: Its key.
        attempt: Of which record of the trial.
        task: KIND/COHORT/LABEL.
        columns: Name -> a value a patient; `patient` is one of them.
    """

    trial: Name
    attempt: Positive
    task: TaskName
    columns: Annotated[
        dict[str, Annotated[Column, Field(union_mode="left_to_right")]],
        AfterValidator(_columns),
    ]


_R = TypeVar("_R", bound=Record)

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def fault(model: type[Record], error: ValidationError) -> str:
    """The first thing that is wrong, `KEY: expected ..., found ...`.

    Args:
        model: What the line should have been.
        error: What pydantic said of it.
    """
    first = error.errors(include_url=False)[0]
    kind, value = first["type"], first["input"]
    if kind == "json_invalid":
        return f"expected one trial as JSON, found {shown(str(value)[:40])}"
    schema = model.model_json_schema()
    node: Mapping[str, Any] = schema
    place = ""
    for step in first["loc"]:
        inside = _inside(schema, node, step)
        if inside is None and kind != "extra_forbidden":
            break  # what pydantic calls the members of a union
        node = inside or {}
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    if kind == "extra_forbidden":
        return f"{place}: expected no such key, found {shown(value)}"
    if kind == "value_error":
        return f"{place}: {first['ctx']['error']}"
    found = "none" if kind == "missing" else shown(value)
    return f"{place}: expected {_words(schema, node, kind)}, found {found}"


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    resolved: Mapping[str, Any] = schema["$defs"][reference.split("/")[-1]] if reference else node
    return resolved


def _inside(
    schema: Mapping[str, Any], node: Mapping[str, Any], step: int | str
) -> Mapping[str, Any] | None:
    """The JSON schema of one key or item of what `node` describes."""
    for option in node.get("anyOf", [node]):
        whole = _resolved(schema, option)
        if isinstance(step, int) and "items" in whole:
            return _resolved(schema, whole["items"])
        if step in whole.get("properties", {}):
            return _resolved(schema, whole["properties"][step])
        if isinstance(step, str) and isinstance(whole.get("additionalProperties"), dict):
            return _resolved(schema, whole["additionalProperties"])
    return None


def _words(schema: Mapping[str, Any], node: Mapping[str, Any], kind: str) -> str:
    """What a JSON schema asks for."""
    if "anyOf" in node:
        return " or ".join(
            dict.fromkeys(
                _words(schema, _resolved(schema, option), kind) for option in node["anyOf"]
            )
        )
    if "enum" in node:
        return f"one of {', '.join(node['enum'])}"
    words = _TYPES.get(node.get("type", ""), "a value")
    if "pattern" in node:
        return str(node["description"])
    if "minimum" in node:
        top = f" to {node['maximum']}" if kind == "less_than_equal" else ""
        return f"{words} from {node['minimum']}{top}"
    return f"{words} that is not empty" if kind == "too_short" else words
