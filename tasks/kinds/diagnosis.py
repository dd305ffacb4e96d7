"""A head that says of each test patient how probable each class of a label is."""

from dataclasses import dataclass

from tasks.base import Predicted
from tasks.data.cohort import Cohort
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix
from tasks.kinds.instances import OfLabels
from tasks.metrics.classification import Classes
from tasks.scoring import Classified, parts


@dataclass(frozen=True)
class Diagnosis:
    """The class numbers of the test patients [n], and how probable each was said to be [n, K]."""

    y: Classes
    probability: Matrix


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
        evidence = Diagnosis(both.test_classes, probability)
        return Predicted(evidence, both.columns("p_", probability), head.state())
