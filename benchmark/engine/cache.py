"""Embeddings by the key of their fit: what was fitted once is not fitted again for another task."""

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from tasks.atomic import UNFINISHED, atomic_write
from tasks.embeddings import Embeddings

_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Fit:
    """What fitting and embedding gave and cost.

    Attributes:
        embeddings: Of training and test patients.
        losses: Mean loss of each epoch, by name.
        geometry: How embeddings lay before training and after each epoch, by name.
        parameters: Trainable parameters, None where the word has no meaning.
        step_flops: Floating-point operations of a training step, None likewise.
        fit_seconds: Wall time of the fit.
        embed_seconds: Wall time of embedding all patients.
        peak_memory_mb: Most memory that the process held meanwhile, in MB; None if unknown.
        genes: Names of the genes that were given to the method, where each fold selects its own.
    """

    embeddings: Embeddings
    losses: Mapping[str, list[float]]
    geometry: Mapping[str, list[float]]
    parameters: int | None
    step_flops: int | None
    fit_seconds: float
    embed_seconds: float
    peak_memory_mb: float | None
    genes: tuple[str, ...] = ()


class EmbeddingCache:
    """A folder of fits; losing it, or any of it, costs time, never a number.

    A file is the SHA-256 of all that follows, the key of the fit, and a `.npz` archive.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> Fit | None:
        """The fit of this key, or None if it is not there, is another's or cannot be read."""
        try:
            sealed = self._path(key).read_bytes()
            digest, content = sealed[:_DIGEST], sealed[_DIGEST:]
            name, _, archive = content.partition(b"\n")
            if name != key.encode() or digest != hashlib.sha256(content).digest():
                return None
            with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                embeddings = Embeddings(
                    tuple(arrays["patients"].tolist()),
                    arrays["joint"],
                    arrays.get("wsi"),
                    arrays.get("rna"),
                    arrays.get("head"),
                )
            return Fit(embeddings, **facts | {"genes": tuple(facts["genes"])})
        except Exception:  # noqa: BLE001  of another version, say: whatever it is, it is no fit
            return None

    def write(self, key: str, fit: Fit) -> None:
        """Keep a fit; a cache that cannot be written is done without."""
        facts = {f.name: getattr(fit, f.name) for f in fields(fit) if f.name != "embeddings"}
        embeddings = fit.embeddings
        arrays = {
            "patients": np.array(embeddings.patients),
            "joint": embeddings.joint,
            "wsi": embeddings.wsi,
            "rna": embeddings.rna,
            "head": embeddings.head,
            "facts": np.array(json.dumps(facts, default=dict)),
        }
        archive = io.BytesIO()
        np.savez(archive, **{k: v for k, v in arrays.items() if v is not None})  # type: ignore[arg-type]
        content = key.encode() + b"\n" + archive.getvalue()
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path(key)) as file:
                file.write(hashlib.sha256(content).digest() + content)

    def sweep_out(self) -> None:
        """Delete what killed workers left unfinished; only while no other run uses the folder."""
        for path in self.folder.glob(f"*{UNFINISHED}"):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.fit"
