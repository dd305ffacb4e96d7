"""Tables, and what they are taken for."""

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.checks.data.gene_facts import gene_names, looks_like_genes, plural
from tasks.checks.data.scale import ScaleFacts, SeenScale, detect_scale
from tasks.checks.finding import Finding
from tasks.checks.leaks.circular_labels import called_from_expression
from tasks.checks.leaks.outcome_columns import EVENT_COLUMNS, TIME_COLUMNS
from tasks.checks.leaks.table_leaks import identifier
from tasks.checks.leaks.unfit_columns import named_like
from tasks.checks.recognise.candidates import (
    Candidate,
    Classes,
    Clinical,
    Statuses,
    TableColumns,
    Vectors,
    mixture_of,
    unused,
)
from tasks.data.barcode import is_of
from tasks.data.formats.cells import number, shown
from tasks.data.formats.clinical import named_endpoint, one_spelling, read_endpoints, recognise
from tasks.data.formats.covariates import recognise_covariates
from tasks.data.formats.files import unpacked
from tasks.data.formats.format import Format, NumericTable
from tasks.data.formats.gdc import case_names
from tasks.data.formats.star_counts import QUANTITIES, count_files, first_counts, samples_of
from tasks.data.formats.tables import (
    is_missing,
    is_unknown,
    read_column,
    read_numeric_table,
    read_text_table,
    require_columns,
)
from tasks.data.identifiers import Identifiers, Scheme
from tasks.data.manifest import ClinicalFormat, ClinicalSource, Orientation
from tasks.data.split_files import is_clinical_too, is_split_file
from tasks.errors import InputError

_ROWS = 200  # looked at before a table is known
_WIDE = 50  # more columns of numbers than these are a feature vector
_SLIDE_COLUMNS = ("slide_id", "slide", "image_id", "filename")
_MOST_CLASSES = 12
_FEWEST = 10  # patients of a class
_FIRST_FILES = 8  # of thousands

_EVENT_WORD = re.compile(r"stat|event|censor|dead|death|deceased|died|relapse|recur", re.I)
_TIME_WORD = re.compile(r"time|days|months|surviv|follow|_os$|^os_", re.I)
_NO_CLASS = re.compile(
    r"id$|barcode|uuid|date|status|event|censor|site|center|file|path|race|ethnic|cause|outcome",
    re.I,
)
_EXPRESSION_WORD = re.compile(r"rna|expr|fpkm|rsem|tpm|hiseq|gene|mrna|counts|transcript", re.I)


_OTHER_MEASURES = re.compile(
    r"cna|copy.?number|gistic|methyl|hm(27|450)|rppa|protein(?!.?coding)|mirna|mutation", re.I
)
_PROBE = re.compile(r"cg\d{6,}|ch\.\d+\..*|hsa-.*", re.I)
_STEPS = (-2, -1.5, -1, 0, 1, 2)  # of copy numbers, as GISTIC calls them
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?([./])\d\d?\1\d{2,4}")


def _no_expression(path: Path, names: Sequence[str], values: NDArray[np.float64]) -> str:
    """What a table of genes or probes holds, where that is not their expression; else empty."""
    probes = sum(_PROBE.fullmatch(name) is not None for name in names) > len(names) / 2
    if not probes and not _OTHER_MEASURES.search(path.name) and not np.isin(values, _STEPS).all():
        return ""
    return (
        "copy numbers, methylation, proteins, microRNA or mutations by its name, its rows' or its "
        "values: not taken for expression"
    )


def nothing_in(path: Path) -> str:
    """Why a table that could be read is of no use."""
    why = "no times and events, and no classes, of the cohort's patients"
    try:
        head = read_text_table(path, rows=_ROWS)
    except InputError:
        return why
    dates = [str(name) for name, cells in head.items() if any(map(_DATE.fullmatch, cells))]
    if dates:
        why += f"; {', '.join(dates[:3])} hold dates, where a time is in days or months"
    return why


def survey_table(path: Path, ids: Identifiers) -> list[Candidate]:
    """What one table may be used for; a clinical table may have classes as well.

    Args:
        path: csv, tsv, txt, parquet or xlsx, gzipped or not, or the GDC's json.
        ids: How identifiers are read.
    """
    try:
        if path.suffix.lower() == ".json":
            return [_gdc(path, ids)]
        split: list[Candidate] = []
        if is_split_file(path):
            split = [unused(path, "a split file: give it to `run` as --split")]
            if not is_clinical_too(path):
                return split
        head = read_text_table(path, sheet="TCGA-CDR", rows=_ROWS)
        columns = list(map(str, head.columns))
        if sum(ids.find(name) is not None for name in columns) > len(columns) / 2:
            return [_genes(path, head, ids)]
        return _rows(path, head, ids) + split
    except InputError as error:
        return [unused(path, str(error).removeprefix(f"{path}: "))]


