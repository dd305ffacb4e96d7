"""A survey written as a commented cohort.toml."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import tomlkit

from tasks.checks.finding import Check, Finding, Severity
from tasks.checks.recognise.candidates import Classes, Clinical, Slides, TableColumns, Vectors
from tasks.checks.recognise.survey import Survey
from tasks.data.cohort import ENDPOINTS
from tasks.data.identifiers import Scheme
from tasks.data.manifest import MANIFEST, ClinicalFormat, Orientation
from tasks.errors import InputError

_MEANING = {
    ClinicalFormat.TCGA_CDR: "the TCGA Clinical Data Resource: 1 = event, days",
    ClinicalFormat.CBIOPORTAL: "cBioPortal: a status of 1: or DECEASED = event, months",
    ClinicalFormat.PORPOISE: "PORPOISE, MCAT and their family: censorship 1 = CENSORED",
    ClinicalFormat.GDC: "clinical json of the GDC: vital status, days",
}
_NOT_TAKEN = "GUESSED: not this one. To take it instead of what stands above, swap the comments."
_WIDTH = 96


def needs(survey: Survey) -> tuple[Finding, ...]:
    """What the survey cannot know and the user must say, by the key of the cohort.toml."""
    clinical = survey.clinical[0] if survey.clinical else None
    columns = None if clinical is None else clinical.columns
    pairs = "`run` learns from pairs"
    wanted = (
        ("[clinical]", clinical is None,
         "no clinical file was recognised; without one there is no outcome"),
        ("clinical.event_value", columns is not None and columns.event_value is None,
         "which value means that the event happened"),
        ("clinical.time_unit", columns is not None and not _unit(columns), "days or months"),
        ("[clinical]", clinical is not None and bool(clinical.problem),
         "" if clinical is None else clinical.problem),
        ("[modalities.wsi]", not survey.wsi, f"no slide features were recognised; {pairs}"),
        ("[modalities.rna]", not survey.rna, f"no expression was recognised; {pairs}"),
    )  # fmt: skip
    return tuple(
        Finding(key, Check.MANIFEST, Severity.PROBLEM, text)
        for key, is_wanted, text in wanted
        if is_wanted
    )


def draft(survey: Survey) -> str:
    """The cohort.toml.

    What is taken stands plainly, other candidates stand below it as comments. What must be told is
    an empty text, which `run` refuses by its key.
    """
    return "\n".join(_lines(survey)) + "\n"


def write_draft(survey: Survey) -> Path:
    """Write the cohort.toml into the surveyed folder.

    Raises:
        InputError: There is one, or the folder cannot be written.
    """
    path = survey.folder / MANIFEST
    text = draft(survey)
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise InputError(
            f"{path}: expected no such file yet, found one; it is left as it is"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: expected a folder that can be written, found: {error.strerror}"
        ) from error
    try:
        with file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise InputError(f"{path}: expected room for the file, found: {error.strerror}") from error
    return path


def _lines(survey: Survey) -> Iterator[str]:
    yield "# Written by `mirror-bench data init`. Paths are relative to this file."
    yield "# RECOGNISED: told from the files. GUESSED: look whether it is so."
    yield "# NEEDED: only you know; where it is an empty text, `run` refuses until it is filled in."
    for need in needs(survey):
        yield from _comment(f"NEEDED {need.where}: {need.summary}")
    yield ""
    yield f"name = {_text(survey.name)}"
    if survey.project:
        yield from _comment(f"GUESSED from the tissue-source sites, which are of {survey.project}.")
    yield from _ids(survey)
    yield from _modalities(survey)
    yield from _clinicals(survey)
    yield from _labels(survey)
    yield ""
    yield "[provenance]"
    yield '# source = "where the files come from; tables show it"'
    yield '# licence = "what they may be used for"'
    if survey.others:
        yield ""
        yield "# Not used:"
        for other in survey.others:
            yield from _comment(f"{_path(survey, Path(other.where))}: {other.summary}")


def _ids(survey: Survey) -> Iterator[str]:
    """How identifiers are read, with examples; nothing where they are TCGA's barcodes."""
    ids, table = survey.proposal.ids, survey.proposal.table
    if ids.scheme is Scheme.TCGA:
        return
    yield ""
    yield from _comment("GUESSED how identifiers are read, for example:")
    for written, patient in survey.proposal.examples:
        yield from _comment(f"  {written} is of patient {patient}")
    yield "[ids]"
    yield f"scheme = {_text(str(ids.scheme))}  # tcga | plain | regex"
    if ids.patient is not None:
        yield f"patient = {tomlkit.string(ids.patient.pattern, literal=True).as_string()}"
    if table is not None:
        path, slide, patient = table
        yield ""
        yield "[ids.table]"
        yield f"path = {_text(_path(survey, path))}"
        yield f"slide = {_text(slide)}"
        yield f"patient = {_text(patient)}"
    yield "# [ids.sites] with path, id and column says where patients come from."


