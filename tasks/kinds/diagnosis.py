"""A head that says of each test patient how probable each class of a label is."""

from dataclasses import dataclass

from tasks.added_value import AddedClasses, added_classes, gained, relative
from tasks.base import Metric, Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.kinds.instances import OfLabels
from tasks.metrics.classification import Classes, auroc_macro, brier
from tasks.metrics.time_to_event import skill
from tasks.metrics.undefined import Undefined
from tasks.scoring import UNIT, Classified, parts


@dataclass(frozen=True)
class Diagnosis:
    """What was said of the test patients.

    Attributes:
        y: Their class numbers, [n].
        probability: How probable each class was said to be, [n, K].
        added: Likewise by age, sex and stage, with and without the embedding; or why not.
    """

    y: Classes
    probability: Matrix
    added: AddedClasses | str


def _added(d: Diagnosis) -> AddedClasses:
    if isinstance(d.added, str):
        raise Undefined(d.added)
    return d.added


def _with_clinical(d: Diagnosis) -> float:
    return auroc_macro(d.y, _added(d).both)


def _added_auroc(d: Diagnosis) -> float:
    return _with_clinical(d) - auroc_macro(d.y, _added(d).clinical)


def _added_brier_skill(d: Diagnosis) -> float:
    return skill(brier(d.y, _added(d).both), brier(d.y, _added(d).clinical))


OVER_CLINIC: tuple[Metric[Diagnosis], ...] = (
    Metric("with_clinical_auroc", True, None, UNIT, _with_clinical),
    gained("added_auroc", _added_auroc),
    relative("added_brier_skill", _added_brier_skill),
)
"""What an embedding adds to age, sex and stage."""


class Diagnosing(OfLabels[Diagnosis]):
    """Ridge logistic regression on frozen embeddings, one label of one cohort.

    Patients count if they have a joint embedding and one of the label's classes. A class with
    fewer training patients than inner folds is not fitted: it gets probability zero, and its test
    patients are scored like everybody else's, as mistakes. With fewer than two classes left
    every score is skipped.
    """

    supervises = True

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Diagnosis]:
        """Fit the head on the training patients and ask it of the test patients."""
        label = cohort.labels[self.label]
        both = Classified.of(*parts(embeddings, split, label.values), label)
        both.check()
        head = both.fit(both.train.X)
        probability = head.probability(both.test.X)
        added = added_classes(both, head, cohort, split)
        evidence = Diagnosis(both.test_classes, probability, added)
        return Predicted(evidence, both.columns("p_", probability), head.state())
