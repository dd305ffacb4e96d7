"""MLflow: a parent run a sweep, a child run a trial. Our records never depend on it."""

import logging
import os
import queue
import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.engine.machine import Load
from benchmark.records.schema import Predictions, TrialRecord
from tasks.base import Status
from tasks.names import ARROW, file_name

# A server that is away must not hold up a sweep for minutes. The environment may say otherwise.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
EXPERIMENT = "mirror-bench"


def follow_moved_folder(database: Path, artifacts: str) -> None:
    """Tell a results folder's own database where its artefacts are, if the folder was moved.

    MLflow keeps whole addresses, and would write to where the folder once was.

    Args:
        database: MLflow's file; nothing is done where there is none.
        artifacts: The address of the folder's artefacts.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(database)) as connection, suppress(sqlite3.Error), connection:
        query = "SELECT DISTINCT artifact_location FROM experiments WHERE name = ?"
        for (old,) in connection.execute(query, (EXPERIMENT,)).fetchall():
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                    f"WHERE substr({column}, 1, ?) = ? AND ? <> ?",
                    (artifacts, len(old) + 1, len(old), old, old, artifacts),
                )


def make_database(database: Path) -> None:
    """MLflow's tables in a file that is there whole or not at all.

    MLflow makes them one by one, and takes no file in which a killed run has left some.

    Args:
        database: The file; nothing is done if it is there. The caller alone writes to its folder.
    """
    if database.exists():
        return
    import mlflow  # noqa: PLC0415  as below

    half = database.with_suffix(".half")
    for left in half.parent.glob(f"{half.name}*"):  # of a killed run, with its journal
        left.unlink()
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{half}").search_experiments()
    half.rename(database)


class Tracker:
    """Logs finished trials from a thread of its own, so that no trial waits for a server.

    The first failure ends tracking for the sweep; `lost` then says why.

    Args:
        uri: Tracking server or database.
        artifacts: Where artefacts go if the server does not decide; None leaves it to the server.
        parameters: Of the parent run.
    """

    def __init__(self, uri: str, artifacts: str | None, parameters: Mapping[str, str]) -> None:
        self.lost: str | None = None
        self._uri, self._artifacts, self._parameters = uri, artifacts, parameters
        self._queue: queue.Queue[tuple[TrialRecord, Sequence[Predictions]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
        self._thread.start()

    def log(self, record: TrialRecord, predictions: Sequence[Predictions]) -> None:
        """Log a finished trial soon; returns at once."""
        self._queue.put((record, predictions))

    def close(self, seconds: float) -> None:
        """Wait until everything is logged, at most `seconds`."""
        self._queue.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.lost = f"not done {seconds:.0f} s after the sweep's end"

    def _run(self) -> None:
        sweep = None
        try:
            sweep = _Sweep(self._uri, self._artifacts, self._parameters)
            load = Load()
            while True:
                try:
                    finished = self._queue.get(timeout=load.wait)
                except queue.Empty:
                    sweep.log_load(load.sample())
                    continue
                if finished is None:
                    break
                sweep.log(*finished)
                if not load.wait:
                    sweep.log_load(load.sample())
            sweep.log_load(load.sample())
            sweep.end("FINISHED")
        except Exception as error:  # noqa: BLE001  whatever MLflow raises, records go on
            self.lost = " ".join(str(error).split())[:200]


class _Sweep:
    """The parent run and its children."""

    def __init__(self, uri: str, artifacts: str | None, parameters: Mapping[str, str]) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        import mlflow  # noqa: PLC0415  costs seconds, here they are nobody's

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        if artifacts is not None:
            make_database(Path(uri.removeprefix("sqlite:///")))
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment = (
            experiment.experiment_id
            if experiment is not None
            else self._client.create_experiment(EXPERIMENT, artifact_location=artifacts)
        )
        self._entities = mlflow.entities
        parent = self._client.create_run(self._experiment, run_name="sweep")
        self._parent = parent.info.run_id
        self._samples = 0
        params = [self._entities.Param(k, v[:6000]) for k, v in parameters.items()]
        self._client.log_batch(self._parent, params=params)

    def log(self, record: TrialRecord, predictions: Sequence[Predictions]) -> None:
        name = f"{record.method} {record.cohort} fold {record.fold} seed {record.seed}"
        tags = {"mlflow.parentRunId": self._parent, **_tags(record)}
        run = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        params = [self._entities.Param(k, str(v)) for k, v in _parameters(record).items()]
        now = _now()
        metrics = [
            self._entities.Metric(key, value, now, step) for key, value, step in _metrics(record)
        ]
        for start in range(0, max(1, len(metrics)), 1000):  # MLflow's limit of a batch
            self._client.log_batch(run, metrics[start : start + 1000], params if not start else [])
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "record.json").write_text(record.model_dump_json(indent=1))
            beside = Path(folder, "predictions")
            beside.mkdir()
            for part in predictions:
                path = beside / f"{file_name(part.task).replace('/', '_')}.csv"
                pd.DataFrame(part.columns).to_csv(path, index=False)
            # At once: each call asks the server for the run first.
            self._client.log_artifacts(run, folder)
        failed = any(task.status is Status.FAILED for task in record.tasks)
        self._client.set_terminated(run, "FAILED" if failed else "FINISHED")

    def log_load(self, load: Mapping[str, float]) -> None:
        """How busy the driver's machine is, a curve of the parent run."""
        now = _now()
        metrics = [
            self._entities.Metric(name, value, now, self._samples) for name, value in load.items()
        ]
        self._samples += 1
        self._client.log_batch(self._parent, metrics)

    def end(self, status: str) -> None:
        self._client.set_terminated(self._parent, status)


def _now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _tags(record: TrialRecord) -> dict[str, str]:
    """Which trial of what: fingerprints of data, split and code, versions of libraries."""
    names = ("trial", "data", "split", "code", "device", "budget", "role", "family")
    return {name: str(getattr(record, name)) for name in names} | {
        f"version.{name}": version for name, version in record.versions.items()
    }


def _parameters(record: TrialRecord) -> dict[str, Any]:
    names = ("method", "cohort", "protocol", "fold", "n_folds", "seed")
    config = dict(record.config)
    if search := record.search:
        config |= search.candidates[search.chosen].config
    return {name: getattr(record, name) for name in names} | {
        f"config.{name}": value for name, value in config.items()
    }


def _allowed(task: str) -> str:
    """A task's name as MLflow takes it for a metric's: letters, digits and _ - . / : alone."""
    return re.sub(r"[^\w./:-]", "_", task.replace(ARROW, ":"))


def _metrics(record: TrialRecord) -> list[tuple[str, float, int]]:
    scores = [
        (f"{_allowed(task.task)}/{score.metric}", score.value, 0)
        for task in record.tasks
        for score in task.scores
        if score.value is not None
    ]
    costs = {
        "fit_seconds": record.fit_seconds,
        "embed_seconds": record.embed_seconds,
        "parameters": record.parameters,
        "system/peak_memory_megabytes": record.peak_memory_mb,
        "search_seconds": record.search.seconds if record.search else None,
    }
    scores += [(name, value, 0) for name, value in costs.items() if value is not None]
    if search := record.search:
        scores += [
            (f"search/{search.metric}", candidate.value, i)
            for i, candidate in enumerate(search.candidates)
            if candidate.value is not None
        ]
    curves = [
        (f"{kind}/{name}", value, epoch)
        for kind, of_kind in (("loss", record.losses), ("embedding", record.geometry))
        for name, values in of_kind.items()
        for epoch, value in enumerate(values)
    ]
    return scores + curves
