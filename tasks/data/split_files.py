"""Splits read from files, in the layouts that published benchmarks write them.

* A column a part (MIRROR, MCAT, SurvPath, CLAM): header `,train,val[,test]`, ragged, identifiers
  of patients or slides in the cells; a file a fold (`splits_0.csv` ...).
* Flags (CLAM's `splits_0_bool.csv`): the same header, an identifier a row, True or False in the
  cells; a file a fold.
* A column a fold (Patho-Bench's `k=all.tsv`): an identifier a row, `fold_0` ... hold the part.
* A file a part (MMP, PANTHER): `train.csv` and `test.csv` in a folder a fold, `NAME_k=0`.
* One column of parts (`split`: train, val, test), or of the fold in which a row is tested (`fold`:
  0, 1, ...).
"""

import gzip
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import pandas as pd

from tasks.data.barcode import Barcode, parse_barcode
from tasks.data.cohort import BagModality, Cohort
from tasks.data.formats.cells import near, number, shown
from tasks.data.formats.clinical import recognise
from tasks.data.formats.delimited import separator_of
from tasks.data.formats.tables import is_missing, read_text_table
from tasks.data.identifiers import without_suffix
from tasks.data.splits import Split
from tasks.errors import InputError, NoSplitsError

PATIENT_COLUMNS = frozenset(
    {"case_id", "case", "patient", "patient_id", "bcr_patient_barcode", "submitter_id"}
)
SAMPLE_COLUMNS = frozenset({"slide_id", "slide", "sample_id", "sample", "image_id", "filename"})

_PARTS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "tune": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_TRUE, _FALSE = frozenset({"true", "1", "1.0"}), frozenset({"false", "0", "0.0"})
_FOLD_COLUMN = re.compile(r"(?:fold|split)[ _-]?([0-9]{1,3})", re.IGNORECASE)
_FOLD_FILE = re.compile(r"(?:splits?|folds?|k|cv)[ _=-]?([0-9]{1,3})(?:_bool)?$", re.IGNORECASE)
_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_COUNTS = "_descriptor.csv"
_HIGHEST_FOLD = 999
_LONGEST_HEADER = 2_000_000


class _Layout(StrEnum):
    PARTS = "a column a part"
    FOLDS = "a column a fold"
    PART = "a column of parts"
    FOLD = "a column of folds"


@dataclass(frozen=True)
class Entry:
    """One line of a part.

    Attributes:
        name: As written: a patient's, sample's or slide's identifier.
        patient: The patient it belongs to; `name` itself where nothing says more.
    """

    name: str
    patient: str


@dataclass(frozen=True)
class FileFold:
    """A fold as a file has it.

    Attributes:
        fold: Its number.
        path: The file.
        parts: `train`, `val`, `test`, those the file has -> entries as written, repeats included.
    """

    fold: int
    path: Path
    parts: Mapping[str, tuple[Entry, ...]]

    @property
    def scored(self) -> str:
        """The part that scores are made of: `test`, or `val` where there is no test part."""
        return next(part for part in ("test", "val", "train") if part in self.parts)

    def patients(self, part: str) -> frozenset[str]:
        """The different patients of a part."""
        return frozenset(entry.patient for entry in self.parts.get(part, ()))


@dataclass(frozen=True)
class SplitSet:
    """The folds that belong together: a file with all of them, or a folder of a file a fold.

    Attributes:
        path: The file or folder.
        folds: By number.
    """

    path: Path
    folds: tuple[FileFold, ...]

    @property
    def everyone(self) -> frozenset[str]:
        """The patients of any part of any fold."""
        return frozenset[str]().union(*(f.patients(part) for f in self.folds for part in f.parts))

    @property
    def times_scored(self) -> Counter[str]:
        """In how many folds each patient is scored."""
        return Counter(patient for fold in self.folds for patient in fold.patients(fold.scored))


@dataclass(frozen=True)
class FileSplits:
    """Splits of a cohort as files say.

    Attributes:
        splits: One per fold.
        notes: What did not match the cohort, for the reader.
    """

    splits: tuple[Split, ...]
    notes: tuple[str, ...]


def find_barcode(text: str) -> Barcode | None:
    """The TCGA barcode in a text, or None; a text with those of two patients has none."""
    try:
        return parse_barcode(text, "")
    except InputError:
        return None


def owner(text: str) -> str:
    """The patient that an identifier belongs to; the identifier itself if it is no barcode."""
    barcode = find_barcode(text)
    return text if barcode is None else barcode.patient


def is_split_file(path: Path) -> bool:
    """Whether a file's header is that of a split file; CLAM's counts of one are none."""
    name = path.name.lower()
    return (
        name.endswith(_SUFFIXES)
        and not name.endswith(_COUNTS)
        and _layout(_header(path)) is not None
    )


