"""Cohorts of any size, and what one process needs for an epoch on one.

A script too, so that peak memory can be read off a process of its own:

    python -m tests.speed.scale FOLDER METHOD EPOCHS
"""

import hashlib
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from methods.base import Budget, Context
from methods.registry import all_methods
from methods.trainer import TorchConfig
from tasks.data.load import load_cohort
from tasks.data.store.layout import Checksums, PlannedSlide, complete, lay_out, offsets_of, places
from tasks.data.store.precision import StoredPrecision
from tests.methods.test_bag_memory import mebibytes

TOKENS = 2048
_NOISE_ROWS = 1 << 15
_GENES = 200
_MANIFEST = """\
name = "{name}"

[modalities.wsi]
kind = "bag"
path = "wsi.h5"

[modalities.rna]
kind = "vector"
path = "rna.csv"
id = "sample"

[clinical]
format = "table"
path = "clinical.csv"
id = "case_id"
time = "days"
time_unit = "days"
event = "dead"
event_value = "1"
"""


@dataclass(frozen=True)
class Size:
    """A cohort's size: one slide a patient."""

    slides: int
    patches: int
    width: int

    @classmethod
    def parse(cls, text: str) -> "Size":
        """From `SLIDESxPATCHESxWIDTH`."""
        return cls(*map(int, text.split("x")))


def write_cohort(folder: Path, size: Size) -> Path:
    """Write a cohort of noise whose store is laid out and checked as an imported one is."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    patients = [f"TCGA-{i // 1296 % 36:02d}-{np.base_repr(i, 36):0>4}" for i in range(size.slides)]
    _write_store(folder / "wsi.h5", patients, size, rng)
    table = pd.DataFrame(rng.normal(8, 2, (size.slides, _GENES)).round(3))
    table.columns = pd.Index([f"GENE{i:03d}" for i in range(_GENES)])
    table.insert(0, "sample", [f"{patient}-01A" for patient in patients])
    table.to_csv(folder / "rna.csv", index=False)
    clinical = pd.DataFrame(
        {
            "case_id": patients,
            "days": rng.integers(10, 4000, size.slides),
            "dead": rng.integers(0, 2, size.slides),
        }
    )
    clinical.to_csv(folder / "clinical.csv", index=False)
    (folder / "cohort.toml").write_text(_MANIFEST.format(name=f"SCALE-{size.slides}"))
    return folder


def _write_store(path: Path, patients: list[str], size: Size, rng: np.random.Generator) -> None:
    precision = StoredPrecision.FLOAT16
    noise = rng.standard_normal((_NOISE_ROWS, size.width), dtype=np.float32)
    stored = precision.pack(noise)
    slides = [
        PlannedSlide(f"{patient}-01Z-00-DX1.h5", size.patches, "noise", False, 0)
        for patient in patients
    ]
    lay_out(path, slides, size.width, precision, f"SCALE-{size.slides}")
    checksums = []
    with path.open("r+b") as out:
        out.seek(places(path).features)
        for _ in slides:
            rows = stored[rng.integers(0, _NOISE_ROWS, size.patches)]
            out.write(rows.tobytes())
            content = hashlib.sha256(precision.unpack(rows).tobytes()).hexdigest()
            xy = hashlib.sha256(np.full((size.patches, 2), np.nan).tobytes()).hexdigest()
            checksums.append(Checksums(content, xy, "0" * 64))
    assert offsets_of(slides)[-1] == size.slides * size.patches
    complete(path, slides, checksums)


def main(folder: Path, method: str, epochs: int) -> None:
    """Print what loading a cohort, fitting on and embedding all of it take, and peak MiB."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    cohort = load_cohort(folder)
    loaded = time.perf_counter()
    spec = all_methods()[method]
    config = spec.config_for(Budget.SMOKE)
    assert isinstance(config, TorchConfig)
    fitted = spec.build(replace(config, epochs=epochs, tokens=TOKENS))
    peaks, cpu = {"load": mebibytes("VmHWM")}, {}
    for name, step in (
        ("fit", lambda: fitted.fit(cohort, Context(seed=0))),
        ("embed", lambda: fitted.embed(cohort)),
    ):
        before = time.process_time()
        step()
        cpu[name], peaks[name] = time.process_time() - before, mebibytes("VmHWM")
    print(json.dumps({"load_seconds": loaded - start, "cpu_seconds": cpu, "peak_mib": peaks}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
