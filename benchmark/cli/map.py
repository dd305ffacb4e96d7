"""`mirror-bench map`: where the patients of a cohort lie in the embeddings of a method."""

from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from benchmark.show.figures import embedding_map, principal_axes, save
from tasks.data.cohort import Cohort
from tasks.data.load import load_cohort
from tasks.data.splits import site_of
from tasks.embeddings import Embeddings
from tasks.errors import InputError


def draw_map(file: Path, cohort: Path, label: str | None, folder: Path) -> tuple[Path, Path]:
    """Draw what `mirror-bench embed` wrote, by a label and by tissue-source site.

    Args:
        file: The embeddings.
        cohort: The cohort's folder.
        label: One of its labels; the first one if None.
        folder: Where `map-COHORT-METHOD.svg` and `.png` go.

    Returns:
        Their paths.

    Raises:
        InputError: The file is not one of `embed`, or of another cohort, or there is no such label.
    """
    embeddings, method, fingerprint = read_embeddings(file)
    loaded = load_cohort(cohort)
    if fingerprint != loaded.fingerprint():
        raise InputError(
            f"{file}: expected embeddings of {cohort} as it is now, found those of other data"
        )
    known = embeddings.known()
    if len(known) < 3:
        raise InputError(f"{file}: expected 3 patients or more to map, found {len(known)}")
    if loaded.labels:
        name = _label(loaded, label)
        values = loaded.labels[name].values
        groups = {f"by {name}": [values.get(patient) for patient in known]}
    else:
        groups = {"by outcome": _outcomes(loaded, known)}
    with suppress(InputError):  # not of every cohort
        groups["by site"] = [site_of(loaded, patient) for patient in known]
    projection = principal_axes(embeddings.joint[embeddings.rows(known)])
    figure = embedding_map(projection, groups, method, loaded.name)
    return save(figure, folder, f"map-{loaded.name.lower()}-{method}")


def _label(cohort: Cohort, label: str | None) -> str:
    names = sorted(cohort.labels)
    if label is None:
        return names[0]
    if label not in names:
        raise InputError(f"--label: expected one of {', '.join(names)}, found {label!r}")
    return label


def _outcomes(cohort: Cohort, patients: tuple[str, ...]) -> list[str | None]:
    """Whether the first endpoint's event was seen, where a cohort declares no label."""
    if not cohort.endpoints:
        return [None] * len(patients)
    name, endpoint = min(cohort.endpoints.items())
    seen = dict(zip(endpoint.patients, endpoint.event, strict=True))
    words = {True: f"{name} event", False: f"{name} censored"}
    return [words[bool(seen[p])] if p in seen else None for p in patients]


def read_embeddings(file: Path) -> tuple[Embeddings, str, str]:
    """What `mirror-bench embed` wrote: the embeddings, the method, the cohort's fingerprint.

    Raises:
        InputError: The file cannot be read or is none of these.
    """
    try:
        with h5py.File(file) as opened:
            patients = tuple(opened["patients"].asstr()[:].tolist())
            joint = np.asarray(opened["joint"], dtype=np.float32)
            method, fingerprint = str(opened.attrs["method"]), str(opened.attrs["data"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file}: expected embeddings that `mirror-bench embed` wrote, found a file that cannot"
            " be read as such"
        ) from error
    if joint.ndim != 2 or len(joint) != len(patients):
        raise InputError(
            f"{file}: expected a row of `joint` per patient, found {joint.shape} and"
            f" {len(patients)} patients"
        )
    return Embeddings(patients, joint), method, fingerprint
