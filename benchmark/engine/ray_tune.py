"""Ray Tune runs the trials of a plan, in the driver process of a sweep."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune
from ray._private.node import Node
from ray.tune.experiment import Trial as TuneTrial

from benchmark.engine.batches import Batches
from benchmark.engine.messages import Finished, Lost, Message, Setting, Started
from benchmark.engine.plan import Trial
from benchmark.engine.trial import run_trial
from methods.registry import all_methods
from tasks.errors import InputError, MachineError

Tell = Callable[[Message], None]

_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

RAY_STARTS = 3
"""How often Ray is started on this machine until its node is there within Ray's 30 s."""

_TOO_LONG = "AF_UNIX path length"
_LONGEST_FOLDER = 30
"""Characters of the folder in which Ray makes its own: a socket's path has 107 at most."""

_UNUSED = ("start_monitor", "start_log_monitor", "start_api_server")
"""What Ray starts beside a node and its store of actors, each a Python process: what scales a
cluster up, what copies logs to the driver, what shows a page."""


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
    """Hands every finished trial over, and lost ones back to the queue."""

    def __init__(self, batches: Batches, tell: Tell) -> None:
        self._batches, self._tell = batches, tell

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
        if self._batches.finished(result["place"], result["time_this_iter_s"]):
            self._tell(Finished(record, predictions))

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any
    ) -> None:
        # Not the method's exception (that is a record of its own) but the worker's death.
        self._batches.lost(trial.config["batch"])


def tune_trials(plan: Sequence[Trial], setting: Setting, tell: Tell) -> None:
    """Run the trials of a plan; returns when all are finished.

    Raises:
        InputError: No cluster answers at the address.
        MachineError: Ray did not start on this machine.
    """
    if setting.address is None:
        _start(setting.workers, tell)
    else:
        _connect(setting.address)
    signal.signal(signal.SIGTERM, lambda *_: None)  # not Ray's, which prints and exits
    shares = {spec.name: spec.gpus for spec in all_methods().values()}  # others need no GPU
    on_gpu = setting.device.startswith("cuda")
    gpus = [shares.get(trial.method, 0.0) if on_gpu else 0.0 for trial in plan]
    cpus = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    batches = Batches(plan, gpus, setting.workers or cpus)
    tune.Tuner(
        tune.with_parameters(_Worker, plan=tuple(plan), cache=setting.cache, device=setting.device),
        tune_config=tune.TuneConfig(
            search_alg=_Queue(batches, gpus),
            num_samples=-1,
            reuse_actors=True,
            max_concurrent_trials=setting.workers,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="sweep",
            storage_path=str(setting.folder),
            verbose=0,
            callbacks=[_Collect(batches, tell)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    for place in batches.given_up:
        tell(Lost(plan[place]))


def _start(workers: int | None, tell: Tell) -> None:
    """Start Ray on this machine; on a busy one its node may be late for Ray's own patience."""
    for name in _UNUSED:
        setattr(Node, name, lambda *_args, **_options: None)
    for number in range(RAY_STARTS):
        try:
            with _short_sockets():
                ray.init("local", num_cpus=workers, include_dashboard=False, **_QUIET)
        except Exception as error:
            ray.shutdown()
            if _TOO_LONG in str(error):
                raise MachineError(
                    "Ray did not start: the folder of its sockets has too long a name; set "
                    f"RAY_TMPDIR to one of at most {_LONGEST_FOLDER} characters"
                ) from error
            if number == RAY_STARTS - 1:
                words = str(error).split()
                raise MachineError(
                    f"Ray did not start on this machine in {RAY_STARTS} tries; if it is busy, try "
                    f"the same command again later. Ray says: {' '.join(words)[:200]}"
                ) from error
        else:
            break
    node = psutil.Process()
    names = ("gcs_server", "raylet")
    tell(Started({p.name(): p.pid for p in node.children() if p.name() in names}))


@contextmanager
def _short_sockets() -> Iterator[None]:
    """Batch systems name TMPDIR so that a socket's path in it exceeds what systems allow.

    Ray takes the system's folder where neither is set; RAY_TMPDIR is whoever's sets it.
    """
    named = os.environ.get("TMPDIR", "")
    if "RAY_TMPDIR" in os.environ or len(named) <= _LONGEST_FOLDER:
        yield
        return
    del os.environ["TMPDIR"]
    try:
        yield
    finally:
        os.environ["TMPDIR"] = named


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
