"""Planted cohorts on disk, in the formats users have, with their truth beside them.

The barcodes have TCGA's shape and sites Q0 to Q9, some of which TCGA has too (Q1, Q2, Q3, Q9): the
cohort's name and provenance say that its patients are planted, not their barcodes.
"""

import contextlib
import gzip
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import h5py
import numpy as np
import pandas as pd
import tomlkit
from numpy.typing import NDArray

from tasks.data.cohort import MUTATED
from tasks.data.planted import (
    Array,
    Outcomes,
    PlantedConfig,
    SlideModel,
    chosen,
    draw_covariates,
    draw_expression,
    draw_factors,
    draw_mutations,
    draw_outcomes,
    draw_sites,
    pathways,
)
from tasks.sealed import seal, unseal

__all__ = ["EMBEDDED", "GENERATOR_VERSION", "PlantedConfig", "embedded_cohorts", "write_planted"]

GENERATOR_VERSION = 3
"""Raised with every change of what is written."""

EMBEDDED: tuple[PlantedConfig, ...] = (
    PlantedConfig(name="PLANTED-BAGS", seed=1, bags=True, width=32, genes_as_rows=True),
    PlantedConfig(name="PLANTED-VECTORS", seed=2, bags=False, width=64),
)

SUMS = "planted.sums"
"""Of an embedded cohort: its key and the checksums of its files."""

GENE_SETS = "pathways.gmt"

PATCH_PIXELS = 512
"""Side of a patch at level 0: 256 pixels at 20x of a slide scanned at 40x."""

PATCHES_A_ROW = 12


@dataclass(frozen=True)
class Roster:
    """Who is in the cohort and with which samples.

    Attributes:
        patients: Barcode of each patient, `TCGA-Q0-1A2B`.
        sites: Site of each patient, int64 [n_patients].
        slides: Slide barcode -> row of its patient, sorted; the one of `empty` has no patch.
        empty: Barcode of a second slide on which no tissue was found.
        expressed: Rows of the patients with expression, sorted.
        normal: Row of the patient with a normal-tissue sample too.
        unfollowed: Rows of the patients whose outcome is not known.
    """

    patients: tuple[str, ...]
    sites: NDArray[np.int64]
    slides: dict[str, int]
    empty: str
    expressed: tuple[int, ...]
    normal: int
    unfollowed: frozenset[int]


def embedded_cohorts(cache: Path) -> tuple[Path, ...]:
    """Folders of the shipped planted cohorts, written below `cache` where they are not yet.

    A folder's name has a hash of its configuration and of the generator's version. Two processes
    may do this at once: the first to finish wins, the other discards its own copy.

    Args:
        cache: Any folder that can be written; it is made if need be.

    Returns:
        One folder per entry of `EMBEDDED`, in that order.
    """
    folders = []
    for config in EMBEDDED:
        identity = json.dumps([GENERATOR_VERSION, asdict(config)], sort_keys=True)
        digest = hashlib.sha256(identity.encode()).hexdigest()
        folder = cache / f"{config.name.lower()}-{digest[:12]}"
        if not _is_whole(folder, digest):
            with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=cache) as away:
                folder.rename(Path(away) / folder.name)
            # Another process may write the same content first.
            with contextlib.suppress(FileExistsError):
                write_planted(config, folder, key=digest)
        folders.append(folder)
    return tuple(folders)