def _modalities(survey: Survey) -> Iterator[str]:
    candidates: tuple[tuple[str, tuple[Slides | Vectors, ...]], ...] = (
        ("wsi", survey.wsi),
        ("rna", survey.rna),
    )
    for side, found in candidates:
        for position, one in enumerate(found):
            yield ""
            if position:
                yield from _comment(_NOT_TAKEN)
            yield from _comment(_described(one, survey))
            lines = _modality(side, one, survey)
            yield from (lines if position == 0 else (f"# {line}" for line in lines))


def _described(found: Slides | Vectors, survey: Survey) -> str:
    own = len(found.patients)
    if isinstance(found, Slides):
        return (
            f"RECOGNISED {found.what}: {found.n_files} slides of {own} patients, "
            f"{found.width} features an instance.{_mixed(found)}"
        )
    partner = (survey.rna if found.side == "wsi" else survey.wsi)[:1]
    both = (
        f", {len(found.patients & partner[0].patients)} of them with the other side"
        if partner
        else ""
    )
    side = "slide features" if found.side == "wsi" else "expression"
    return f"GUESSED {side}: {found.what}; {own} patients{both}.{_mixed(found)}"


def _mixed(found: Slides | Vectors) -> str:
    mixture = found.mixture
    if mixture is None:
        return ""
    return f' {mixture}: GUESSED slides = "{mixture.choice}" (dx | frozen | all).'


def _modality(side: str, found: Slides | Vectors, survey: Survey) -> list[str]:
    lines = [f"[modalities.{side}]"]
    if isinstance(found, Slides):
        lines += ['kind = "bag"', f"path = {_text(_path(survey, found.path))}"]
        if found.encoder:
            lines += [f"encoder = {_text(found.encoder)}"]
            lines += ['# pretrained_on = ["TCGA"]  # if it has seen slides of the cohort']
        return lines + _choice(found)
    lines += ['kind = "vector"', f"path = {_text(_path(survey, found.path))}"]
    lines += [f"id = {_text(found.id)}"]
    if found.orientation is Orientation.GENES:
        lines += ['orientation = "genes"']
    if found.quantity:
        lines += [f"quantity = {_text(found.quantity)}  # GUESSED: it has others too"]
    if found.drop:
        lines += ["# GUESSED by names or values: an outcome, a covariate, a label or an index."]
        lines += [f"drop = [{', '.join(map(_text, found.drop))}]"]
    if found.scale is not None:
        lines += [f"scale = {_text(str(found.scale))}  # GUESSED from the first values"]
    for position, sets in enumerate(survey.gene_sets if found in survey.rna[:1] else ()):
        text = f"gene_sets = {_text(_path(survey, sets.path))}  # RECOGNISED {sets.n} sets"
        lines.append(f"# {text}" if position else text)
    return lines + _choice(found)


def _choice(found: Slides | Vectors) -> list[str]:
    return [f"slides = {_text(found.mixture.choice)}"] if found.mixture else []


