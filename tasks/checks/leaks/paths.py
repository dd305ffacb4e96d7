"""What a path is, and its audit."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from tasks.checks.finding import FOUND, Check, Finding, Severity, by_severity, skipped
from tasks.checks.leaks.cohort_leaks import audit_cohorts
from tasks.checks.leaks.split_leaks import FoldFacts, audit_splits, fold_facts
from tasks.checks.leaks.table_leaks import audit_table
from tasks.data.load import find_cohorts
from tasks.data.manifest import MANIFEST
from tasks.data.split_files import is_clinical_too, is_split_file, read_split_sets
from tasks.errors import InputError, NoSplitsError

MADE = frozenset({*FOUND, Severity.CLEAN})
_TELLING = (
    Check.LOADING,
    Check.SHARED_PATIENTS,
    Check.FEATURES,
    Check.EVENT_POLARITY,
    Check.CONTRADICTING_ROWS,
    Check.DUPLICATES,
)


class Target(StrEnum):
    """What a path turned out to be."""

    SPLITS = "splits"
    COHORT = "cohort"
    COHORTS = "cohorts"
    TABLE = "table"


@dataclass(frozen=True)
class Report:
    """The outcome of an audit.

    Attributes:
        path: What was audited, as given.
        target: What it is.
        findings: Of every check, in the order of the work.
        folds: The folds of split files; empty for anything else.
    """

    path: str
    target: Target
    findings: tuple[Finding, ...]
    folds: tuple[FoldFacts, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether anything is a leak."""
        return by_severity(self.findings)[Severity.PROBLEM] > 0

    @property
    def unseen(self) -> tuple[Check, ...]:
        """The checks that tell a leak and that could be made nowhere: what is clean, is not known.

        What only warns is not among them, nor what was looked at in another part.
        """
        made = {finding.check for finding in self.findings if finding.severity in MADE}
        left = {finding.check for finding in self.findings} - made
        return tuple(check for check in _TELLING if check in left)


def audit_path(path: Path) -> Report:
    """Audit split files, a cohort, a folder of cohorts or a table.

    Args:
        path: A split file or a folder of them, whatever the depth; a folder with a cohort.toml, or
            of such folders; a table (csv, tsv, parquet, xlsx; gzipped or not).

    Raises:
        InputError: There is nothing of the kind, or it cannot be read.
    """
    if path.is_dir():
        if _has_cohorts(path):
            folders = find_cohorts(path)
            target = Target.COHORT if folders == (path,) else Target.COHORTS
            return Report(str(path), target, audit_cohorts(folders))
        return _splits(path)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a split file, a folder of them, a cohort, a folder of cohorts or a "
            "table, found nothing there"
        )
    if path.name == MANIFEST:
        return audit_path(path.parent)
    if is_split_file(path):
        return _clinical_splits(path) if is_clinical_too(path) else _splits(path)
    return Report(str(path), Target.TABLE, audit_table(path))


def _has_cohorts(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() or any(folder.glob(f"*/{MANIFEST}"))


def _clinical_splits(path: Path) -> Report:
    """A clinical table with a column `split` or `fold`, which may mean something else."""
    checks = audit_table(path)
    try:
        splits = _splits(path)
    except InputError as error:
        unread = skipped(f"{path}: split", Check.LOADING, str(error))
        return Report(str(path), Target.TABLE, (*checks, unread))
    return replace(splits, findings=checks + splits.findings)


def _splits(path: Path) -> Report:
    try:
        sets = read_split_sets(path)
    except NoSplitsError:
        raise InputError(
            f"{path}: expected a {MANIFEST} in it or in a folder of it, or split files (a header "
            "such as ,train,val or fold_0), found neither"
        ) from None
    return Report(
        str(path),
        Target.SPLITS,
        tuple(finding for split in sets for finding in audit_splits(split)),
        tuple(facts for split in sets for facts in fold_facts(split)),
    )
