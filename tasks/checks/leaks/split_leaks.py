"""Split files: who is in several parts of a fold, or scored twice, or never."""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations

from tasks.checks.leaks.findings import Check, Checked, Finding, FoldFacts, Severity, some
from tasks.checks.leaks.published_endpoints import projects_of
from tasks.data.split_files import FileFold, SplitSet, find_barcode

# k folds test everybody once; Monte-Carlo folds draw anew. Files with leaks are not exactly either.
_MONTE_CARLO = 1.25

_A_PART = 0.05  # a project of fewer patients than that is a slip, not a part of a union


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


def audit_splits(split: SplitSet) -> tuple[Checked, ...]:
    """Check a set of folds."""
    where = str(split.path)
    return (
        Checked(Check.SHARED_PATIENTS, where, _shared_patients(split), _unseen(split)),
        Checked(Check.REPEATED_ENTRIES, where, _repeated(split)),
        Checked(Check.RETESTED_PATIENTS, where, _retested(split)),
        Checked(Check.UNTESTED_PATIENTS, where, _untested(split)),
        _shared_sites(split),
    )


def _shared(fold: FileFold) -> dict[str, tuple[str, ...]]:
    """Patients of more than one part -> those parts."""
    found: dict[str, set[str]] = {}
    for one, other in combinations(sorted(fold.parts), 2):
        for patient in fold.patients(one) & fold.patients(other):
            found.setdefault(patient, set()).update((one, other))
    return {patient: tuple(sorted(parts)) for patient, parts in sorted(found.items())}


def _everyone(split: SplitSet) -> frozenset[str]:
    return frozenset[str]().union(*(f.patients(part) for f in split.folds for part in f.parts))


def _unseen(split: SplitSet) -> str:
    """Why patients cannot be told from identifiers; empty if they can or nothing else is known."""
    entries = [entry for fold in split.folds for part in fold.parts.values() for entry in part]
    bare = sum(entry.name == entry.patient and not find_barcode(entry.name) for entry in entries)
    if bare == len(entries):
        return (
            "no identifier is a TCGA barcode and no column names the patient: each was taken for "
            "a patient, so several slides of one cannot be seen"
        )
    return ""


def _shared_patients(split: SplitSet) -> tuple[Finding, ...]:
    findings = []
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
                Severity.LEAK,
                f"fold {fold.fold}: patients in several parts: {listed}{slides}",
                len(shared),
                len(frozenset[str]().union(*map(fold.patients, fold.parts))),
                "patients",
                "keep every slide of a patient in one part: split patients, not files",
                some(shared),
                fold.fold,
            )
        )
    return tuple(findings)


def _repeated(split: SplitSet) -> tuple[Finding, ...]:
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
        return ()
    return (
        Finding(
            Severity.WARNING,
            f"identifiers listed twice or more in one part (folds {', '.join(folds)})",
            len(twice),
            len(everything),
            "identifiers",
            "list each identifier once, or it counts several times in loss and score",
            some(twice),
        ),
    )


def _times_tested(split: SplitSet) -> Mapping[str, int]:
    return Counter(patient for fold in split.folds for patient in fold.patients(fold.scored))


def _retested(split: SplitSet) -> tuple[Finding, ...]:
    tested = _times_tested(split)
    twice = [patient for patient, n in tested.items() if n > 1]
    if not twice:
        return ()
    if sum(tested.values()) > _MONTE_CARLO * len(tested):
        return (
            Finding(
                Severity.NOTE,
                "folds are drawn anew (Monte-Carlo): patients are scored in several of them",
                len(twice),
                len(tested),
                "patients",
                "no leak; but folds are not independent: use a corrected test (Nadeau-Bengio)",
                some(twice),
            ),
        )
    return (
        Finding(
            Severity.WARNING,
            "patients scored in more than one fold of a cross-validation",
            len(twice),
            len(tested),
            "patients",
            "deal patients, not slides, into folds, or they weigh more than others",
            some(twice),
        ),
    )


def _untested(split: SplitSet) -> tuple[Finding, ...]:
    everyone = _everyone(split)
    untested = everyone - set(_times_tested(split))
    if len(split.folds) < 2 or not untested:
        return ()
    return (
        Finding(
            Severity.NOTE,
            "patients in no scored part of any fold",
            len(untested),
            len(everyone),
            "patients",
            "say so beside the scores, or let every patient be scored once",
            some(untested),
        ),
    )


def _shared_sites(split: SplitSet) -> Checked:
    """Tissue-source sites on both sides of a fold: how many scored patients are of such a site."""
    where = str(split.path)
    seen = tested = 0
    projects = Counter(projects_of(_everyone(split)).values())
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
        return Checked(
            Check.SHARED_SITES, where, skipped="no identifier is a TCGA barcode, so no site"
        )
    if not shared:
        return Checked(Check.SHARED_SITES, where)
    return Checked(
        Check.SHARED_SITES,
        where,
        (
            Finding(
                Severity.NOTE,
                f"tissue-source sites on both sides of a fold; {seen / tested:.0%} of the scored "
                f"patients are of a site seen in training{union}",
                len(shared),
                len(everywhere),
                "sites",
                "usual, but staining and processing betray the site: compare with site-preserving "
                "folds (--split site)",
                some(shared),
            ),
        ),
    )
