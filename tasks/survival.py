"""The survival task: what an embedding says about time to an event."""

from collections.abc import Callable

import numpy as np

from tasks.base import Metric, Outcome, Split, Task
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
from tasks.scoring import INNER_FOLDS, parts, score, skipped
from tasks.splits import inner_folds

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
        train_part, test_part = parts(embeddings, split, rows)

        def outcomes(patients: list[str]) -> Outcomes:
            index = np.array([rows[patient] for patient in patients], dtype=np.intp)
            return Outcomes(endpoint.time[index], endpoint.event[index])

        train, test = outcomes(train_part.patients), outcomes(test_part.patients)
        n_train_events, n_events = int(train.event.sum()), int(test.event.sum())
        reason = ""
        if n_train_events < MIN_EVENTS:
            reason = f"{n_train_events} events among the training patients, {MIN_EVENTS} needed"
        elif not test_part.patients:
            reason = "no test patient has both an embedding and an outcome"
        if reason:
            scores = skipped(self.metrics, reason)
            return Outcome(scores, len(test_part.patients), n_events, {"patient": []})

        strata = train.event.astype(int).tolist()
        folds = inner_folds(train_part.patients, strata, INNER_FOLDS)
        head = fit_ridge_cox(train_part.X, train.time, train.event, folds)
        risk = head.risk(test_part.X)

        def brier() -> tuple[float, float]:
            times = time_grid(train, test)
            model = ibs(train, test, head.survival(test_part.X, times), times)
            return model, ibs_kaplan_meier(train, test, times)

        measures: tuple[Callable[[], float], ...] = (
            lambda: harrell_c(test, risk),
            lambda: uno_c(train, test, risk),
            lambda: brier()[0],
            lambda: skill(*brier()),
        )
        probabilities = head.survival(test_part.X, MONTHS)
        return Outcome(
            scores=tuple(map(score, self.metrics, measures)),
            n_patients=len(test_part.patients),
            n_events=n_events,
            predictions={
                "patient": test_part.patients,
                "risk": risk.tolist(),
                "time_months": test.time.tolist(),
                "event": test.event.astype(int).tolist(),
                **{f"surv_{m}m": probabilities[:, i].tolist() for i, m in enumerate(MONTHS)},
            },
            head=head.state(),
        )