def _is_whole(folder: Path, key: str) -> bool:
    """Whether a folder holds what was written into it, and under this key."""
    try:
        return unseal((folder / SUMS).read_bytes()) == (key, _sums(folder))
    except OSError:
        return False


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def write_planted(config: PlantedConfig, folder: Path, key: str = "") -> None:
    """Write a planted cohort: all of its folder, or nothing.

    Args:
        config: What to plant.
        folder: Where; it must not exist. Its parents are made.
        key: If given, it and the files' checksums are written beside them.

    Raises:
        FileExistsError: If the folder exists, or another process made it meanwhile.
    """
    if folder.exists():
        raise FileExistsError(f"{folder}: expected no such folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        draft = Path(scratch) / folder.name
        draft.mkdir()
        _write_files(config, draft)
        if key:
            (draft / SUMS).write_bytes(seal(key, _sums(draft)))
        try:
            draft.rename(folder)
        except OSError as error:
            # Renaming onto a folder that is not empty fails with a code that differs by system.
            if folder.exists():
                raise FileExistsError(f"{folder}: made by another process meanwhile") from error
            raise


def _write_files(config: PlantedConfig, folder: Path) -> None:
    factors = draw_factors(config)
    roster = _draw_roster(config)
    outcomes = draw_outcomes(config, factors)
    slides = _slides(config, factors, roster)
    if config.bags:
        _write_bags(folder / "features_planted", slides)
    else:
        _write_slide_table(folder / "slide_features.csv", slides)
    _write_expression(folder, config, factors, roster)
    _write_clinical(folder / "clinical.csv", config, roster, outcomes)
    patients = pd.Series(roster.patients, name="case_id")
    classes = [name for name, _ in config.subtypes]
    labels = pd.DataFrame(
        {"case_id": patients, "subtype": [classes[number] for number in outcomes.subtype]}
    )
    _write_table(folder / "labels.csv", labels)
    _write_mutations(folder / "mutations.csv", config, patients, draw_mutations(config, factors))
    truth = pd.DataFrame(factors, columns=list(config.factors()))
    truth.insert(0, "case_id", patients)
    _write_table(folder / "truth.csv", truth, decimals=6)
    (folder / "cohort.toml").write_text(_manifest(config), encoding="utf-8")


def _draw_roster(config: PlantedConfig) -> Roster:
    sites = draw_sites(config)
    rng = config.stream("roster")
    # Base 36 of distinct numbers: four letters or digits, as in TCGA, and nobody twice.
    numbers = rng.choice(36**3, size=config.patients, replace=False)
    patients = tuple(
        f"TCGA-Q{site}-A{np.base_repr(number, 36):0>3}"
        for site, number in zip(sites, numbers, strict=True)
    )
    everyone = range(config.patients)
    absent = round(config.missing * config.patients)
    without_slides = chosen(rng, everyone, absent)
    with_slides = set(everyone) - without_slides
    without_expression = chosen(rng, with_slides, absent)
    doubled = chosen(rng, with_slides, round(config.two_slides * config.patients) + 1)
    complete = with_slides - without_expression

    slides = {}
    second = {}
    for row in sorted(with_slides):
        for number in (1, 2) if row in doubled else (1,):
            barcode = f"{patients[row]}-01Z-00-DX{number}.{_uuid(rng)}"
            slides[barcode] = row
            if number == 2:
                second[row] = barcode
    return Roster(
        patients=patients,
        sites=sites,
        slides=dict(sorted(slides.items())),
        empty=second[min(doubled)],
        expressed=tuple(sorted(set(everyone) - without_expression)),
        normal=min(complete),
        unfollowed=chosen(rng, complete, config.missing_outcomes),
    )


def _uuid(rng: np.random.Generator) -> str:
    return str(UUID(bytes=rng.bytes(16), version=4)).upper()


def _slides(config: PlantedConfig, factors: Array, roster: Roster) -> dict[str, Array]:
    """Patches of every slide, [n_patches, width], by barcode."""
    model = SlideModel.draw(config)
    fewest, most = config.patches
    bags = {}
    for barcode, row in roster.slides.items():
        rng = config.stream("slide", barcode)
        n_patches = 0 if barcode == roster.empty else int(rng.integers(fewest, most + 1))
        bags[barcode] = model.bag(rng, factors[row], int(roster.sites[row]), n_patches)
    return bags


def _write_bags(folder: Path, slides: dict[str, Array]) -> None:
    """One HDF5 file a slide, as TRIDENT writes them; no times in it, so that bytes repeat."""
    folder.mkdir()
    for barcode, patches in slides.items():
        cells = np.arange(len(patches))
        coords = PATCH_PIXELS * np.stack([cells % PATCHES_A_ROW, cells // PATCHES_A_ROW], axis=1)
        side = PATCH_PIXELS * PATCHES_A_ROW
        attributes = {
            "patch_size": PATCH_PIXELS // 2,
            "patch_size_level0": PATCH_PIXELS,
            "level0_magnification": 40,
            "target_magnification": 20,
            "overlap": 0,
            "name": barcode,
            "savetodir": "None",
            "level0_width": side,
            "level0_height": side,
        }
        with h5py.File(folder / f"{barcode}.h5", "w", track_order=False) as file:
            features = file.create_dataset("features", data=patches.astype(np.float16))
            features.attrs.update({"name": barcode, "savetodir": "None", "encoder": "planted"})
            file.create_dataset("coords", data=coords.astype(np.int64)).attrs.update(attributes)


def _write_slide_table(path: Path, slides: dict[str, Array]) -> None:
    """A row a slide: the mean patch, as a slide encoder would give; none for an empty slide."""
    means = {barcode: patches.mean(axis=0) for barcode, patches in slides.items() if len(patches)}
    table = pd.DataFrame(np.stack(list(means.values())))
    table.columns = pd.Index([f"feature_{i}" for i in range(table.shape[1])])
    table.insert(0, "slide_id", list(means))
    _write_table(path, table, decimals=4)


def _write_expression(folder: Path, config: PlantedConfig, factors: Array, roster: Roster) -> None:
    tumour, normal = draw_expression(config, factors, roster.sites)
    values = {f"{roster.patients[row]}-01A": tumour[row] for row in roster.expressed}
    values[f"{roster.patients[roster.normal]}-11A"] = normal
    names = [f"GENE{i:03d}" for i in range(config.genes + config.loose_genes)]
    if config.gene_sets:
        rows = ([name, "planted", *(names[i] for i in g)] for name, g in pathways(config).items())
        (folder / GENE_SETS).write_text("".join("\t".join(row) + "\n" for row in rows))
    genes = pd.Index(names, name="sample")
    by_gene = pd.DataFrame(values, index=genes)
    table = by_gene if config.genes_as_rows else by_gene.T.rename_axis("sample")
    separator = "\t" if config.genes_as_rows else ","
    _write_table(folder / _expression_file(config), table.reset_index(), 4, separator)


def _expression_file(config: PlantedConfig) -> str:
    return "rna.tsv.gz" if config.genes_as_rows else "rna.csv.gz"


def _write_clinical(path: Path, config: PlantedConfig, roster: Roster, outcomes: Outcomes) -> None:
    """TCGA-CDR's columns."""
    age, male, stage = draw_covariates(config, outcomes).T
    n = config.patients
    words = np.array(["Stage I", "Stage II", "Stage III", "Stage IV", "[Not Available]"])
    known = np.array([row not in roster.unfollowed for row in range(n)])
    table = pd.DataFrame(
        {
            "bcr_patient_barcode": roster.patients,
            "type": "PLANTED",
            "age_at_initial_pathologic_diagnosis": age.astype(int),
            "gender": np.where(male == 1, "MALE", "FEMALE"),
            "race": "[Not Available]",
            "ajcc_pathologic_tumor_stage": words[np.nan_to_num(stage, nan=5.0).astype(int) - 1],
            "vital_status": np.where(known, np.where(outcomes.os, "Dead", "Alive"), "#N/A"),
        }
    )
    endpoints = (
        ("OS", outcomes.os, outcomes.os_time),
        ("DSS", outcomes.dss, outcomes.os_time),
        ("PFI", outcomes.pfi, outcomes.pfi_time),
    )
    for name, event, time in endpoints:
        table[name] = np.where(known, event.astype(int).astype(str), "#N/A")
        table[f"{name}.time"] = np.where(known, time.astype(str), "#N/A")
    table["Redaction"] = ""
    _write_table(path, table)


def _write_mutations(
    path: Path, config: PlantedConfig, patients: pd.Series, mutated: Sequence[NDArray[np.bool_]]
) -> None:
    """A column a gene; empty of patients who were not sequenced."""
    table = pd.DataFrame({"case_id": patients})
    for (gene, _), carriers in zip(config.mutations, mutated, strict=True):
        table[gene] = np.where(carriers, MUTATED[1], MUTATED[0])
    count = round(config.unsequenced * config.patients)
    rows = chosen(config.stream("unsequenced"), range(config.patients), count)
    table.iloc[sorted(rows), 1:] = ""
    _write_table(path, table)


def _write_table(
    path: Path, table: pd.DataFrame, decimals: int | None = None, separator: str = ","
) -> None:
    """Text with fixed decimals and newlines; gzip without name and time, so that bytes repeat."""
    text = table.to_csv(
        index=False,
        sep=separator,
        float_format=None if decimals is None else f"%.{decimals}f",
        lineterminator="\n",
    ).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _manifest(config: PlantedConfig) -> str:
    slides = {"kind": "vector", "path": "slide_features.csv", "id": "slide_id"}
    written = tomlkit.dumps(
        {
            "name": config.name,
            "modalities": {
                "wsi": {"kind": "bag", "path": "features_planted"} if config.bags else slides,
                "rna": {
                    "kind": "vector",
                    "path": _expression_file(config),
                    "id": "sample",
                    "orientation": "genes" if config.genes_as_rows else "samples",
                    **({"gene_sets": GENE_SETS} if config.gene_sets else {}),
                },
            },
            "clinical": {"format": "tcga-cdr", "path": "clinical.csv"},
            "labels": {
                "subtype": {
                    "path": "labels.csv",
                    "id": "case_id",
                    "column": "subtype",
                    "classes": [name for name, _ in config.subtypes],
                },
                **{
                    gene: {
                        "path": "mutations.csv",
                        "id": "case_id",
                        "column": gene,
                        "classes": list(MUTATED),
                        "kind": "mutation",
                    }
                    for gene, _ in config.mutations
                },
            },
            "truth": {"path": "truth.csv", "id": "case_id"},
            "provenance": {
                "source": "planted by mirror-bench (synthetic)",
                "licence": "Apache-2.0",
            },
        }
    )
    version = f"version {GENERATOR_VERSION}, seed {config.seed}"
    return f"# Written by the planted generator, {version}.\n{written}"
