"""What holds for slides and samples alike: barcodes, tissues, copies."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from tasks.checks.data.facts import Check, Fact, Weight, some
from tasks.checks.leaks.duplicates import copies
from tasks.checks.leaks.rows import Rows
from tasks.data.barcode import Barcode, select_samples
from tasks.data.split_files import find_barcode


def barcodes_of(part: str, names: Sequence[str]) -> tuple[list[Barcode | None], list[Fact]]:
    """The barcode of each identifier, and those without one."""
    barcodes = [find_barcode(name) for name in names]
    strange = [name for name, found in zip(names, barcodes, strict=True) if found is None]
    if not strange:
        return barcodes, []
    fact = Fact(
        part,
        Check.BARCODES,
        Weight.PROBLEM,
        "identifiers that are no TCGA barcode, or hold those of two patients",
        len(strange),
        len(names),
        "identifiers",
        some(name[:60] for name in strange),
    )
    return barcodes, [fact]


def tissues(part: str, barcodes: Sequence[Barcode]) -> Iterator[Fact]:
    """Samples that are left out, and patients of several."""
    selection = select_samples(barcodes)
    for why, n in selection.left_out.items():
        yield Fact(
            part, Check.SAMPLES, Weight.FACT, f"left out: {why}", n, len(barcodes), "samples"
        )
    if not selection.kept:
        yield Fact(
            part, Check.SAMPLES, Weight.PROBLEM, "no sample is of a tumour", 0, len(barcodes),
            "samples",
        )  # fmt: skip
        return
    per_patient = Counter(barcodes[i].patient for i in selection.kept)
    several = [patient for patient, n in per_patient.items() if n > 1]
    if several:
        yield Fact(
            part,
            Check.SAMPLES,
            Weight.FACT,
            f"patients of several samples or slides, {max(per_patient.values())} at most; "
            "they become one",
            len(several),
            len(per_patient),
            "patients",
            some(several),
        )


def duplicates(
    part: str, names: Sequence[str], barcodes: Sequence[Barcode], contents: Sequence[str]
) -> Iterator[Fact]:
    """The same content twice: under two patients as the audit says it, or under one."""
    patients = tuple(barcode.patient for barcode in barcodes)
    rows = Rows(tuple(names), patients, tuple(contents), np.empty((len(names), 0), np.float32))
    for found in copies(rows):
        yield Fact(
            part, Check.DUPLICATES, Weight.PROBLEM, found.summary, found.n, found.total,
            found.unit, found.examples[:5],
        )  # fmt: skip
    by_content: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, patient, content in zip(names, patients, contents, strict=True):
        by_content[patient, content].append(name)
    same = [group for group in by_content.values() if len(group) > 1]
    if same:
        yield Fact(
            part,
            Check.DUPLICATES,
            Weight.WARNING,
            "identical slides or samples of one patient: they weigh double",
            sum(map(len, same)),
            len(names),
            "slides or samples",
            some(" = ".join(sorted(group)) for group in same),
        )
