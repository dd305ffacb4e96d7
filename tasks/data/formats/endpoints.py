"""What rows of a clinical file say of their patients -> one time-to-event endpoint."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.data.cohort import Endpoint
from tasks.data.notes import Note, left_out_notes
from tasks.errors import InputError


@dataclass(frozen=True)
class FollowUp:
    """One row's word on one endpoint.

    Attributes:
        patient: TCGA-SS-PPPP.
        time: Months; None if missing.
        event: Whether it happened; None if missing.
    """

    patient: str
    time: float | None
    event: bool | None


def build_endpoint(
    path: Path, name: str, rows: Iterable[FollowUp], patients: Collection[str]
) -> tuple[Endpoint, tuple[Note, ...]]:
    """Make one endpoint of the rows of many.

    Rows of a patient that agree are one, and a row that lacks time or status yields to one that has
    both. A patient with neither is absent: missing is never time zero.

    Raises:
        InputError: If two rows of a patient contradict each other.
    """
    known: dict[str, tuple[float, bool]] = {}
    seen: set[str] = set()
    for row in rows:
        seen.add(row.patient)
        if row.time is None or row.event is None:
            continue
        outcome = (row.time, row.event)
        if known.setdefault(row.patient, outcome) != outcome:
            found = " and ".join(
                f"{time:.4g} months {'with' if event else 'without'} event"
                for time, event in (known[row.patient], outcome)
            )
            raise InputError(
                f"{path}: patient {row.patient}, {name}: expected one outcome, found {found}"
            )
    kept = tuple(patient for patient in sorted(known) if known[patient][0] >= 0)
    endpoint = Endpoint(
        kept,
        np.array([known[patient][0] for patient in kept], dtype=np.float64),
        np.array([known[patient][1] for patient in kept], dtype=np.bool_),
    )
    reasons = {
        "no row in the clinical file": len(set(patients) - seen),
        "no time or no status": len(seen) - len(known),
        "negative time": len(known) - len(kept),
    }
    n_events = int(endpoint.event.sum())
    return endpoint, (
        Note(name, f"{len(kept)} patients of {len(patients)}, {n_events} events"),
        *left_out_notes(name, "patients", reasons),
    )