def _clinicals(survey: Survey) -> Iterator[str]:
    members = survey.patients
    for position, found in enumerate(survey.clinical):
        yield ""
        known = len(found.patients & members)
        endpoints = ", ".join(found.endpoints)
        text = f"{known} of the cohort's {len(members)} patients; endpoints {endpoints}."
        if position:
            yield from _comment(_NOT_TAKEN)
        if found.columns is None:
            yield from _comment(f"RECOGNISED {_MEANING[found.format]}; {text}")
        else:
            yield from _comment(f"GUESSED a clinical table; {text}")
        if found.problem:
            yield from _comment(f"NEEDED as it stands it is refused: {found.problem}")
        lines = list(_clinical(found, survey))
        yield from (
            lines
            if position == 0
            else (line if line.startswith("#") else f"# {line}" for line in lines)
        )


def _clinical(found: Clinical, survey: Survey) -> Iterator[str]:
    yield "[clinical]"
    yield f"format = {_text(str(found.format))}"
    yield f"path = {_text(_path(survey, found.path))}"
    columns = found.columns
    if columns is None:
        return
    yield f"id = {_text(columns.id)}"
    yield from _others("time", columns.times[1:])
    yield f"time = {_text(columns.times[0])}"
    unit = _unit(columns)
    if not unit:
        yield "# NEEDED: days or months; the column's name does not say."
    yield f"time_unit = {_text(unit)}"
    yield from _others("event", [status.column for status in columns.statuses[1:]])
    status = columns.statuses[0]
    yield f"event = {_text(status.column)}"
    if columns.event_value is not None:
        yield "# RECOGNISED Xena's copy of the TCGA Clinical Data Resource: 1 = event, days."
    else:
        yield '# NEEDED: the value that means "it happened". It is not guessed: sources differ.'
    for value, (n, median) in status.values.items():
        time = "unknown" if math.isnan(median) else f"{median:g}"
        yield from _comment(f"  {value!r}: {n} patients, median {columns.times[0]} {time}")
    yield f"event_value = {_text(columns.event_value or '')}"
    if columns.covariates:
        yield "# GUESSED by their names: what the floor `clinical` sees."
    for name, column in columns.covariates.items():
        yield f"{name} = {_text(column)}"


def _others(key: str, names: "list[str] | tuple[str, ...]") -> Iterator[str]:
    if names:
        yield from _comment(f"GUESSED {key}; it may also be {', '.join(names[:6])}.")


def _unit(columns: TableColumns) -> str:
    if columns.event_value is not None:
        return "days"
    name = columns.times[0].casefold()
    return "days" if "day" in name else "months" if "month" in name else ""


def _labels(survey: Survey) -> Iterator[str]:
    if not survey.classes:
        return
    yield ""
    yield from _comment(
        "Columns of classes. Take away the comments of those that are to be told apart, and the "
        "classes that are not meant."
    )
    taken = set(ENDPOINTS)  # a label may not be called so
    for found in survey.classes:
        name = _label_name(found, taken)
        taken.add(name)
        yield "#"
        counts = ", ".join(f"{value} {len(who)}" for value, who in found.patients.items())
        yield from _comment(f"{counts} of the cohort's patients")
        if found.derived:
            yield from _comment(
                f"Looks like {found.derived}, called from expression: circular as a test of it."
            )
        yield f"# [labels.{name}]"
        yield f"# path = {_text(_path(survey, found.path))}"
        yield f"# id = {_text(found.id)}"
        yield f"# column = {_text(found.column)}"
        yield f"# classes = [{', '.join(map(_text, found.patients))}]"
        if found.derived and survey.rna:
            yield '# derived_from = "rna"'


def _label_name(found: Classes, taken: set[str]) -> str:
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in found.column.casefold())
    name = "-".join(filter(None, name.split("-")))[:40] or "label"
    number = 1
    while (unique := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return unique


def _path(survey: Survey, path: Path) -> str:
    if path.is_relative_to(survey.folder):
        return path.relative_to(survey.folder).as_posix()
    return Path(os.path.relpath(path, survey.folder.resolve())).as_posix()


def _text(value: str) -> str:
    return tomlkit.string(value).as_string()


def _comment(text: str) -> Iterator[str]:
    """Comment lines of a readable width, whatever characters a file's name or cells have."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    line = "#"
    for word in clean.split(" "):
        if len(line) + len(word) >= _WIDTH and line != "#":
            yield line
            line = "#  "
        line += f" {word}"
    yield line
