"""Frozen means once: a linear probe on kept embeddings against one that encodes every epoch."""

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from methods.base import Budget, Context
from methods.registry import all_methods
from tasks.data.cohort import BagModality, Cohort, Slide, VectorModality
from tasks.embeddings import Embeddings
from tasks.kinds.published.probe import EPOCHS, SmoothedCrossEntropy, at_unit_scale, train
from tasks.seeds import generator

pytestmark = [pytest.mark.speed, pytest.mark.timeout(600)]

SLIDES, PATCHES, WIDTH, GENES = 200, 2048, 768, 500
CLASSES = 2


def cohort() -> Cohort:
    """200 patients with a slide of 2,048 patches, made when read, so that no disk is timed."""

    def slide(row: int) -> Slide:
        def read() -> NDArray[np.float32]:
            patches = np.random.default_rng(row).standard_normal((PATCHES, WIDTH))
            return patches.astype(np.float32)

        return Slide(f"s{row}", PATCHES, str(row), read)

    patients = tuple(f"TCGA-ZZ-{row:04d}" for row in range(SLIDES))
    slides = {patient: (slide(row),) for row, patient in enumerate(patients)}
    genes = generator("genes").normal(size=(SLIDES, GENES)).astype(np.float32)
    rna = VectorModality(patients, genes, tuple(f"G{i}" for i in range(GENES)))
    return Cohort("X", patients, {"wsi": BagModality(slides, WIDTH), "rna": rna})


def test_a_probe_of_100_epochs_encodes_once(benchmark: BenchmarkFixture) -> None:
    """100 epochs of the published probe on 200 slides, at MIRROR's default size."""
    spec = all_methods()["mirror"]
    data = cohort()
    method = spec.build(replace(spec.config_for(Budget.DEFAULT), epochs=0))  # type: ignore[call-arg]
    method.fit(data.subset(data.patients[:20]), Context(seed=0))
    y = generator("classes").integers(0, CLASSES, SLIDES)

    def probe(embeddings: Embeddings) -> None:
        Z, _ = at_unit_scale(embeddings.joint.astype(float), embeddings.joint.astype(float))
        train([Z], [SmoothedCrossEntropy(y, CLASSES)], CLASSES, 2e-3, "speed")

    start = time.perf_counter()
    kept = benchmark.pedantic(method.embed, (data,), rounds=1)  # type: ignore[no-untyped-call]
    once = time.perf_counter() - start
    start = time.perf_counter()
    probe(kept)
    probed = time.perf_counter() - start
    ratio = (EPOCHS * once + probed) / (once + probed)
    benchmark.extra_info["seconds to encode 200 slides"] = round(once, 2)
    benchmark.extra_info["seconds of 100 epochs of the probe"] = round(probed, 3)
    benchmark.extra_info["ratio to encoding in every epoch"] = round(ratio, 1)
    assert ratio >= 50
