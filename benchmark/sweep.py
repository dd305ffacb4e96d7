"""The sweep: Ray Tune runs the trials of a plan; every finished one is recorded at once."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from benchmark.plan import Trial
from benchmark.records import Line
from benchmark.trial import run_trial

OnFinished = Callable[[Line, list[Line]], None]
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
}


class _Worker(tune.Trainable):
    """A reused worker process: one step is one trial of ours."""

    def setup(  # type: ignore[override]  # tune.with_parameters adds arguments
        self, config: dict[str, Any], plan: Sequence[Trial], cache: Path, device: str
    ) -> None:
        self._index, self._plan, self._cache, self._device = config["index"], plan, cache, device

    def step(self) -> dict[str, Any]:
        trial = self._plan[self._index]
        finished = run_trial(trial, self._cache, self._device)
        return {"finished": json.dumps(finished), tune.result.DONE: True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._index = new_config["index"]
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing to keep: a trial is done or not."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing was kept."""


class _Collect(tune.Callback):
    """Hands every finished or lost trial over, in the driver."""

    def __init__(self, plan: Sequence[Trial], on_finished: OnFinished, on_lost: OnLost) -> None:
        self._plan, self._on_finished, self._on_lost = plan, on_finished, on_lost

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for a restore of its own; ours are records and need none.
        return {}

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **_: Any,
    ) -> None:
        record, predictions = json.loads(result["finished"])
        self._on_finished(record, predictions)

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any
    ) -> None:
        # Not the method's exception (that is a record of its own) but the worker's death.
        self._on_lost(self._plan[trial.config["index"]])


def run_sweep(
    plan: Sequence[Trial],
    on_finished: OnFinished,
    on_lost: OnLost,
    *,
    folder: Path,
    cache: Path,
    workers: int,
    device: str,
    address: str | None,
) -> None:
    """Run the trials of a plan; returns when all are finished.

    Args:
        plan: Trials, in the order in which they are started.
        on_finished: Called in this process with each record and its predictions.
        on_lost: Called in this process with each trial whose worker died, three times.
        folder: Scratch folder of the run.
        cache: Folder of embeddings.
        workers: Trials at a time, one CPU each.
        device: A torch device.
        address: An existing Ray cluster, or None for one of our own on this machine.

    Raises:
        KeyboardInterrupt: On Ctrl-C; what is finished is recorded.
    """
    trainable = tune.with_parameters(_Worker, plan=tuple(plan), cache=cache, device=device)
    gpus = 1 / workers if device.startswith("cuda") else 0
    with _ray(folder, workers, address):
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": gpus}),
            param_space={"index": tune.grid_search(list(range(len(plan))))},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=workers,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=str(folder),
                verbose=0,
                callbacks=[_Collect(plan, on_finished, on_lost)],
                # A worker that dies takes no trial with it: the trial is started again, twice.
                failure_config=tune.FailureConfig(max_failures=2),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()


@contextmanager
def _ray(folder: Path, workers: int, address: str | None) -> Iterator[None]:
    # Ray puts the driver's working directory first on every worker's sys.path: a stranger's
    # `tasks/` there would shadow ours. The scratch folder holds no module.
    before = Path.cwd()
    os.environ.update(TUNE_SETTINGS)
    os.chdir(folder)
    try:
        ray.init(
            address=address,
            num_cpus=None if address else workers,
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
        yield
    finally:
        ray.shutdown()
        os.chdir(before)
