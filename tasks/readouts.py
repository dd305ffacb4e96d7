"""Readouts: which part of what a method gives is judged, and in how many dimensions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tasks.embeddings import Embeddings


class Part(StrEnum):
    """What of a method's embeddings.

    Attributes:
        OWN: As the method hands them over.
        HEAD: Both sides after the heads of which the objective is made, side by side.
        MEAN: The mean of both sides, as wide as one.
        WSI: The slide side alone.
        RNA: The expression side alone.
        UNTRAINED: As the method hands them over before its first epoch: the rest is what training
            adds.
    """

    OWN = "own"
    HEAD = "head"
    MEAN = "mean"
    WSI = "wsi"
    RNA = "rna"
    UNTRAINED = "untrained"


class NoReadoutError(Exception):
    """A method gives no such embedding; the message says what it lacks."""


@dataclass(frozen=True)
class Readout:
    """What takes the place of a joint embedding before a task judges it.

    Sides that tasks judge apart (retrieval, missing modality, retention) stay as they are.

    Attributes:
        part: What is judged.
        dimensions: Principal components of it, at most, that are; 0 leaves it as wide as it is.
    """

    part: Part = Part.OWN
    dimensions: int = 0

    def __str__(self) -> str:
        return f"{self.part}-{self.dimensions}" if self.dimensions else str(self.part)

    @classmethod
    def parse(cls, text: str) -> "Readout":
        """The inverse of `str`.

        Raises:
            ValueError: The text is that of no readout, or of the method's own embedding as it is.
        """
        match = re.fullmatch(rf"({'|'.join(Part)})(?:-([1-9]\d{{0,5}}))?", text)
        if match is None or text == Part.OWN:
            parts = ", ".join(part for part in Part if part is not Part.OWN)
            raise ValueError(f"expected {parts}, or these and own with -DIMENSIONS, found {text!r}")
        return cls(Part(match[1]), int(match[2] or 0))

    def of(self, embeddings: Embeddings, train: Sequence[str]) -> Embeddings:
        """The embeddings with what is to be judged as `joint`.

        Principal components are those of the standardised embeddings of training patients, and
        everybody is rotated by them.

        Args:
            embeddings: Of a split's patients, as a method gave them.
            train: The training patients; some may have no embedding.

        Raises:
            NoReadoutError: The method has no such embedding.
        """
        joint = self._part(embeddings)
        if 0 < self.dimensions < joint.shape[1]:
            there = sorted({*train} & {*embeddings.patients})
            joint = _rotated(joint, embeddings.rows(there), self.dimensions)
        return replace(embeddings, joint=joint)

    def _part(self, embeddings: Embeddings) -> NDArray[np.float32]:
        if self.part in (Part.OWN, Part.UNTRAINED):
            return embeddings.joint
        if self.part is Part.MEAN:
            wsi, rna = (self._side(embeddings, side) for side in (Part.WSI, Part.RNA))
            if wsi.shape != rna.shape:
                raise NoReadoutError(
                    f"readout mean: sides of one width expected, {wsi.shape[1]} and "
                    f"{rna.shape[1]} found"
                )
            mean: NDArray[np.float32] = np.mean([wsi, rna], axis=0, dtype=np.float32)
            return mean
        return self._side(embeddings, self.part)

    def _side(self, embeddings: Embeddings, part: Part) -> NDArray[np.float32]:
        values: NDArray[np.float32] | None = getattr(embeddings, part)
        if values is None:
            raise NoReadoutError(f"the method has no embedding {part}")
        return values


def _rotated(
    joint: NDArray[np.float32], train: NDArray[np.intp], dimensions: int
) -> NDArray[np.float32]:
    # Here and not above: records have readouts, and who reads them need not wait for scikit-learn.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    known = np.flatnonzero(np.isfinite(joint).all(axis=1))
    fitted_on = joint[np.intersect1d(train, known)].astype(np.float64)
    scaler = StandardScaler().fit(fitted_on)
    # All of them, exactly: a randomised solver depends on more than the patients.
    n = min(dimensions, *fitted_on.shape)
    pca = PCA(n, svd_solver="full").fit(scaler.transform(fitted_on))
    rotated = np.full((len(joint), n), np.nan, np.float32)
    rotated[known] = pca.transform(scaler.transform(joint[known].astype(np.float64)))
    return rotated
