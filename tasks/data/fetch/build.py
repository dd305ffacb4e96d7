"""A cohort's folder from its sources: all of it, or nothing."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

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
    files = "\n".join(f"#   {file.key}\n#     SHA-256 {file.sha256}" for file in recipe.files)
    text = f"""\
# Written by mirror-bench data fetch {catalogue.name} from
{files}
# Paths are relative to this file.
name = {json.dumps(recipe.cohort)}

[modalities.wsi]
kind = "vector"                 # a row a slide; several slides of a patient are averaged
path = "slide_features_hif.csv.gz"
id = "case_id"

[modalities.rna]
kind = "vector"
path = "rna_zscores.csv.gz"
id = "case_id"

[clinical]
format = "tcga-cdr"
path = "tcga_cdr.csv.gz"
"""
    if recipe.histology:
        text += _label("histology", "clinical_porpoise.csv", "oncotree_code", recipe.histology)
    if slides.hrd is not None:
        # a score of the tumour's DNA: neither side was used to call it
        text += _label("hrd", "hrd.csv", "hrd", ("low", "high"))
    return f"""\
{text}
[provenance]
source = {json.dumps(catalogue.source)}
licence = {json.dumps(catalogue.licence)}
note = {json.dumps(catalogue.note)}
"""


def _label(name: str, path: str, column: str, classes: tuple[str, ...]) -> str:
    return f"""
[labels.{name}]
path = "{path}"
id = "case_id"
column = "{column}"
classes = {json.dumps(classes)}
"""
