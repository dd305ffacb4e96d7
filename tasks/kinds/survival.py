"""The survival tasks: what an embedding says about time to an event, by two kinds of head."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.base import Metric, Outcome, Split
from tasks.data.cohort import Cohort
from tasks.data.splits import inner_folds
from tasks.embeddings import Embeddings
from tasks.heads.cox import fit_ridge_cox
from tasks.heads.hazard import fit_discrete_hazard
from tasks.heads.inputs import Matrix, Vector
from tasks.kinds.instances import OfEndpoints
from tasks.metrics.calibration import d_calibration_p
from tasks.metrics.time_to_event import (
    Outcomes,
    auc_at,
    auc_mean,
    harrell_c,
    ibs,
    ibs_kaplan_meier,
    logrank_p,
    skill,
    time_grid,
    uno_c,
)
from tasks.scoring import INNER_FOLDS, followed, score

MONTHS = (12, 36, 60)  # of the time-dependent AUC and of the survival probabilities that are kept


class Head(Protocol):
    """A survival model in the units of the embedding."""

    def risk(self, X: Matrix) -> Vector:
        """One number a patient, [n]; higher dies sooner."""

    def risk_by(self, X: Matrix, times: Sequence[float]) -> Matrix:
        """Numbers that rank the patients by their risk within `times` months, [n, len(times)]."""

    def survival(self, X: Matrix, times: Sequence[float] | Vector) -> Matrix:
        """Probability of surviving `times` months, [n, len(times)]."""

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything that was fitted, by name."""


class TimeToEvent(OfEndpoints):
    """A survival head on frozen embeddings, one endpoint of one cohort.

    Patients count if they have a joint embedding and a known outcome. With fewer than
    `MIN_EVENTS` training events nothing is fitted and every score is skipped with that reason.
    The AUC needs a month before the training horizon with deaths before and survivors after it,
    the log-rank test two groups, D-calibration 50 patients; else that score alone is skipped.
    """

    supervises = True
    metrics = (
        Metric("harrell_c", higher_is_better=True),
        Metric("uno_c", higher_is_better=True),
        Metric("ibs", higher_is_better=False),
        Metric("ibs_skill", higher_is_better=True),
        *(Metric(f"auc_{month}m", higher_is_better=True) for month in MONTHS),
        Metric("auc_mean", higher_is_better=True),
        Metric("logrank_p", higher_is_better=False),
        Metric("d_calibration_p", higher_is_better=True),
    )

    @abstractmethod
    def fit_head(self, X: Matrix, train: Outcomes, folds: NDArray[np.intp]) -> Head:
        """Fit on the training patients, the penalty chosen by the inner folds [n]."""

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the head on the training patients and score the test patients once."""
        both = followed(embeddings, cohort.endpoints[self.label], split)
        if (unusable := both.unusable(self.metrics)) is not None:
            return unusable
        train_part, test_part = both.train, both.test
        train, test = both.train_outcomes, both.test_outcomes

        strata = train.event.astype(int).tolist()
        folds = inner_folds(train_part.patients, strata, INNER_FOLDS)
        head = self.fit_head(train_part.X, train, folds)
        risk, risks = head.risk(test_part.X), head.risk_by(test_part.X, MONTHS)
        high = risk > np.median(head.risk(train_part.X))

        @cache
        def brier() -> tuple[float, float]:
            times = time_grid(train, test)
            model = ibs(train, test, head.survival(test_part.X, times), times)
            return model, ibs_kaplan_meier(train, test, times)

        measures: tuple[Callable[[], float], ...] = (
            lambda: harrell_c(test, risk),
            lambda: uno_c(train, test, risk),
            lambda: brier()[0],
            lambda: skill(*brier()),
            *(partial(auc_at, train, test, risks[:, i], m) for i, m in enumerate(MONTHS)),
            lambda: auc_mean(train, test, risks, MONTHS),
            lambda: logrank_p(test, high),
            lambda: d_calibration_p(test, head.survival(test_part.X, test.time).diagonal()),
        )
        probabilities = head.survival(test_part.X, MONTHS)
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=both.n_events,
            predictions={
                "patient": test_part.patients,
                "risk": risk.tolist(),
                "time_months": test.time.tolist(),
                "event": test.event.astype(int).tolist(),
                **{f"surv_{m}m": probabilities[:, i].tolist() for i, m in enumerate(MONTHS)},
            },
            head=head.state(),
        )


class Survival(TimeToEvent):
    """Time to an event by ridge Cox regression."""

    kind = "survival"
    version = 2
    whole = True  # which endpoint a paper reports is chosen too often by what comes out

    def fit_head(self, X: Matrix, train: Outcomes, folds: NDArray[np.intp]) -> Head:
        """Ridge Cox regression."""
        return fit_ridge_cox(X, train.time, train.event, folds)


class SurvivalDiscrete(TimeToEvent):
    """Time to an event by ridge logistic hazards in intervals, as the field's probes have it."""

    kind = "survival-discrete"
    version = 3

    def fit_head(self, X: Matrix, train: Outcomes, folds: NDArray[np.intp]) -> Head:
        """Ridge logistic hazards in quartiles of the training event times."""
        return fit_discrete_hazard(X, train.time, train.event, folds)
