"""Labels that were called from a modality: circular as a test of it."""

import re
from collections.abc import Collection, Mapping

import numpy as np

from tasks.checks.leaks.findings import Check, Checked, Finding, Severity
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


def audit_label(where: str, name: str, label: Label, column: str, cohort: Cohort) -> Checked:
    """Whether a label was called from a modality: as declared, by its words, by what tells it.

    Args:
        where: The cohort and label.
        name: The label's name.
        label: Its classes.
        column: The column that it was read from.
        cohort: Whose modalities may tell it.
    """
    n = len(label.values)
    if label.derived_from:
        return Checked(
            Check.DERIVED_LABEL,
            where,
            (
                Finding(
                    Severity.NOTE,
                    f"called from {label.derived_from}, as cohort.toml says",
                    n,
                    n,
                    "patients",
                    f"circular as a test of {label.derived_from}; fair as one of the others",
                ),
            ),
        )
    findings = []
    if known := called_from_expression((name, column, *label.classes)):
        findings.append(
            Finding(
                Severity.WARNING,
                f"looks like {known}, which is called from expression; cohort.toml does not say so",
                n,
                n,
                "patients",
                'declare derived_from = "rna", so that tables say so',
            )
        )
    for modality, auroc in _told_by(label, cohort).items():
        if auroc >= READABLE:
            findings.append(
                Finding(
                    Severity.WARNING,
                    f"{modality} tells it almost perfectly, AUROC {auroc:.3f}: was it called from "
                    f"{modality}?",
                    n,
                    n,
                    "patients",
                    f'if so, declare derived_from = "{modality}"',
                )
            )
    return Checked(Check.DERIVED_LABEL, where, tuple(findings))


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


def _told_by(label: Label, cohort: Cohort) -> Mapping[str, float]:
    """Mean AUROC of a linear classifier by modality, of those that have one vector per patient."""
    told = {}
    for name, modality in cohort.modalities.items():
        if isinstance(modality, VectorModality):
            kept = modality.subset(label.values)
            groups = [label.values[patient] for patient in kept.patients]
            if found := separability(kept.patients, kept.values, groups, linear):
                told[name] = float(np.mean(list(found.values())))
    return told