def is_clinical_too(path: Path) -> bool:
    """Whether a split file is a clinical table of a known layout with a column of its own."""
    header = _header(path)
    table = pd.DataFrame(columns=list(header))
    return _layout(header) in (_Layout.PART, _Layout.FOLD) and recognise(table) is not None


def read_split_sets(path: Path) -> tuple[SplitSet, ...]:
    """Read a split file, or every split file of a folder and of the folders in it.

    Files whose names number their one fold are one set a folder; any other file is its own set.
    Of `splits_0.csv` and CLAM's `splits_0_bool.csv`, which say the same, the first is read.

    Args:
        path: The file or folder.

    Raises:
        NoSplitsError: There is no split file.
        InputError: One is not of a layout that is known, or two files
            of a folder claim the same fold.
    """
    if not path.is_dir():
        return (SplitSet(path, _read(path)),)
    try:
        files = sorted(file for file in path.rglob("*") if file.is_file() and is_split_file(file))
    except OSError as error:
        raise InputError(f"{path}: expected a folder, found: {error.strerror}") from None
    of_parts = _sets_of_parts(path)
    if not files and not of_parts:
        raise NoSplitsError(
            f"{path}: expected split files (a header such as ,train,val or fold_0), found none"
        )
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    names = set(files)
    for file in files:
        if file.with_name(file.name.replace("_bool.", ".")) in names - {file}:
            continue
        by_folder[file.parent].append(file)
    return (
        *of_parts,
        *(split for folder in sorted(by_folder) for split in _sets(folder, by_folder[folder])),
    )


def splits_from_files(path: Path, cohort: Cohort) -> FileSplits:
    """Outer folds of a cohort as a split file or a folder of them says.

    The test part is scored; where there is none, the validation part is (MIRROR, SurvPath). A
    validation part beside a test part joins the training patients, out of which heads choose their
    own validation patients.

    Args:
        path: A split file with its folds, or a folder of a file a fold.
        cohort: Patients that are not in it are left out, named and counted.

    Raises:
        InputError: A patient is in two parts of a fold, a fold has no training or no scored
            patient of the cohort, or the files are not those of one set of folds.
    """
    sets = read_split_sets(path)
    if len(sets) > 1:
        listed = ", ".join(str(split.path) for split in sets[:4])
        raise InputError(f"{path}: expected one set of folds, found {len(sets)}: {listed}")
    known = frozenset(cohort.patients)
    own = _of_cohort(sets[0], cohort)
    return FileSplits(tuple(_split(fold, known) for fold in own.folds), _notes(own, cohort))


def _of_cohort(split: SplitSet, cohort: Cohort) -> SplitSet:
    """The same folds, whose slides' and samples' names are the cohort's patients."""
    owners = {patient: patient for patient in cohort.patients}
    for modality in cohort.modalities.values():
        if isinstance(modality, BagModality):
            owners |= {one.name: p for p, slides in modality.slides.items() for one in slides}

    def whose(entry: Entry) -> Entry:
        names = (entry.patient, entry.name, without_suffix(entry.name))
        found = next((owners[name] for name in names if name in owners), None)
        if found is None:  # a slide that is not taken, named after its patient
            parts = re.finditer(r"(?<=[A-Za-z0-9])(?=[^A-Za-z0-9])", entry.name)
            starts = [owners.get(entry.name[: part.start()]) for part in parts]
            found = next((patient for patient in reversed(starts) if patient), entry.patient)
        return Entry(entry.name, found)

    folds = [
        replace(fold, parts={part: tuple(map(whose, each)) for part, each in fold.parts.items()})
        for fold in split.folds
    ]
    return SplitSet(split.path, tuple(folds))


def _split(fold: FileFold, known: frozenset[str]) -> Split:
    scored = fold.scored
    test = fold.patients(scored)
    train = frozenset[str]().union(*(fold.patients(part) for part in fold.parts if part != scored))
    where = f"{fold.path}: fold {fold.fold}"
    parts = sorted(fold.parts)
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            twice = sorted(fold.patients(one) & fold.patients(other))
            if twice:
                raise InputError(
                    f"{where}: expected each patient in one part, found {len(twice)} in both "
                    f"{one} and {other}: {_listed(twice)}"
                )
    for part, patients in (("training", train), (scored, test)):
        if not patients & known:
            raise InputError(
                f"{where}: expected {part} patients of the cohort, found none among {len(patients)}"
            )
    return Split(fold.fold, tuple(sorted(train & known)), tuple(sorted(test & known)))