def survey_vectors(path: Path, of: Format, ids: Identifiers) -> Candidate:
    """A file of a format of numbers, such as AnnData."""
    try:
        table = read_numeric_table(path, "")
    except InputError as error:
        return unused(path, str(error).removeprefix(f"{path}: "))
    return _numbers(path, of.name, table.ids, table, ids)


def survey_counts(folder: Path, ids: Identifiers) -> Candidate:
    """A folder of STAR's counts: whose the files are, and what the first ones hold."""
    try:
        files = count_files(folder)
        samples = samples_of(folder, files)
        table = first_counts(folder, QUANTITIES[0], _FIRST_FILES)
    except InputError as error:
        return unused(folder, str(error).removeprefix(f"{folder}: "))
    if not any(map(ids.find, samples.values())):
        return unused(
            folder,
            f"{len(files)} files of STAR's counts, whose samples only the GDC's sample sheet "
            "knows: save gdc_sample_sheet.tsv (of the cart that was downloaded) beside them",
        )
    what = f"STAR's counts of the GDC, {len(files)} files"
    found = _numbers(folder, what, list(samples.values()), table, ids)
    return replace(found, quantity=QUANTITIES[0]) if isinstance(found, Vectors) else found


def _numbers(
    path: Path, what: str, names: Sequence[str], table: NumericTable, ids: Identifiers
) -> Candidate:
    barcodes = [ids.find(name) for name in names]
    if None in barcodes:
        return unused(path, f"{what}: {shown(names[barcodes.index(None)])} is no {ids.what}")
    seen = detect_scale(table.values)
    genes = looks_like_genes(table.columns)
    return Vectors(
        path,
        f"{what}: {_named(table.columns)}; {_looks(seen)}",
        "",
        Orientation.SAMPLES,
        "rna" if genes else "wsi",
        frozenset(barcode.patient for barcode in barcodes if barcode),
        len(table.columns),
        seen.scale.declared if genes else None,
    )


def is_text(path: Path) -> bool:
    """Whether a file without a telling name starts like a text table; Xena's have no ending."""
    try:
        with unpacked(path) as file:
            start = file.read(4096)
    except (OSError, EOFError, zlib.error):
        return False
    return b"\0" not in start and (b"\t" in start or b"," in start)


def _gdc(path: Path, ids: Identifiers) -> Candidate:
    try:
        names = case_names(path)
    except InputError as error:
        is_json = path.suffix.lower() == ".json"
        why = "JSON, but no list of cases as the GDC writes them"
        return unused(path, why if is_json else str(error).removeprefix(f"{path}: "))
    patients = frozenset(found.patient for found in map(ids.find, names) if found)
    source = ClinicalSource(path, ClinicalFormat.GDC, ids=replace(ids, known=None))
    problem = ""
    try:
        read_endpoints(source, patients)
    except InputError as error:
        problem = str(error)
    return Clinical(path, source.format, patients, ("os",), None, problem)


def _genes(path: Path, head: pd.DataFrame, ids: Identifiers) -> Vectors | Finding:
    """A row a gene, as Xena writes expression."""
    id_column, *samples = map(str, head.columns)
    genes = read_column(path, id_column)
    quantity = _quantity(samples, ids)
    if quantity:
        samples = [name for name in samples if is_of(name, quantity)]
    barcodes = [ids.find(sample) for sample in samples]
    patients = frozenset(found.patient for found in barcodes if found)
    own = [name for name, found in zip(samples, barcodes, strict=True) if found]
    values = head[own].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64).T
    seen = detect_scale(values)
    what = f"a row a gene, as Xena writes it: {_named(genes)}; {_looks(seen)}"
    if why := _no_expression(path, genes, values):
        return unused(path, why)
    side = "rna" if looks_like_genes(genes) or _EXPRESSION_WORD.search(path.name) else "wsi"
    scale = seen.scale.declared if side == "rna" else None
    found = Vectors(path, what, id_column, Orientation.GENES, side, patients, len(genes), scale)
    return replace(found, quantity=quantity)


def _quantity(samples: Sequence[str], ids: Identifiers) -> str:
    """The quantity to take, where samples stand there once for each of several."""
    of: dict[str, set[str]] = defaultdict(set)
    for barcode in map(ids.find, samples):
        if barcode is not None:
            of[barcode.name].add(barcode.prefix)
    prefixes = {prefix.rstrip("_") for found in of.values() if len(found) > 1 for prefix in found}
    known = [quantity for quantity in QUANTITIES if quantity in prefixes]
    return next(
        iter([*known, *sorted(prefixes, key=lambda name: ("tpm" not in name.lower(), name))]), ""
    )


