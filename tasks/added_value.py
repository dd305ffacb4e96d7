"""Added value over the clinic: age, sex and stage with an embedding against these alone.

Both models are the house's ridge heads, fitted on the training patients, their penalties chosen by
the inner folds, and asked of the same test patients once. An embedding of hundreds of columns
would drown three covariates under one penalty; so it enters as one column, its own head's risk (or
log-odds). Of a training patient that is the risk by the fit that went without its inner fold: a
pre-validated predictor, which does not know the outcome that it stands beside, so that the second
stage does not trust it more than it deserves.

Source:
    Tibshirani and Efron, Pre-validation and inference in microarrays, Statistical Applications in
    Genetics and Molecular Biology 1:1 (2002); Hoefling and Tibshirani, A study of pre-validation,
    Annals of Applied Statistics 2:643 (2008).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from tasks.base import Evidence_contra, Metric
from tasks.data.cohort import Cohort
from tasks.data.preprocess import VectorScaler
from tasks.data.splits import Split
from tasks.heads.cox import RidgeCox
from tasks.heads.inputs import Matrix
from tasks.heads.logistic import RidgeLogistic
from tasks.metrics.undefined import Undefined
from tasks.scoring import Classified, Followed

CLINICAL = "clinical"
"""What a label is derived from that was called from age, sex or stage."""


@dataclass(frozen=True)
class Covariates:
    """Age, sex and stage as a head sees them, and whether each is missing.

    Attributes:
        train: Of the training patients that are judged, [n, width].
        test: Of the test patients, [m, width].
    """

    train: Matrix
    test: Matrix

    @classmethod
    def of(
        cls, cohort: Cohort, split: Split, train: Sequence[str], test: Sequence[str]
    ) -> "Covariates":
        """As the floor `clinical` has them: scales are those of all training patients.

        Raises:
            Undefined: The cohort has none, or they are the same for everybody.
        """
        clinical = cohort.clinical
        if clinical is None:
            raise Undefined("age, sex and stage are not in the cohort's clinical file")
        row = {patient: i for i, patient in enumerate(clinical.patients)}
        unknown = np.full(clinical.width, np.nan, np.float32)

        def columns(patients: Sequence[str]) -> NDArray[np.float32]:
            rows = [clinical.values[row[p]] if p in row else unknown for p in patients]
            values = np.stack(rows) if rows else np.empty((0, len(unknown)), np.float32)
            return np.hstack([values, np.isnan(values).astype(np.float32)])

        everybody = set(split.train)
        scaler = VectorScaler.fit(columns([p for p in cohort.patients if p in everybody]))
        if not scaler.width:
            raise Undefined("age, sex and stage are the same for all training patients")
        return cls(
            scaler.transform(columns(train)).astype(np.float64),
            scaler.transform(columns(test)).astype(np.float64),
        )

    def beside(self, held_out: Matrix, of_test: Matrix) -> tuple[Matrix, Matrix]:
        """With what an embedding says of each patient; nothing of one that says the same of all.

        Args:
            held_out: Of the training patients, by fits that went without them, [n, columns].
            of_test: Of the test patients, by the fit on all training patients, [m, columns].
        """
        tells = np.ptp(held_out, axis=0) > 0
        return (
            np.column_stack([self.train, held_out[:, tells]]),
            np.column_stack([self.test, of_test[:, tells]]),
        )


@dataclass(frozen=True)
class AddedRisk:
    """Two survival models of the test patients.

    Attributes:
        clinical: Of age, sex and stage alone.
        both: With the embedding's risk beside them.
        X_clinical: What the first is asked of, [m, width].
        X_both: What the second is asked of, [m, width + 1].
    """

    clinical: RidgeCox
    both: RidgeCox
    X_clinical: Matrix
    X_both: Matrix


@dataclass(frozen=True)
class AddedClasses:
    """Probabilities of the test patients' classes, each [m, n_classes].

    Attributes:
        clinical: By age, sex and stage alone.
        both: With the embedding's log-odds beside them.
    """

    clinical: Matrix
    both: Matrix


def added_risk(both: Followed, head: RidgeCox, cohort: Cohort, split: Split) -> AddedRisk | str:
    """Fit both models; or why there are none.

    Args:
        both: The patients and their outcomes.
        head: Fitted on the training patients' embeddings.
        cohort: With its covariates.
        split: Whom scales are fitted on.
    """
    try:
        known = Covariates.of(cohort, split, both.train.patients, both.test.patients)
    except Undefined as reason:
        return str(reason)
    if head.held_out is None:
        return "the head's penalty was not chosen by inner folds"
    train, test = known.beside(head.held_out[:, None], head.risk(both.test.X)[:, None])
    return AddedRisk(both.fit(known.train), both.fit(train), known.test, test)


def added_classes(
    both: Classified, head: RidgeLogistic, cohort: Cohort, split: Split
) -> AddedClasses | str:
    """Fit both models; or why there are none. Arguments as of `added_risk`."""
    if both.label.derived_from == CLINICAL:
        return "the label was called from age, sex or stage"
    try:
        known = Covariates.of(cohort, split, both.train.patients, both.test.patients)
    except Undefined as reason:
        return str(reason)
    if head.held_out is None:
        return "the head's penalty was not chosen by inner folds"
    # of patients whose class is too rare to be fitted, whom neither model looks at, zeros
    held_out = np.zeros((len(both.train.patients), head.held_out.shape[1]))
    held_out[both.fitted_rows] = head.held_out
    train, test = known.beside(held_out, head.effects(both.test.X))
    return AddedClasses(
        both.fit(known.train).probability(known.test), both.fit(train).probability(test)
    )


def gained(name: str, function: Callable[[Evidence_contra], float]) -> Metric[Evidence_contra]:
    """A difference of two concordances or areas: nothing is chance."""
    return Metric(name, True, 0.0, (-1.0, 1.0), function)


def relative(name: str, function: Callable[[Evidence_contra], float]) -> Metric[Evidence_contra]:
    """The part of the clinical model's error that an embedding takes away: nothing is chance."""
    return Metric(name, True, 0.0, (-inf, 1.0), function)
