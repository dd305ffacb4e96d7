"""The embedding cache: what is damaged, or another's, is fitted again, and no number changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.engine.cache import EmbeddingCache, Fit
from benchmark.engine.trial import run_trial
from tasks.embeddings import Embeddings
from tasks.seeds import generator
from tests.benchmark.test_trial import trials

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


def fit_of(scale: float = 1.0) -> Fit:
    joint = (scale * np.arange(12, dtype=np.float32)).reshape(4, 3)
    patients = tuple(f"TCGA-AA-000{i}" for i in range(4))
    embeddings = Embeddings(patients, joint, joint[:, :2] + 1, None)
    return Fit(
        embeddings,
        {"total": [1.0, 0.5]},
        {"effective_rank": [9.5, 3.0]},
        7,
        None,
        0.25,
        0.125,
        None,
        ("A", "B"),
    )


def same(one: Fit, other: Fit) -> bool:
    pairs = [(getattr(one.embeddings, n), getattr(other.embeddings, n)) for n in ("joint", "wsi")]
    return (
        all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
        and one.embeddings.patients == other.embeddings.patients
        and replace(one, embeddings=other.embeddings) == other
    )


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    cache = EmbeddingCache(tmp_path / "cache")
    cache.write(KEY, fit_of())
    return cache


def file_of(cache: EmbeddingCache, key: str = KEY) -> Path:
    (path,) = cache.folder.glob(f"{key}*")
    return path


def test_what_was_written_is_read(cache: EmbeddingCache) -> None:
    fit = cache.read(KEY)
    assert fit is not None
    assert same(fit, fit_of())
    assert fit.embeddings.rna is None
    assert cache.read(OTHER) is None


def test_files_under_each_others_names_are_misses(cache: EmbeddingCache) -> None:
    cache.write(OTHER, fit_of(2.0))
    one, other = file_of(cache), file_of(cache, OTHER)
    aside = one.rename(one.with_suffix(".aside"))
    other.rename(one)
    aside.rename(other)
    assert cache.read(KEY) is cache.read(OTHER) is None


def test_every_flipped_bit_is_a_miss(cache: EmbeddingCache) -> None:
    path = file_of(cache)
    whole = path.read_bytes()
    sample = generator("flipped bits").choice(8 * len(whole), 400, replace=False)
    for bit in [*range(8 * 200), *sample.tolist()]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert cache.read(KEY) is None, bit
    path.write_bytes(whole)
    assert cache.read(KEY) is not None


def test_what_is_no_such_file_is_a_miss(cache: EmbeddingCache) -> None:
    path = file_of(cache)
    whole = path.read_bytes()
    parts = [whole[:n] for n in (0, 1, 40, len(whole) // 2, len(whole) - 1)]
    for content in [*parts, whole + b"\0", b"PK\3\4" * 500, generator("noise").bytes(5000)]:
        path.write_bytes(content)
        assert cache.read(KEY) is None
    cache.write(KEY, fit_of())
    assert cache.read(KEY) is not None


def test_a_folder_in_the_place_of_a_file_is_a_miss_and_no_obstacle(cache: EmbeddingCache) -> None:
    path = file_of(cache)
    path.unlink()
    path.mkdir()
    assert cache.read(KEY) is None
    cache.write(KEY, fit_of())
    assert sorted(cache.folder.iterdir()) == [path]


def test_a_damaged_cache_changes_no_score(tmp_path: Path) -> None:
    plan = trials()
    scores = [run_trial(trial, tmp_path, "cpu")[0].tasks for trial in plan]
    files = sorted(tmp_path.iterdir())
    assert len(files) == len(plan) == 3
    contents = [path.read_bytes() for path in files]
    for damaged in ([*contents[1:], contents[0]], [b"", contents[1][:99], contents[2] + b"x"]):
        for path, content in zip(files, damaged, strict=True):
            path.write_bytes(content)
        assert [run_trial(trial, tmp_path, "cpu")[0].tasks for trial in plan] == scores
