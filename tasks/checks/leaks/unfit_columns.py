"""Columns of a table that have no right to be features: outcomes, covariates, labels, indices.

Every numeric column of a table becomes a feature, and an outcome among them is a perfect method.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
from tasks.checks.leaks.copied_columns import (
    ALPHA,
    FEWEST,
    Known,
    copied_columns,
    known_in,
    known_of,
)
from tasks.data.cohort import Cohort, Endpoint, LabelKind, VectorModality
from tasks.data.manifest import (
    MANIFEST,
    ClinicalSource,
    LabelSource,
    Manifest,
    VectorSource,
    read_manifest,
)
from tasks.data.precomputed import PART
from tasks.errors import InputError
from tasks.seeds import generator

_NAMES = {
    "an outcome": r"(os|dss|dfi|dfs|pfi|pfs|rfs|efs|mfs|dmfs|ttp)_?(time|months?|days?|years?|"
    r"stat(us)?|event|censor\w*|surv\w*)|os|dss|dfi|dfs|pfi|pfs|rfs|dmfs|fu_?time|fu_?stat(us)?"
    r"|(surv\w*_?)?(time|days|months|years)(_?to_?(death|event|last\w*|recurrence|progression))?"
    r"|(overall|disease|progress\w*|relapse|event|recurrence|metastasis)_?(free|specific)?_?surv.*"
    r"|survival(_?(time|months?|days?|years?|status|event))?|((vital|surv\w*|life)_?)?status"
    r"|event(_?(os|dss|dfi|pfi|status|time))?|is_?(dead|deceased|censored|event)|censor\w*"
    r"|dead|death|deceased|died|(days|months)_to_\w+|follow_?up.*|last_?(contact|follow).*"
    r"|recurrence|relapsed?|outcome|risk(_?(score|group|level))?|hazard(_ratio)?",
    "a covariate": r"age(_?(at|in|years|days)_?.*)?|patient_?age|sex|gender|is_?(fe)?male|(fe)?male"
    r"|race|ethnicity|bmi|((ajcc|figo|clinical|pathologic\w*|tumou?r|histologic\w*|neoplasm)_?)?"
    r"(stage|grade)|ajcc_.*|[pc]?[tnm]_?(stage|category)|smok(er|ing)\w*|(tissue_?source_?)?site"
    r"|cent(er|re)|batch(_id)?|plate(_id)?|hospital|institution|year_of_\w+",
    "a label": r"labels?|class(_?label)?|target|(\w+_)?sub_?type(_\w+)?|cluster|oncotree(_code)?"
    r"|histolog\w*|diagnosis|project(_id)?",
    "an index": r"unnamed_?\d*|x|index|level_?\d+|index_level_\d+|row(_?(id|names?|number|index))?"
    r"|id|(case|patient|sample|slide|subject|file|submitter)(_?(id|no|number|barcode|name))?|barcode"
    r"|uuid",
}  # fmt: skip
"""No approved gene symbol is among them: EFS, TTR, MET, T, BMI1 and ID1 are genes."""
_PATTERNS = {what: re.compile(pattern) for what, pattern in _NAMES.items()}

_ORDERS = 0.4  # of a concordance of one half; genes reach 0.3
_TELLS = 0.47  # genes of the cell cycle reach 0.405, of whom papillary kidney cancer kills
_PAIRS = 1000  # that a column is looked at by first; by chance none of 0.9 looks like one of 0.8
_SCREENED = 0.3
_BLOCK = 1024


@dataclass(frozen=True)
class Unfit:
    """A column that is no feature.

    Attributes:
        side: The modality.
        column: Its name.
        why: What it is instead, and what that is told from.
    """

    side: str
    column: str
    why: str

    def __str__(self) -> str:
        return f"{self.column} ({self.why})"


def unfit_columns(
    cohort: Cohort, meant: Mapping[str, Collection[str]], known: Sequence[Known] = ()
) -> tuple[Unfit, ...]:
    """The columns of vectors that are no features.

    Args:
        cohort: As its tables have it, with its outcomes.
        meant: By modality, columns that whoever declared them says to be features all the same.
        known: Columns of its tables that are no features, besides what the cohort knows.

    Returns:
        In the order of the columns; each once, with the first reason that there is.
    """
    found = []
    everything = [*known_of(cohort), *known]
    for side, modality in cohort.modalities.items():
        if isinstance(modality, VectorModality):
            reasons: dict[str, str] = {}
            for column, why in _reasons(cohort, modality, everything):
                reasons.setdefault(column, why)
            kept = meant.get(side, ())
            order = [c for c in modality.features if c in reasons and c not in kept]
            found += [Unfit(side, column, reasons[column]) for column in order]
    return tuple(found)


def advice(unfit: Sequence[Unfit]) -> str:
    """How to leave the columns out, or to say that they are meant."""
    listed = ", ".join(f'"{one.column}"' for one in unfit)
    return (
        f"leave them out: drop = [{listed}] in [{_key(unfit[0].side)}] of cohort.toml, or say "
        "that they are meant: keep = [..]"
    )


def _key(side: str) -> str:
    """Where cohort.toml declares a table."""
    return side if side.startswith(f"{PART}.") else f"modalities.{side}"


def declared_as_meant(manifest: Manifest) -> Mapping[str, Collection[str]]:
    """By modality, the columns that a cohort.toml says to keep."""
    sources = manifest.modalities.items()
    made = {f"{PART}.{name}": source.keep for name, source in manifest.embeddings.items()}
    return made | {
        side: source.keep for side, source in sources if isinstance(source, VectorSource)
    }


def _known(manifest: Manifest) -> list[Known]:
    tables: list[ClinicalSource | LabelSource] = [*manifest.labels.values()]
    if manifest.clinical is not None:
        tables.insert(0, manifest.clinical)
    return list(known_in(tables, (source.path for source in manifest.modalities.values())))


def refuse_unfit(as_read: Mapping[Path, Cohort]) -> None:
    """Refuse a cohort some of whose features are none.

    Args:
        as_read: Of each folder that it was read of, its cohort as the tables there have it.

    Raises:
        InputError: One is; the line says how to leave it out.
    """
    for folder, cohort in as_read.items():
        manifest = read_manifest(folder)
        unfit = unfit_columns(cohort, declared_as_meant(manifest), _known(manifest))
        for side in cohort.modalities:
            if own := [one for one in unfit if one.side == side]:
                named = ", ".join(map(str, own[:8])) + (", ..." if len(own) > 8 else "")
                where = f"{folder / MANIFEST}: {_key(side)}"
                raise InputError(f"{where}: expected features, found {named}; {advice(own)}")


def audit_features(where: str, cohort: Cohort, manifest: Manifest) -> Iterator[Finding]:
    """A finding a modality: what is no feature, that all are, or that they have no names.

    Args:
        where: The cohort, or nothing.
        cohort: As its tables have it, with its outcomes.
        manifest: Its own.
    """
    unfit = unfit_columns(cohort, declared_as_meant(manifest), _known(manifest))
    for side, modality in cohort.modalities.items():
        place = f"{where}: {side}" if where else side
        own = [one for one in unfit if one.side == side]
        if isinstance(modality, VectorModality):
            yield _finding(place, list(map(str, own)), modality.width, advice(own) if own else "")
        else:
            yield skipped(place, Check.FEATURES, "features of bags have no names")


def audit_names(where: str, columns: Sequence[str]) -> Finding:
    """Whether the columns of a table of features, of which no more is known, are named like some.

    Args:
        where: The table.
        columns: Names of its columns of numbers.
    """
    unfit = [f"{column} ({what})" for column in columns if (what := named_like(column))]
    advice = "leave them out of the features: drop = [..] beside the table's path in cohort.toml"
    return _finding(where, unfit, len(columns), advice)


def _finding(where: str, unfit: Sequence[str], total: int, advice: str) -> Finding:
    if not unfit:
        return clean(where, Check.FEATURES)
    summary = "columns that are no features: an outcome, a covariate, a label or an index"
    severity, n = Severity.PROBLEM, len(unfit)
    examples = some(unfit)
    return Finding(where, Check.FEATURES, severity, summary, n, total, "features", examples, advice)


def named_like(column: str) -> str:
    """What a column is by its name, such as `an outcome`; empty if a feature may be called so."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.casefold()).strip("_")
    return next((what for what, known in _PATTERNS.items() if known.fullmatch(name)), "")


