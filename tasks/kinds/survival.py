"""The survival tasks: what an embedding says about time to an event, by two kinds of head."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.added_value import AddedRisk, added_risk, gained, relative
from tasks.base import Metric, Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.cox import RidgeCox
from tasks.heads.hazard import fit_discrete_hazard
from tasks.heads.inputs import Matrix, Vector
from tasks.kinds.instances import OfEndpoints
from tasks.metrics.calibration import integrated_calibration_index, slope_error
from tasks.metrics.time_to_event import (
    Outcomes,
    auc_at,
    auc_mean,
    enough,
    harrell_c,
    ibs,
    ibs_kaplan_meier,
    skill,
    time_grid,
    uno_c,
)
from tasks.metrics.undefined import Undefined
from tasks.scoring import UNIT, Followed, concordance, explained, parts

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


@dataclass(frozen=True)
class Prognosis:
    """A fitted head, the test patients it is asked of, and what happened to them.

    Attributes:
        head: Fitted on the training patients.
        X: Embeddings of the test patients, [n, p].
        train: Outcomes of the training patients.
        test: Of the test patients.
        survival: Predicted of each test patient at each of `MONTHS`, [n, len(MONTHS)].
        added: Age, sex and stage, with and without the embedding; or why they are not there.
    """

    head: Head
    X: Matrix
    train: Outcomes
    test: Outcomes
    survival: Matrix
    added: AddedRisk | str = "not asked of this kind of head"

    @cached_property
    def risk(self) -> Vector:
        """Of each test patient, [n]."""
        return self.head.risk(self.X)

    @cached_property
    def risks(self) -> Matrix:
        """Of each within each of `MONTHS`, [n, len(MONTHS)]."""
        return self.head.risk_by(self.X, MONTHS)

    @cached_property
    def brier(self) -> tuple[float, float]:
        """Integrated Brier score of the head and of the training Kaplan-Meier curve.

        Raises:
            Undefined: There is no time at which to take it.
        """
        times = time_grid(self.train, self.test)
        model = ibs(self.train, self.test, self.head.survival(self.X, times), times)
        return model, ibs_kaplan_meier(self.train, self.test, times)


def _auc(i: int, p: Prognosis) -> float:
    return auc_at(p.train, enough(p.test), p.risks[:, i], MONTHS[i])


def _ici(i: int, p: Prognosis) -> float:
    return integrated_calibration_index(p.train, p.test, 1.0 - p.survival[:, i], MONTHS[i])


def _slope_error(p: Prognosis) -> float:
    middle = float(np.median(p.train.time[p.train.event]))
    return slope_error(p.test, 1.0 - p.head.survival(p.X, [middle])[:, 0])


def _added(p: Prognosis) -> AddedRisk:
    if isinstance(p.added, str):
        raise Undefined(p.added)
    return p.added


def _with_clinical(p: Prognosis) -> float:
    added = _added(p)
    return harrell_c(enough(p.test), added.both.risk(added.X_both))


def _added_c(p: Prognosis) -> float:
    added = _added(p)
    return _with_clinical(p) - harrell_c(enough(p.test), added.clinical.risk(added.X_clinical))


def _added_skill(p: Prognosis) -> float:
    added, times = _added(p), time_grid(p.train, p.test)
    alone, both = (
        ibs(p.train, p.test, head.survival(X, times), times)
        for head, X in ((added.clinical, added.X_clinical), (added.both, added.X_both))
    )
    return skill(both, alone)


def _expected(head: Head, X: Matrix, time: Vector) -> Vector:
    """Cumulative hazard of each patient until its own time, [n]: the events it should have."""
    moments, own = np.unique(time, return_inverse=True)
    survived = head.survival(X, moments)[np.arange(len(X)), own]
    return np.asarray(-np.log(np.maximum(survived, np.finfo(float).tiny)))


class TimeToEvent(OfEndpoints[Prognosis]):
    """A survival head on frozen embeddings, one endpoint of one cohort.

    Patients count if they have a joint embedding and a known outcome. With fewer than
    `MIN_EVENTS` training events nothing is fitted and every score is skipped with that reason.
    A concordance needs five events among the test patients, an AUC beside them a month before the
    training horizon with deaths before and survivors after it, calibration ten events and
    predictions that differ; else that score alone is skipped.

    The integrated Brier score has no upper bound: its weights, inverse probabilities of being
    followed, go up to ten.
    """

    supervises = True
    metrics = (
        concordance("harrell_c", lambda p: harrell_c(enough(p.test), p.risk)),
        concordance("uno_c", lambda p: uno_c(p.train, enough(p.test), p.risk)),
        Metric("ibs", False, None, (0.0, inf), lambda p: p.brier[0]),
        explained("ibs_skill", lambda p: skill(*p.brier)),
        *(concordance(f"auc_{month}m", partial(_auc, i)) for i, month in enumerate(MONTHS)),
        concordance("auc_mean", lambda p: auc_mean(p.train, enough(p.test), p.risks, MONTHS)),
        Metric("slope_error", False, None, (0.0, inf), _slope_error),
        *(Metric(f"ici_{m}m", False, None, UNIT, partial(_ici, i)) for i, m in enumerate(MONTHS)),
    )

    @abstractmethod
    def fit_head(self, both: Followed) -> Head:
        """Fit on the training patients, the penalty chosen by their inner folds."""

    def added(self, both: Followed, head: Head, cohort: Cohort, split: Split) -> AddedRisk | str:
        """What stands beside age, sex and stage; of most heads nothing."""
        return "not asked of this kind of head"

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Prognosis]:
        """Fit the head on the training patients and ask it of the test patients."""
        endpoint = cohort.endpoints[self.label]
        both = Followed.of(*parts(embeddings, split, endpoint.patients), endpoint)
        both.check()
        test, head = both.test, self.fit_head(both)
        survival = head.survival(test.X, MONTHS)
        prognosis = Prognosis(
            head,
            test.X,
            both.train_outcomes,
            both.test_outcomes,
            survival,
            self.added(both, head, cohort, split),
        )
        return Predicted(
            prognosis,
            {
                "patient": test.patients,
                "risk": prognosis.risk.tolist(),
                "expected": _expected(head, test.X, both.test_outcomes.time).tolist(),
                **both.outcome_columns(),
                **{f"surv_{m}m": survival[:, i].tolist() for i, m in enumerate(MONTHS)},
            },
            head.state(),
            both.n_events,
        )


class Survival(TimeToEvent):
    """Time to an event by ridge Cox regression; and what it adds to age, sex and stage."""

    kind = "survival"
    version = 4
    metrics = (
        *TimeToEvent.metrics,
        Metric("with_clinical_c", True, None, UNIT, _with_clinical),
        gained("added_c", _added_c),
        relative("added_skill", _added_skill),
    )
    whole = True  # which endpoint a paper reports is chosen too often by what comes out

    def fit_head(self, both: Followed) -> Head:
        """Ridge Cox regression."""
        return both.fit(both.train.X)

    def added(self, both: Followed, head: Head, cohort: Cohort, split: Split) -> AddedRisk | str:
        """Age, sex and stage with the head's risk, and without it."""
        if not isinstance(head, RidgeCox):
            return super().added(both, head, cohort, split)
        return added_risk(both, head, cohort, split)


class SurvivalDiscrete(TimeToEvent):
    """Time to an event by ridge logistic hazards in intervals, as the field's probes have it."""

    kind = "survival-discrete"
    version = 5

    def fit_head(self, both: Followed) -> Head:
        """Ridge logistic hazards in quartiles of the training event times."""
        train = both.train_outcomes
        return fit_discrete_hazard(both.train.X, train.time, train.event, both.folds)
