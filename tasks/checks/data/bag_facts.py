"""Slides: a folder of per-slide files or a packed store, every file looked at."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tasks.checks.data.facts import Check, Fact, Weight, some
from tasks.checks.data.outliers import FAR, far_from_others
from tasks.checks.data.sample_facts import barcodes_of, duplicates, tissues
from tasks.data.barcode import Barcode
from tasks.data.formats.bags import Scans, read_bags
from tasks.data.formats.folders import slide_files
from tasks.data.formats.slides import Scan, finite_chunks, read_coordinates
from tasks.data.manifest import BagSource
from tasks.data.store.verifying import verify_store
from tasks.errors import InputError

LookingAt = Callable[[str, int, int], None]
"""Called with what is looked at, how much of it is done and how much there is."""

_TINY = 50  # times fewer instances than the median

_File = tuple[str, Barcode, Path, Scan]


def verify_bags(
    part: str, source: BagSource, looking_at: LookingAt
) -> tuple[list[Fact], frozenset[str]]:
    """Look at every slide.

    Returns:
        What is so, and the patients that have a slide with instances.
    """
    if source.path.is_file():
        return _store(part, source, looking_at)
    try:
        files = slide_files(source.path)
    except InputError as error:
        return [Fact(part, Check.FILES, Weight.PROBLEM, str(error))], frozenset()
    barcodes, facts = barcodes_of(part, [file.name for file in files.values()])
    whole: list[_File] = []
    broken: list[InputError] = []
    scans = Scans()
    try:
        for i, (name, file) in enumerate(files.items()):
            looking_at(part, i, len(files))
            barcode = barcodes[i]
            try:
                scan, _ = scans.scan(file)
            except InputError as error:
                broken.append(error)
                continue
            if barcode is not None:
                whole.append((name, barcode, file, scan))
    finally:
        scans.save()
    looking_at(part, len(files), len(files))
    facts += _broken(part, broken, len(files), source.path)
    facts += _whole(part, whole, len(files))
    filled = [file for file in whole if file[3].n_instances]
    facts += tissues(part, [barcode for _, barcode, _, _ in filled])
    return facts, frozenset(barcode.patient for _, barcode, _, _ in filled if barcode.is_tumour)


def _store(
    part: str, source: BagSource, looking_at: LookingAt
) -> tuple[list[Fact], frozenset[str]]:
    """A packed store holds what was looked at when it was made: it is compared with its sums."""
    try:
        modality, notes = read_bags(part, source)
        verify_store(source.path, looking_at)
    except InputError as error:
        return [Fact(part, Check.FILES, Weight.PROBLEM, str(error))], frozenset()
    facts = [Fact(part, Check.FILES, Weight.FACT, "a packed store, whole by its checksums")]
    facts += [
        Fact(part, Check.SAMPLES, Weight.FACT, note.removeprefix(f"{part}: ")) for note in notes
    ]
    return facts, frozenset(modality.patients)


def _broken(part: str, errors: Sequence[InputError], total: int, folder: Path) -> list[Fact]:
    """Files that are refused: those with a value that is no number, and the others."""
    texts = [str(error).removeprefix(f"{folder.absolute()}/") for error in errors]
    groups = (
        (Check.NOT_FINITE, "slides with NaN, an infinity or more than float32 holds", True),
        (Check.FILES, "files that cannot be read as slides", False),
    )
    facts = []
    for check, summary, not_finite in groups:
        found = [text for text in texts if ("expected a finite number" in text) is not_finite]
        if found:
            facts.append(
                Fact(part, check, Weight.PROBLEM, summary, len(found), total, "files", some(found))
            )
    return facts


def _whole(part: str, whole: Sequence[_File], total: int) -> list[Fact]:
    facts = []
    empty = [name for name, _, _, scan in whole if not scan.n_instances]
    if empty:
        facts.append(
            Fact(
                part, Check.EMPTY, Weight.WARNING, "slides without instances, left out",
                len(empty), total, "slides", some(empty),
            )
        )  # fmt: skip
    filled = [file for file in whole if file[3].n_instances]
    if not filled:
        return [*facts, Fact(part, Check.FILES, Weight.PROBLEM, "no slide has instances")]
    facts += _widths(part, filled)
    facts += _sizes(part, filled)
    facts += duplicates(
        part,
        [name for name, _, _, _ in filled],
        [barcode for _, barcode, _, _ in filled],
        [scan.content for _, _, _, scan in filled],
    )
    facts += _coordinates(part, filled)
    facts += _values(part, filled)
    return facts


def _widths(part: str, filled: Sequence[_File]) -> list[Fact]:
    widths = Counter(scan.width for _, _, _, scan in filled)
    if len(widths) == 1:
        return []
    common, n = widths.most_common(1)[0]
    listed = ", ".join(f"{width} ({n})" for width, n in widths.most_common())
    return [
        Fact(
            part,
            Check.WIDTHS,
            Weight.PROBLEM,
            f"slides of different widths, so of different encoders: {listed}",
            len(filled) - n,
            len(filled),
            "slides",
            some(name for name, _, _, scan in filled if scan.width != common),
        )
    ]


def _sizes(part: str, filled: Sequence[_File]) -> list[Fact]:
    counts = np.array([scan.n_instances for _, _, _, scan in filled])
    patients = {barcode.patient for _, barcode, _, _ in filled}
    median = float(np.median(counts))
    facts = [
        Fact(
            part,
            Check.SIZES,
            Weight.FACT,
            f"{len(filled):,} slides of {len(patients):,} patients, {filled[0][3].width} features "
            f"an instance; {counts.min():,} to {counts.max():,} instances a slide, "
            f"{median:,.0f} in the median",
        )
    ]
    tiny = [name for (name, _, _, scan) in filled if scan.n_instances * _TINY < median]
    if tiny:
        facts.append(
            Fact(
                part, Check.OUTLIERS, Weight.WARNING,
                f"slides of {_TINY} times fewer instances than the median", len(tiny),
                len(filled), "slides", some(tiny),
            )
        )  # fmt: skip
    return facts


def _coordinates(part: str, filled: Sequence[_File]) -> list[Fact]:
    wrong, without = [], []
    for name, _, file, scan in filled:
        try:
            if read_coordinates(file, scan.n_instances) is None:
                without.append(name)
        except InputError as error:
            wrong.append(f"{name}: {str(error).removeprefix(f'{file}: ')}")
    facts = []
    if wrong:
        facts.append(
            Fact(
                part, Check.COORDINATES, Weight.PROBLEM, "coordinates that do not fit the features",
                len(wrong), len(filled), "slides", some(wrong),
            )
        )  # fmt: skip
    if without:
        facts.append(
            Fact(
                part, Check.COORDINATES, Weight.FACT,
                "slides without coordinates: no method can order their patches", len(without),
                len(filled), "slides",
            )
        )  # fmt: skip
    return facts


def _values(part: str, filled: Sequence[_File]) -> list[Fact]:
    """The first instances of every slide: all zero, all the same, or far from the others."""
    zero, same, norms, names = [], [], [], []
    low, high = np.inf, -np.inf
    for name, _, file, _ in filled:
        values = next(finite_chunks(file))  # a piece, where the file has pieces
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        if not values.any():
            zero.append(name)
        elif len(values) > 1 and (values == values[0]).all():
            same.append(name)
        norms.append(float(np.linalg.norm(values.mean(axis=0, dtype=np.float64))))
        names.append(name)
    facts = [
        Fact(
            part,
            Check.VALUES,
            Weight.FACT,
            f"values of {low:.4g} to {high:.4g} (first piece of each slide)",
        )
    ]
    for what, found in (("slides of zeros", zero), ("slides of one instance repeated", same)):
        if found:
            facts.append(
                Fact(part, Check.VALUES, Weight.PROBLEM, what, len(found), len(filled), "slides",
                     some(found))
            )  # fmt: skip
    far = far_from_others(np.array(norms))
    if far.any():
        facts.append(
            Fact(
                part, Check.OUTLIERS, Weight.WARNING,
                f"slides whose mean vector is {FAR:g} robust standard deviations longer or "
                "shorter than the others'", int(far.sum()), len(filled), "slides",
                some(name for name, is_far in zip(names, far, strict=True) if is_far),
            )
        )  # fmt: skip
    return facts
