"""What a kind of task is asked of: each label, or each endpoint, of a cohort."""

from typing import Self

from tasks.base import Evidence, Task
from tasks.data.cohort import Cohort
from tasks.scoring import endpoints_with_events, labels_with_classes


class OfLabels(Task[Evidence]):
    """A kind that is asked of every label."""

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Self, ...]:
        """One for each label of which two classes occur."""
        return tuple(cls(cohort.name, name, default=True) for name in labels_with_classes(cohort))


class OfEndpoints(Task[Evidence]):
    """A kind that is asked of every endpoint."""

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Self, ...]:
        """One for each endpoint that has an event; overall survival is the default."""
        return tuple(
            cls(cohort.name, label, default=label == "os")
            for label in endpoints_with_events(cohort)
        )
