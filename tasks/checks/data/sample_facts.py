"""What holds for slides and samples alike: barcodes, tissues, copies."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tasks.checks.finding import Check, Finding, Severity, counted, some
from tasks.checks.leaks.duplicates import copies
from tasks.checks.leaks.preparations import audit_preparations
from tasks.checks.leaks.rows import Rows
from tasks.data.barcode import Barcode, Preparation
from tasks.data.identifiers import Identifiers
from tasks.data.samples import SampleRule, Selection


def barcodes_of(
    part: str, names: Sequence[str], ids: Identifiers, *, slides: bool
) -> tuple[list[Barcode | None], list[Finding]]:
    """What each identifier says, and those that are none."""
    barcodes = [ids.find(name, slide=slides) for name in names]
    strange = [name[:60] for name, found in zip(names, barcodes, strict=True) if found is None]
    what = f"identifiers that are no {ids.what}, or hold those of two patients"
    check, unit = Check.BARCODES, "identifiers"
    return barcodes, counted(part, check, Severity.PROBLEM, what, strange, len(names), unit)


def taken(part: str, selection: Selection, rule: SampleRule) -> list[Finding]:
    """Samples that do not stand for their patients, and patients of several."""
    total = len(selection.barcodes)
    facts = [
        Finding(part, Check.SAMPLES, Severity.NOTE, f"left out: {why}", len(rows), total, "samples")
        for why, rows in selection.left_out.items()
        if why not in [*Preparation]
    ]
    if selection.fault:
        facts.append(Finding(part, Check.SAMPLES, Severity.PROBLEM, selection.fault))
        return facts
    mixed = audit_preparations(part, selection, rule)
    if mixed.is_there:
        facts.append(replace(mixed, summary=f"{mixed.summary}; {mixed.advice}", advice=""))
    if n := selection.unclear():
        text = "taken, but do not say whether diagnostic or frozen"
        facts.append(Finding(part, Check.PREPARATIONS, Severity.NOTE, text, n, total, "slides"))
    per_patient = Counter(selection.barcodes[i].patient for i in selection.kept)
    several = [patient for patient, n in per_patient.items() if n > 1]
    most = max(per_patient.values())
    what = f"patients of several samples or slides, {most} at most; they become one"
    n = len(per_patient)
    return facts + counted(part, Check.SAMPLES, Severity.NOTE, what, several, n, "patients")


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
