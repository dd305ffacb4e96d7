"""A cohort verified: everything that can be wrong with it, named and counted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.checks.data.bag_facts import verify_bags
from tasks.checks.data.embedding_facts import verify_all_embeddings
from tasks.checks.data.outcome_facts import verify_clinical, verify_label
from tasks.checks.data.vector_facts import verify_vectors
from tasks.checks.finding import Check, Finding, Severity, counted
from tasks.checks.leaks.unfit_columns import audit_features
from tasks.data.cohort import Cohort, Modality
from tasks.data.formats.vectors import read_truth
from tasks.data.load import load_cohort
from tasks.data.manifest import BagSource, read_manifest
from tasks.data.precomputed import as_vectors
from tasks.data.store.plan import Progress
from tasks.errors import InputError


@dataclass(frozen=True)
class CohortFacts:
    """A cohort as its files are.

    Attributes:
        name: The cohort.
        folder: Its folder.
        findings: In the order of the work.
    """

    name: str
    folder: str
    findings: tuple[Finding, ...]


def verify_cohort(folder: Path, looking_at: Progress) -> CohortFacts:
    """Look at everything that a cohort's manifest names.

    Args:
        folder: With the cohort.toml.
        looking_at: Told what is looked at, for the screen.

    Raises:
        InputError: The manifest cannot be read, or names a file that is not there.
    """
    manifest = read_manifest(folder)
    if manifest.union:
        looking_at("union", 0, 1)
        return CohortFacts(manifest.name, str(folder), (_union(folder),))
    facts: list[Finding] = []
    patients: dict[str, frozenset[str]] = {}
    vectors: dict[str, Modality] = {}
    for name, source in manifest.modalities.items():
        if isinstance(source, BagSource):
            seen, patients[name] = verify_bags(name, source, manifest.name, looking_at)
        else:
            looking_at(name, 0, 1)
            seen, patients[name], modality = verify_vectors(name, source)
            if modality is not None:
                vectors[name] = modality
        facts += seen
    facts += _partners(patients)
    members = frozenset[str]().union(*patients.values())
    pairs = frozenset.intersection(*patients.values())
    looking_at("embeddings", 0, len(manifest.embeddings))
    seen, made = verify_all_embeddings(folder, manifest, members, pairs)
    facts += seen
    vectors |= as_vectors(made)
    looking_at("clinical", 0, 1)
    seen, endpoints, covariates = verify_clinical(manifest.clinical, members)
    facts += seen
    labels = {}
    for name, declared in manifest.labels.items():
        seen, label = verify_label(name, declared, members)
        facts += seen
        if label is not None:
            labels[name] = label
    whole = Cohort(manifest.name, tuple(sorted(members)), vectors, endpoints, labels, covariates)
    for finding in audit_features("", whole, manifest):
        if finding.is_there:
            summary = f"{finding.summary}; {finding.advice}"
            facts.append(replace(finding, summary=summary, advice=""))
    if manifest.truth is not None:
        try:
            read_truth(manifest.truth, sorted(members))
        except InputError as error:
            facts.append(Finding("truth", Check.FILES, Severity.PROBLEM, str(error)))
    return CohortFacts(manifest.name, str(folder), tuple(facts))


def _union(folder: Path) -> Finding:
    """Whether the members fit; they are verified for themselves where they lie."""
    try:
        cohort = load_cohort(folder)
    except InputError as error:
        return Finding("union", Check.MEMBERS, Severity.PROBLEM, str(error))
    text = f"a union of {', '.join(cohort.members)}: verify them for themselves"
    return Finding(
        "union", Check.MEMBERS, Severity.NOTE, text, len(cohort.complete()), len(cohort.patients),
        "patients with both sides",
    )  # fmt: skip


def _partners(patients: Mapping[str, frozenset[str]]) -> list[Finding]:
    if len(patients) < 2:
        (name,) = patients
        text = f"there is only {name}: `run` learns from pairs and refuses such a cohort"
        return [Finding("patients", Check.PARTNERS, Severity.WARNING, text)]
    everybody = frozenset[str]().union(*patients.values())
    both = frozenset.intersection(*patients.values())
    severity = Severity.NOTE if both else Severity.PROBLEM
    check, n, unit = Check.PARTNERS, len(everybody), "patients"
    facts = [Finding(unit, check, severity, "patients with both sides", len(both), n, unit)]
    for name, having in patients.items():
        what = f"patients without {name}"
        facts += counted(unit, check, Severity.NOTE, what, everybody - having, n, unit)
    return facts
