"""MIRROR against the published order of operations on nystrom-attention, in one run.

Two threads, float32 unless said; the two builds take turns, so that a busy machine slows both, and
the least time of each counts. At the paper's size a run takes minutes.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.speed.plain_mirror import PATCH_WIDTH, Build, TrainingStep, build

pytestmark = pytest.mark.speed

SIZES = {"paper": (2048, 768), "small": (256, 96)}
BUILDS: tuple[Build, ...] = ("published", "ours")


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def embedding_pass(which: Build, tokens: int, width: int) -> Callable[[], Any]:
    model = build(which, tokens, width).eval()
    bag = torch.randn(1, tokens, PATCH_WIDTH)
    return torch.inference_mode()(lambda: model.encode_wsi(bag))


def least_seconds(works: tuple[Callable[[], Any], ...], rounds: int) -> list[float]:
    """The least wall time of each, taking turns, after one round to warm up."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, spent in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            spent.append(time.perf_counter() - start)
    return [min(spent[1:]) for spent in times]


@pytest.mark.parametrize("which", BUILDS)
@pytest.mark.parametrize("size", SIZES)
def test_training_step(benchmark: Any, size: str, which: Build) -> None:
    benchmark.pedantic(TrainingStep(which, *SIZES[size]), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("size", SIZES)
def test_training_step_in_bfloat16(benchmark: Any, size: str) -> None:
    step = TrainingStep("ours", *SIZES[size], dtype=torch.bfloat16)
    benchmark.pedantic(step, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("which", BUILDS)
@pytest.mark.parametrize("size", SIZES)
def test_embedding(benchmark: Any, size: str, which: Build) -> None:
    benchmark.pedantic(embedding_pass(which, *SIZES[size]), rounds=3, warmup_rounds=1)


@pytest.mark.timeout(900)
def test_ratios_at_paper_size() -> None:
    tokens, width = SIZES["paper"]
    steps = tuple(TrainingStep(which, tokens, width) for which in BUILDS)
    published, ours = least_seconds(steps, rounds=3)
    passes = tuple(embedding_pass(which, tokens, width) for which in BUILDS)
    published_embed, ours_embed = least_seconds(passes, rounds=5)
    memory = {which: peak_mebibytes(which, tokens, width) for which in BUILDS}
    share = memory["ours"] / memory["published"]
    print(f"\nstep {published:.2f} s -> {ours:.2f} s: {published / ours:.2f}x")
    print(f"embedding {published_embed:.3f} s -> {ours_embed:.3f} s")
    print(f"peak memory {memory['published']} MiB -> {memory['ours']} MiB: {share:.2f}")
    assert published / ours >= 1.5
    assert published_embed / ours_embed >= 2
    assert share <= 0.7


def peak_mebibytes(which: Build, tokens: int, width: int) -> int:
    """Peak resident memory of a process that makes two training steps."""
    command = [sys.executable, "-m", "tests.speed.plain_mirror", which, str(tokens), str(width)]
    root = Path(__file__).parents[2]
    return int(subprocess.run(command, cwd=root, check=True, capture_output=True).stdout)
