"""Cohorts as their cohort.toml describes them, one by one and beside each other."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
from tasks.checks.leaks.circular_labels import audit_label
from tasks.checks.leaks.contradictions import audit_rows
from tasks.checks.leaks.duplicates import audit_duplicates
from tasks.checks.leaks.outcome_columns import audit_vital_status
from tasks.checks.leaks.polarity import audit_polarity
from tasks.checks.leaks.preparations import audit_preparations
from tasks.checks.leaks.published_endpoints import projects_of
from tasks.checks.leaks.rows import bag_rows, pooled, table_rows
from tasks.checks.leaks.separation import MIN_GROUP, forest, linear, separability
from tasks.checks.leaks.sites import ALMOST_PERFECT, audit_label_by_site, audit_site_signature
from tasks.checks.leaks.table_leaks import identifier
from tasks.checks.leaks.unfit_columns import audit_features
from tasks.data.cohort import BagModality, Cohort, VectorModality
from tasks.data.formats.bags import find_slides
from tasks.data.formats.tables import read_text_table
from tasks.data.formats.vectors import find_samples
from tasks.data.load import NotAsDeclaredError, load
from tasks.data.manifest import (
    BagSource,
    ClinicalFormat,
    Manifest,
    TableSource,
    VectorSource,
    read_manifest,
)
from tasks.data.union import PROJECT
from tasks.errors import InputError


def audit_cohorts(folders: Sequence[Path]) -> tuple[Finding, ...]:
    """Audit each cohort, and what they share.

    Args:
        folders: Each with a cohort.toml.

    Raises:
        InputError: A manifest is wrong, or a cohort cannot be loaded for another reason than rows
            that contradict each other or columns that are no features.
    """
    checks: list[Finding] = []
    cohorts = []
    for folder in folders:
        manifest = read_manifest(folder)
        try:
            read = load(folder)
        except InputError as error:
            why = _contradictions(manifest, None)
            if isinstance(error, NotAsDeclaredError):
                for path, tables in error.as_read.items():
                    why += audit_features(tables.name, tables, read_manifest(path))
            if not any(finding.is_there for finding in why):
                raise
            checks += (*why, skipped(manifest.name, Check.LOADING, str(error)))
            continue
        cohort = read.cohort
        if cohort.members:
            checks += _audit_union(cohort)
            continue  # it shares patients with its members by what it is
        checks += _audit(manifest, cohort)
        checks += audit_features(cohort.name, read.as_read[folder], manifest)
        cohorts.append(cohort)
    if len(cohorts) > 1:
        parts = [
            (cohort.name, modality)
            for cohort in cohorts
            if isinstance(modality := cohort.modalities.get("rna"), VectorModality)
        ]
        where = ", ".join(cohort.name for cohort in cohorts)
        checks += (_overlap(where, cohorts), _signature(where, parts, "cohorts"))
    return tuple(checks)


def _audit_union(cohort: Cohort) -> list[Finding]:
    """What a union adds to its members, which are audited for themselves where they lie."""
    project = cohort.labels[PROJECT].values
    modality = cohort.modalities.get("rna")
    parts = []
    if isinstance(modality, VectorModality):
        for member in cohort.members:
            own = [patient for patient in modality.patients if project[patient] == member]
            parts.append((member, modality.subset(own)))
    return [
        _signature(cohort.name, parts, "members"),
        *(
            audit_label_by_site(f"{cohort.name}: {name}", label)
            for name, label in cohort.labels.items()
        ),
    ]


def _audit(manifest: Manifest, cohort: Cohort) -> list[Finding]:
    name = cohort.name
    checks = _contradictions(manifest, cohort)
    checks += audit_polarity(name, cohort.endpoints)
    for key, label in cohort.labels.items():
        where = f"{name}: {key}"
        checks += audit_label(where, key, label, manifest.labels[key].column, cohort)
        checks.append(audit_label_by_site(where, label, cohort.sites))
    projects = _projects(cohort)
    if len(projects) > 1:
        checks.append(_signature(name, projects, "TCGA projects"))
    for key, modality in cohort.modalities.items():
        where = f"{name}: {key}"
        source = manifest.modalities[key]
        if key == "wsi":
            slides = find_slides(source) if isinstance(source, BagSource) else find_samples(source)
            checks.append(audit_preparations(where, slides.selection, source.rule))
        if isinstance(modality, BagModality):
            rows = bag_rows(modality)
            modality = pooled(rows)  # noqa: PLW2901 - a vector per patient, as the others are
        elif isinstance(source, VectorSource):
            rows = table_rows(source)
        checks += audit_duplicates(where, rows)
        checks.append(audit_site_signature(where, modality, cohort.sites))
    return checks


def _contradictions(manifest: Manifest, cohort: Cohort | None) -> list[Finding]:
    """Rows of the manifest's tables; of the cohort's patients if it could be loaded."""
    patients = None if cohort is None else frozenset(cohort.patients)
    owner = manifest.ids.reader().owner
    used: dict[Path, list[str]] = defaultdict(list)
    id_columns: dict[Path, str] = {}
    for label in manifest.labels.values():
        used[label.path].append(label.column)
        id_columns[label.path] = label.id
    clinical = manifest.clinical
    if clinical is not None and clinical.format is not ClinicalFormat.GDC:
        used[clinical.path] += []
        if isinstance(clinical, TableSource):
            used[clinical.path] += [clinical.time, clinical.event]
            id_columns[clinical.path] = clinical.id
    checks: list[Finding] = []
    for path in sorted(used):
        declared = [id_columns[path]] if path in id_columns else []
        table = read_text_table(path, declared, sheet="TCGA-CDR")
        id_column = declared[0] if declared else identifier(path, table)
        where = f"{manifest.name}: {path.name}"
        checks += audit_rows(where, table, id_column, used[path], patients, owner)
        if clinical is not None and path == clinical.path and cohort and "os" in cohort.endpoints:
            os = cohort.endpoints["os"]
            checks.append(audit_vital_status(where, table, id_column, os, owner))
    return checks


def _overlap(where: str, cohorts: Sequence[Cohort]) -> Finding:
    """Patients of several cohorts: pretraining on one would see test patients of another."""
    count = Counter(patient for cohort in cohorts for patient in cohort.patients)
    twice = [patient for patient, n in count.items() if n > 1]
    if not twice:
        return clean(where, Check.COHORT_OVERLAP)
    return Finding(
        where,
        Check.COHORT_OVERLAP,
        Severity.WARNING,
        "patients of several cohorts",
        len(twice),
        len(count),
        "patients",
        some(twice),
        "never pretrain on one cohort and test on another that shares patients with it",
    )


def _signature(where: str, parts: Sequence[tuple[str, VectorModality]], what: str) -> Finding:
    """Whether expression tells groups of patients apart, by tissue or by their processing.

    Args:
        where: The cohorts.
        parts: Name and expression of each group.
        what: What the groups are, in the plural.
    """
    shared = sorted(set.intersection(*(set(m.features) for _, m in parts))) if parts else []
    if len(parts) < 2 or not shared:
        reason = f"fewer than two {what} with expression, or no gene in common"
        return skipped(where, Check.COHORT_SIGNATURE, reason)
    patients, groups = [], []
    for name, modality in parts:
        patients += [f"{name}/{patient}" for patient in modality.patients]
        groups += [name] * len(modality.patients)
    values = np.concatenate([modality.columns(shared) for _, modality in parts])
    aurocs = {
        how: separability(patients, values, groups, classifier)
        for how, classifier in (("linear", linear), ("forest", forest))
    }
    if not aurocs["linear"]:
        reason = f"fewer than two {what} of {MIN_GROUP} patients with expression"
        return skipped(where, Check.COHORT_SIGNATURE, reason)
    means = {how: float(np.mean(list(each.values()))) for how, each in aurocs.items()}
    best = aurocs[max(means, key=lambda how: means[how])]
    apart = [name for name, auroc in best.items() if auroc >= ALMOST_PERFECT]
    if not apart:
        return clean(where, Check.COHORT_SIGNATURE)
    listed = ", ".join(f"{how} {mean:.3f}" for how, mean in sorted(means.items()))
    return Finding(
        where,
        Check.COHORT_SIGNATURE,
        Severity.WARNING,
        f"expression tells the {what} apart almost perfectly (mean AUROC: {listed})",
        len(apart),
        len(best),
        what,
        some(f"{name} {best[name]:.3f}" for name in apart),
        "tissue, sites and each one's own processing are confounded: doubt any task that asks of "
        f"which of the {what} a patient is, or keep sites whole (--split site)",
    )


def _projects(cohort: Cohort) -> list[tuple[str, VectorModality]]:
    """The expression of a cohort by the TCGA project of its patients' sites."""
    modality = cohort.modalities.get("rna")
    if not isinstance(modality, VectorModality):
        return []
    of: dict[str, list[str]] = defaultdict(list)
    for patient, project in projects_of(modality.patients).items():
        of[project].append(patient)
    return [
        (project, modality.subset(patients))
        for project, patients in sorted(of.items())
        if len(patients) >= MIN_GROUP
    ]
