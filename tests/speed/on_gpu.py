"""What a GPU is worth: a step and an embedding at paper size, a fit, several fits at once.

    python -m tests.speed.on_gpu

A line a figure. `MIRROR_BENCH_DEVICE=cpu` and `MIRROR_BENCH_TOKENS=512` rehearse it without a GPU.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from methods.base import Budget, Context
from methods.registry import all_methods
from tasks.data.load import load_cohort
from tasks.data.planted import PlantedConfig
from tasks.data.synthetic import write_planted
from tests.helpers.plain_mirror import PATCH_WIDTH, Build, TrainingStep

DEVICE = os.environ.get("MIRROR_BENCH_DEVICE", "cuda")
TOKENS = int(os.environ.get("MIRROR_BENCH_TOKENS", "2048"))
WIDTH = 768
BUILDS: tuple[Build, ...] = ("published", "ours")
AT_ONCE = 4


def wait() -> None:
    """Until the device has done what it was told."""
    if DEVICE.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(work: Callable[[], Any], rounds: int = 10) -> float:
    """Median of some rounds, after two."""
    times = []
    for _ in range(rounds + 2):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return median(times[2:])


def products() -> None:
    """The card's own rate, which the others are to be held against."""
    for dtype in (torch.float32, torch.bfloat16):
        size = 4096 if DEVICE.startswith("cuda") else 512
        matrix = torch.ones(size, size, dtype=dtype, device=DEVICE)
        spent = seconds(partial(torch.mm, matrix, matrix))
        print(f"product {dtype}: {2 * size**3 / spent / 1e12:.2f} TFLOP/s")


def steps() -> None:
    """A training step of two pairs, and the embedding of one bag, of both builds."""
    for which in BUILDS:
        for dtype in (None, torch.bfloat16):
            step = TrainingStep(which, TOKENS, WIDTH, dtype, DEVICE)
            print(f"step {which} {dtype or torch.float32}: {seconds(step) * 1e3:.1f} ms")
        model = TrainingStep(which, TOKENS, WIDTH, device=DEVICE).model.eval()
        bag = torch.randn(1, TOKENS, PATCH_WIDTH, device=DEVICE)
        with torch.inference_mode():
            embedding = seconds(partial(model.encode_wsi, bag))
        print(f"embedding {which}: {embedding * 1e3:.1f} ms")


def fits(folder: Path) -> None:
    """A fit of `mirror` at `default` on region bags, alone, then a fold each at once."""
    cohorts = folder / "cohorts"
    config = PlantedConfig(
        name="REGIONS", seed=1, bags=True, width=192, patients=264, patches=(40, 41), genes=4096
    )
    write_planted(config, cohorts / config.name)
    cohort = load_cohort(cohorts / config.name)
    spec = all_methods()["mirror"]
    for device in dict.fromkeys((DEVICE, "cpu")):
        method = spec.build(spec.config_for(Budget.DEFAULT))
        start = time.perf_counter()
        method.fit(cohort, Context(seed=0, device=device))
        print(f"fit on {device}: {time.perf_counter() - start:.1f} s")
    command = [sys.executable, "-m", "benchmark.cli", "run", "--methods", "mirror"]
    command += ["--tasks", "survival", "--data", str(cohorts), "--device", DEVICE, "--quiet"]
    command += ["--folds", str(AT_ONCE), "--repeats", "1", "--results", str(folder / "results")]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(f"{AT_ONCE} folds by `run`: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Print all of it."""
    if DEVICE.startswith("cuda"):
        print(torch.cuda.get_device_name(), f"torch {torch.__version__}")
    products()
    steps()
    with tempfile.TemporaryDirectory() as folder:
        fits(Path(folder))
    if DEVICE.startswith("cuda"):
        print(f"most memory: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