def _notes(split: SplitSet, cohort: Cohort) -> tuple[str, ...]:
    listed, tested = split.everyone, split.times_scored
    known = frozenset(cohort.patients)
    notes = [f"splits: {len(split.folds)} folds from {split.path}"]
    facts = (
        ("patients of the file are not in the cohort", listed - known),
        ("patients of the cohort are not in the file", known - listed),
        ("patients of the cohort are in no scored part", (known & listed) - tested.keys()),
        (
            "patients are scored in more than one fold",
            {patient for patient in known & tested.keys() if tested[patient] > 1},
        ),
    )
    notes += [f"splits: {len(who)} {what}: {_listed(sorted(who))}" for what, who in facts if who]
    if any({"val", "test"} <= set(fold.parts) for fold in split.folds):
        notes.append("splits: the validation patients join the training patients")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _sets(folder: Path, files: Sequence[Path]) -> Iterator[SplitSet]:
    """The sets of one folder: files of a numbered fold together, any other alone."""
    single: dict[int, FileFold] = {}
    for file in files:
        folds = _read(file)
        if len(folds) > 1 or _file_number(file) is None:
            yield SplitSet(file, folds)
            continue
        other = single.setdefault(folds[0].fold, folds[0])
        if other is not folds[0]:
            raise InputError(
                f"{file}: expected one file a fold, found {other.path.name}, which is fold "
                f"{other.fold} as well"
            )
    if single:
        yield SplitSet(folder, tuple(single[fold] for fold in sorted(single)))


def _sets_of_parts(path: Path) -> list[SplitSet]:
    """The folds whose parts are files of a folder each; those of one name are a set."""
    sets: dict[Path, dict[int, FileFold]] = defaultdict(dict)
    for folder in sorted({file.parent for file in path.rglob("train.csv")}):
        files = {file.stem.casefold(): file for file in sorted(folder.glob("*.csv"))}
        if len(files) < 2 or not files.keys() <= _PARTS.keys():
            continue
        parts: dict[str, tuple[Entry, ...]] = {}
        for name, file in files.items():
            entries = tuple(_entries(file, read_text_table(file)))
            if not entries:
                raise InputError(f"{file}: expected patients, found nobody")
            parts[_PARTS[name]] = entries
        number = _file_number(folder)
        whose = folder if number is None else folder.with_name(_FOLD_FILE.sub("", folder.name))
        if sets[whose].setdefault(number or 0, FileFold(number or 0, folder, parts)).path != folder:
            raise InputError(f"{folder}: expected one folder a fold, found fold {number} twice")
    return [
        SplitSet(whose, tuple(folds[fold] for fold in sorted(folds)))
        for whose, folds in sorted(sets.items())
    ]


def _header(path: Path) -> tuple[str, ...]:
    """The first line's cells; none if the file cannot be read as text or the line is endless."""
    try:
        opened = gzip.open if path.suffix.lower() == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            line = file.readline(_LONGEST_HEADER).rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return ()
    return tuple(cell.strip(' "') for cell in line.split(separator_of(line)))


def _layout(columns: Sequence[str]) -> _Layout | None:
    """Which layout a header is of, if any."""
    names = [column.casefold() for column in columns]
    if "train" in names and any(_PARTS.get(name) in ("val", "test") for name in names):
        return _Layout.PARTS
    if any(_FOLD_COLUMN.fullmatch(name) for name in names):
        return _Layout.FOLDS
    if len(names) > 1 and "split" in names:
        return _Layout.PART
    if len(names) > 1 and "fold" in names:
        return _Layout.FOLD
    return None


def _file_number(path: Path) -> int | None:
    """The fold that a file's name says it is."""
    named = _FOLD_FILE.search(path.name.split(".", 1)[0])
    return int(named[1]) if named else None


def _read(path: Path) -> tuple[FileFold, ...]:
    """The folds of one file; the fold of a file without a number is 0."""
    # columns of parts are as long as their parts, and some write no separators for what lacks
    table = read_text_table(path, ragged=_layout(_header(path)) is _Layout.PARTS)
    table.columns = pd.Index([str(column).strip() for column in table.columns])
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise InputError(f"{path}: expected one column {twice[0]!r}, found several of that name")
    layout = _layout(list(table.columns))
    if layout is None:
        raise InputError(
            f"{path}: expected the columns train and val or test, fold_0, fold_1, ..., split or "
            f"fold, found {', '.join(map(shown, table.columns[:8]))}"
        )
    number = _file_number(path) or 0
    if layout is _Layout.PARTS:
        folds = {number: _parts(path, table)}
    elif layout is _Layout.FOLDS:
        folds = {}
        for column in table.columns:
            if match := _FOLD_COLUMN.fullmatch(column):
                folds[int(match[1])] = _assigned(path, table, column)
    elif layout is _Layout.PART:
        folds = {number: _assigned(path, table, _column(table, "split"))}
    else:
        folds = _rotated(path, table, _column(table, "fold"))
    if not folds:
        raise InputError(f"{path}: expected a fold in some row, found none")
    for fold, parts in folds.items():
        empty = [part for part, entries in parts.items() if not entries]
        if empty or len(parts) < 2:
            found = f"nobody in {empty[0]}" if empty else " and ".join(parts) or "nobody"
            raise InputError(f"{path}: fold {fold}: expected two or more parts, found {found}")
    return tuple(FileFold(fold, path, folds[fold]) for fold in sorted(folds))


