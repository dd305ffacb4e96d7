"""Duplicates, and what features and sites betray: planted, and found or not."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.checks.finding import Finding, Severity
from tasks.checks.leaks.circular_labels import audit_label
from tasks.checks.leaks.duplicates import audit_duplicates
from tasks.checks.leaks.rows import Rows, bag_rows, pooled
from tasks.checks.leaks.separation import forest, linear, separability
from tasks.checks.leaks.sites import audit_label_by_site, audit_site_signature, site_auroc
from tasks.data.cohort import BagModality, Cohort, Label, Slide, VectorModality
from tasks.seeds import generator

Array = NDArray[np.float32]


def rows_of(values: NDArray[np.floating], patients: list[str] | None = None) -> Rows:
    data = values.astype(np.float32)
    names = tuple(f"slide{i}" for i in range(len(data)))
    contents = tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in data)
    owners = tuple(patients or [f"P{i}" for i in range(len(data))])
    return Rows(names, owners, contents, data)


def random_rows(n: int, width: int, *axes: str | int) -> NDArray[np.float64]:
    rng = generator("features", n, width, *axes)
    return rng.normal(5.0, 1.0, (n, width)) * np.exp(rng.normal(0, 2, width))


def examples(checks: tuple[Finding, ...]) -> list[tuple[str, ...]]:
    return [f.examples for f in checks if f.is_there]


# Duplicates


def test_copies_under_two_patients() -> None:
    values = random_rows(60, 20)
    values[7] = values[31]
    copies, near = audit_duplicates("x", rows_of(values))
    finding = copies
    assert (finding.severity, finding.n, finding.total) == (Severity.PROBLEM, 2, 60)
    assert finding.examples == ("slide31 = slide7",)
    assert not near.is_there  # said once


def test_copies_of_one_patient_are_no_leak() -> None:
    values = random_rows(60, 20)
    values[7] = values[31]
    values[8] = values[32] + 1e-4
    patients = [f"P{i}" for i in range(60)]
    patients[7], patients[8] = "P31", "P32"
    assert examples(audit_duplicates("x", rows_of(values, patients))) == []


@pytest.mark.parametrize(
    "again",
    [
        lambda row: row.astype(np.float16),
        lambda row: np.round(row, 3),
        lambda row: row * (1 + 1e-4),
        lambda row: row + 1e-3 * np.abs(row) * generator("again").normal(size=row.shape),
    ],
)
def test_copies_made_again_are_near(again: object) -> None:
    values = random_rows(80, 64, "again")
    values[5] = again(values[66])  # type: ignore[operator]
    copies, near = audit_duplicates("x", rows_of(values))
    assert not copies.is_there
    finding = near
    assert (finding.severity, finding.n, finding.examples) == (
        Severity.PROBLEM,
        2,
        ("slide5 ~ slide66",),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 80), st.integers(8, 40), st.integers(0, 10**6))
def test_strangers_are_no_duplicates(n: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(n, width))
    assert examples(audit_duplicates("x", rows_of(values))) == []


def test_pairs_across_blocks_are_found() -> None:
    values = random_rows(1300, 16)
    values[1299] = values[0] * (1 + 1e-5)
    values[700] = values[300] * (1 + 1e-5)
    _, near = audit_duplicates("x", rows_of(values))
    assert near.examples == ("slide0 ~ slide1299", "slide300 ~ slide700")


def test_too_few_features_to_compare() -> None:
    _, near = audit_duplicates("x", rows_of(random_rows(60, 2)))
    assert near.summary == "60 rows of 2 features, 10 of 8 are needed"


def test_patches_in_another_order_are_near() -> None:
    def slide(name: str, bag: Array) -> Slide:
        content = hashlib.sha256(bag.tobytes()).hexdigest()
        return Slide(name, len(bag), content, lambda: bag)

    rng = generator("bags")
    bags = [rng.normal(i, 1, (30, 12)).astype(np.float32) for i in range(12)]
    bags.append(bags[3][::-1].copy())
    slides = {f"P{i:02d}": (slide(f"S{i:02d}", bag),) for i, bag in enumerate(bags)}
    rows = bag_rows(BagModality(slides, 12))
    np.testing.assert_allclose(rows.vectors[3], bags[3].mean(axis=0), rtol=1e-5)
    assert examples(audit_duplicates("x", rows)) == [("S03 ~ S12",)]


def test_pooled_is_the_mean_of_what_is_there() -> None:
    values = np.array([[1, np.nan], [3, np.nan], [5, 7]])
    modality = pooled(rows_of(values, ["B", "B", "A"]))
    assert modality.patients == ("A", "B")
    np.testing.assert_array_equal(modality.values, [[5, 7], [2, np.nan]])


# Separation


def grouped(shift: float, n: int = 50, width: int = 30) -> tuple[list[str], Array, list[str]]:
    """Three sites of n patients whose means differ by `shift` standard deviations in each axis."""
    rng = generator("grouped", n, width)
    groups = [site for site in ("XA", "XB", "XC") for _ in range(n)]
    centres = {site: rng.choice([-0.5, 0.5], width) for site in ("XA", "XB", "XC")}
    values = rng.normal(size=(3 * n, width)) + shift * np.stack([centres[g] for g in groups])
    return [f"TCGA-{g}-{i:04d}" for i, g in enumerate(groups)], values.astype(np.float32), groups


@pytest.mark.parametrize("classifier", [linear, forest])
def test_separability(classifier: object) -> None:
    patients, values, groups = grouped(2.0)
    found = separability(patients, values, groups, classifier)  # type: ignore[arg-type]
    assert set(found) == {"XA", "XB", "XC"}
    assert min(found.values()) > 0.98
    none = separability(*grouped(0.0), classifier)  # type: ignore[arg-type]
    assert all(0.3 < auroc < 0.7 for auroc in none.values())


def test_separability_does_not_follow_the_order_of_rows() -> None:
    patients, values, groups = grouped(0.4)
    order = generator("order").permutation(len(patients))
    again = separability(
        [patients[i] for i in order], values[order], [groups[i] for i in order], linear
    )
    assert again == pytest.approx(separability(patients, values, groups, linear), abs=1e-3)


def test_standardised_within_groups_only_a_forest_tells() -> None:
    """A floor value that each group's own standardising moves: the means are all zero."""
    rng = generator("floor")
    parts = []
    for scale in (1.0, 3.0):
        raw = np.maximum(rng.normal(0, 1, (60, 40)), -0.3) ** 3 * scale + rng.normal(0, scale)
        raw[:, :20] = np.where(rng.random((60, 20)) < 0.3 * scale / 3, -scale, raw[:, :20])
        parts.append((raw - raw.mean(axis=0)) / raw.std(axis=0))
    values = np.concatenate(parts).astype(np.float32)
    groups = ["A"] * 60 + ["B"] * 60
    patients = [f"P{i}" for i in range(120)]
    trees = separability(patients, values, groups, forest)
    assert trees["A"] > 0.95 > separability(patients, values, groups, linear)["A"]


