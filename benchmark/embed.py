"""`mirror-bench embed`: embeddings of a cohort for a user's own use."""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from benchmark.overrides import configured
from methods.base import Budget, Context, MethodSpec, Role, UnableError
from methods.registry import select_methods
from tasks.cohort import Cohort
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.load import load_cohort
from tasks.seeds import derive_seed


def embed_to_file(
    name: str,
    folder: Path,
    output: Path,
    checkpoint: Path | None,
    settings: tuple[str, ...],
    budget: Budget,
    device: str,
) -> tuple[int, int]:
    """Embed a cohort's patients and write them; what the command does.

    Args:
        name: A method; with a checkpoint, `mirror`.
        folder: The cohort's folder.
        output: The HDF5 file.
        checkpoint: Published weights to embed with, or None to fit the method to the cohort.
        settings: Changes of the configuration, each METHOD.FIELD=VALUE.
        budget: Sizes and epochs of the fit.
        device: A torch device.

    Returns:
        Patients and joint width.

    Raises:
        InputError: The method, the cohort, the checkpoint or the file is not as it should be.
    """
    if checkpoint is not None:
        if name not in ("mirror", "mirror-checkpoint"):
            raise InputError(f"--checkpoint: expected the method mirror, found {name!r}")
        name = "mirror-checkpoint"
        settings = (*settings, f"{name}.checkpoint={checkpoint}")
    chosen = select_methods(name)
    if len(chosen) != 1:
        raise InputError(f"expected one method, found {len(chosen)} that {name!r} names")
    (spec,) = configured(chosen, settings)
    cohort = load_cohort(folder)
    embeddings = embed(spec, cohort, budget, device)
    write_embeddings(output, embeddings, spec, cohort, budget)
    return len(embeddings.patients), embeddings.joint.shape[1]


def embed(spec: MethodSpec, cohort: Cohort, budget: Budget, device: str) -> Embeddings:
    """Fit a method on every patient of a cohort and embed them all.

    There is no test patient here: whoever judges these embeddings on the same patients judges what
    the method has seen. `mirror-bench run` does it fold by fold.

    Raises:
        InputError: The method cannot be fitted to this cohort.
    """
    if spec.role is Role.SUPERVISED:
        raise InputError(f"{spec.name}: expected a method that needs no labels")
    method = spec.build(spec.config_for(budget))
    seed = derive_seed("embed", spec.name, cohort.name)
    everybody = cohort.subset(cohort.patients)
    try:
        method.fit(everybody, Context(seed, device))
    except UnableError as error:
        raise InputError(f"{spec.name} on {cohort.name}: {error}") from error
    return method.embed(everybody)


def write_embeddings(
    path: Path, embeddings: Embeddings, spec: MethodSpec, cohort: Cohort, budget: Budget
) -> None:
    """Write an HDF5 file, as a whole or not at all.

    It holds `patients` (barcodes), `joint`, and `wsi` and `rna` where the method has them: float32
    [n, width], a row of NaN where a modality is missing. The attributes say which method, which
    configuration and which data.

    Raises:
        InputError: The file cannot be written.
    """
    arrays = {"joint": embeddings.joint, "wsi": embeddings.wsi, "rna": embeddings.rna}
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be written, found: {error.strerror}"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        with h5py.File(temporary, "w") as file:
            file["patients"] = np.array(embeddings.patients, dtype=h5py.string_dtype())
            for side, values in arrays.items():
                if values is not None:
                    file[side] = values
            file.attrs["method"] = spec.name
            file.attrs["configuration"] = json.dumps(asdict(spec.config_for(budget)), default=str)
            file.attrs["cohort"] = cohort.name
            file.attrs["data"] = cohort.fingerprint()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
