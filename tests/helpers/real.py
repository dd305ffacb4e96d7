"""Real cohorts for tests that are marked so, and a quick embedding of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tasks.data.cohort import Cohort, VectorModality
from tasks.data.load import load_cohort
from tasks.data.preprocess import VectorScaler
from tasks.embeddings import Embeddings

SHARED = Path(os.environ.get("MIRROR_BENCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
"""Real data and published files, where there are any."""


def _shared(name: str) -> Path:
    folder = SHARED / "data" / "tcga" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (MIRROR_BENCH_SHARED)")
    return folder


def raw_files() -> Path:
    """The publishers' files as they serve them; the test is skipped where they are not."""
    folder = SHARED / "data" / "raw"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def real_cohort(name: str) -> Cohort:
    """A cohort of TCGA; the test is skipped where its files are not."""
    return load_cohort(_shared(name))


def pca(cohort: Cohort, train: tuple[str, ...]) -> Embeddings:
    """32 principal axes of each side, fitted on the training patients."""
    complete = cohort.complete()
    sides = []
    for modality in cohort.modalities.values():
        assert isinstance(modality, VectorModality)
        known = modality.subset(train)
        scaler = VectorScaler.fit(known.values)
        axes = PCA(32, svd_solver="full").fit(scaler.transform(known.values))
        sides.append(axes.transform(scaler.transform(modality.subset(complete).values)))
    return Embeddings(complete, np.hstack(sides).astype(np.float32))