def test_small_groups_and_constants_cannot_be_judged() -> None:
    patients, values, groups = grouped(2.0, n=10)
    assert separability(patients, values, groups, linear) == {}
    patients, values, groups = grouped(2.0)
    assert separability(patients, np.ones_like(values), groups, linear) == {}


def test_site_signature() -> None:
    def audit(shift: float) -> Finding:
        patients, values, _ = grouped(shift)
        features = tuple(map(str, range(values.shape[1])))
        order = np.argsort(patients)
        modality = VectorModality(tuple(np.array(patients)[order]), values[order], features)
        return audit_site_signature("x", modality)

    assert not audit(0.0).is_there
    finding = audit(2.0)
    assert (finding.severity, finding.n, finding.total) == (Severity.WARNING, 3, 3)
    alone = VectorModality(("P1", "P2"), np.ones((2, 3), np.float32), ("a", "b", "c"))
    assert audit_site_signature("x", alone).severity is Severity.SKIPPED


# Labels


def label_of(by_site: dict[str, str], derived_from: str | None = None) -> Label:
    """A patient per letter: site -> classes."""
    values = {
        f"TCGA-{site}-{i:04d}": letter
        for site, letters in by_site.items()
        for i, letter in enumerate(letters)
    }
    return Label(values, ("a", "b"), derived_from)


