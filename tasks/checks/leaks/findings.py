"""What an audit says: which checks ran on what, and what each found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_EXAMPLES = 10


class Severity(StrEnum):
    """How bad a finding is.

    LEAK: a score computed on this is wrong or flattered; the audit fails.
    WARNING: it may be, or a weaker protocol would make it so; look at it.
    NOTE: worth knowing when numbers are read or compared.
    """

    LEAK = "leak"
    WARNING = "warning"
    NOTE = "note"


class Check(StrEnum):
    """What is looked for; the words are part of the JSON and stay."""

    SHARED_PATIENTS = "shared-patients"
    REPEATED_ENTRIES = "repeated-entries"
    RETESTED_PATIENTS = "retested-patients"
    UNTESTED_PATIENTS = "untested-patients"
    SHARED_SITES = "shared-sites"
    LABEL_BY_SITE = "label-by-site"
    DUPLICATES = "duplicates"
    EVENT_POLARITY = "event-polarity"
    ENDPOINT_ORDER = "endpoint-order"
    SITE_SIGNATURE = "site-signature"
    COHORT_SIGNATURE = "cohort-signature"
    DERIVED_LABEL = "derived-label"
    CONTRADICTING_ROWS = "contradicting-rows"
    COHORT_OVERLAP = "cohort-overlap"
    LOADING = "loading"


class Target(StrEnum):
    """What a path turned out to be."""

    SPLITS = "splits"
    COHORT = "cohort"
    COHORTS = "cohorts"
    TABLE = "table"


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: How bad.
        summary: What was found, one sentence.
        n: How many `unit` are concerned.
        total: Of how many.
        unit: What is counted, in the plural: `patients`.
        examples: Some of them, at most `MAX_EXAMPLES`.
        advice: What to do.
        fold: The fold concerned; None where it is not about one fold.
    """

    severity: Severity
    summary: str
    n: int
    total: int
    unit: str
    advice: str
    examples: tuple[str, ...] = ()
    fold: int | None = None


@dataclass(frozen=True)
class Checked:
    """One check of one thing; without findings and reason it came out clean.

    Attributes:
        check: What was looked for.
        where: In what: a file, a folder, a cohort or a part of one.
        findings: What was found.
        skipped: Why it could not be looked for; empty if it could.
    """

    check: Check
    where: str
    findings: tuple[Finding, ...] = ()
    skipped: str = ""


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


@dataclass(frozen=True)
class Report:
    """The outcome of an audit.

    Attributes:
        path: What was audited, as given.
        target: What it is.
        checks: Every check, in the order of the work.
        folds: The folds of split files; empty for anything else.
    """

    path: str
    target: Target
    checks: tuple[Checked, ...]
    folds: tuple[FoldFacts, ...] = ()

    def count(self, severity: Severity) -> int:
        """Number of findings of a severity."""
        return sum(
            finding.severity is severity for checked in self.checks for finding in checked.findings
        )

    @property
    def leaks(self) -> bool:
        """Whether anything is a leak."""
        return self.count(Severity.LEAK) > 0


def some(names: Iterable[str]) -> tuple[str, ...]:
    """The first few of the names, sorted, each once."""
    return tuple(sorted(set(names))[:MAX_EXAMPLES])
