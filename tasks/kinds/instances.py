"""What a kind of task is asked of: each label, or each endpoint, of a cohort."""

from typing import ClassVar, Self

from tasks.base import Evidence, Task
from tasks.data.cohort import Cohort, LabelKind
from tasks.scoring import endpoints_with_events, labels_with_classes
from tasks.suites import primary_task


class OfLabels(Task[Evidence]):
    """A kind that is asked of every label of a kind.

    Attributes:
        asks: Of which.
    """

    asks: ClassVar[LabelKind] = LabelKind.CLASS

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Self, ...]:
        """One for each label of which two classes occur."""
        names = labels_with_classes(cohort, cls.asks)
        return tuple(cls(cohort.name, name, default=True) for name in names)


class OfEndpoints(Task[Evidence]):
    """A kind that is asked of every endpoint."""

    @classmethod
    def instances(cls, cohort: Cohort) -> tuple[Self, ...]:
        """One for each endpoint that has an event; overall survival and the primary are default."""
        names = endpoints_with_events(cohort)
        default = {"os", primary_task(cls.kind, cohort.name, names)}
        return tuple(cls(cohort.name, name, default=name in default) for name in names)