def _rows(path: Path, head: pd.DataFrame, ids: Identifiers) -> list[Candidate]:
    """A row a patient, a sample or a slide."""
    known = recognise(head)
    if known and known[0] is ClinicalFormat.GDC:
        return [_gdc(path, ids)]
    id_column = known[1] if known else identifier(path, head, ids.find)
    require_columns(path, head, [id_column])
    first = [cell for cell in head[id_column] if not is_missing(cell)]
    strange = [cell for cell in first if ids.find(cell) is None]
    # a table may hold patients whose slides are not here
    if len(strange) > (len(first) / 2 if ids.scheme is Scheme.PLAIN else 0) or not first:
        why = f"{id_column} {shown(strange[0])} is no {ids.what}" if strange else "no row"
        zeros = [one for one in ids.known or () if strange and one.lstrip("0") == strange[0]]
        why += f", {zeros[0]} is: leading zeros were lost" if zeros else ""
        return [unused(path, why)]
    numeric = _numeric(head, id_column)
    others = [name for name in map(str, head.columns) if name != id_column and name not in numeric]
    if known is None and len(numeric) > _WIDE:
        return _features_and_outcomes(path, head, id_column, numeric, others, ids)
    table = read_text_table(path, sheet="TCGA-CDR")
    found = _clinical(path, table, id_column, numeric, ids)
    if not found and len(numeric) > 1 and not others:
        return [_vectors(path, head, id_column, numeric, others, ids)]
    return found or [unused(path, "a table of patients without times and events, or classes")]


def _features_and_outcomes(
    path: Path,
    head: pd.DataFrame,
    id_column: str,
    numeric: Sequence[str],
    others: Sequence[str],
    ids: Identifiers,
) -> list[Candidate]:
    """A table of features; columns that are none are left out, and may be its outcomes."""
    drop = tuple(name for name in numeric if named_like(name))
    kept = [name for name in numeric if name not in drop]
    vectors = _vectors(path, head, id_column, kept, others, ids)
    if not drop:
        return [vectors]
    if isinstance(vectors, Vectors):
        vectors = replace(vectors, drop=drop)
    cells = {name: read_column(path, name) for name in (id_column, *drop)}
    return [vectors, *_clinical(path, pd.DataFrame(cells), id_column, drop, ids)]


def _numeric(head: pd.DataFrame, id_column: str) -> list[str]:
    """The columns whose first cells are numbers, or missing."""
    numeric = []
    for position, name in enumerate(map(str, head.columns)):
        cells = [cell for cell in head.iloc[:5, position] if not is_missing(cell)]
        if name != id_column and cells and all(map(_is_number, cells)):
            numeric.append(name)
    return numeric


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(number(cell))
    except ValueError:
        return False


