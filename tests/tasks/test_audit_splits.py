"""Audit of split files: who is where they must not be, counted by hand."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.checks.finding import Check, Finding, Severity
from tasks.checks.leaks.split_leaks import audit_splits, fold_facts
from tasks.data.split_files import Entry, FileFold, SplitSet, owner, read_split_sets
from tests.helpers.real import SHARED

HERE = Path("here")


def splits(*folds: dict[str, list[str]]) -> SplitSet:
    return SplitSet(
        HERE,
        tuple(
            FileFold(
                number,
                HERE,
                {part: tuple(Entry(n, owner(n)) for n in names) for part, names in fold.items()},
            )
            for number, fold in enumerate(folds)
        ),
    )


def check(split: SplitSet, wanted: Check) -> list[Finding]:
    """What a check found, if it was made at all."""
    findings = [finding for finding in audit_splits(split) if finding.check is wanted]
    assert findings
    return [finding for finding in findings if finding.is_there]


def why_not(split: SplitSet, wanted: Check) -> list[str]:
    return [
        finding.summary
        for finding in audit_splits(split)
        if finding.check is wanted and finding.severity is Severity.SKIPPED
    ]


def barcode(i: int) -> str:
    return f"TCGA-AA-{i:04d}"


SPLIT_FOLDS = st.lists(
    st.dictionaries(
        st.sampled_from(["train", "val", "test"]),
        st.lists(st.integers(0, 15), min_size=1, max_size=20),
        min_size=2,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(SPLIT_FOLDS)
def test_leaked_patients_are_those_of_two_parts(folds: list[dict[str, list[int]]]) -> None:
    split = splits(*({part: [barcode(i) for i in ids] for part, ids in f.items()} for f in folds))
    expected = [
        sum(sum(i in ids for ids in fold.values()) > 1 for i in range(16)) for fold in folds
    ]
    assert [facts.leaked_patients for facts in fold_facts(split)] == expected
    found = check(split, Check.SHARED_PATIENTS)
    assert [(f.fold, f.n) for f in found] == [(k, n) for k, n in enumerate(expected) if n]
    assert all(finding.severity is Severity.PROBLEM for finding in found)


def test_slides_of_a_patient_in_two_parts() -> None:
    one, two = "TCGA-AA-0001-01Z-00-DX1.AAAA", "TCGA-AA-0001-01Z-00-DX2.BBBB"
    split = splits({"train": [one, barcode(2)], "test": [two, barcode(3)]})
    (finding,) = check(split, Check.SHARED_PATIENTS)
    assert (finding.n, finding.total, finding.examples) == (1, 3, ("TCGA-AA-0001",))
    assert "1 in test and train (2 slides or samples)" in finding.summary


def test_identifiers_without_barcodes_say_what_is_not_seen() -> None:
    split = splits({"train": ["a"], "test": ["b"]})
    (reason,) = why_not(split, Check.SHARED_PATIENTS)
    assert "several slides of one cannot be seen" in reason
    (reason,) = why_not(split, Check.SHARED_SITES)
    assert "names a site" in reason


def test_entries_twice_in_a_part() -> None:
    split = splits({"train": [barcode(1), barcode(1), barcode(2)], "test": [barcode(3)]})
    (finding,) = check(split, Check.REPEATED_ENTRIES)
    assert (finding.severity, finding.n, finding.total) == (Severity.WARNING, 1, 3)


def test_scored_twice_is_a_warning_in_cross_validation_and_a_note_in_monte_carlo() -> None:
    everyone = [barcode(i) for i in range(20)]

    def fold(test: list[str]) -> dict[str, list[str]]:
        return {"train": [p for p in everyone if p not in test], "test": test}

    crossed = splits(fold(everyone[:10]), fold(everyone[9:]))
    (finding,) = check(crossed, Check.RETESTED_PATIENTS)
    assert (finding.severity, finding.n, finding.examples) == (Severity.WARNING, 1, (barcode(9),))
    drawn = splits(fold(everyone[:8]), fold(everyone[4:12]), fold(everyone[6:14]))
    (finding,) = check(drawn, Check.RETESTED_PATIENTS)
    assert finding.severity is Severity.NOTE
    assert not check(splits(fold(everyone[:10]), fold(everyone[10:])), Check.RETESTED_PATIENTS)


def test_never_scored() -> None:
    split = splits(
        {"train": [barcode(1), barcode(2)], "val": [barcode(3)]},
        {"train": [barcode(1), barcode(3)], "val": [barcode(2)]},
    )
    (finding,) = check(split, Check.UNTESTED_PATIENTS)
    assert (finding.severity, finding.n, finding.examples) == (Severity.NOTE, 1, (barcode(1),))
    once = splits({"train": [barcode(1)], "val": [barcode(2)]})
    assert not check(once, Check.UNTESTED_PATIENTS)


def test_sites_on_both_sides() -> None:
    split = splits(
        {"train": ["TCGA-AA-0001", "TCGA-BB-0001"], "test": ["TCGA-AA-0002", "TCGA-CC-0001"]}
    )
    (finding,) = check(split, Check.SHARED_SITES)
    assert (finding.severity, finding.n, finding.total) == (Severity.NOTE, 1, 3)
    assert "50% of the scored" in finding.summary
    union = splits({"train": ["TCGA-05-0001", "TCGA-18-0001"], "test": ["TCGA-18-0002"]})
    (finding,) = check(union, Check.SHARED_SITES)
    assert "of the TCGA projects LUAD, LUSC, and the site alone tells which" in finding.summary
    whole = splits({"train": ["TCGA-AA-0001"], "test": ["TCGA-BB-0002"]})
    assert not check(whole, Check.SHARED_SITES)


@pytest.mark.parametrize(
    ("task", "leaked"),
    [
        ("tcga_rcc", [15, 10, 3, 10, 13]),
        ("tcga_brca", [0] * 5),
        ("tcga_nsclc", [0] * 5),
        ("tcga_coadread", [0] * 5),
    ],
)
def test_published_splits(task: str, leaked: list[int]) -> None:
    folder = SHARED / "data" / "mirror_splits" / "5foldcv" / task
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (MIRROR_BENCH_SHARED)")
    (split,) = read_split_sets(folder)
    assert [facts.leaked_patients for facts in fold_facts(split)] == leaked
    severities = {finding.severity for finding in audit_splits(split) if finding.is_there}
    assert (Severity.PROBLEM in severities) == any(leaked)
    if not any(leaked):
        assert severities == {Severity.NOTE}  # sites on both sides, as everywhere
    else:
        (finding,) = check(split, Check.RETESTED_PATIENTS)
        assert finding.n == 22