def test_site_auroc_by_hand() -> None:
    assert site_auroc(label_of({"XA": "aaaa", "XB": "bbbb"}).values, ("a", "b")) == 1.0
    assert np.isnan(site_auroc(label_of({"XA": "aaaa"}).values, ("a", "b")))
    # The site of one patient has no others: the class's share among the other patients decides,
    # and it is lower for a patient of the class.
    alone = label_of({f"X{i}": letter for i, letter in enumerate("aabb")}).values
    assert site_auroc(alone, ("a", "b")) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=2, max_size=8))
def test_site_auroc_is_symmetric_in_two_classes(letters: list[str]) -> None:
    label = label_of({f"X{i}": word for i, word in enumerate(letters)})
    one = site_auroc(label.values, ("a",))
    other = site_auroc(label.values, ("b",))
    assert one == pytest.approx(other, nan_ok=True)


def test_label_nearly_confounded_with_the_site() -> None:
    finding = audit_label_by_site("x", label_of({"XA": "a" * 20, "XB": "b" * 19 + "a"}))
    assert (finding.severity, finding.n, finding.total) == (Severity.WARNING, 1, 2)
    mixed = label_of({"XA": "ab" * 10, "XB": "ba" * 10})
    assert not audit_label_by_site("x", mixed).is_there
    planted = Label({"P1": "a", "P2": "b"}, ("a", "b"))
    assert audit_label_by_site("x", planted).severity is Severity.SKIPPED


def cohort_of(patients: list[str], values: Array) -> Cohort:
    order = np.argsort(patients)
    sorted_ = tuple(np.array(patients)[order])
    features = tuple(map(str, range(values.shape[1])))
    return Cohort("X", sorted_, {"rna": VectorModality(sorted_, values[order], features)})


def audited(name: str, column: str, label: Label, shift: float) -> list[tuple[Severity, str]]:
    patients, values, _ = grouped(shift)
    checked = audit_label("x", name, label, column, cohort_of(patients, values))
    return [(finding.severity, finding.summary) for finding in checked if finding.is_there]


def test_labels_called_from_a_modality() -> None:
    patients, _, groups = grouped(0.0)
    values = dict(zip(patients, groups, strict=True))
    classes = ("XA", "XB", "XC")
    declared = Label(values, classes, "rna")
    assert audited("grade", "grade", declared, 2.0) == [
        (Severity.NOTE, "called from rna, as cohort.toml says")
    ]
    plain = Label(values, classes)
    assert audited("grade", "grade", plain, 0.0) == []
    ((severity, summary),) = audited("grade", "grade", plain, 3.0)
    assert severity is Severity.WARNING
    assert summary.startswith("rna tells it almost perfectly, AUROC 1.000")


@pytest.mark.parametrize(
    ("name", "column", "classes"),
    [
        ("pam50", "x", ("a", "b")),
        ("x", "PAM50", ("a", "b")),
        ("x", "y", ("LumA", "Basal")),
        ("x", "y", ("BRCA.LumA", "BRCA.LumB")),
        ("x", "y", ("CMS1", "CMS2")),
        ("mfp", "y", ("D", "F")),
        ("x", "Immune Subtype", ("C1", "C2")),
        ("x", "y", ("GI.CIN", "GI.GS")),
    ],
)
def test_known_classifications_are_recognised(
    name: str, column: str, classes: tuple[str, ...]
) -> None:
    ((severity, summary),) = audited(name, column, Label({}, classes), 0.0)
    assert severity is Severity.WARNING
    assert "called from expression" in summary


def test_histology_is_not_taken_for_one() -> None:
    for classes in (("IDC", "ILC"), ("Type 1", "Type 2"), ("STAD", "TSTAD"), ("LUAD", "LUSC")):
        assert audited("histology", "oncotree_code", Label({}, classes), 0.0) == []
