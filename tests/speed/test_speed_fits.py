"""A few epochs of every trained method on a cohort of the shape of region bags.

264 patients, 40 regions of 192 features, 4,096 genes, budget `default`, one thread; seconds are the
processor's, so that another process counts for little. `extra_info` has seconds an epoch, the
operations of a step as torch counts them, and what both make together: how many times as long the
fit takes as its own operations would at the rate of a large product, measured beside it.
"""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from methods.base import Budget, Context, MethodSpec, Role
from methods.registry import all_methods
from methods.trainer import TorchConfig
from tasks.data.cohort import Cohort
from tasks.data.load import load_cohort
from tasks.data.planted import PlantedConfig
from tasks.data.synthetic import write_planted

pytestmark = [
    pytest.mark.speed,
    pytest.mark.timeout(600),
    pytest.mark.benchmark(timer=time.process_time),
]

PATIENTS, REGIONS, WIDTH, GENES = 264, 40, 192, 4096
EPOCHS = 3
TRAINED = [
    spec
    for spec in all_methods().values()
    if isinstance(spec.config, TorchConfig) and spec.role is not Role.ABLATION and not spec.needs
]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder: Path = tmp_path_factory.mktemp("cohorts") / "regions"
    config = PlantedConfig(
        name="REGIONS",
        seed=1,
        bags=True,
        width=WIDTH,
        patients=PATIENTS,
        patches=(REGIONS, REGIONS + 1),
        genes=GENES,
        two_slides=0.0,
        missing=0.0,
    )
    write_planted(config, folder)
    return load_cohort(folder)


def seconds_per_operation(size: int = 768) -> float:
    """Of a large float32 product, the least of several."""
    left, right = torch.ones(size, size), torch.ones(size, size)
    times = []
    for _ in range(10):
        start = time.process_time()
        torch.mm(left, right)
        times.append(time.process_time() - start)
    return min(times) / (2 * size**3)


@pytest.mark.parametrize("spec", TRAINED, ids=lambda spec: spec.name)
def test_fit(benchmark: BenchmarkFixture, cohort: Cohort, spec: MethodSpec) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    target = cohort.endpoints["os"] if spec.role is Role.SUPERVISED else None
    config = spec.config_for(Budget.DEFAULT)
    assert isinstance(config, TorchConfig)
    config = replace(config, epochs=EPOCHS)
    method, losses = spec.build(config), []
    context = Context(seed=0, target=target, log=lambda _, loss: losses.append(loss))
    try:
        benchmark.pedantic(method.fit, args=(cohort, context), rounds=1)  # type: ignore[no-untyped-call]
        unit = seconds_per_operation()
    finally:
        torch.set_num_threads(threads)
    assert len(losses) == EPOCHS
    steps = -(-PATIENTS // config.batch_size)
    assert benchmark.stats is not None
    seconds = benchmark.stats.stats.min / EPOCHS
    flops = getattr(method, "step_flops", None)
    benchmark.extra_info["seconds an epoch"] = round(seconds, 3)
    if flops:
        benchmark.extra_info["operations a step"] = flops
        benchmark.extra_info["times its operations"] = round(seconds / (steps * flops * unit), 2)
