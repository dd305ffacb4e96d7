"""Every number of the first screen once more, from the predictions of the committed board.

Nothing of the project computes here: records and predictions are read as files, scores are counted
pair by pair, and the model over cohorts is written out from docs/statistics.md.
"""

import json
import lzma
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

from benchmark.analysis.board import Board
from benchmark.analysis.findings import Claim, Findings, KindFindings

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parents[2] / "results"
FOLDS = 5
PRIOR = 0.05

# (task, method) -> (fold, seed) -> score
Scores = dict[tuple[str, str], dict[tuple[int, int], float]]


@pytest.fixture(scope="module")
def kinds() -> tuple[KindFindings, ...]:
    board = Board.from_folder(RESULTS, over_patients=False)
    return Findings(board.main[0].kinds).kinds


@pytest.fixture(scope="module")
def scores() -> Scores:
    found: Scores = defaultdict(dict)
    for trial, task, predicted in _predictions():
        score = _concordance if "event" in predicted else _area
        found[task, trial["method"]][trial["fold"], trial["seed"]] = score(predicted)
    return found


def _trials() -> dict[str, dict[str, Any]]:
    """The trials of the default protocol and budget, untuned, on cohorts that are not planted."""
    usual = {"protocol": "strict", "budget": "default", "search": None, "planted": False}
    found = {}
    for path in RESULTS.glob("records/*/*.jsonl.xz"):
        with lzma.open(path, "rt") as lines:
            for line in map(json.loads, lines):
                if line["n_folds"] == FOLDS and all(line[k] == v for k, v in usual.items()):
                    found[line["trial"]] = line
    return found


def _predictions() -> Any:
    """Trial, task and columns by name, of every prediction that is kept."""
    trials = _trials()
    for folder in sorted(RESULTS.glob("predictions/*")):
        tested = pd.read_parquet(folder / "_tested.parquet").set_index("tested")
        for path in sorted(folder.glob("[!_]*.parquet")):
            for row in pd.read_parquet(path).to_dict("records"):
                if (trial := trials.get(row["trial"])) is None:
                    continue
                both = row | dict(tested.loc[row["tested"]])
                columns = {name: both[f"column {name}"] for name in row["order"]}
                yield trial, row["task"], columns


def _concordance(predicted: dict[str, Any]) -> float:
    """Harrell's C, pair by pair; NaN of fewer than five events."""
    time, event, risk = (np.asarray(predicted[k]) for k in ("time_months", "event", "risk"))
    if event.sum() < 5:
        return np.nan
    right = pairs = 0.0
    for i, j in product(np.flatnonzero(event), range(len(time))):
        if time[i] < time[j] or (time[i] == time[j] and not event[j]):
            pairs += 1
            right += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    return right / pairs


def _area(predicted: dict[str, Any]) -> float:
    """Area under the curve, pair by pair; of several classes the mean of one against the others."""
    truth = np.asarray(predicted["label"])
    classes = sorted(name.removeprefix("p_") for name in predicted if name.startswith("p_"))
    areas = []
    for one in classes:
        p = np.asarray(predicted[f"p_{one}"])
        inside, outside = p[truth == one][:, None], p[truth != one][None]
        areas.append(((inside > outside) + 0.5 * (inside == outside)).mean())
    return float(np.mean(areas[-1:] if len(classes) == 2 else areas))


def _of_folds(scores: Scores, task: str, method: str) -> NDArray[np.float64]:
    cells = scores[task, method]
    folds = sorted({fold for fold, _ in cells})
    return np.array([np.mean([v for (f, _), v in cells.items() if f == fold]) for fold in folds])


