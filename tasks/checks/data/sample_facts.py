"""What holds for slides and samples alike: barcodes, tissues, copies."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tasks.checks.finding import Check, Finding, Severity, counted, some
from tasks.checks.leaks.duplicates import copies
from tasks.checks.leaks.rows import Rows
from tasks.data.barcode import Barcode, select_samples
from tasks.data.split_files import find_barcode


def barcodes_of(part: str, names: Sequence[str]) -> tuple[list[Barcode | None], list[Finding]]:
    """The barcode of each identifier, and those without one."""
    barcodes = [find_barcode(name) for name in names]
    strange = [name[:60] for name, found in zip(names, barcodes, strict=True) if found is None]
    what = "identifiers that are no TCGA barcode, or hold those of two patients"
    check, unit = Check.BARCODES, "identifiers"
    return barcodes, counted(part, check, Severity.PROBLEM, what, strange, len(names), unit)


def tissues(part: str, barcodes: Sequence[Barcode]) -> Iterator[Finding]:
    """Samples that are left out, and patients of several."""
    selection = select_samples(barcodes)
    for why, n in selection.left_out.items():
        yield Finding(
            part, Check.SAMPLES, Severity.NOTE, f"left out: {why}", n, len(barcodes), "samples"
        )
    if not selection.kept:
        yield Finding(
            part, Check.SAMPLES, Severity.PROBLEM, "no sample is of a tumour", 0, len(barcodes),
            "samples",
        )  # fmt: skip
        return
    per_patient = Counter(barcodes[i].patient for i in selection.kept)
    several = [patient for patient, n in per_patient.items() if n > 1]
    most = max(per_patient.values())
    what = f"patients of several samples or slides, {most} at most; they become one"
    n = len(per_patient)
    yield from counted(part, Check.SAMPLES, Severity.NOTE, what, several, n, "patients")


def duplicates(
    part: str, names: Sequence[str], barcodes: Sequence[Barcode], contents: Sequence[str]
) -> Iterator[Finding]:
    """The same content twice: under two patients as the audit says it, or under one."""
    patients = tuple(barcode.patient for barcode in barcodes)
    rows = Rows(tuple(names), patients, tuple(contents), np.empty((len(names), 0), np.float32))
    across = copies(part, rows)
    if across.is_there:
        yield replace(across, advice="")
    by_content: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, patient, content in zip(names, patients, contents, strict=True):
        by_content[patient, content].append(name)
    same = [group for group in by_content.values() if len(group) > 1]
    if same:
        yield Finding(
            part,
            Check.DUPLICATES,
            Severity.WARNING,
            "identical slides or samples of one patient: they weigh double",
            sum(map(len, same)),
            len(names),
            "slides or samples",
            some(" = ".join(sorted(group)) for group in same),
        )
