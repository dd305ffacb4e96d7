"""A folder looked at as a whole: what is there, and which of it to take."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tasks.checks.finding import Finding
from tasks.checks.leaks.published_endpoints import projects_of
from tasks.checks.recognise.candidates import (
    Candidate,
    Classes,
    Clinical,
    GeneSetFile,
    Slides,
    Vectors,
    unused,
)
from tasks.checks.recognise.proof import refusal, refusal_of_sets, without_unfit
from tasks.checks.recognise.schemes import Proposal, propose
from tasks.checks.recognise.slide_folders import survey_slides
from tasks.checks.recognise.table_kinds import (
    among,
    is_text,
    nothing_in,
    survey_counts,
    survey_table,
    survey_vectors,
)
from tasks.checks.recognise.walk import folders_below, is_of_a_file
from tasks.data.formats.genes import read_gene_sets
from tasks.data.formats.known_formats import format_of, is_slide_file
from tasks.data.formats.star_counts import ENDINGS, SHEETS
from tasks.data.identifiers import Identifiers
from tasks.data.manifest import MANIFEST, ClinicalFormat, Scale
from tasks.errors import InputError

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".json", ".gz")
_MOST_TABLES = 200
_LARGEST_ABOVE = 20 << 20
_SHARE = 0.9  # of the patients in one TCGA project, to name the cohort after it

# The TCGA-CDR was curated for outcomes; a GDC json has overall survival alone.
_PREFERRED = tuple(
    ClinicalFormat(word) for word in ("tcga-cdr", "cbioportal", "porpoise", "gdc", "table")
)


@dataclass(frozen=True)
class Survey:
    """What a folder holds; the first of each kind is the one to take.

    Attributes:
        folder: The folder.
        name: A name for the cohort.
        project: The TCGA project of nearly all patients; empty if there is no such.
        wsi: Slide features.
        rna: Expression.
        clinical: Clinical files.
        classes: Columns of classes.
        gene_sets: Files of gene sets that the expression has genes of.
        others: What is not used.
        proposal: How identifiers are read.
    """

    folder: Path
    name: str
    project: str
    wsi: tuple[Slides | Vectors, ...]
    rna: tuple[Vectors, ...]
    clinical: tuple[Clinical, ...]
    classes: tuple[Classes, ...]
    gene_sets: tuple[GeneSetFile, ...]
    others: tuple[Finding, ...]
    proposal: Proposal

    @property
    def patients(self) -> frozenset[str]:
        """The patients of what is taken of slides and expression."""
        return frozenset[str]().union(*(found.patients for found in (*self.wsi[:1], *self.rna[:1])))


def survey(folder: Path, looking_at: Callable[[Path], None]) -> Survey:
    """Look at a folder, and at the folders in it.

    Args:
        folder: Where a user's tools wrote their files.
        looking_at: Called with each file and folder before it is looked at.

    Raises:
        InputError: The folder cannot be read, or holds neither slide features nor expression.
    """
    found: list[Candidate] = []
    n_tables = 0
    counts: set[Path] = set()
    below = list(folders_below(folder))
    proposal = _proposal(below)
    ids = proposal.ids
    for current, every in below:
        if any(file.name.endswith(ENDINGS) for file in every):
            counts.add(current.parent if is_of_a_file(current) else current)
            every = tuple(file for file in every if not file.name.endswith(ENDINGS))  # noqa: PLW2901
        files = [file for file in every if _has_text_name(file)]
        if strange := len(every) - len(files):
            found.append(unused(current, f"{strange} files whose names are not UTF-8: rename them"))
        slides = [file for file in files if is_slide_file(file)]
        if slides:
            looking_at(current)
            found.append(survey_slides(current, slides, ids))
        others = [file for file in files if file not in slides and file.name != MANIFEST]
        sets = [file for file in others if ".gmt" in map(str.lower, file.suffixes)]
        found += map(_gene_sets, sets)
        others = [file for file in others if file not in sets]
        tables = [file for file in others if _is_table(file)]
        for file in tables[: max(0, _MOST_TABLES - n_tables)]:
            looking_at(file)
            found += survey_table(file, ids)
        n_tables += len(tables)
        found += [one for file in others if file not in tables for one in _foreign(file, ids)]
    for current in sorted(counts):
        looking_at(current)
        found.append(survey_counts(current, ids))
    if not any(isinstance(f, Clinical) for f in found):
        found += _clinical_above(folder, looking_at, ids)
    if n_tables > _MOST_TABLES:
        found.append(unused(folder, f"{n_tables - _MOST_TABLES} further tables, not looked at"))
    return _chosen(folder, found, proposal)


def _is_table(file: Path) -> bool:
    name = file.name.lower()
    if any(file.match(sheet) for sheet in SHEETS):
        return False  # says whose other files are
    if not name.endswith(_TABLES) and ("." in name or not is_text(file)):
        return False
    of = format_of(file)
    return of is None or of.table is not None or name.endswith(".json")


def _gene_sets(file: Path) -> Candidate:
    try:
        return GeneSetFile(file, len(read_gene_sets(file)))
    except InputError as error:
        return unused(file, str(error).removeprefix(f"{file}: "))


def _foreign(file: Path, ids: Identifiers) -> Iterator[Candidate]:
    """A file of a format that no table is of; nothing, if it is of none that is known."""
    of = format_of(file)
    if of is not None and of.vectors is not None:
        yield survey_vectors(file, of, ids)
    elif of is not None and of.table is None:
        yield unused(file, f"{of.name}: {of.why_not}")


def _clinical_above(
    folder: Path, looking_at: Callable[[Path], None], ids: Identifiers
) -> list[Candidate]:
    """Clinical files beside the folder: cohorts often share one."""
    found: list[Candidate] = []
    try:
        files = sorted(file for file in folder.resolve().parent.iterdir() if file.is_file())
        small = [file for file in files if file.stat().st_size < _LARGEST_ABOVE]
    except OSError:
        return []
    for file in small:
        if file.name.lower().endswith(_TABLES) and _has_text_name(file):
            looking_at(file)
            found += [one for one in survey_table(file, ids) if isinstance(one, Clinical)]
    return found


def _chosen(folder: Path, found: list[Candidate], proposal: Proposal) -> Survey:
    """Order what was found by what it is worth, and leave out what cannot be read."""
    found = [_proven(one, proposal.ids) for one in found]
    tables = [f for f in found if isinstance(f, Vectors)]
    bags = sorted((f for f in found if isinstance(f, Slides)), key=_size)
    wsi: list[Slides | Vectors] = [*bags]
    wsi += sorted((t for t in tables if t.side == "wsi"), key=_size)
    of_slides = wsi[0].patients if wsi else frozenset[str]()
    rna = sorted((t for t in tables if t.side == "rna"), key=_size)
    # what somebody standardised over all patients gives way to what they measured
    rna.sort(key=lambda t: (-len(t.patients & of_slides), t.scale is Scale.ZSCORE))
    members = of_slides | (rna[0].patients if rna else frozenset())
    clinical = sorted(
        (f for f in found if isinstance(f, Clinical)),
        key=lambda f: (bool(f.problem), _PREFERRED.index(f.format), -len(f.patients & members)),
    )
    clinical.sort(key=lambda f: len(f.patients & members) < len(members) / 2)
    classes = [
        kept for f in found if isinstance(f, Classes) and (kept := among(f, members)) is not None
    ]
    for side in (wsi, rna):
        if side and isinstance(taken := side[0], Vectors):
            side[:1] = [without_unfit(taken, (*clinical[:1], *classes), proposal.ids)]
    found = [
        _useful(one, rna[:1], proposal.ids) if isinstance(one, GeneSetFile) else one
        for one in found
    ]
    gene_sets = tuple(one for one in found if isinstance(one, GeneSetFile))
    whose = str(proposal.table[0]) if proposal.table else ""
    others = tuple(f for f in found if isinstance(f, Finding) and f.where != whose)
    listed = {*map(_path, (*wsi, *rna, *clinical, *classes, *gene_sets, *others)), Path(whose)}
    passed_over = sorted({_path(f) for f in found} - listed)
    others += tuple(unused(path, nothing_in(path)) for path in passed_over)
    if not members:
        seen = "; ".join(f"{_relative(_path(f), folder)}: {_what(f)}" for f in found[:6])
        raise InputError(
            f"{folder}: expected slide features (.h5, .pt) or a table of "
            f"features, found {seen or 'none'}{'; ...' if len(found) > 6 else ''}"
        )
    projects = Counter(projects_of(members).values())
    project, n = projects.most_common(1)[0] if projects else ("", 0)
    project = project if n >= _SHARE * len(members) else ""
    return Survey(
        folder,
        f"TCGA-{project}" if project else _name(folder),
        project,
        tuple(wsi),
        tuple(rna),
        tuple(clinical),
        tuple(classes),
        gene_sets,
        others,
        proposal,
    )


def _proposal(below: Sequence[tuple[Path, tuple[Path, ...]]]) -> Proposal:
    """How identifiers are read, by all names of slides and the first tables."""
    files = [
        file for _, every in below for file in every
        if _has_text_name(file) and not file.name.endswith(ENDINGS)
    ]  # fmt: skip
    slides = [file.name for file in files if is_slide_file(file)]
    tables = (file for file in files if file.name != MANIFEST and _is_table(file))
    return propose(slides, islice(tables, _MOST_TABLES))


def _proven(found: Candidate, ids: Identifiers) -> Candidate:
    if not isinstance(found, Vectors | Clinical) or not (why := refusal(found, ids)):
        return found
    return replace(found, problem=why) if isinstance(found, Clinical) else unused(found.path, why)


def _useful(sets: GeneSetFile, rna: Sequence[Vectors], ids: Identifiers) -> GeneSetFile | Finding:
    """The sets if the expression has their genes; else why they are of no use."""
    why = refusal_of_sets(rna[0], sets.path, ids) if rna else "gene sets, without expression"
    return unused(sets.path, why) if why else sets


def _has_text_name(path: Path) -> bool:
    """Whether a TOML file can name it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(found: Slides | Vectors) -> tuple[int, int, str]:
    size = found.width if isinstance(found, Slides) else found.n_features
    return -len(found.patients), -size if isinstance(found, Vectors) else 0, str(found.path)


def _what(found: Candidate) -> str:
    if isinstance(found, Finding):
        return found.summary
    if isinstance(found, GeneSetFile):
        return "gene sets"
    return "a clinical file" if isinstance(found, Clinical) else "a table"


def _path(candidate: Candidate) -> Path:
    return Path(candidate.where) if isinstance(candidate, Finding) else candidate.path


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _name(folder: Path) -> str:
    """The folder's name, of the characters that a cohort's may have."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", folder.resolve().name).lstrip("._+-")
    return name[:100] or "MY-COHORT"