def _posterior(d: NDArray[np.float64], s: NDArray[np.float64], level: float) -> tuple[float, ...]:
    """Mean and ends of the mean difference over cohorts, on the grid of 500 spreads up to .5."""
    spreads = (np.arange(500) + 0.5) * 0.001
    weights, means, errors = [], [], []
    for tau in spreads:
        v = np.maximum(s, 5e-5) ** 2 + tau**2
        mean, error = np.average(d, weights=1 / v), np.sqrt(1 / np.sum(1 / v))
        # p(d | tau), delta integrated out, times the half-Cauchy prior
        joint = stats.norm.logpdf(d, mean, np.sqrt(v)).sum() - stats.norm.logpdf(0, 0, error)
        weights.append(joint + stats.cauchy.logpdf(tau, 0, PRIOR))
        means.append(mean)
        errors.append(error)
    p = np.exp(np.array(weights) - max(weights))
    p /= p.sum()

    def end(q: float) -> float:
        def beyond(x: float) -> float:
            return float(p @ stats.norm.cdf(x, means, errors)) - q

        return float(optimize.brentq(beyond, -2, 2, xtol=1e-13))

    return float(p @ means), end((1 - level) / 2), end((1 + level) / 2)


def _claimed(scores: Scores, found: KindFindings, claim: Claim, level: float) -> tuple[float, ...]:
    d, s = [], []
    for task in found.of.tasks:
        a, b = (_of_folds(scores, task, name) for name in (claim.method, claim.reference))
        if len(a) == len(b) > 1 and np.isfinite(a - b).all():
            d.append((a - b).mean())
            s.append(np.sqrt((1 / len(a) + 1 / (FOLDS - 1)) * np.var(a - b, ddof=1)))
    return _posterior(np.array(d), np.array(s), level)


def test_differences_and_intervals_are_those_of_the_predictions(
    scores: Scores, kinds: tuple[KindFindings, ...]
) -> None:
    level = 1 - 0.05 / sum(len(found.claims) for found in kinds)
    seen = 0
    for found in _with_predictions(scores, kinds):
        for claim in found.claims:
            ours = (claim.found.delta, claim.found.low, claim.found.high)
            assert ours == pytest.approx(_claimed(scores, found, claim, level), abs=1e-9), claim
            seen += 1
    assert seen > 10


def test_scores_patients_and_events_are_those_of_the_predictions(
    scores: Scores, kinds: tuple[KindFindings, ...]
) -> None:
    people: dict[str, dict[str, int]] = defaultdict(dict)
    for _, task, predicted in _predictions():
        event = predicted.get("event", np.zeros(len(predicted["patient"])))
        people[task] |= dict(zip(predicted["patient"], event, strict=True))
    for found in _with_predictions(scores, kinds):
        for table in found.of.tables:
            assert table.n_patients[1] == len(people[table.task])
            if table.n_events is not None:
                assert table.n_events == sum(people[table.task].values())
            for row in table.rows:
                if row.cells == table.cells:
                    cells = scores[table.task, row.method].values()
                    assert row.score.mean == pytest.approx(np.nanmean(list(cells)), abs=1e-9)
        for claim in found.claims:
            if np.isfinite(found.mean(claim.method)):
                means = [_of_folds(scores, t, claim.method).mean() for t in found.of.tasks]
                assert found.mean(claim.method) == pytest.approx(np.mean(means), abs=1e-9)


def test_the_grid_of_spreads_is_fine_enough(kinds: tuple[KindFindings, ...]) -> None:
    """The mean over the grid is the integral's, to a digit beyond those that are shown."""
    d, s = np.array([0.02, -0.01, 0.05, 0.03]), np.array([0.02, 0.03, 0.02, 0.04])

    def weight(tau: float) -> tuple[float, float]:
        v = s**2 + tau**2
        mean = float(np.average(d, weights=1 / v))
        likelihood = np.prod(stats.norm.pdf(d, mean, np.sqrt(v))) / np.sqrt(np.sum(1 / v))
        return float(likelihood * stats.cauchy.pdf(tau, 0, PRIOR)), mean

    total, _ = integrate.quad(lambda t: weight(t)[0], 0, 0.5)
    moment, _ = integrate.quad(lambda t: weight(t)[0] * weight(t)[1], 0, 0.5)
    assert _posterior(d, s, 0.95)[0] == pytest.approx(moment / total, abs=1e-4)
    assert kinds


def _with_predictions(scores: Scores, kinds: tuple[KindFindings, ...]) -> tuple[KindFindings, ...]:
    """Those whose predictions the repository keeps: survival at least."""
    kept = {task for task, _ in scores}
    found = tuple(one for one in kinds if set(one.of.tasks) <= kept)
    assert "survival" in [one.of.kind for one in found]
    return found
