"""The parts that cohorts of open data are made of: slides, expression, outcomes.

Tables are text with newlines; gzip bears neither name nor time, so that the bytes repeat.
"""

import gzip
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from tasks.data.fetch.catalogue import RemoteFile, Sources
from tasks.data.fetch.source_tables import read_expression, read_outcomes, read_slides
from tasks.data.store.importing import import_store
from tasks.data.store.layout import read_contents
from tasks.data.store.plan import plan_slides
from tasks.data.store.precision import StoredPrecision
from tasks.errors import InputError

CLINICAL_TABLE = "tcga_cdr.csv.gz"
SLIDE_TABLE = "clinical_porpoise.csv"

# As the cohorts of the committed results are written: the same features to the last bit. A z-score
# loses a published digit only beyond 10.
_FEATURE_DIGITS = "%.6g"
_EXPRESSION_DIGITS = "%.5g"


def write_table(path: Path, table: pd.DataFrame, digits: str | None = None) -> None:
    """Write a csv, gzipped if its name says so, or parquet with numbers as cohorts carry them."""
    if path.suffix == ".parquet":
        numbers = dict.fromkeys(table.columns[table.dtypes == "float64"], "float32")
        table.astype(numbers).to_parquet(path, index=False, compression="zstd")
        return
    text = table.to_csv(index=False, float_format=digits, lineterminator="\n").encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def label_keys(path: str, column: str, classes: Sequence[str]) -> dict[str, Any]:
    """A label of the cohort.toml."""
    return {"path": path, "id": "case_id", "column": column, "classes": list(classes)}


@dataclass(frozen=True)
class VectorSlides:
    """A table of slide features, a row a slide; several slides of a patient are averaged.

    Attributes:
        files: Tables, one below the other.
    """

    files: tuple[RemoteFile, ...]
    packed: ClassVar[bool] = False

    def write(self, cohort: str, sources: Sources, folder: Path) -> dict[str, Any]:
        """Write the features, and the deficiency in recombination where the tables have it."""
        name, labels = "slide_features_hif.csv.gz", {}
        slides = read_slides([sources.path(file) for file in self.files])
        write_table(folder / name, slides.features, _FEATURE_DIGITS)
        if slides.hrd is not None:
            write_table(folder / "hrd.csv", slides.hrd)
            # a score of the tumour's DNA: neither side was used to call it
            labels["hrd"] = label_keys("hrd.csv", "hrd", ("low", "high"))
        wsi = {"kind": "vector", "path": name, "id": "case_id"}
        return {"modalities": {"wsi": wsi}, "labels": labels}


@dataclass(frozen=True)
class BagSlides:
    """A file of features a slide, packed into one store.

    Attributes:
        files: A tensor each, in the order of their names.
        encoder: What made the features.
        pretrained_on: Data that the encoder has seen.
    """

    files: tuple[RemoteFile, ...]
    encoder: str
    pretrained_on: tuple[str, ...]
    packed: ClassVar[bool] = True

    def write(self, cohort: str, sources: Sources, folder: Path) -> dict[str, Any]:
        """Pack the slides, with all digits: the same features as those of the files."""
        store = folder / "wsi.h5"
        paths = tuple(sources.path(file) for file in self.files)
        plan = plan_slides(paths, StoredPrecision.FLOAT32, _silent, cohort)
        import_store(plan, store, _silent)
        for file, sums in zip(self.files, read_contents(store).checksums, strict=True):
            if sums.source_sha256 != file.sha256:
                raise InputError(f"{file.key}: expected the file that came, found that it changed")
        wsi = {
            "kind": "bag",
            "path": store.name,
            "slides": "dx",
            "encoder": self.encoder,
            "pretrained_on": list(self.pretrained_on),
        }
        return {"modalities": {"wsi": wsi}}


def _silent(*_: object) -> None:
    """A cohort is packed in seconds."""


@dataclass(frozen=True)
class Expression:
    """A PORPOISE archive.

    Attributes:
        file: A zip of one csv, a row a slide.
        table: What the expression is written to; parquet is read in half the time of csv.
        histology: OncoTree codes that make a subtyping task as they are; none if they do not.
        scale: What its cells are, in a manifest's word, where that is declared.
        gene_sets: A csv with a column a set that is laid beside the table, if any.
    """

    file: RemoteFile
    table: str = "rna_zscores.parquet"
    histology: tuple[str, ...] = ()
    scale: str = ""
    gene_sets: RemoteFile | None = None
    packed: ClassVar[bool] = False

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The archive, and the gene sets."""
        return (self.file,) if self.gene_sets is None else (self.file, self.gene_sets)

    def write(self, cohort: str, sources: Sources, folder: Path) -> dict[str, Any]:
        """Write the expression, a row a patient, and what it says of each slide."""
        expression, slides = read_expression(sources.path(self.file))
        write_table(folder / self.table, expression, _EXPRESSION_DIGITS)
        write_table(folder / SLIDE_TABLE, slides)
        rna = {"kind": "vector", "path": self.table, "id": "case_id"}
        if self.scale:
            rna["scale"] = self.scale
        if self.gene_sets is not None:
            # Beside the table, and not declared: what is declared is in the fingerprint of the
            # data, and most methods read no sets.
            shutil.copyfile(sources.path(self.gene_sets), folder / self.gene_sets.name)
        labels = {}
        if self.histology:
            labels["histology"] = label_keys(SLIDE_TABLE, "oncotree_code", self.histology)
        return {"modalities": {"rna": rna}, "labels": labels}


@dataclass(frozen=True)
class Outcomes:
    """The workbook of the TCGA Clinical Data Resource, of some projects.

    Attributes:
        file: The workbook.
        projects: TCGA's words for them, `COAD` and `READ`.
    """

    file: RemoteFile
    projects: tuple[str, ...]
    packed: ClassVar[bool] = False

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The workbook."""
        return (self.file,)

    def write(self, cohort: str, sources: Sources, folder: Path) -> dict[str, Any]:
        """Write the rows of the projects."""
        table = sources.shared(self.file, read_outcomes)
        for project in self.projects:
            if not (table["type"] == project).any():
                raise InputError(
                    f"{self.file.name}: expected patients of type {project}, found none"
                )
        write_table(folder / CLINICAL_TABLE, table[table["type"].isin(self.projects)])
        return {"clinical": {"format": "tcga-cdr", "path": CLINICAL_TABLE}}
