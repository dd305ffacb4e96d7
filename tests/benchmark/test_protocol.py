"""A protocol: one value, one text, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.records.protocol import (
    Control,
    DealtFolds,
    FileFolds,
    HeldOutCohort,
    Pruner,
    TrialProtocol,
    Tuning,
)
from tasks.base import Protocol
from tasks.data.splits import Dealing, make_splits
from tasks.names import NAME
from tasks.readouts import Part, Readout
from tests.helpers.planted import planted

counts = st.integers(1, 999_999_999)
visible = st.text().filter(str.isprintable)
words = st.sampled_from(
    ["+", "-", "folds-of-", "tuned-8", "permuted-labels", "-0a1b2c-n3", "x", "pretrained-on(A)"]
)
names = visible | st.lists(words).map("".join)
dealt = st.builds(DealtFolds, st.sampled_from(Dealing), counts)
of_file = st.builds(FileFolds, names, st.text("0123456789abcdef", min_size=6, max_size=6), counts)
readouts = st.builds(Readout, st.sampled_from(Part), st.integers(0, 999_999)).filter(
    lambda readout: readout != Readout()
)
protocols = st.builds(
    TrialProtocol,
    st.sampled_from(Protocol),
    dealt | of_file | st.just(HeldOutCohort()),
    st.none() | st.builds(Tuning, counts, st.none() | st.sampled_from(Pruner)),
    st.none() | st.sampled_from(Control),
    st.none() | readouts,
    st.lists(st.from_regex(NAME, fullmatch=True), max_size=3).map(tuple),
)


@given(protocols)
def test_a_protocol_can_be_read_back(protocol: TrialProtocol) -> None:
    assert TrialProtocol.parse(str(protocol)) == protocol


@given(protocols, protocols)
def test_two_protocols_have_two_texts(one: TrialProtocol, other: TrialProtocol) -> None:
    assert (one == other) == (str(one) == str(other))


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        (TrialProtocol(), "strict"),
        (TrialProtocol(Protocol.PAPER, control=Control.PERMUTED_LABELS), "paper+permuted-labels"),
        (
            TrialProtocol(Protocol.STRICT, DealtFolds(Dealing.SITE, 3), Tuning(8, Pruner.ASHA)),
            "strict+site-folds-x3+tuned-8-asha",
        ),
        (
            TrialProtocol(folds=FileFolds("a+b.csv", "0a1b2c", 5), tuning=Tuning(4)),
            "strict+folds-of-a+b.csv-0a1b2c-n5+tuned-4",
        ),
        (
            TrialProtocol(folds=DealtFolds(repeats=2), control=Control.PERMUTED_LABELS),
            "strict+patient-folds-x2+permuted-labels",
        ),
        (
            TrialProtocol(folds=HeldOutCohort(), tuning=Tuning(4)),
            "strict+test-cohort+tuned-4",
        ),
        (
            TrialProtocol(tuning=Tuning(4), readout=Readout(Part.MEAN, 64)),
            "strict+readout-mean-64+tuned-4",
        ),
        (
            TrialProtocol(pool=("ONE", "B+tuned-2"), control=Control.PERMUTED_LABELS),
            "strict+pretrained-on(ONE&B+tuned-2)+permuted-labels",
        ),
    ],
)
def test_the_text_is_that_of_all_records_so_far(protocol: TrialProtocol, text: str) -> None:
    assert str(protocol) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "strickt", "strict+", "+strict", "strict+patient-folds", "strict+patient-folds-x1",
        "strict+tuned-08", "strict+permuted-labels+tuned-8", "strict+folds-of-my.csv",
        "strict+folds-of-a\nb-0a1b2c-n5", "strict+site-folds-x9999999999", "strict\n",
        "strict+folds-of-\u202ea-0a1b2c-n5", "strict+test-cohort-x2",
        "strict+pretrained-on()", "strict+pretrained-on(A&)", "strict+pretrained-on(A & B)",
        "strict+pretrained-on(A)+test-cohort",
    ],
)  # fmt: skip
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a protocol, such as strict or paper") as error:
        TrialProtocol.parse(text)
    assert str(error.value).endswith(f"found {text!r}")


def test_splits_are_counted() -> None:
    assert TrialProtocol().n_splits(5) == 5
    assert TrialProtocol(folds=DealtFolds(Dealing.SITE, 3)).n_splits(5) == 15
    splits = make_splits(planted(bags=False), 4)
    assert TrialProtocol(folds=FileFolds.of("a.csv", splits)).n_splits(2) == 4


def test_a_files_name_is_shown_without_what_cannot_be_seen() -> None:
    splits = make_splits(planted(bags=False), 4)
    assert FileFolds.of("a\n\u202eb.csv", splits).name == "a__b.csv"
