"""What the process of a run and the driver of its sweep tell each other."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.engine.plan import Trial
from benchmark.records.schema import Predictions, TrialRecord


@dataclass(frozen=True)
class Started:
    """Ray runs; with these processes on this machine, by name, it lives and dies."""

    processes: dict[str, int]


@dataclass(frozen=True)
class Finished:
    """A trial has run, and this is what it gave."""

    record: TrialRecord
    predictions: list[Predictions]


@dataclass(frozen=True)
class Lost:
    """A trial's worker died at every start."""

    trial: Trial


@dataclass(frozen=True)
class Ended:
    """There is nothing more to come, because of an error or because all trials are done."""

    error: Exception | None = None


Message = Started | Finished | Lost | Ended


@dataclass(frozen=True)
class Setting:
    """What the driver needs beside the plan.

    Attributes:
        folder: Scratch folder of the run.
        cache: Folder of embeddings.
        workers: Trials at a time, one CPU each; None for as many as a cluster has CPUs.
        device: A torch device.
        address: An existing Ray cluster, or None for one of our own on this machine.
    """

    folder: Path
    cache: Path
    workers: int | None
    device: str
    address: str | None
