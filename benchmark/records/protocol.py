"""What sets the numbers of trials apart: one value, its one text form, and the parser of that.

Records and tables have the text form. Numbers of different protocols never share a table.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from tasks.base import Protocol
from tasks.data.splits import Dealing, Split, split_fingerprint
from tasks.names import is_name
from tasks.readouts import Readout


class Control(StrEnum):
    """A run that must find nothing, because what it is judged by was broken on purpose."""

    PERMUTED_LABELS = "permuted-labels"


class Pruner(StrEnum):
    """What ends the judging of a configuration early.

    Attributes:
        MEDIAN: Below the median of the others, inner fold by inner fold.
        ASHA: Successive halving, inner fold by inner fold.
        HYPERBAND: Brackets of successive halving over growing shares of a configuration's epochs.
    """

    MEDIAN = "median"
    ASHA = "asha"
    HYPERBAND = "hyperband"


@dataclass(frozen=True)
class Tuning:
    """How many configurations are judged before a fit, and how.

    Attributes:
        n: Configurations, the default one among them.
        pruner: What ends hopeless ones early; None judges all of them in full.
    """

    n: int
    pruner: Pruner | None = None

    def __str__(self) -> str:
        return f"tuned-{self.n}-{self.pruner}" if self.pruner else f"tuned-{self.n}"


@dataclass(frozen=True)
class DealtFolds:
    """Outer folds that are dealt here.

    Attributes:
        dealing: What is dealt whole.
        repeats: How often everybody is dealt anew.
    """

    dealing: Dealing = Dealing.PATIENT
    repeats: int = 1

    def __str__(self) -> str:
        if self.repeats > 1:
            return f"{self.dealing}-folds-x{self.repeats}"
        return "" if self.dealing is Dealing.PATIENT else f"{self.dealing}-folds"

    def n_splits(self, n_folds: int) -> int:
        """How many splits there are, of so many folds a deal."""
        return n_folds * self.repeats


@dataclass(frozen=True)
class FileFolds:
    """Outer folds of a split file. Two files of one name, or an edited one, have other folds.

    Attributes:
        name: Of the file.
        patients: Who is in which part: six digits of the splits' fingerprint.
        n: Number of splits.
    """

    name: str
    patients: str
    n: int

    @classmethod
    def of(cls, name: str, splits: Sequence[Split]) -> "FileFolds":
        """The folds that a file gave."""
        visible = "".join(c if c.isprintable() else "_" for c in name)
        return cls(visible, split_fingerprint(splits)[:6], len(splits))

    def __str__(self) -> str:
        return f"folds-of-{self.name}-{self.patients}-n{self.n}"

    def n_splits(self, _n_folds: int) -> int:
        """How many splits there are, whatever the number of folds that test everybody once."""
        return self.n


@dataclass(frozen=True)
class HeldOutCohort:
    """One split: the patients of one cohort train, those of another one are tested."""

    def __str__(self) -> str:
        return "test-cohort"

    def n_splits(self, _n_folds: int) -> int:
        """How many splits there are."""
        return 1


FoldsOrigin = DealtFolds | FileFolds | HeldOutCohort

_TEXT = re.compile(
    rf"(?P<protocol>{'|'.join(Protocol)})"
    rf"(?:\+(?:(?P<dealing>{'|'.join(Dealing)})-folds(?:-x(?P<repeats>\d{{1,9}}))?"
    r"|folds-of-(?P<file>.*)-(?P<patients>[0-9a-f]{6})-n(?P<n>\d{1,9})|(?P<held_out>test-cohort)))?"
    r"(?:\+pretrained-on\((?P<pool>[^()]+)\))?"
    r"(?:\+readout-(?P<readout>[a-z]+(?:-\d+)?))?"
    rf"(?:\+tuned-(?P<tuned>\d{{1,9}})(?:-(?P<pruner>{'|'.join(Pruner)}))?)?"
    rf"(?:\+(?P<control>{'|'.join(Control)}))?"
)


@dataclass(frozen=True)
class TrialProtocol:
    """How a trial's tasks are asked, of whom, and of which configuration.

    Attributes:
        protocol: How the tasks are asked.
        folds: Where the outer folds come from.
        tuning: The search before each fit, None for the default configuration unjudged.
        control: What was broken on purpose, None in an honest run.
        readout: What of the embeddings is judged, None for what the method hands over.
        pool: Cohorts on whose training patients methods were fitted together; none where each
            cohort has a fit of its own.
    """

    protocol: Protocol = Protocol.STRICT
    folds: FoldsOrigin = field(default_factory=DealtFolds)
    tuning: Tuning | None = None
    control: Control | None = None
    readout: Readout | None = None
    pool: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join(filter(None, (self.protocol, self.variant)))

    @property
    def plain(self) -> bool:
        """Whether nothing but the number of deals departs from the default: the main tables."""
        folds = self.folds
        dealt = isinstance(folds, DealtFolds) and folds.dealing is Dealing.PATIENT
        return self == TrialProtocol(folds=folds) and dealt

    @property
    def variant(self) -> str:
        """All but `protocol`; two protocols are compared where it is the same."""
        pool = f"pretrained-on({'&'.join(self.pool)})" if self.pool else ""
        readout = f"readout-{self.readout}" if self.readout else ""
        parts = (str(self.folds), pool, readout, str(self.tuning or ""), self.control)
        return "+".join(filter(None, parts))

    @classmethod
    def parse(cls, text: str) -> "TrialProtocol":
        """The inverse of `str`.

        Raises:
            ValueError: The text is that of no protocol.
        """
        return _parsed(text)

    def n_splits(self, n_folds: int) -> int:
        """How many splits a trial was made for, of so many folds a deal."""
        return self.folds.n_splits(n_folds)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> TrialProtocol:
    match = _TEXT.fullmatch(text) if text.isprintable() else None
    if match is not None:
        part = match.groupdict()
        folds: FoldsOrigin = DealtFolds()
        if part["file"] is not None:
            folds = FileFolds(part["file"], part["patients"], int(part["n"]))
        elif part["held_out"] is not None:
            folds = HeldOutCohort()
        elif part["dealing"] is not None:
            folds = DealtFolds(Dealing(part["dealing"]), int(part["repeats"] or 1))
        pruner = Pruner(part["pruner"]) if part["pruner"] else None
        parsed = TrialProtocol(
            Protocol(part["protocol"]),
            folds,
            Tuning(int(part["tuned"]), pruner) if part["tuned"] else None,
            Control(part["control"]) if part["control"] else None,
            Readout.parse(part["readout"]) if part["readout"] else None,
            tuple(part["pool"].split("&")) if part["pool"] else (),
        )
        # one value, one text: no patient-folds-x01
        if str(parsed) == text and all(map(is_name, parsed.pool)):
            return parsed
    raise ValueError(
        f"expected a protocol, such as {' or '.join(Protocol)} or strict+site-folds+tuned-8, "
        f"found {text[:80]!r}"
    )
