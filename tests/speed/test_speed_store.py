"""What reading a cohort of real size costs: memory, time and the disk's share.

The size comes from MIRROR_BENCH_SCALE, `SLIDESxPATCHESxWIDTH`; docs/scale.md has the figures of
1000x4000x768, which takes 11 GB of disk and a quarter of an hour.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from tasks.data.cohort import BagModality, Features
from tasks.data.load import load_cohort
from tests.speed.scale import TOKENS, Size, write_cohort

pytestmark = [pytest.mark.speed, pytest.mark.timeout(3600)]
SIZE = Size.parse(os.environ.get("MIRROR_BENCH_SCALE", "160x2500x768"))
BATCH = 16
PAPER = Size(BATCH, 10_000, 1536)
ROUNDS = 9
LARGEST_PEAK = 1500  # MiB
ROOT = Path(__file__).parents[2]
watch = time.perf_counter


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Cohorts of a quarter, a half and all of the slides."""
    folder = tmp_path_factory.mktemp("scale")
    counts = (SIZE.slides // 4, SIZE.slides // 2, SIZE.slides)
    return {n: write_cohort(folder / f"c{n}", Size(n, SIZE.patches, SIZE.width)) for n in counts}


def bags(folder: Path) -> BagModality:
    modality = load_cohort(folder).modalities["wsi"]
    assert isinstance(modality, BagModality)
    return modality


def read_batch(
    modality: BagModality, patients: list[str], rng: np.random.Generator, room: Features
) -> None:
    """Draw `TOKENS` patches of each patient into `room`, as training does."""
    for patient, bag in zip(patients, room, strict=True):
        n = modality.n_instances(patient)
        modality.read_into(bag, patient, rng.choice(n, TOKENS, replace=False))


def room_for(modality: BagModality, n: int, kind: type = np.float16) -> Features:
    """Where a batch is read, time after time."""
    room: Features = np.empty((n, TOKENS, modality.width), kind)
    return room


def _bag_seconds(folder: Path, files: list[Path], threads: int) -> dict[str, float]:
    """Seconds a bag of each way to read a batch; they take turns, and of each the median counts."""
    torch.set_num_threads(threads)
    modality, rng = bags(folder), np.random.default_rng(0)
    patients = list(modality.patients[:BATCH])
    assert modality.dtype == np.float16
    half, single = (room_for(modality, BATCH, kind) for kind in (np.float16, np.float32))

    def chosen(file: Path) -> Tensor:
        features: Tensor = torch.load(file, map_location="cpu", weights_only=True)
        return features[torch.randperm(len(features))[:TOKENS]]

    reads: dict[str, Callable[[], object]] = {
        "torch.load": lambda: torch.stack([chosen(file) for file in files]),
        "store": lambda: read_batch(modality, patients, rng, half),
        "store, made float32": lambda: read_batch(modality, patients, rng, single),
    }
    seconds: dict[str, list[float]] = {name: [] for name in reads}
    for _ in range(1 + ROUNDS):
        for name, read in reads.items():
            start = watch()
            read()
            seconds[name].append(watch() - start)
    return {name: statistics.median(found[1:]) / BATCH for name, found in seconds.items()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [PAPER, replace(SIZE, slides=BATCH)], ids=["paper", "given"])
def test_batches_against_torch_load(
    benchmark: BenchmarkFixture, size: Size, threads: int, tmp_path: Path
) -> None:
    """A batch drawn from the store, and the published way: load a float32 `.pt`, then choose.

    The published way ends in float32; ours so too, and beside that in float16, as the store keeps
    it and as it goes to a GPU. All is in the page cache, where small slides load quickly. Each case
    is a process of its own, as a worker is: what others left in the heap decides whether loading
    maps its memory anew, which is half of its time.
    """
    folder = write_cohort(tmp_path / "cohort", size)
    modality, files = bags(folder), []
    for patient in modality.patients[:BATCH]:
        files.append(tmp_path / f"{patient}.pt")
        torch.save(torch.from_numpy(modality.read(patient)), files[-1])
    os.sync()  # or the disk writes what was just made while the first turns are timed
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        job = (folder, files, threads)
        a_bag = benchmark.pedantic(pool.apply, (_bag_seconds, job), rounds=1)  # type: ignore[no-untyped-call]
    times = {name: a_bag["torch.load"] / spent for name, spent in a_bag.items()}
    for name, spent in a_bag.items():
        benchmark.extra_info[f"milliseconds a bag, {name}"] = spent * 1e3
        benchmark.extra_info[f"torch.load over {name}"] = times[name]
    assert min(times["store"], times["store, made float32"]) >= 5


@dataclass(frozen=True)
class Rate:
    """Bytes read, and what it took."""

    size: int
    wall: float
    cpu: float

    @classmethod
    def of(cls, read: Callable[[], int]) -> "Rate":
        """Read once; of a busy machine, the CPU's seconds are the ones to compare."""
        wall, cpu = watch(), time.process_time()
        size = read()
        return cls(size, watch() - wall, time.process_time() - cpu)


def _draws(folder: Path, worker: int, seconds: float) -> Rate:
    """What a worker draws from a cohort, patients in an order of its own."""
    torch.set_num_threads(1)
    modality, rng = bags(folder), np.random.default_rng(worker)
    patients, room = rng.permutation(modality.patients).tolist(), room_for(modality, 1)

    def read() -> int:
        end, rows = watch() + seconds, 0
        while watch() < end:
            for patient in patients:
                read_batch(modality, [patient], rng, room)
                rows += TOKENS
                if watch() >= end:
                    break
        return rows * modality.width * 2

    return Rate.of(read)


def test_throughput_of_workers(benchmark: BenchmarkFixture, cohorts: dict[int, Path]) -> None:
    """Bytes drawn by one and by two workers, beside a plain sequential read of the same file."""
    folder = cohorts[SIZE.slides]

    def sequential() -> int:
        buffer, size = bytearray(16 << 20), 0
        with (folder / "wsi.h5").open("rb", buffering=0) as file:
            while got := file.readinto(buffer):
                size += got
        return size

    sequential()  # into the page cache, as far as it fits
    plain = sorted((Rate.of(sequential) for _ in range(3)), key=lambda rate: rate.cpu)[1]
    spawn = multiprocessing.get_context("spawn")
    found = {}
    with spawn.Pool(2) as pool:
        pool.starmap(_draws, [(folder, worker, 0.1) for worker in range(2)], chunksize=1)
        for workers in (1, 2):
            jobs = [(folder, worker, 5.0) for worker in range(workers)]
            found[workers] = pool.starmap(_draws, jobs, chunksize=1)
    info = benchmark.extra_info
    info["sequential GB/s"] = plain.size / plain.wall / 1e9
    info["sequential GB a CPU second"] = plain.size / plain.cpu / 1e9
    for workers, rates in found.items():
        size = sum(rate.size for rate in rates)
        by_wall = size / max(rate.wall for rate in rates)
        by_cpu = size / sum(rate.cpu for rate in rates)
        info[f"drawn GB/s, {workers} workers"] = by_wall / 1e9
        info[f"bags a second, {workers} workers"] = by_wall / (TOKENS * SIZE.width * 2)
        info[f"drawn GB a CPU second, {workers} workers"] = by_cpu / 1e9
        info[f"share of sequential a CPU second, {workers} workers"] = (
            by_cpu * plain.cpu / plain.size
        )
    benchmark.pedantic(sequential, rounds=1)  # type: ignore[no-untyped-call]


def test_memory_of_an_epoch(benchmark: BenchmarkFixture, cohorts: dict[int, Path]) -> None:
    """Peak memory of a process that loads a cohort and trains one epoch, however many slides.

    The CPU's seconds are kept too: a busy machine stretches those of the clock.
    A quarter of the slides is more than a batch, or memory would grow with the batch.
    """
    peaks = {}

    def epochs() -> None:
        for n, folder in cohorts.items():
            command = [sys.executable, "-m", "tests.speed.scale", str(folder), "mirror", "1"]
            run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            found = json.loads(run.stdout)
            peaks[n] = found["peak_mib"]["fit"]
            benchmark.extra_info[f"{n} slides"] = found

    benchmark.pedantic(epochs, rounds=1)  # type: ignore[no-untyped-call]
    assert max(peaks.values()) < LARGEST_PEAK
    assert max(peaks.values()) - min(peaks.values()) < 0.05 * max(peaks.values())


def test_run_is_linear_in_slides(
    benchmark: BenchmarkFixture, cohorts: dict[int, Path], tmp_path: Path
) -> None:
    """The whole command, two folds of a small model on 2,048 patches a bag."""
    seconds = {}

    def runs() -> None:
        for n, folder in cohorts.items():
            command = [sys.executable, "-c", "from benchmark.cli.main import main; main()", "run"]
            command += ["--methods", "mirror", "--tasks", f"survival/SCALE-{n}/os"]
            command += ["--budget", "smoke", "--set", f"mirror.tokens={TOKENS}"]
            command += ["--set", "mirror.epochs=1", "--folds", "2", "--seeds", "0"]
            command += [
                "--workers",
                "2",
                "--data",
                str(folder),
                "--results",
                str(tmp_path / str(n)),
            ]
            start = watch()
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            seconds[n] = watch() - start
            benchmark.extra_info[f"seconds, {n} slides"] = seconds[n]

    benchmark.pedantic(runs, rounds=1)  # type: ignore[no-untyped-call]
    few, some, all_ = (seconds[n] for n in sorted(seconds))
    # twice the slides add twice the time, and what does not depend on slides adds nothing
    benchmark.extra_info["second half over first"] = (all_ - some) / max(some - few, 1e-9) / 2
