"""How a folder's identifiers are read, told from the names of its slides and its tables."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from tasks.data.formats.tables import is_missing, read_column, read_text_table
from tasks.data.identifiers import TCGA, Identifiers, Scheme, without_suffix
from tasks.data.split_files import PATIENT_COLUMNS, SAMPLE_COLUMNS, find_barcode
from tasks.errors import InputError

_MOST = 0.9  # of the names, for a scheme to hold
_SOME = 0.5
_PROGRAMMES = (r"C3[LN]-\d{5}",)
"""Patients' identifiers of other programmes: CPTAC."""

EXAMPLES = 5


@dataclass(frozen=True)
class Proposal:
    """How identifiers are to be read.

    Attributes:
        ids: The reader; it knows no other patients than those that were found.
        table: Whose each slide is: the table, and its columns of slides and of patients.
        examples: Identifiers as they are written, and the patients they are read as.
    """

    ids: Identifiers = TCGA
    table: tuple[Path, str, str] | None = None
    examples: tuple[tuple[str, str], ...] = ()


def propose(slides: Sequence[str], tables: Iterable[Path]) -> Proposal:
    """How to read the names of slides, and the identifiers of tables where there are no slides.

    Args:
        slides: Names of the slides' files.
        tables: That may say whose they are.
    """
    names = [without_suffix(name) for name in slides]
    if _share(names, lambda name: find_barcode(name) is not None) >= _SOME:
        return _with_examples(Proposal(), slides)
    heads = dict(_heads(tables))
    columns = [(path, head, column) for path, head in heads.items() for column in _named(head)]
    people = _people(columns)
    if _share(sorted(people), lambda name: find_barcode(name) is not None) >= _SOME:
        return Proposal()
    found = (
        _by_programme([*names, *people])
        or _by_table(names, heads)
        or _by_pattern(names, people)
        or Proposal(Identifiers(Scheme.PLAIN, known=frozenset(names or people)))
    )
    return _with_examples(found, slides or sorted(people))


def _with_examples(found: Proposal, names: Sequence[str]) -> Proposal:
    chosen = names[:: max(1, len(names) // EXAMPLES)][:EXAMPLES]
    read = ((name, found.ids.find(name, slide=True)) for name in chosen)
    examples = tuple((name, barcode.patient) for name, barcode in read if barcode)
    return replace(found, examples=examples)


def _share(names: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, names)) / len(names) if names else 0.0


def _heads(tables: Iterable[Path]) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Tables of few columns; of the others, the column of patients or the samples in the header."""
    for path in tables:
        try:
            head = read_text_table(path, ragged=True, rows=_ROWS)
            columns = list(map(str, head.columns))
            if _share(columns, lambda name: find_barcode(name) is not None) >= _SOME:
                yield path, pd.DataFrame({"patient": columns[1:]})
            elif len(columns) <= _WIDE:
                yield path, read_text_table(path, ragged=True)
            else:
                column = _named(head)[0]
                yield path, pd.DataFrame({column: read_column(path, column)})
        except InputError:
            continue


_ROWS = 2
_WIDE = 50  # columns; more are features


def _named(head: pd.DataFrame) -> list[str]:
    """Columns that are named like patients' identifiers, or the first."""
    by_name = [str(c) for c in head if _plain(str(c)) in PATIENT_COLUMNS]
    return by_name or [str(c) for c in head.columns[:1]]


def _plain(column: str) -> str:
    return column.casefold().replace(" ", "_")


def _people(columns: Iterable[tuple[Path, pd.DataFrame, str]]) -> set[str]:
    """Patients that tables name, by the columns that are called so."""
    known = list(columns)
    called = [one for one in known if _plain(one[2]) in PATIENT_COLUMNS] or known
    return {
        cell.strip()
        for _, head, column in called
        if list(head.columns).count(column) == 1
        for cell in head[column]
        if not is_missing(cell)
    }


def _by_programme(names: Sequence[str]) -> Proposal | None:
    for pattern in _PROGRAMMES:
        compiled = re.compile(f"({pattern})")
        if _share(names, lambda name, c=compiled: c.search(name) is not None) >= _SOME:  # type: ignore[misc]
            return Proposal(Identifiers(Scheme.REGEX, compiled))
    return None


def _by_table(names: Sequence[str], heads: Mapping[Path, pd.DataFrame]) -> Proposal | None:
    """A table with a column of the slides' names beside one of patients."""
    wanted = set(names)
    for path, head in heads.items():
        if not wanted:
            continue
        patient = next((str(c) for c in head if _plain(str(c)) in PATIENT_COLUMNS), None)
        for column in map(str, head.columns):
            if patient is None or column == patient or list(head.columns).count(column) > 1:
                continue
            owners = dict(zip(map(without_suffix, head[column]), head[patient], strict=True))
            likely = _plain(column) in SAMPLE_COLUMNS
            if len(wanted & set(owners)) >= (_SOME if likely else _MOST) * len(wanted):
                known = frozenset(owners.values())
                ids = Identifiers(Scheme.PLAIN, owners=owners, known=known)
                return Proposal(ids, (path, column, patient))
    return None


def _by_pattern(names: Sequence[str], people: Collection[str]) -> Proposal | None:
    """The shape of most patients' identifiers, where slides' names begin with one."""
    if not names or set(names) <= set(people):
        return None
    shapes = [shape for shape, _ in Counter(map(_shape, people)).most_common(3)]
    for shape in (*shapes, *(_CLASS.sub(r"\1+", shape) for shape in shapes)):
        longer = r"\d" if [m[1] for m in _CLASS.finditer(shape)][-1:] == ["\\d"] else "[A-Za-z]"
        compiled = re.compile(f"^({shape})(?!{longer})")  # P1 is not read out of P10
        matches = [match[1] for name in names if (match := compiled.search(name))]
        if len(matches) >= _MOST * len(names) and set(matches) & set(people):
            # a gene may be called as patients are: TP53
            known = frozenset({*people, *matches})
            return Proposal(Identifiers(Scheme.REGEX, compiled, known=known))
    return None


_CLASS = re.compile(r"(\\d|\[A-Z\]|\[a-z\])(\{\d+\})?\+?")


def _shape(name: str) -> str:
    """An identifier with its digits and its letters as classes of characters, of as many."""

    def generalised(run: re.Match[str]) -> str:
        kind = r"\d" if run[0][0].isdigit() else "[A-Z]" if run[0][0].isupper() else "[a-z]"
        return f"{kind}{{{len(run[0])}}}" if len(run[0]) > 1 else kind

    return re.sub(r"\d+|[A-Z]+|[a-z]+", generalised, re.escape(name).replace(r"\-", "-"))
