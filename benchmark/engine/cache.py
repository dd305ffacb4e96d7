"""Embeddings by the key of their fit: what was fitted once is not fitted again for another task."""

import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.embeddings import Embeddings

UNFINISHED = ".tmp"


@dataclass(frozen=True)
class Fit:
    """What fitting and embedding gave and cost.

    Attributes:
        embeddings: Of training and test patients.
        losses: Mean loss of each epoch, by name.
        parameters: Trainable parameters, None where the word has no meaning.
        step_flops: Floating-point operations of a training step, None likewise.
        fit_seconds: Wall time of the fit.
        embed_seconds: Wall time of embedding all patients.
        peak_memory_mb: Most memory that the process held meanwhile, in MB; None if unknown.
        genes: Names of the genes that were given to the method, where each fold selects its own.
    """

    embeddings: Embeddings
    losses: Mapping[str, list[float]]
    parameters: int | None
    step_flops: int | None
    fit_seconds: float
    embed_seconds: float
    peak_memory_mb: float | None
    genes: tuple[str, ...] = ()


class EmbeddingCache:
    """A folder of `.npz` files; losing it costs time, never a number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> Fit | None:
        """The fit of this key, or None if it is not there or cannot be read."""
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                embeddings = Embeddings(
                    tuple(arrays["patients"].tolist()),
                    arrays["joint"],
                    arrays.get("wsi"),
                    arrays.get("rna"),
                )
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return None
        try:
            return Fit(embeddings, **facts)
        except TypeError:  # written by another version
            return None

    def write(self, key: str, fit: Fit) -> None:
        """Keep a fit; a cache that cannot be written is done without."""
        embeddings = fit.embeddings
        facts = {
            "losses": dict(fit.losses),
            "parameters": fit.parameters,
            "step_flops": fit.step_flops,
            "fit_seconds": fit.fit_seconds,
            "embed_seconds": fit.embed_seconds,
            "peak_memory_mb": fit.peak_memory_mb,
            "genes": fit.genes,
        }
        arrays = {
            "patients": np.array(embeddings.patients),
            "joint": embeddings.joint,
            "facts": np.array(json.dumps(facts)),
        }
        sides = {"wsi": embeddings.wsi, "rna": embeddings.rna}
        arrays |= {side: values for side, values in sides.items() if values is not None}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.folder, suffix=UNFINISHED)
        except OSError:
            return
        unfinished = Path(name)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor, not a path
                np.savez(file, **arrays)  # type: ignore[arg-type]
            unfinished.replace(self.folder / f"{key}.npz")
        except OSError:
            unfinished.unlink(missing_ok=True)

    def sweep_out(self) -> None:
        """Delete what killed workers left unfinished; only while no other run uses the folder."""
        for path in self.folder.glob(f"*{UNFINISHED}"):
            path.unlink(missing_ok=True)
