"""Tissue-source sites: do the features betray them, and do the labels follow them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from sklearn.metrics import roc_auc_score

from tasks.checks.finding import Check, Finding, Severity, clean, skipped, some
from tasks.checks.leaks.separation import MIN_GROUP, linear, separability
from tasks.data.cohort import Label, VectorModality
from tasks.data.split_files import find_barcode

ALMOST_PERFECT = 0.95
"""AUROC from which two things are as good as one."""

STRONG = 0.8

_SMOOTHING = 1.0


def _site(patient: str, sites: Mapping[str, str]) -> str:
    """Where a patient comes from: as told, or by the barcode; empty if neither says it."""
    if sites:
        return sites.get(patient, "")
    barcode = find_barcode(patient)
    return "" if barcode is None else barcode.site


def audit_site_signature(
    where: str, modality: VectorModality, told: Mapping[str, str] = MappingProxyType({})
) -> Finding:
    """Whether a linear classifier tells from the features where a slide or sample came from.

    Args:
        where: The cohort and modality.
        modality: One vector per patient.
        told: The sites of patients, where barcodes do not say them.
    """
    sites = [_site(patient, told) for patient in modality.patients]
    aurocs = separability(modality.patients, modality.values, sites, linear)
    aurocs = {site: auroc for site, auroc in aurocs.items() if site}
    if not aurocs:
        reason = f"fewer than two sites of {MIN_GROUP} patients, or nothing varies"
        return skipped(where, Check.SITE_SIGNATURE, reason)
    mean = float(np.mean(list(aurocs.values())))
    betrayed = [site for site, auroc in aurocs.items() if auroc >= ALMOST_PERFECT]
    if mean < STRONG and not betrayed:
        return clean(where, Check.SITE_SIGNATURE)
    certain = mean >= ALMOST_PERFECT
    return Finding(
        where,
        Check.SITE_SIGNATURE,
        Severity.WARNING if certain else Severity.NOTE,
        f"features {'betray the site almost perfectly' if certain else 'hint at the site'}"
        f": mean AUROC {mean:.2f} over sites, {max(aurocs.values()):.2f} at most",
        len(betrayed),
        len(aurocs),
        f"sites at AUROC {ALMOST_PERFECT} or more",
        some(f"{site} {aurocs[site]:.3f}" for site in betrayed),
        "keep sites whole in folds (--split site); correct batch effects inside training patients "
        "only",
    )


def site_auroc(
    labels: Mapping[str, str],
    classes: Sequence[str],
    told: Mapping[str, str] = MappingProxyType({}),
) -> float:
    """How well the site alone tells the class: macro AUROC of the others' classes at the site.

    Each patient's score for a class is its share among the other patients of the site, drawn
    towards the class's share in the cohort by one patient's weight.

    Args:
        labels: Class of each patient.
        classes: The classes; those with nobody, or with everybody, do not count.
        told: As of `audit_site_signature`.

    Returns:
        0.5 or less if sites tell nothing, 1 if they tell all; NaN with fewer than two classes.
    """
    patients = sorted(labels)
    sites = [_site(patient, told) for patient in patients]
    size = Counter(sites)
    pairs = Counter((site, labels[patient]) for site, patient in zip(sites, patients, strict=True))
    aurocs = []
    for name in classes:
        truth = np.array([labels[patient] == name for patient in patients])
        if not truth.any() or truth.all():
            continue
        share = (truth.sum() - truth) / max(len(truth) - 1, 1)
        others = np.array([pairs[site, name] for site in sites]) - truth
        n_others = np.array([size[site] for site in sites]) - 1
        scores = (others + _SMOOTHING * share) / (n_others + _SMOOTHING)
        # equal shares that were computed differently are ties
        aurocs.append(float(roc_auc_score(truth, np.round(scores, 12))))
    return float(np.mean(aurocs)) if aurocs else float("nan")


def audit_label_by_site(
    where: str, label: Label, told: Mapping[str, str] = MappingProxyType({})
) -> Finding:
    """Whether a label is nearly confounded with the site; `told` as of `audit_site_signature`."""
    sites = {_site(patient, told) for patient in label.values}
    if len(sites) < 2 or "" in sites:
        return skipped(where, Check.LABEL_BY_SITE, "fewer than two sites, or unknown ones")
    auroc = site_auroc(label.values, label.classes, told)
    if not auroc >= STRONG:
        return clean(where, Check.LABEL_BY_SITE)
    by_site: dict[str, set[str]] = {}
    for patient, value in label.values.items():
        by_site.setdefault(_site(patient, told), set()).add(value)
    pure = [site for site, values in by_site.items() if len(values) == 1]
    certain = auroc >= ALMOST_PERFECT
    return Finding(
        where,
        Check.LABEL_BY_SITE,
        Severity.WARNING if certain else Severity.NOTE,
        f"the site alone {'all but tells' if certain else 'hints at'} the class: AUROC {auroc:.2f}",
        len(pure),
        len(by_site),
        "sites of one class",
        some(pure),
        "keep sites whole in folds (--split site), and doubt any score without: staining tells the "
        "site, and the site the class",
    )
