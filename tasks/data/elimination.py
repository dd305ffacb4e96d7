"""The published gene selection: recursive elimination with a linear SVM, by a class label."""

import hashlib
import warnings
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.atomic import atomic_write
from tasks.cache_dir import cache_dir
from tasks.data.cohort import Label, VectorModality
from tasks.data.preprocess import VectorScaler
from tasks.sealed import seal, unseal
from tasks.seeds import derive_seed

if TYPE_CHECKING:
    from sklearn.feature_selection import RFECV

FOLDS = 5
STEP = 0.05
"""Share of all genes that one round eliminates."""


class TooFewError(Exception):
    """The training patients are fewer than what the cohort declares of its genes needs."""


def eliminate(modality: VectorModality, label: Label) -> NDArray[np.int64]:
    """Select columns by scikit-learn's `RFECV` with a linear SVM (MIRROR.md 1.11).

    The recipe is the published one: rounds of 5 % of the genes, the number of genes by five-fold
    accuracy. Its input differs: the published code takes logarithms as they are, here features are
    clipped and standardised, and divided by the root of their number so that profiles have length
    one. The SVM's penalty then means the same whatever the width, and its solver converges.

    It is fitted to whoever is handed to it, and to their classes: those of a fold's training
    patients if it is to be honest.

    Args:
        modality: The patients to learn from; those without a class do not count.
        label: Their classes; one with fewer than `FOLDS` patients is left out.

    Returns:
        Selected columns, rising.

    Raises:
        TooFewError: Fewer than two classes are left.
    """
    classes = {p: c for p in modality.patients if (c := label.values.get(p)) is not None}
    counts = Counter(classes.values())
    usable = {p: c for p, c in classes.items() if counts[c] >= FOLDS}
    if len(set(usable.values())) < 2:
        raise TooFewError(
            f"genes are selected by classes, and there are fewer than two with {FOLDS} training "
            "patients"
        )
    raw = modality.rows(usable)
    scaler = VectorScaler.fit(raw)
    X = scaler.transform(raw).astype(np.float64) / np.sqrt(max(1, scaler.width))
    y = np.array([label.classes.index(c) for c in usable.values()])
    return scaler.kept[_cached(X, y)]


def recipe() -> "RFECV":
    """The estimator, unfitted; its support is the selection."""
    from sklearn.feature_selection import RFECV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import LinearSVC

    svm = LinearSVC(max_iter=5000, dual="auto", random_state=derive_seed("elimination") % 2**32)
    return RFECV(svm, step=STEP, cv=StratifiedKFold(FOLDS), scoring="accuracy")


def _cached(X: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.intp]:
    """The recipe's support; every method of a fold asks the same, and it takes up to minutes.

    What is kept goes by the content that it was computed from, so that it cannot be out of date.
    """
    from sklearn import __version__
    from sklearn.exceptions import ConvergenceWarning

    content = hashlib.sha256(f"{__version__} {X.shape} {recipe()}".encode())
    content.update(np.ascontiguousarray(X).tobytes())
    content.update(np.ascontiguousarray(y).tobytes())
    key = content.hexdigest()
    file = cache_dir() / "elimination" / f"{key}.txt"
    try:
        sealed = unseal(file.read_bytes())
    except OSError:
        sealed = None
    if sealed is not None and sealed[0] == key:
        return np.array(sealed[1], dtype=np.intp)
    with warnings.catch_warnings():
        # Weights that have not settled still rank genes, and the published code ranks by them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kept = np.flatnonzero(recipe().fit(X, y).support_)
    with suppress(OSError):  # a cache that cannot be written is done without
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as unfinished:
            unfinished.write(seal(key, kept.tolist()))
    return kept