def _column(table: pd.DataFrame, name: str) -> str:
    return next(str(column) for column in table.columns if str(column).casefold() == name)


def _parts(path: Path, table: pd.DataFrame) -> dict[str, tuple[Entry, ...]]:
    """A column a part, with identifiers in the cells or flags beside one column of them."""
    names = map(str, table.columns)
    columns = {name: _PARTS[name.casefold()] for name in names if name.casefold() in _PARTS}
    cells = {cell.strip().casefold() for column in columns for cell in table[column]} - {""}
    parts: dict[str, list[Entry]] = {part: [] for part in columns.values()}
    if not cells <= _TRUE | _FALSE:
        for column, part in columns.items():
            listed = (cell.strip() for cell in table[column] if not is_missing(cell))
            parts[part] += [Entry(name, owner(name)) for name in listed]
        return {part: tuple(entries) for part, entries in parts.items() if entries}
    entries = _entries(path, table.drop(columns=list(columns)))
    for column, part in columns.items():
        parts[part] += [
            entry
            for entry, cell in zip(entries, table[column], strict=True)
            if cell.strip().casefold() in _TRUE
        ]
    return {part: tuple(found) for part, found in parts.items() if found}


def _assigned(path: Path, table: pd.DataFrame, column: str) -> dict[str, tuple[Entry, ...]]:
    """A column that says each row's part; an empty cell is in none."""
    parts: dict[str, list[Entry]] = defaultdict(list)
    for row, (entry, cell) in enumerate(zip(_entries(path, table), table[column], strict=True), 1):
        word = cell.strip().casefold()
        if is_missing(cell):
            continue
        if word not in _PARTS:
            raise InputError(
                f"{path}: row {row}, column {column!r}: expected train, val or test, "
                f"found {shown(cell)}{near(word, _PARTS)}"
            )
        parts[_PARTS[word]].append(entry)
    return {part: tuple(entries) for part, entries in sorted(parts.items())}


def _rotated(
    path: Path, table: pd.DataFrame, column: str
) -> dict[int, dict[str, tuple[Entry, ...]]]:
    """A column with the fold in which each row is tested; it trains in all the others."""
    numbered: list[tuple[int, Entry]] = []
    for row, (entry, cell) in enumerate(zip(_entries(path, table), table[column], strict=True), 1):
        if is_missing(cell):
            continue
        try:
            value = number(cell)
        except ValueError:
            value = 0.5
        if not value.is_integer() or not 0 <= value <= _HIGHEST_FOLD:
            raise InputError(
                f"{path}: row {row}, column {column!r}: expected a fold's number, "
                f"found {shown(cell)}"
            )
        numbered.append((int(value), entry))
    return {
        fold: {
            "test": tuple(entry for number, entry in numbered if number == fold),
            "train": tuple(entry for number, entry in numbered if number != fold),
        }
        for fold in sorted({number for number, _ in numbered})
    }


def _entries(path: Path, table: pd.DataFrame) -> list[Entry]:
    """The identifier of each row, and the patient beside it if a column says so."""
    by_name = {str(column).casefold().replace(" ", "_"): str(column) for column in table.columns}
    patient = _first(by_name, PATIENT_COLUMNS)
    sample = _first(by_name, SAMPLE_COLUMNS)
    chosen = sample or patient or str(table.columns[0])
    if _FOLD_COLUMN.fullmatch(chosen) or chosen.casefold() in ("split", "fold"):
        raise InputError(f"{path}: expected a column of identifiers, found {chosen!r} first")
    entries = []
    for row, (name, who) in enumerate(
        zip(table[chosen], table[patient or chosen], strict=True), start=1
    ):
        if is_missing(name):
            raise InputError(
                f"{path}: row {row}, column {chosen!r}: expected an identifier, found nothing"
            )
        owned = who if not is_missing(who) else name
        entries.append(Entry(name.strip(), owner(owned.strip())))
    return entries


def _first(by_name: Mapping[str, str], known: Iterable[str]) -> str | None:
    return next((by_name[name] for name in sorted(known) if name in by_name), None)
