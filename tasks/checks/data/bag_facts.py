"""Slides: a folder of per-slide files or a packed store, every file looked at."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tasks.checks.data.outliers import FAR, far_from_others
from tasks.checks.data.sample_facts import barcodes_of, duplicates, taken
from tasks.checks.finding import Check, Finding, Severity, counted
from tasks.data.barcode import Barcode
from tasks.data.formats.bags import Scans, find_slides
from tasks.data.formats.folders import folder_encoder, slide_files
from tasks.data.formats.slides import Scan, finite_chunks, read_coordinates
from tasks.data.manifest import BagSource
from tasks.data.samples import select_samples
from tasks.data.store.plan import Progress
from tasks.data.store.verifying import verify_store
from tasks.errors import InputError, NotFiniteError

_TINY = 50  # times fewer instances than the median

_File = tuple[str, Barcode, Path, Scan]


def verify_bags(
    part: str, source: BagSource, cohort: str, looking_at: Progress
) -> tuple[list[Finding], frozenset[str]]:
    """Look at every slide of a cohort.

    Returns:
        What is so, and the patients whose slides are taken.
    """
    if source.path.is_file():
        return _store(part, source, cohort, looking_at)
    try:
        files = slide_files(source.path)
    except InputError as error:
        return [Finding(part, Check.FILES, Severity.PROBLEM, str(error))], frozenset()
    barcodes, facts = barcodes_of(
        part, [file.name for file in files.values()], source.ids, slides=True
    )
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
    if not filled:
        return facts, frozenset()
    selection = select_samples([barcode for _, barcode, _, _ in filled], source.rule)
    facts += taken(part, selection, source.rule)
    if not any(fact.severity is Severity.PROBLEM for fact in facts):
        try:
            find_slides(source, cohort)  # as `run` does
        except InputError as error:
            facts.append(Finding(part, Check.FILES, Severity.PROBLEM, str(error)))
    return facts, selection.patients


def _store(
    part: str, source: BagSource, cohort: str, looking_at: Progress
) -> tuple[list[Finding], frozenset[str]]:
    """A packed store holds what was looked at when it was made: it is compared with its sums."""
    try:
        found = find_slides(source, cohort)
        verify_store(source.path, looking_at)
    except InputError as error:
        return [Finding(part, Check.FILES, Severity.PROBLEM, str(error))], frozenset()
    facts = [
        Finding(part, Check.FILES, Severity.NOTE, "a packed store, whole by its checksums"),
        _sizes(
            part,
            found.selection.barcodes,
            [s.n_instances for s in found.slides if s.n_instances],
            found.width,
        ),
        *_empty(part, [s.name for s in found.slides if not s.n_instances], len(found.slides)),
        *taken(part, found.selection, source.rule),
    ]
    return facts, found.selection.patients


def _empty(part: str, names: Sequence[str], total: int) -> list[Finding]:
    what = "slides without instances, left out"
    return counted(part, Check.EMPTY, Severity.WARNING, what, names, total, "slides")


def _broken(part: str, errors: Sequence[InputError], total: int, folder: Path) -> Iterator[Finding]:
    """Files that are refused: those with a value that is no number, and the others."""
    groups = (
        (Check.NOT_FINITE, "slides with NaN, an infinity or more than float32 holds", True),
        (Check.FILES, "files that cannot be read as slides", False),
    )
    for check, summary, not_finite in groups:
        texts = [
            str(error).removeprefix(f"{folder.absolute()}/")
            for error in errors
            if isinstance(error, NotFiniteError) is not_finite
        ]
        yield from counted(part, check, Severity.PROBLEM, summary, texts, total, "files")


def _whole(part: str, whole: Sequence[_File], total: int) -> Iterator[Finding]:
    empty = [name for name, _, _, scan in whole if not scan.n_instances]
    yield from _empty(part, empty, total)
    filled = [file for file in whole if file[3].n_instances]
    if not filled:
        yield Finding(part, Check.FILES, Severity.PROBLEM, "no slide has instances")
        return
    yield from _widths(part, filled)
    yield from _encoders(part, filled)
    counts = [scan.n_instances for _, _, _, scan in filled]
    yield _sizes(part, [barcode for _, barcode, _, _ in filled], counts, filled[0][3].width)
    yield from _tiny(part, filled)
    yield from duplicates(
        part,
        [name for name, _, _, _ in filled],
        [barcode for _, barcode, _, _ in filled],
        [scan.content for _, _, _, scan in filled],
    )
    yield from _coordinates(part, filled)
    yield from _values(part, filled)


def _widths(part: str, filled: Sequence[_File]) -> list[Finding]:
    widths = Counter(scan.width for _, _, _, scan in filled)
    common, _ = widths.most_common(1)[0]
    listed = ", ".join(f"{width} ({n})" for width, n in widths.most_common())
    what = f"slides of different widths, so of different encoders: {listed}"
    others = [name for name, _, _, scan in filled if scan.width != common]
    return counted(part, Check.WIDTHS, Severity.PROBLEM, what, others, len(filled), "slides")


def _encoders(part: str, filled: Sequence[_File]) -> list[Finding]:
    named = folder_encoder(filled[0][2].parent)
    encoders = {name: scan.encoder or named for name, _, _, scan in filled}
    patches = {name: scan.patches for name, _, _, scan in filled if scan.patches}
    facts = []
    for what, each in (("encoders", encoders), ("patches", patches)):
        counts = Counter(each.values()).most_common()
        listed = ", ".join(f"{value or 'none named'} ({n})" for value, n in counts)
        others = [name for name, value in each.items() if value != counts[0][0]]
        text = f"slides of different {what}: {listed}"
        facts += counted(part, Check.WIDTHS, Severity.PROBLEM, text, others, len(filled), "slides")
    return facts


def _sizes(
    part: str, barcodes: Sequence[Barcode], n_instances: Sequence[int], width: int
) -> Finding:
    counts = np.array(n_instances)
    patients = {barcode.patient for barcode in barcodes}
    return Finding(
        part,
        Check.SIZES,
        Severity.NOTE,
        f"{len(barcodes):,} slides of {len(patients):,} patients, {width} features "
        f"an instance; {counts.min():,} to {counts.max():,} instances a slide, "
        f"{np.median(counts):,.0f} in the median",
    )


def _tiny(part: str, filled: Sequence[_File]) -> list[Finding]:
    median = float(np.median([scan.n_instances for _, _, _, scan in filled]))
    tiny = [name for name, _, _, scan in filled if scan.n_instances * _TINY < median]
    what = f"slides of {_TINY} times fewer instances than the median"
    return counted(part, Check.OUTLIERS, Severity.WARNING, what, tiny, len(filled), "slides")


def _coordinates(part: str, filled: Sequence[_File]) -> Iterator[Finding]:
    wrong, without = [], 0
    for name, _, file, scan in filled:
        try:
            without += read_coordinates(file, scan.n_instances) is None
        except InputError as error:
            wrong.append(f"{name}: {str(error).removeprefix(f'{file}: ')}")
    check, n = Check.COORDINATES, len(filled)
    what = "coordinates that do not fit the features"
    yield from counted(part, check, Severity.PROBLEM, what, wrong, n, "slides")
    if without:
        what = "slides without coordinates: no method can order their patches"
        yield Finding(part, check, Severity.NOTE, what, without, n, "slides")


def _values(part: str, filled: Sequence[_File]) -> Iterator[Finding]:
    """The first instances of every slide: all zero, all the same, or far from the others."""
    zero, same, norms = [], [], []
    low, high = np.inf, -np.inf
    for name, _, file, _ in filled:
        values = next(finite_chunks(file))  # a piece, where the file has pieces
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        if not values.any():
            zero.append(name)
        elif len(values) > 1 and (values == values[0]).all():
            same.append(name)
        norms.append(float(np.linalg.norm(values.mean(axis=0, dtype=np.float64))))
    text = f"values of {low:.4g} to {high:.4g} (first piece of each slide)"
    yield Finding(part, Check.VALUES, Severity.NOTE, text)
    n = len(filled)
    for what, names in (("slides of zeros", zero), ("slides of one instance repeated", same)):
        yield from counted(part, Check.VALUES, Severity.PROBLEM, what, names, n, "slides")
    far = np.flatnonzero(far_from_others(np.array(norms)))
    what = (
        f"slides whose mean vector is {FAR:g} robust standard deviations longer or shorter than "
        "the others'"
    )
    names = [filled[i][0] for i in far.tolist()]
    yield from counted(part, Check.OUTLIERS, Severity.WARNING, what, names, n, "slides")
