"""A small planted cohort for tests."""

import atexit
import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.data.cohort import BagModality, Cohort, Modality, Slide
from tasks.data.load import load_cohort
from tasks.data.synthetic import EMBEDDED, write_planted


def session_folder() -> Path:
    """An empty folder that lasts as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="mirror-bench-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def planted_folder(bags: bool) -> Path:
    """The folder of an embedded cohort, written once a session."""
    folder = session_folder() / "cohort"
    write_planted(EMBEDDED[0 if bags else 1], folder)
    return folder


@functools.cache
def planted(bags: bool) -> Cohort:
    """An embedded cohort: with bags, or with slide vectors."""
    return load_cohort(planted_folder(bags))


def poisoned(cohort: Cohort, patients: set[str]) -> Cohort:
    """The cohort with the features of `patients` made absurd."""
    modalities: dict[str, Modality] = {}
    for name, modality in cohort.modalities.items():
        if isinstance(modality, BagModality):
            slides = dict(modality.slides)
            for patient in patients & set(slides):
                slides[patient] = tuple(_absurd(slide, modality.width) for slide in slides[patient])
            modalities[name] = BagModality(slides, modality.width)
        else:
            values = modality.values.copy()
            values[[patient in patients for patient in modality.patients]] = 1e6
            modalities[name] = replace(modality, values=values)
    return replace(cohort, modalities=modalities)


def _absurd(slide: Slide, width: int) -> Slide:
    def read() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.full((slide.n_instances, width), 1e6, np.float32)

    return replace(slide, read=read)
