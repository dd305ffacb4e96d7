"""What a search or a readout adds: paired, in the metric's direction, with an interval."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.analysis.variants import gains
from benchmark.show.sentences import gain_sentence
from tests.helpers.frames import records

DEFAULT = [[0.60, 0.62, 0.58, 0.64], [0.61, 0.60, 0.59, 0.66]]
TUNED = [[0.66, 0.67, 0.65, 0.70], [0.66, 0.66, 0.65, 0.71]]


def frame(tuned: list[list[float]], *, higher_is_better: bool = True) -> pd.DataFrame:
    default = records({"pca": DEFAULT, "pls": DEFAULT}, higher_is_better=higher_is_better)
    searched = records({"pca": tuned}, higher_is_better=higher_is_better)
    return pd.concat([default, searched.assign(protocol="strict+tuned-8")])


def test_a_gain_is_paired_and_its_interval_corrected() -> None:
    (gain,) = gains(frame(TUNED))
    assert (gain.method, gain.metric, gain.cells) == ("pca", "harrell_c", 8)
    folds = (np.array(TUNED) - np.array(DEFAULT)).mean(axis=0)
    half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 3) * folds.var(ddof=1))
    assert gain.difference.mean == pytest.approx(folds.mean(), abs=1e-12)
    assert gain.difference.low == pytest.approx(folds.mean() - half, abs=1e-9)
    assert gain_sentence(gain).startswith("pca on survival/PLANTED/os: improved, harrell_c +0.0")


def test_less_is_better_where_the_metric_says_so() -> None:
    (gain,) = gains(frame(TUNED, higher_is_better=False))
    assert gain.difference.mean < 0
    assert ": made worse, " in gain_sentence(gain)


def test_no_difference_is_not_called_an_improvement() -> None:
    (gain,) = gains(frame(DEFAULT))
    assert "not shown to improve" in gain_sentence(gain)


def test_without_the_default_there_is_nothing_to_say() -> None:
    both = frame(TUNED)
    assert not list(gains(both[both["protocol"] != "strict"]))


def test_each_addition_is_held_against_the_same_protocol_without_it() -> None:
    both = frame(TUNED)
    sites = both.assign(protocol=both["protocol"].str.replace("strict", "strict+site-folds"))
    readout = both.assign(protocol=both["protocol"].str.replace("tuned-8", "readout-rna-9"))
    assert [gain.protocol for gain in gains(pd.concat([sites, readout]))] == [
        "strict+readout-rna-9",
        "strict+site-folds+tuned-8",
    ]
