"""A cohort's folder from its sources: all of it, or nothing."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import tomlkit

from tasks.data.cohort import Cohort
from tasks.data.fetch.catalogue import Catalogue, Recipe
from tasks.data.fetch.source_tables import SlideTables, read_expression, read_outcomes, read_slides
from tasks.data.load import load_cohort
from tasks.data.manifest import MANIFEST
from tasks.errors import InputError

# As the cohorts of the committed results are written: the same features to the last bit. A z-score
# loses a published digit only beyond 10.
_FEATURE_DIGITS = "%.6g"
_EXPRESSION_DIGITS = "%.5g"


def build_cohort(
    catalogue: Catalogue,
    recipe: Recipe,
    sources: Path,
    folder: Path,
    scratch: Path,
    outcomes: Callable[[Path], pd.DataFrame] = read_outcomes,
) -> Cohort:
    """Write a cohort and read it back, before it appears under its name.

    Args:
        catalogue: Says where the data come from and what to know of them.
        recipe: The cohort.
        sources: Where the downloaded files are, each below its key.
        folder: Where the cohort's folder goes; there must be none yet.
        scratch: A folder on the same disk to write in.
        outcomes: Reads the workbook, which takes seconds and serves several cohorts.

    Raises:
        InputError: If a source is not what it should be.
        OSError: If something cannot be written.
    """
    draft = scratch / recipe.cohort
    draft.mkdir()
    slides = read_slides([sources / file.key for file in recipe.slides])
    expression, clinical = read_expression(sources / recipe.expression.key)
    table = outcomes(sources / recipe.clinical.key)
    table = table[table["type"] == recipe.project]
    if table.empty:
        raise InputError(
            f"{recipe.clinical.name}: expected patients of type {recipe.project}, found none"
        )
    _write(draft / "slide_features_hif.csv.gz", slides.features, _FEATURE_DIGITS)
    _write(draft / "rna_zscores.csv.gz", expression, _EXPRESSION_DIGITS)
    _write(draft / "clinical_porpoise.csv", clinical)
    _write(draft / "tcga_cdr.csv.gz", table)
    if slides.hrd is not None:
        _write(draft / "hrd.csv", slides.hrd)
    text = _manifest(catalogue, recipe, slides)
    (draft / MANIFEST).write_text(text, encoding="utf-8")
    cohort = load_cohort(draft)
    draft.rename(folder)
    return cohort


def _write(path: Path, table: pd.DataFrame, digits: str | None = None) -> None:
    """Text with newlines; gzip without name and time, so that bytes repeat."""
    text = table.to_csv(index=False, float_format=digits, lineterminator="\n").encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _manifest(catalogue: Catalogue, recipe: Recipe, slides: SlideTables) -> str:
    header = [f"Written by mirror-bench data fetch {catalogue.name} from"]
    for file in recipe.files:
        header += [f"  {file.key}", f"    SHA-256 {file.sha256}"]
    header.append("Paths are relative to this file.")
    labels = {}
    if recipe.histology:
        labels["histology"] = _label("clinical_porpoise.csv", "oncotree_code", recipe.histology)
    if slides.hrd is not None:
        # a score of the tumour's DNA: neither side was used to call it
        labels["hrd"] = _label("hrd.csv", "hrd", ("low", "high"))
    written = tomlkit.dumps(
        {
            "name": recipe.cohort,
            "modalities": {
                # a row a slide; several slides of a patient are averaged
                "wsi": {"kind": "vector", "path": "slide_features_hif.csv.gz", "id": "case_id"},
                "rna": {"kind": "vector", "path": "rna_zscores.csv.gz", "id": "case_id"},
            },
            "clinical": {"format": "tcga-cdr", "path": "tcga_cdr.csv.gz"},
            **({"labels": labels} if labels else {}),
            "provenance": {
                "source": catalogue.source,
                "licence": catalogue.licence,
                "note": catalogue.note,
            },
        }
    )
    return "".join(f"# {line}\n" for line in header) + written


def _label(path: str, column: str, classes: tuple[str, ...]) -> dict[str, object]:
    return {"path": path, "id": "case_id", "column": column, "classes": list(classes)}
