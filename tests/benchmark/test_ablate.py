"""Ablations: paired differences to the parent, with their interval and their n."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from benchmark.analysis.ablations import FACTORS, deltas
from benchmark.analysis.stats.simultaneous import critical_value
from benchmark.cli.ablate import ablate
from benchmark.engine.runner import RunOptions
from benchmark.show import columns
from benchmark.show.leaderboard import ablation_page
from methods.base import Budget
from tasks.errors import InputError
from tasks.registry import METRICS
from tests.helpers.frames import lose, records

PARENT = [[0.60, 0.62, 0.58, 0.64], [0.61, 0.60, 0.59, 0.66]]
LESS = [[0.55, 0.60, 0.57, 0.60], [0.56, 0.59, 0.55, 0.61]]
SAME = [[0.60, 0.63, 0.58, 0.63], [0.61, 0.59, 0.60, 0.66]]


def frame() -> pd.DataFrame:
    found = records({"mirror": PARENT, "mirror-less": LESS, "mirror-same": SAME, "pca": SAME})
    child = found["method"].str.startswith("mirror-")
    found.loc[child, "parent"] = "mirror"
    found.loc[child, "role"] = "ablation"
    return found


def test_a_metric_that_no_task_has_is_refused_before_anything_runs(tmp_path: Path) -> None:
    options = RunOptions("mirror", "survival", folds=3, budget=Budget.SMOKE, results=tmp_path)
    with pytest.raises(InputError, match=r"--metrics: expected .*auroc_macro.*found 'auroc_macr'"):
        ablate("mirror", ["auroc_macr"], options, Console(quiet=True))
    assert not any(tmp_path.iterdir())


def test_a_difference_is_paired_and_its_interval_corrected() -> None:
    less, same = deltas(frame(), "mirror")
    assert [less.method, same.method] == ["mirror-less", "mirror-same"]
    # By hand: seeds are averaged within a fold; Nadeau and Bengio's variance of a mean of folds.
    folds = (np.array(LESS) - np.array(PARENT)).mean(axis=0)
    assert less.difference.mean == pytest.approx(folds.mean(), abs=1e-12)
    error = np.sqrt((1 / 4 + 1 / 3) * folds.var(ddof=1))
    half = critical_value(4, 2) * error
    assert less.difference.low == pytest.approx(folds.mean() - half, abs=1e-9)
    assert less.difference.high == pytest.approx(folds.mean() + half, abs=1e-9)
    p = 2 * stats.t.sf(abs(folds.mean()) / error, 3)
    assert p < less.difference.p < 2 * p  # both at once, less strict than Bonferroni
    assert (less.folds, less.seeds, less.n_patients) == (4, 2, 160)


def test_patients_who_are_dealt_twice_are_counted_once() -> None:
    once = frame()
    n_folds = int(once["n_folds"].iloc[0])
    again = once.assign(fold=once["fold"] + n_folds)
    counts = [
        {d.method: d.n_patients for d in deltas(f, "mirror")}
        for f in (once, pd.concat([once, again]))
    ]
    assert counts[0]
    assert counts[0] == counts[1]


def test_a_missing_fold_is_missing_on_both_sides() -> None:
    broken = frame()
    lose(
        broken,
        (broken["method"] == "mirror-less") & (broken["fold"] == 3),
        "failed",
        "epoch 3: nan",
    )
    less, _ = deltas(broken, "mirror")
    assert less.folds == 3
    expected = (np.array(LESS) - np.array(PARENT))[:, :3].mean()
    assert less.difference.mean == pytest.approx(expected, abs=1e-12)


def test_the_table_names_every_variant_with_its_interval_and_n() -> None:
    text = ablation_page(columns.ablations(deltas(frame(), "mirror")), "mirror")
    assert "survival/PLANTED/os · harrell_c ↑" in text
    row = next(line for line in text.splitlines() if line.startswith("| mirror-less"))
    assert "| 4 x 2 | 160 |" in row
    assert " to " in row
    assert "pca" not in text


def test_the_page_has_every_planted_factor_and_no_other_metric_beside_the_primary_one() -> None:
    assert set(FACTORS) <= set(METRICS)
    task = "retention/PLANTED/truth"
    metrics = ("truth_private_r2", *FACTORS, "shared_r2")
    frames = [
        frame().assign(task=task, metric=name, primary=name == metrics[0]) for name in metrics
    ]
    found = deltas(pd.concat(frames, ignore_index=True), "mirror")
    page = ablation_page(columns.ablations(found), "mirror")
    titled = [line.split(" · ")[1].split()[0] for line in page.splitlines() if "## " in line]
    assert sorted(titled) == sorted(metrics[:-1])
