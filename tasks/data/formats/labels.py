"""A column of classes -> one class per patient."""

from collections import Counter
from collections.abc import Collection

from tasks.data.cohort import Label
from tasks.data.formats.layouts import is_redacted
from tasks.data.formats.tables import is_missing, read_text_table
from tasks.data.formats.vectors import barcodes_of
from tasks.data.manifest import LabelSource
from tasks.data.notes import About, Note
from tasks.errors import InputError


def read_label(
    name: str, source: LabelSource, patients: Collection[str]
) -> tuple[Label, tuple[Note, ...]]:
    """Read a label of the cohort's patients.

    Args:
        name: The label's name, for the notes.
        source: Where the column is, and which classes count.
        patients: The cohort's patients; others are ignored.

    Returns:
        The label, and notes on what was left out.

    Raises:
        InputError: If a column is not there or a patient has two classes.
    """
    table = read_text_table(source.path, (source.id, source.column))
    dropped = is_redacted(source.path, table)
    table = table[~dropped]
    barcodes = barcodes_of(source, [cell.strip() for cell in table[source.id]], "row")
    found: dict[str, str] = {}
    for barcode, cell in zip(barcodes, table[source.column], strict=True):
        value = cell.strip()
        # a declared class is a class, even one called NA
        if is_missing(value) and value not in source.classes:
            continue
        if barcode.patient in patients and found.setdefault(barcode.patient, value) != value:
            raise InputError(
                f"{source.path}: patient {barcode.patient}, column {source.column!r}: expected one "
                f"class, found {found[barcode.patient]!r} and {value!r}"
            )
    values = {p: found[p] for p in sorted(found) if found[p] in source.classes}
    count = Counter(values.values())
    classes = ", ".join(f"{c} {count[c]}" for c in source.classes)
    notes = [Note(name, f"{len(values)} patients of {len(patients)}: {classes}")]
    if dropped.any():
        text = f"{dropped.sum()} rows left out: redacted"
        notes.append(Note(name, text, About.LEFT_OUT))
    if source.called_from:
        notes.append(Note(name, f"called from {source.called_from}"))
    others = Counter(value for value in found.values() if value not in source.classes)
    if others:
        listed = ", ".join(f"{value} {n}" for value, n in sorted(others.items()))
        text = f"{others.total()} patients left out, of other classes: {listed}"
        notes.append(Note(name, text, About.LEFT_OUT))
    unknown = len(patients) - len(found)
    if unknown:
        notes.append(Note(name, f"{unknown} patients without a class"))
    absent = [c for c in source.classes if not count[c]]
    notes += [Note(name, f"nobody is of the declared class {c!r}") for c in absent]
    label = Label(values, source.classes, source.derived_from, source.kind, source.called_from)
    return label, tuple(notes)