def _vectors(
    path: Path,
    head: pd.DataFrame,
    id_column: str,
    numeric: Sequence[str],
    others: Sequence[str],
    ids: Identifiers,
) -> Candidate:
    if others:
        listed = ", ".join(others[:4])
        return unused(
            path,
            f"{len(numeric)} columns of numbers, but {len(others)} of text beside them ({listed}): "
            "leave the identifier and the features in the table, and nothing else",
        )
    barcodes = [found for found in map(ids.find, read_column(path, id_column)) if found]
    slides = id_column.casefold() in _SLIDE_COLUMNS or any(one.preparation for one in barcodes)
    genes, scale = looks_like_genes(numeric) and not slides, None
    if genes:
        values = head[list(numeric)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if why := _no_expression(path, numeric, values):
            return unused(path, why)
        seen = detect_scale(values)
        scale = seen.scale.declared
        what = f"a row a sample: {_named(numeric)}; {_looks(seen)}"
    else:
        what = f"a row a slide: {len(numeric)} features that are not named like genes"
    patients = frozenset(found.patient for found in barcodes)
    side = "rna" if genes else "wsi"
    return Vectors(
        path,
        what,
        id_column,
        Orientation.SAMPLES,
        side,
        patients,
        len(numeric),
        scale,
        None if genes else mixture_of(barcodes),
    )


def _looks(seen: ScaleFacts) -> str:
    """The scale in short; of a part of the genes no sum is worth a word."""
    if seen.scale is SeenScale.UNKNOWN:
        return "of a scale that its values do not show"
    return f"looks like {seen.name}"


def _named(genes: Sequence[str]) -> str:
    kinds = gene_names(genes).kinds
    return ", ".join(f"{n} {plural(kind)}" for kind, n in list(kinds.items())[:3])


def _clinical(
    path: Path, table: pd.DataFrame, id_column: str, numeric: Sequence[str], ids: Identifiers
) -> list[Candidate]:
    owners = [one.patient if (one := ids.find(c)) else "" for c in table[id_column]]
    patients = frozenset(filter(None, owners))
    found: list[Candidate] = []
    if known := recognise(table):
        layout, _, endpoints = known
        problem = ""
        try:
            read_endpoints(ClinicalSource(path, layout, ids=replace(ids, known=None)), patients)
        except InputError as error:
            problem = str(error)
        found.append(Clinical(path, layout, patients, endpoints, None, problem))
        expression = sum(name.endswith("_rnaseq") for name in numeric)
        if expression:
            found.append(
                unused(path, f"{expression} columns of expression (_rnaseq) in it: write them into "
                      "a table of their own, beside the identifier")
            )  # fmt: skip
    elif columns := _columns(path, table, id_column, owners):
        named, problem = "os", ""
        try:
            named = named_endpoint(path, columns.times[0], columns.statuses[0].column)
        except InputError as error:
            problem = str(error)
        found.append(Clinical(path, ClinicalFormat.TABLE, patients, (named,), columns, problem))
    return found + _classes(path, table, id_column, owners)


def _columns(
    path: Path, table: pd.DataFrame, id_column: str, owners: Sequence[str]
) -> TableColumns | None:
    """Columns that may be time and status; their names do not say what 1 means."""
    names = [name for name in map(str, table.columns) if name != id_column]
    if {"sample", "_PATIENT", "OS", "OS.time"} <= {id_column, *names}:
        # Xena's copy of the TCGA Clinical Data Resource
        require_columns(path, table, ("OS", "OS.time"))
        status = Statuses("OS", _by_value(table["OS"], table["OS.time"], owners))
        return TableColumns(id_column, ("OS.time",), (status,), "1")
    once = [name for name in names if list(table.columns).count(name) == 1]
    times, events = [], []
    for name in once:
        cells = [cell for cell in table[name] if not is_missing(cell)]
        different = {cell.strip() for cell in cells}
        words = {one_spelling(cell) for cell in cells if not is_unknown(cell)}
        if len(words) == 2 and (_known(name, EVENT_COLUMNS) or _EVENT_WORD.search(name)):
            events.append(name)
        elif (
            len(different) > 2
            and (_known(name, TIME_COLUMNS) or _TIME_WORD.search(name))
            and all(map(_is_number, cells))
        ):
            times.append(name)
    if not times or not events:
        return None
    times.sort(key=lambda name: not _known(name, TIME_COLUMNS))
    events.sort(key=lambda name: not _known(name, EVENT_COLUMNS))
    statuses = tuple(
        Statuses(name, _by_value(table[name], table[times[0]], owners)) for name in events
    )
    covariates = recognise_covariates({name: table[name] for name in once})
    return TableColumns(id_column, tuple(times), statuses, None, covariates)


def _known(name: str, words: Sequence[str]) -> bool:
    return name.casefold() in words


def _by_value(
    status: "pd.Series[str]", time: "pd.Series[str]", owners: Sequence[str]
) -> dict[str, tuple[int, float]]:
    frame = pd.DataFrame(
        {
            "status": status.str.strip().to_numpy(),
            "time": pd.to_numeric(time, errors="coerce").to_numpy(),
            "owner": list(owners),
        }
    )
    frame = frame[~frame["status"].map(lambda cell: is_missing(cell) or is_unknown(cell))]
    # As the reader does, `dead` is counted with `Dead`.
    first = frame.groupby(frame["status"].map(one_spelling))["status"].transform("first")
    frame = frame.assign(status=first).drop_duplicates(["owner", "status"])
    return {
        str(value): (len(part), float(part["time"].median()))
        for value, part in frame.groupby("status")
    }


def _classes(
    path: Path, table: pd.DataFrame, id_column: str, owners: Sequence[str]
) -> list[Classes]:
    """Columns of a few words, one of them a patient."""
    found = []
    for position, name in enumerate(map(str, table.columns)):
        if name == id_column or _NO_CLASS.search(name) or list(table.columns).count(name) > 1:
            continue
        of: dict[str, str] = {}
        agree = True
        for who, cell in zip(owners, table.iloc[:, position], strict=True):
            if who and not is_missing(cell):
                agree &= of.setdefault(who, cell.strip()) == cell.strip()
        members: dict[str, set[str]] = defaultdict(set)
        for who, value in of.items():
            members[value].add(who)
        words = sum(not _is_number(value) for value in members)
        if agree and words > len(members) / 2:
            found.append(
                Classes(path, id_column, name, {v: frozenset(m) for v, m in members.items()}, "")
            )
    return found


def among(found: Classes, cohort: Collection[str]) -> Classes | None:
    """The classes of a cohort's patients; None if a task cannot be made of them."""
    counts = {value: members & frozenset(cohort) for value, members in found.patients.items()}
    ordered = sorted(counts, key=lambda value: (-len(counts[value]), value))
    large = {value: counts[value] for value in ordered if len(counts[value]) >= _FEWEST}
    if not 2 <= len(large) <= _MOST_CLASSES:
        return None
    return replace(found, patients=large, derived=called_from_expression((found.column, *large)))
