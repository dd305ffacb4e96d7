"""What a check of a user's data says, whoever asks: `init`, `verify` and `audit` show the same."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_EXAMPLES = 10


class Severity(StrEnum):
    """What a finding means for whoever uses the data.

    PROBLEM: `run` refuses them, or a score computed on them is wrong or flattered: a leak.
    WARNING: they run, or part is left out; it deserves a look.
    NOTE: what they are; worth knowing when numbers are read or compared.
    SKIPPED: it could not be looked for, and why.
    CLEAN: it was looked for, and nothing is there.
    """

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"
    SKIPPED = "skipped"
    CLEAN = "clean"


FOUND = (Severity.PROBLEM, Severity.WARNING, Severity.NOTE)
"""The severities of what is there, the gravest first."""


class Check(StrEnum):
    """What is looked at; the words are part of the JSON and stay."""

    # whether the data are whole, and what they are
    MANIFEST = "manifest"
    FILES = "files"
    BARCODES = "barcodes"
    SAMPLES = "samples"
    PREPARATIONS = "preparations"
    SIZES = "sizes"
    WIDTHS = "widths"
    NOT_FINITE = "not-finite"
    EMPTY = "empty"
    DUPLICATES = "duplicates"
    COORDINATES = "coordinates"
    VALUES = "values"
    GENES = "genes"
    SCALE = "scale"
    OUTLIERS = "outliers"
    PARTNERS = "partners"
    OUTCOME = "outcome"
    TIMES = "times"
    POLARITY = "polarity"
    COVARIATES = "covariates"
    CLASSES = "classes"
    MEMBERS = "members"
    # whether they leak
    FEATURES = "features"
    SHARED_PATIENTS = "shared-patients"
    REPEATED_ENTRIES = "repeated-entries"
    RETESTED_PATIENTS = "retested-patients"
    UNTESTED_PATIENTS = "untested-patients"
    SHARED_SITES = "shared-sites"
    LABEL_BY_SITE = "label-by-site"
    EVENT_POLARITY = "event-polarity"
    ENDPOINT_ORDER = "endpoint-order"
    SITE_SIGNATURE = "site-signature"
    COHORT_SIGNATURE = "cohort-signature"
    DERIVED_LABEL = "derived-label"
    CONTRADICTING_ROWS = "contradicting-rows"
    COHORT_OVERLAP = "cohort-overlap"
    LOADING = "loading"


@dataclass(frozen=True)
class Finding:
    """One thing that is so, was not there, or could not be looked for.

    Attributes:
        where: In what: a modality, an endpoint, a label, a file, a cohort or a part of one.
        check: What was looked at.
        severity: What it means.
        summary: One sentence; empty if the check came out clean.
        n: How many `unit` are concerned.
        total: Of how many.
        unit: What is counted, in the plural: `patients`; empty if nothing is.
        examples: Some of them, at most `MOST_EXAMPLES`.
        advice: What to do; empty where the summary says it.
        fold: The fold concerned; None where it is not about one fold.
    """

    where: str
    check: Check
    severity: Severity
    summary: str = ""
    n: int = 0
    total: int = 0
    unit: str = ""
    examples: tuple[str, ...] = ()
    advice: str = ""
    fold: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether it is something that is so, and not a check that found nothing or was skipped."""
        return self.severity in FOUND


def counted(
    where: str,
    check: Check,
    severity: Severity,
    summary: str,
    concerned: Collection[str],
    total: int,
    unit: str,
) -> list[Finding]:
    """The finding of those whom it concerns, if there are any."""
    if not concerned:
        return []
    n, examples = len(concerned), some(concerned)
    return [Finding(where, check, severity, summary, n, total, unit, examples)]


def clean(where: str, check: Check) -> Finding:
    """That a check found nothing."""
    return Finding(where, check, Severity.CLEAN)


def skipped(where: str, check: Check, why: str) -> Finding:
    """That a check could not be made."""
    return Finding(where, check, Severity.SKIPPED, why)


def some(examples: Iterable[str]) -> tuple[str, ...]:
    """The first few, sorted, each once."""
    return tuple(sorted(set(examples))[:MOST_EXAMPLES])


def by_severity(findings: Sequence[Finding]) -> dict[Severity, int]:
    """How many there are of each of `FOUND`."""
    count = Counter(finding.severity for finding in findings)
    return {severity: count[severity] for severity in FOUND}
