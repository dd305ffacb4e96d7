"""Clinical tables opened as their layout says: rows of text, each with its patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.formats.gdc import read_gdc_diagnoses
from tasks.data.formats.tables import read_text_table, require_columns
from tasks.data.manifest import ClinicalFormat, ClinicalSource, TableSource
from tasks.errors import InputError

ID_COLUMNS = {
    ClinicalFormat.TCGA_CDR: ("bcr_patient_barcode",),
    ClinicalFormat.CBIOPORTAL: ("Patient ID", "PATIENT_ID"),
    ClinicalFormat.PORPOISE: ("case_id",),
    ClinicalFormat.GDC: ("submitter_id",),
}
"""Where each layout names the patient; the first that is there."""


@dataclass(frozen=True)
class ClinicalTable:
    """A clinical file.

    Attributes:
        path: The file.
        rows: Its rows as text, without those of redacted patients.
        owners: The patient of each row.
        redacted: Patients whose rows are redacted.
    """

    path: Path
    rows: pd.DataFrame
    owners: tuple[str, ...]
    redacted: frozenset[str] = frozenset()


def open_clinical(source: ClinicalSource, columns: Sequence[str] = ()) -> ClinicalTable:
    """Open a clinical file; of the GDC's JSON, a row is a diagnosis.

    Args:
        source: The file and its layout.
        columns: Columns that must be there, besides the identifier's.

    Raises:
        InputError: If the file cannot be read, a column is not there, or an identifier is no
            barcode.
    """
    path = source.path
    if source.format is ClinicalFormat.GDC:
        rows = read_gdc_diagnoses(path)
    else:
        rows = read_text_table(path, sheet="TCGA-CDR")
    known = (source.id,) if isinstance(source, TableSource) else ID_COLUMNS[source.format]
    id_column = next((name for name in known if name in rows), known[0])
    if len(known) > 1 and id_column not in rows:
        raise InputError(
            f"{path}: expected a column 'PATIENT_ID' (study file) or 'Patient ID' (download), "
            f"found {', '.join(map(str, rows.columns[:8]))}"
        )
    require_columns(path, rows, (id_column, *columns))
    owners = tuple(
        source.ids.read(cell, f"{path}: row {i}, column {id_column!r}").patient
        for i, cell in enumerate(rows[id_column], start=1)
    )
    dropped = is_redacted(path, rows)
    redacted = frozenset(p for p, gone in zip(owners, dropped, strict=True) if gone)
    owners = tuple(p for p, gone in zip(owners, dropped, strict=True) if not gone)
    return ClinicalTable(path, rows[~dropped], owners, redacted)


def is_redacted(path: Path, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are redacted, in the TCGA-CDR and whatever table has its column `Redaction`."""
    column = next((name for name in map(str, rows) if name.casefold() == "redaction"), None)
    if column is None:
        return np.zeros(len(rows), np.bool_)
    require_columns(path, rows, [column])
    return (rows[column].str.strip().str.casefold() == "redacted").to_numpy()
