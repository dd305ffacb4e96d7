"""The sweep: Ray Tune runs the trials of a plan; every finished one is recorded at once."""

import gc
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from benchmark.engine.batches import Batches
from benchmark.engine.plan import Trial
from benchmark.engine.trial import run_trial
from benchmark.records.schema import Predictions, TrialRecord
from methods.registry import all_methods
from tasks.errors import InputError, MachineError

OnFinished = Callable[[TrialRecord, list[Predictions]], None]
OnLost = Callable[[Trial], None]

# Tune's own files are of no use here (our records are the truth for resuming), and
# its handler of Ctrl-C would hide the interrupt from us.
TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_MAX_PENDING_TRIALS_PG": "auto",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A busy machine answers late (seen at a load of nine a core), and Ray takes the one node there
    # is for dead. Daemons of a cluster that runs already have settings of their own.
    "RAY_health_check_timeout_ms": "120000",
    "RAY_health_check_failure_threshold": "10",
}


_QUIET: dict[str, Any] = {
    "log_to_driver": False,
    "logging_level": logging.ERROR,
    "configure_logging": True,
}

RAY_STARTS = 3
"""How often Ray is started on this machine until its node is there within Ray's 30 s."""


class _Worker(tune.Trainable):
    """A reused worker process: Tune's trial is a batch of ours, and each step one of them."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """A CPU, and the share of a GPU that the batch's methods declare."""
        return tune.PlacementGroupFactory([{"CPU": 1, "GPU": config["gpus"]}])

    def setup(  # type: ignore[override]  # tune.with_parameters adds arguments
        self, config: dict[str, Any], plan: Sequence[Trial], cache: Path, device: str
    ) -> None:
        self._batch, self._plan, self._cache, self._device = config["batch"], plan, cache, device
        self._next = 0

    def step(self) -> dict[str, Any]:
        place = self._batch[self._next]
        self._next += 1
        finished = run_trial(self._plan[place], self._cache, self._device)
        return {
            "place": place,
            "finished": finished,
            tune.result.DONE: self._next == len(self._batch),
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._batch, self._next = new_config["batch"], 0
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: a trial is done or not."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing was kept."""


class _Queue(tune.search.Searcher):
    """Proposes the next batch to Tune, as soon as a worker could take it."""

    def __init__(self, batches: Batches, gpus: Sequence[float]) -> None:
        super().__init__()
        self._batches, self._gpus = batches, gpus

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles what it is given for a restore of its own; ours are records and need none.
        return {}

    def suggest(  # type: ignore[override]  # it may also say that it has finished
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        batch = self._batches.take()
        if batch:
            return {"batch": batch, "gpus": self._gpus[batch[0]]}
        return self.FINISHED if self._batches.over else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Told to the callback, which knows the batch."""


class _Collect(tune.Callback):
    """Hands every finished trial over, in the driver, and lost ones back to the queue.

    Attributes:
        error: What went wrong in the driver itself: the sweep must end, its workers are fine.
    """

    def __init__(self, batches: Batches, on_finished: OnFinished) -> None:
        self.error: Exception | None = None
        self._batches, self._on_finished = batches, on_finished

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **_: Any,
    ) -> None:
        # Taken out: Tune keeps every result in memory as long as the sweep lasts.
        record, predictions = result.pop("finished")
        if self.error is not None or not self._batches.finished(
            result["place"], result["time_this_iter_s"]
        ):
            return
        try:
            self._on_finished(record, predictions)
        except Exception as error:  # noqa: BLE001  Tune would take it for the trial's, and retry
            self.error = error

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any
    ) -> None:
        # Not the method's exception (that is a record of its own) but the worker's death.
        self._batches.lost(trial.config["batch"])


class _StopOnError(tune.Stopper):
    """Ends a sweep early once the driver can take no more records."""

    def __init__(self, collect: _Collect) -> None:
        self._collect = collect

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._collect.error is not None


def run_sweep(
    plan: Sequence[Trial],
    on_finished: OnFinished,
    on_lost: OnLost,
    *,
    folder: Path,
    cache: Path,
    workers: int | None,
    device: str,
    address: str | None,
) -> None:
    """Run the trials of a plan; returns when all are finished.

    Args:
        plan: Trials, in the order in which they are started.
        on_finished: Called in this process with each record and its predictions.
        on_lost: Called in this process with each trial whose worker died at every start.
        folder: Scratch folder of the run.
        cache: Folder of embeddings.
        workers: Trials at a time, one CPU each; None for as many as a cluster has CPUs.
        device: A torch device.
        address: An existing Ray cluster, or None for one of our own on this machine.

    Raises:
        KeyboardInterrupt: On Ctrl-C; what is finished is recorded.
        InputError: No cluster answers at `address`.
        Exception: Whatever `on_finished` raised; no trial is handed over after it.
    """
    trainable = tune.with_parameters(_Worker, plan=tuple(plan), cache=cache, device=device)
    shares = {spec.name: spec.gpus for spec in all_methods().values()}
    gpus = [shares[trial.method] if device.startswith("cuda") else 0.0 for trial in plan]
    with _ray(folder, workers, address):
        cpus = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
        batches = Batches(plan, gpus, workers or cpus)
        collect = _Collect(batches, on_finished)
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=_Queue(batches, gpus),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=workers,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=str(folder),
                verbose=0,
                callbacks=[collect],
                stop=_StopOnError(collect),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
        if collect.error is not None:
            raise collect.error
    for place in batches.given_up:
        on_lost(plan[place])


@contextmanager
def _ray(folder: Path, workers: int | None, address: str | None) -> Iterator[None]:
    # Ray puts the driver's working directory first on every worker's sys.path: a stranger's
    # `tasks/` there would shadow ours. The scratch folder holds no module.
    before = Path.cwd()
    os.environ.update(TUNE_SETTINGS)
    os.chdir(folder)
    try:
        if address is None:
            _start(workers)
        else:
            _connect(address)
        yield
    finally:
        _shutdown()
        os.chdir(before)


def _shutdown() -> None:
    """Shut Ray down; no other thread of this process may free what is Ray's meanwhile.

    Tune leaves object references in cycles. Where a thread's collection of garbage frees one after
    Ray's own worker has ended, Ray ends the process, exit code 1, with all trials done.
    """
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if was_enabled:
            gc.enable()


def _start(workers: int | None) -> None:
    """Start Ray on this machine; on a busy one its node may be late for Ray's own patience."""
    for number in range(RAY_STARTS):
        try:
            ray.init("local", num_cpus=workers, include_dashboard=False, **_QUIET)
        except Exception as error:
            _shutdown()
            if number == RAY_STARTS - 1:
                words = str(error).split()
                raise MachineError(
                    f"Ray did not start on this machine in {RAY_STARTS} tries; if it is busy, try "
                    f"the same command again later. Ray says: {' '.join(words)[:200]}"
                ) from error
        else:
            return


def _connect(address: str) -> None:
    nobody = f"--address: expected a Ray cluster that answers, found none at {address!r}"
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        # Ray itself waits for minutes at an address where nothing listens.
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise InputError(nobody) from error
    try:
        ray.init(address=address, **_QUIET)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"{nobody}; one that was started with a token answers who has it and sets "
            "RAY_AUTH_MODE=token"
        ) from error
