"""`mirror-bench embed`: embeddings of a cohort for a user's own use."""

import io
import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from benchmark.engine.device import chosen_device
from benchmark.engine.overrides import configured
from methods.base import Budget, Context, Method, MethodSpec, Role, UnableError
from methods.registry import select_methods
from tasks.atomic import atomic_write
from tasks.data.cohort import Cohort, VectorModality
from tasks.data.elimination import TooFewError
from tasks.data.fold_expression import Expression
from tasks.data.formats.files import one_line
from tasks.data.load import load_cohort
from tasks.embeddings import Embeddings
from tasks.errors import InputError
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
    device = chosen_device(device)
    if output.is_dir():
        raise InputError(f"{output}: expected a file that can be written, found: a folder")
    cohort = load_cohort(folder)
    embeddings, genes = embed(spec, cohort, budget, device)
    write_embeddings(output, embeddings, genes, spec, cohort, budget)
    return len(embeddings.patients), embeddings.joint.shape[1]


def embed(
    spec: MethodSpec, cohort: Cohort, budget: Budget, device: str
) -> tuple[Embeddings, tuple[str, ...]]:
    """Fit a method on every patient of a cohort and embed them all; the genes it looks at, if any.

    There is no test patient here: whoever judges these embeddings on the same patients judges what
    the method has seen. `mirror-bench run` does it fold by fold.

    Raises:
        InputError: The method cannot be fitted to this cohort.
    """
    if spec.role is Role.SUPERVISED:
        raise InputError(f"{spec.name}: expected a method that needs no labels")
    method = spec.build(spec.config_for(budget))
    seed = derive_seed("embed", spec.name, cohort.name)
    try:
        expression = Expression.fit(cohort, cohort.patients)
        given = cohort if expression is None else expression.of(cohort)
        everybody = given.subset(given.patients)
        method.fit(everybody, Context(seed, device))
        return method.embed(everybody), genes_of(method, everybody)
    except (UnableError, TooFewError) as error:
        raise InputError(f"{spec.name} on {cohort.name}: {error}") from error
    except InputError:
        raise
    except Exception as error:
        # what a trial records as its failure, a method that meets data that no one can learn from
        what = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"{spec.name} cannot embed {cohort.name}: {what}") from error


def genes_of(method: Method, cohort: Cohort) -> tuple[str, ...]:
    """Names of the genes that a fitted method looks at, by the `kept` of its scaler of `rna`."""
    rna = cohort.modalities.get("rna")
    kept = [
        values
        for name, values in method.state().items()
        if name.startswith("rna.") and name.endswith(".kept")
    ]
    if not kept or not isinstance(rna, VectorModality):
        return ()
    return tuple(rna.features[column] for column in kept[0])


def write_embeddings(
    path: Path,
    embeddings: Embeddings,
    genes: tuple[str, ...],
    spec: MethodSpec,
    cohort: Cohort,
    budget: Budget,
) -> None:
    """Write an HDF5 file, as a whole or not at all.

    It holds `patients` (barcodes), `joint`, and `wsi` and `rna` where the method has them: float32
    [n, width], a row of NaN where a modality is missing; `genes` names the columns of the
    expression that the method looks at, in its order. The attributes say which method, which
    configuration and which data.

    Raises:
        InputError: The file cannot be written.
    """
    arrays = {"joint": embeddings.joint, "wsi": embeddings.wsi, "rna": embeddings.rna}
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        file["patients"] = np.array(embeddings.patients, dtype=h5py.string_dtype())
        if genes:
            file["genes"] = np.array(genes, dtype=h5py.string_dtype())
        for side, values in arrays.items():
            if values is not None:
                file[side] = values
        file.attrs["method"] = spec.name
        file.attrs["configuration"] = json.dumps(asdict(spec.config_for(budget)), default=str)
        file.attrs["cohort"] = cohort.name
        file.attrs["data"] = cohort.fingerprint()
    try:
        with atomic_write(path) as out:
            out.write(whole.getbuffer())
    except OSError as error:
        raise InputError(
            f"{path}: expected a file that can be written, found: {error.strerror}"
        ) from error