def _reasons(
    cohort: Cohort, modality: VectorModality, known: Sequence[Known]
) -> Iterator[tuple[str, str]]:
    labels = {
        n.casefold() for n, one in cohort.labels.items() if one.kind is not LabelKind.MUTATION
    }
    for column in modality.features:
        if what := named_like(column):
            yield column, f"named like {what}"
        elif column.casefold() in labels:  # a gene is called as its mutation is, and may be
            yield column, f"named like the label {column.casefold()}"
    yield from _indices(modality)
    for column, name in copied_columns(modality, known):
        yield column, f"holds {name}"
    bound = ALPHA / max(1, 2 * modality.width * len(cohort.endpoints))
    for name, endpoint in cohort.endpoints.items():
        for how, beyond, compared in (
            ("orders", _ORDERS, _earlier(endpoint)),
            ("tells who has", _TELLS, _event(endpoint)),
        ):
            for column, concordance, p in _ordering(modality, endpoint.patients, compared):
                if abs(concordance - 0.5) > beyond and p < bound:
                    yield column, f"{how} {name} alone, concordance {concordance:.3f}"


def _indices(modality: VectorModality) -> Iterator[tuple[str, str]]:
    """Numbers in a row, in whatever order and with gaps, and those of the patients' names.

    Whole numbers of chance, out of as few, would repeat: that none of n does has a probability of
    exp(-n^2 / 2 range) at most, as of birthdays.
    """
    values, n = modality.values, len(modality.patients)
    if n < FEWEST:
        return
    digits = [re.sub(r"\D", "", patient)[-15:] for patient in modality.patients]
    of_names = np.array([float(text) if text else np.nan for text in digits], np.float32)
    widest = n**2 / (2 * np.log(max(1, modality.width) / ALPHA))
    for j, column in enumerate(modality.features):
        cells = values[:, j]
        if not (cells == np.rint(cells)).all():
            continue
        spread = cells.max() - cells.min()
        if spread < max(n, widest) and len(np.unique(cells)) == n:
            yield column, "numbers the rows"
        elif np.array_equal(cells, of_names):
            yield column, "holds the patients' identifiers"


