"""Tables in which a patient stands twice, with two different values."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.checks.finding import Check, Finding, Severity, clean, some
from tasks.checks.leaks.outcome_columns import EVENT_COLUMNS, TIME_COLUMNS
from tasks.data.formats.clinical import one_spelling
from tasks.data.formats.tables import is_missing
from tasks.data.split_files import SAMPLE_COLUMNS, owner

# What is one fact per patient whatever the table's rows are.
_OUTCOME = re.compile(
    r"(os|dss|dfi|dfs|pfi|pfs)([._ ](time|months|days|status|event|survival_days|censorship))?"
    r"|(survival_months|survival_time|censorship)(_(os|dss|dfi|pfi))?|event|vital_status"
    r"|overall survival.*|disease free.*|progress.* free.*|.*disease-specific survival.*"
    r"|(days_to_|death_|last_contact_)(death|last_follow_?up|days_to)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"label|class|diagnosis|oncotree[_ ]code|pam50|.*(sub_?type|histolog).*", re.IGNORECASE
)
# Any other column counts as a patient's own if it differs within at most this share of patients.
_RARELY = 0.1
_ENOUGH = 5  # patients with several rows, to say so
_FEW_VALUES = 10
_MOSTLY = 0.5  # if no more patients than that have several rows, a row is meant to be a patient
_WIDE = 50  # a table of more columns is one of features, where few values mean nothing


@dataclass(frozen=True)
class _Repeated:
    """The rows of patients that have several.

    Attributes:
        part: The rows.
        whose: The patient of each.
        a_row_each: Whether a row of the table is meant to be a patient, not a slide or sample.
        same_id: Patients with one identifier twice, and not only two samples.
    """

    part: pd.DataFrame
    whose: pd.Series
    a_row_each: bool
    same_id: frozenset[str]


def audit_rows(
    where: str,
    table: pd.DataFrame,
    id_column: str,
    used: Collection[str] = (),
    patients: Collection[str] | None = None,
    owner: Callable[[str], str] = owner,
) -> tuple[Finding, ...]:
    """Look for patients whose rows contradict each other.

    Outcomes and the columns in `used` must agree within a patient. Any other column is taken for
    the patient's own, and not for the slide's, if it nearly always agrees, or if the table has a
    row a patient and the column no measurements.

    Args:
        where: The table.
        table: Its cells as text.
        id_column: Whose a row is.
        used: Columns that a cohort reads.
        patients: The only ones that matter; None: all.
        owner: The patient of an identifier.
    """
    repeated = _repeated(table, id_column, patients, owner)
    grave: dict[str, list[str]] = {}
    light: dict[str, list[str]] = {}
    for position, name in enumerate(map(str, table.columns)):
        if name == id_column or _is_sample(name) or not len(repeated.part):
            continue
        cells = _spelled(repeated.part.iloc[:, position])
        values = cells.groupby(repeated.whose).nunique()  # missing cells are no value
        differing = list(map(str, values.index[values > 1]))
        outcome = name in used or _is_outcome(name)
        if not outcome and (len(values) < _ENOUGH or len(differing) > _RARELY * len(values)):
            few = 0 if len(table.columns) > _WIDE else _FEW_VALUES
            if not (repeated.a_row_each and _discrete(table.iloc[:, position], few)):
                continue
            differing = [patient for patient in differing if patient in repeated.same_id]
            outcome = _LABEL.fullmatch(name) is not None
        for patient in differing:
            values_of = sorted(set(cells[repeated.whose == patient].dropna()))
            example = f"{patient}: {name} {' / '.join(values_of[:3])}"
            (grave if outcome else light).setdefault(patient, []).append(example)
    judged = "mend or drop these rows: the score depends on which one is read"
    kinds = (
        (Severity.PROBLEM, " in what they are judged by", grave, judged),
        (Severity.WARNING, "", light, "look which row is right before the column is used"),
    )
    findings = tuple(
        Finding(
            where,
            Check.CONTRADICTING_ROWS,
            severity,
            f"patients whose rows contradict each other{what}",
            len(by_patient),
            repeated.whose.nunique(),
            "patients of several rows",
            some(example for examples in by_patient.values() for example in examples),
            advice,
        )
        for severity, what, by_patient, advice in kinds
        if by_patient
    )
    return findings or (clean(where, Check.CONTRADICTING_ROWS),)


def _repeated(
    table: pd.DataFrame,
    id_column: str,
    patients: Collection[str] | None,
    owner: Callable[[str], str],
) -> _Repeated:
    owners = np.array([owner(cell.strip()) for cell in table[id_column]], dtype=object)
    counts = pd.Series(owners).value_counts()
    several = set(counts.index[counts > 1])
    several &= several if patients is None else set(patients)
    kept = np.array([who in several for who in owners], dtype=bool)
    part = table[kept].reset_index(drop=True)
    whose = pd.Series(owners[kept], dtype=object)
    twice = part[id_column].str.strip().duplicated(keep=False).to_numpy(dtype=bool)
    samples = any(_is_sample(str(name)) for name in table.columns)
    return _Repeated(
        part,
        whose,
        not samples and len(several) <= _MOSTLY * len(counts),
        frozenset(map(str, whose[twice])),
    )


def _is_sample(name: str) -> bool:
    return name.casefold().replace(" ", "_") in SAMPLE_COLUMNS


def _is_outcome(name: str) -> bool:
    known = name.casefold() in (*EVENT_COLUMNS, *TIME_COLUMNS)
    return known or _OUTCOME.fullmatch(name) is not None


def _spelled(cells: pd.Series) -> pd.Series:
    """Cells in one spelling: 1, 1.0 and 01 are one, and so are Dead and dead; None if missing."""
    return cells.map(lambda cell: None if is_missing(cell) else one_spelling(cell))


def _discrete(cells: pd.Series, few: int) -> bool:
    """Whether a column holds words or a few different numbers, and not measurements."""
    known = cells[~cells.map(is_missing)]
    if pd.to_numeric(known, errors="coerce").isna().any():
        return True
    return bool(known.nunique() <= few)
