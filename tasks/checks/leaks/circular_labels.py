"""Labels that were called from a modality: circular as a test of it."""

import re
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from tasks.checks.finding import Check, Finding, Severity, clean
from tasks.checks.leaks.separation import linear, separability
from tasks.data.cohort import Cohort, Label, VectorModality

READABLE = 0.98
"""Mean AUROC from which a label is as good as written in a modality."""

# Names of published classifications that are called from expression, in names of labels, columns
# or classes: PAM50 (Parker 2009), CMS (Guinney 2015), MFP (Bagaev 2021), the immune subtypes C1 to
# C6 (Thorsson 2018), TCGA's GI (Liu 2018) and integrated clusters.
_EXPRESSION_CLASSES = {
    "PAM50": r"pam[_ -]?50|(brca[._ -]?)?(lum(inal)?[_ -]?[ab]|her2[_ -]?(e|enriched))",
    "CMS": r"cms[1-4]?",
    "MFP": r"mfp|ie/f",
    "an immune subtype": r"immune[_ -]?subtypes?",
    "a TCGA molecular subtype": r"tcga[_ -]subtype|gi[._](cin|gs|ebv|hm-\w+)|icluster\d*",
}


def audit_label(
    where: str, name: str, label: Label, column: str, cohort: Cohort
) -> tuple[Finding, ...]:
    """Whether a label was called from a modality: as declared, by its words, by what tells it.

    Args:
        where: The cohort and label.
        name: The label's name.
        label: Its classes.
        column: The column that it was read from.
        cohort: Whose modalities may tell it.
    """
    findings = tuple(
        Finding(
            where,
            Check.DERIVED_LABEL,
            severity,
            summary,
            len(label.values),
            len(label.values),
            "patients",
            advice=advice,
        )
        for severity, summary, advice in _circular(name, label, column, cohort)
    )
    return findings or (clean(where, Check.DERIVED_LABEL),)


def _circular(
    name: str, label: Label, column: str, cohort: Cohort
) -> Iterator[tuple[Severity, str, str]]:
    """Severity, summary and advice of each sign."""
    if source := label.derived_from:
        advice = f"circular as a test of {source}; fair as one of the others"
        yield Severity.NOTE, f"called from {source}, as cohort.toml says", advice
        return
    if known := called_from_expression((name, column, *label.classes)):
        summary = (
            f"looks like {known}, which is called from expression; cohort.toml does not say so"
        )
        yield Severity.WARNING, summary, 'declare derived_from = "rna", so that tables say so'
    for side, auroc in _separable_by(label, cohort).items():
        if auroc >= READABLE:
            summary = f"{side} tells it almost perfectly, AUROC {auroc:.3f}: was it called from "
            yield Severity.WARNING, f"{summary}{side}?", f'if so, declare derived_from = "{side}"'


def called_from_expression(words: Collection[str]) -> str:
    """The published classification called from expression that names belong to; empty if none.

    Args:
        words: Of a label, its column and its classes.
    """
    for known, pattern in _EXPRESSION_CLASSES.items():
        for word in words:
            if re.fullmatch(pattern, word.strip(), re.IGNORECASE):
                return known
    return ""


def _separable_by(label: Label, cohort: Cohort) -> Mapping[str, float]:
    """Mean AUROC of a linear classifier by modality, of those that have one vector per patient."""
    means = {}
    for name, modality in cohort.modalities.items():
        if isinstance(modality, VectorModality):
            kept = modality.subset(label.values)
            groups = [label.values[patient] for patient in kept.patients]
            if aurocs := separability(kept.patients, kept.values, groups, linear):
                means[name] = float(np.mean(list(aurocs.values())))
    return means
