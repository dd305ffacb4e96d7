"""Split files: who is in several parts of a fold, or scored twice, or never."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
from tasks.checks.leaks.published_endpoints import projects_of
from tasks.data.split_files import FileFold, SplitSet, find_barcode

# k folds test everybody once; Monte-Carlo folds draw anew. Files with leaks are not exactly either.
_MONTE_CARLO = 1.25

_A_PART = 0.05  # a project of fewer patients than that is a slip, not a part of a union


@dataclass(frozen=True)
class FoldFacts:
    """A fold of a split file at a glance.

    Attributes:
        where: The split set.
        fold: Its number.
        patients: Number of different patients in each part.
        leaked_patients: Patients that are in more than one part.
    """

    where: str
    fold: int
    patients: dict[str, int]
    leaked_patients: int


def fold_facts(split: SplitSet) -> tuple[FoldFacts, ...]:
    """Each fold's size, and how many of its patients are in more than one part."""
    return tuple(
        FoldFacts(
            str(split.path),
            fold.fold,
            {part: len(fold.patients(part)) for part in sorted(fold.parts)},
            len(_shared(fold)),
        )
        for fold in split.folds
    )


def audit_splits(split: SplitSet) -> tuple[Finding, ...]:
    """Check a set of folds."""
    return (
        *_shared_patients(split),
        _repeated(split),
        _retested(split),
        _untested(split),
        _shared_sites(split),
    )


def _shared(fold: FileFold) -> dict[str, tuple[str, ...]]:
    """Patients of more than one part -> those parts."""
    found: dict[str, set[str]] = {}
    for one, other in combinations(sorted(fold.parts), 2):
        for patient in fold.patients(one) & fold.patients(other):
            found.setdefault(patient, set()).update((one, other))
    return {patient: tuple(sorted(parts)) for patient, parts in sorted(found.items())}


def _unseen(split: SplitSet) -> str:
    """Why patients cannot be told from identifiers; empty if they can or nothing else is known."""
    entries = [entry for fold in split.folds for part in fold.parts.values() for entry in part]
    bare = sum(entry.name == entry.patient and not find_barcode(entry.name) for entry in entries)
    if bare == len(entries):
        return (
            "no identifier is a barcode and no column names the patient: each was taken for "
            "a patient, so several slides of one cannot be seen"
        )
    return ""


def _shared_patients(split: SplitSet) -> list[Finding]:
    where, findings = str(split.path), list[Finding]()
    for fold in split.folds:
        shared = _shared(fold)
        if not shared:
            continue
        pairs = Counter(" and ".join(parts) for parts in shared.values())
        listed = ", ".join(f"{n} in {parts}" for parts, n in sorted(pairs.items()))
        names = {e.name for part in fold.parts.values() for e in part if e.patient in shared}
        slides = f" ({len(names)} slides or samples)" if names - set(shared) else ""
        findings.append(
            Finding(
                where,
                Check.SHARED_PATIENTS,
                Severity.PROBLEM,
                f"fold {fold.fold}: patients in several parts: {listed}{slides}",
                len(shared),
                len(frozenset[str]().union(*map(fold.patients, fold.parts))),
                "patients",
                some(shared),
                "keep every slide of a patient in one part: split patients, not files",
                fold.fold,
            )
        )
    if reason := _unseen(split):
        findings.append(skipped(where, Check.SHARED_PATIENTS, reason))
    return findings or [clean(where, Check.SHARED_PATIENTS)]


def _repeated(split: SplitSet) -> Finding:
    twice: set[str] = set()
    everything: set[str] = set()
    folds = []
    for fold in split.folds:
        found = {
            name
            for entries in fold.parts.values()
            for name, n in Counter(entry.name for entry in entries).items()
            if n > 1
        }
        if found:
            folds.append(str(fold.fold))
        twice |= found
        everything |= {entry.name for entries in fold.parts.values() for entry in entries}
    if not twice:
        return clean(str(split.path), Check.REPEATED_ENTRIES)
    return Finding(
        str(split.path),
        Check.REPEATED_ENTRIES,
        Severity.WARNING,
        f"identifiers listed twice or more in one part (folds {', '.join(folds)})",
        len(twice),
        len(everything),
        "identifiers",
        some(twice),
        "list each identifier once, or it counts several times in loss and score",
    )


def _retested(split: SplitSet) -> Finding:
    tested = split.times_scored
    twice = [patient for patient, n in tested.items() if n > 1]
    if not twice:
        return clean(str(split.path), Check.RETESTED_PATIENTS)
    if sum(tested.values()) > _MONTE_CARLO * len(tested):
        severity = Severity.NOTE
        summary = "folds are drawn anew (Monte-Carlo): patients are scored in several of them"
        advice = "no leak; but folds are not independent: use a corrected test (Nadeau-Bengio)"
    else:
        severity = Severity.WARNING
        summary = "patients scored in more than one fold of a cross-validation"
        advice = "deal patients, not slides, into folds, or they weigh more than others"
    return Finding(
        str(split.path),
        Check.RETESTED_PATIENTS,
        severity,
        summary,
        len(twice),
        len(tested),
        "patients",
        some(twice),
        advice,
    )


def _untested(split: SplitSet) -> Finding:
    everyone = split.everyone
    untested = everyone - set(split.times_scored)
    if len(split.folds) < 2 or not untested:
        return clean(str(split.path), Check.UNTESTED_PATIENTS)
    return Finding(
        str(split.path),
        Check.UNTESTED_PATIENTS,
        Severity.NOTE,
        "patients in no scored part of any fold",
        len(untested),
        len(everyone),
        "patients",
        some(untested),
        "say so beside the scores, or let every patient be scored once",
    )


def _shared_sites(split: SplitSet) -> Finding:
    """Tissue-source sites on both sides of a fold: how many scored patients are of such a site."""
    where = str(split.path)
    seen = tested = 0
    projects = Counter(projects_of(split.everyone).values())
    usual = [project for project, n in projects.items() if n >= _A_PART * projects.total()]
    union = (
        f"; patients are of the TCGA projects {', '.join(sorted(usual))}, and the site alone tells "
        "which"
        if len(usual) > 1
        else ""
    )
    shared: set[str] = set()
    everywhere: set[str] = set()
    for fold in split.folds:
        site = {
            patient: barcode.site
            for part in fold.parts
            for patient in fold.patients(part)
            if (barcode := find_barcode(patient))
        }
        scored = [site[patient] for patient in fold.patients(fold.scored) if patient in site]
        others = {
            site[patient]
            for part in fold.parts
            if part != fold.scored
            for patient in fold.patients(part)
            if patient in site
        }
        seen += sum(code in others for code in scored)
        tested += len(scored)
        shared |= set(scored) & others
        everywhere |= set(site.values())
    if not tested:
        return skipped(where, Check.SHARED_SITES, "no identifier names a site")
    if not shared:
        return clean(where, Check.SHARED_SITES)
    return Finding(
        where,
        Check.SHARED_SITES,
        Severity.NOTE,
        f"tissue-source sites on both sides of a fold; {seen / tested:.0%} of the scored patients "
        f"are of a site seen in training{union}",
        len(shared),
        len(everywhere),
        "sites",
        some(shared),
        "usual, but staining and processing betray the site: compare with site-preserving folds "
        "(--split site)",
    )