def _earlier(endpoint: Endpoint) -> NDArray[np.int8]:
    """Who is known to have had the event before whom: 1 where row i did before j, antisymmetric."""
    time, event = endpoint.time, endpoint.event
    before = time[:, None] < time[None, :]
    at_once = (time[:, None] == time[None, :]) & ~event[None, :]
    return _antisymmetric(event[:, None] & (before | at_once))


def _event(endpoint: Endpoint) -> NDArray[np.int8]:
    """Who has the event against who has not."""
    return _antisymmetric(endpoint.event[:, None] & ~endpoint.event[None, :])


def _antisymmetric(first: NDArray[np.bool_]) -> NDArray[np.int8]:
    return first.astype(np.int8) - first.T.astype(np.int8)


def _ordering(
    modality: VectorModality, patients: Sequence[str], compared: NDArray[np.int8]
) -> Iterator[tuple[str, float, float]]:
    """Columns that may put most pairs of patients in order, their concordance and its p."""
    row_of = {patient: row for row, patient in enumerate(patients)}
    shared = sorted(set(modality.patients) & set(patients))
    kept = [row_of[patient] for patient in shared]
    compared = compared[np.ix_(kept, kept)]
    first, second = np.nonzero(compared > 0)
    if not len(first):
        return
    chosen = generator("pairs of columns").permutation(len(first))[:_PAIRS]
    values = modality.rows(shared)
    for start in range(0, values.shape[1], _BLOCK):
        block = values[:, start : start + _BLOCK]
        signs = np.sign(block[first[chosen]] - block[second[chosen]])
        known = ~np.isnan(signs)
        mean = np.where(known, signs, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        for j in np.flatnonzero(np.abs(mean) > 2 * _SCREENED):
            there = ~np.isnan(block[:, j])
            judged = _concordance(block[there, j], compared[np.ix_(there, there)])
            yield (modality.features[start + j], *judged)


def _concordance(x: NDArray[np.float32], compared: NDArray[np.int8]) -> tuple[float, float]:
    """Share of the compared pairs that a column has in order, and its p under exchangeability.

    The variance is that of a generalised correlation coefficient, ties in either side allowed
    (Daniels, Biometrika 33:129, 1944).
    """
    n, pairs = len(x), int(np.abs(compared, dtype=np.int32).sum())
    if n < 3 or not pairs:
        return 0.5, 1.0
    total = float((compared * np.sign(x[:, None] - x[None, :])).sum())
    below = rankdata(x, "min") - 1
    above = n - rankdata(x, "max")
    rows = [compared.sum(axis=1, dtype=np.int64).astype(np.float64), (below - above)]
    squares = [float(pairs), float((below + above).sum())]
    paths = [float((row**2).sum()) - square for row, square in zip(rows, squares, strict=True)]
    variance = 4 * paths[0] * paths[1] / (n * (n - 1) * (n - 2))
    variance += 2 * squares[0] * squares[1] / (n * (n - 1))
    if variance <= 0:
        return 0.5, 1.0
    return (1 + total / pairs) / 2, float(2 * norm.sf(abs(total) / np.sqrt(variance)))
