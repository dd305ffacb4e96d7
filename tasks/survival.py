"""The survival task: what an embedding says about time to an event."""

from collections.abc import Callable

import numpy as np

from tasks.base import Metric, Outcome, Score, Split, Status, Task
from tasks.cohort import Cohort
from tasks.embeddings import Embeddings
from tasks.heads.cox import fit_ridge_cox
from tasks.metrics.survival import (
    Outcomes,
    harrell_c,
    ibs,
    ibs_kaplan_meier,
    skill,
    time_grid,
    uno_c,
)
from tasks.metrics.undefined import Undefined
from tasks.splits import inner_folds

INNER_FOLDS = 5
# Two events in every inner fold: below that the cross-validated likelihood picks noise.
MIN_EVENTS = 2 * INNER_FOLDS
MONTHS = (12, 36, 60)  # survival probabilities that are kept with the predictions


class Survival(Task):
    """Ridge Cox regression on frozen embeddings, one endpoint of one cohort.

    Patients count if they have a joint embedding and a known outcome. With fewer than
    `MIN_EVENTS` training events nothing is fitted and every score is skipped with that reason.
    """

    kind = "survival"
    version = 1
    metrics = (
        Metric("harrell_c", higher_is_better=True),
        Metric("uno_c", higher_is_better=True),
        Metric("ibs", higher_is_better=False),
        Metric("ibs_skill", higher_is_better=True),
    )

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Task, ...]:
        """One for each endpoint that has an event; overall survival is the default."""
        return tuple(
            cls(cohort.name, label, default=label == "os")
            for label, endpoint in cohort.endpoints.items()
            if endpoint.event.any()
        )

    def evaluate(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Outcome:
        """Fit the head on the training patients and score the test patients once."""
        endpoint = cohort.endpoints[self.label]
        rows = {patient: row for row, patient in enumerate(endpoint.patients)}
        usable = set(embeddings.known()) & set(rows)
        train_patients = [patient for patient in split.train if patient in usable]
        test_patients = [patient for patient in split.test if patient in usable]

        def outcomes(patients: list[str]) -> Outcomes:
            index = np.array([rows[patient] for patient in patients], dtype=np.intp)
            return Outcomes(endpoint.time[index], endpoint.event[index])

        train, test = outcomes(train_patients), outcomes(test_patients)
        n_train_events, n_events = int(train.event.sum()), int(test.event.sum())
        if n_train_events < MIN_EVENTS or not test_patients:
            reason = (
                f"{n_train_events} events among the training patients, {MIN_EVENTS} needed"
                if test_patients
                else "no test patient has both an embedding and an outcome"
            )
            scores = tuple(Score(m, None, Status.SKIPPED, reason) for m in self.metrics)
            return Outcome(scores, len(test_patients), n_events, {"patient": []})

        joint = embeddings.joint.astype(np.float64)
        X_train = joint[embeddings.rows(train_patients)]
        X_test = joint[embeddings.rows(test_patients)]
        folds = inner_folds(train_patients, train.event.astype(int).tolist(), INNER_FOLDS)
        head = fit_ridge_cox(X_train, train.time, train.event, folds)
        risk = head.risk(X_test)

        def brier() -> tuple[float, float]:
            times = time_grid(train, test)
            model = ibs(train, test, head.survival(X_test, times), times)
            return model, ibs_kaplan_meier(train, test, times)

        measures: tuple[Callable[[], float], ...] = (
            lambda: harrell_c(test, risk),
            lambda: uno_c(train, test, risk),
            lambda: brier()[0],
            lambda: skill(*brier()),
        )
        probabilities = head.survival(X_test, MONTHS)
        return Outcome(
            scores=tuple(map(_score, self.metrics, measures)),
            n_patients=len(test_patients),
            n_events=n_events,
            predictions={
                "patient": test_patients,
                "risk": risk.tolist(),
                "time_months": test.time.tolist(),
                "event": test.event.astype(int).tolist(),
                **{f"surv_{m}m": probabilities[:, i].tolist() for i, m in enumerate(MONTHS)},
            },
            head=head.state(),
        )


def _score(metric: Metric, measure: Callable[[], float]) -> Score:
    """The metric's value, or why it has none."""
    try:
        return Score(metric, measure())
    except Undefined as reason:
        return Score(metric, None, Status.SKIPPED, str(reason))
