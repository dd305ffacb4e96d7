"""What the published pipeline embeds where an honest one would not, and the probes on it.

`benchmark.engine.published` makes these embeddings, for protocol `paper` alone: no other task can
be handed any.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.base import Evidence, Outcome, Predicted, Task
from tasks.data.cohort import BagModality, Cohort, Slide
from tasks.data.splits import Split
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix, Vector
from tasks.kinds.published.probe import EPOCHS, Rows, Trained, at_unit_scale
from tasks.kinds.published.switches import SHARED, Setting, Switch, n_slides, scored_rows
from tasks.metrics.undefined import Undefined
from tasks.seeds import generator


@dataclass(frozen=True)
class Draws:
    """The embeddings of one fit.

    Attributes:
        still: Of everybody, in evaluation mode and of the deterministic patches.
        dropout: Of the training patients with dropout on, once a draw; empty if there is none.
        patches: Of the test patients, of patches drawn anew, once a draw; empty without bags.
    """

    still: Embeddings
    dropout: tuple[Embeddings, ...] = ()
    patches: tuple[Embeddings, ...] = ()


@dataclass(frozen=True)
class GeneFits:
    """Two further fits, on the genes that the published recipe selects by a label.

    Attributes:
        train: Selected on the training patients; `still` alone.
        everyone: Selected on those of the published script, in test folds or not.
    """

    train: Draws
    everyone: Draws


@dataclass(frozen=True)
class Departures:
    """All that the switches of a trial are scored on.

    Attributes:
        own: The fit of `strict`.
        genes: The fits of each label that was asked for, or why there are none.
        no_dropout: Why `own` has no draws with dropout, if it has none.
        no_patches: Why it has none of patches.
    """

    own: Draws
    genes: Mapping[str, GeneFits | str] = field(default_factory=dict)
    no_dropout: str = "the method was not embedded with dropout"
    no_patches: str = "the method was not embedded from other patches"


class Published(Task[Evidence]):
    """A question as the published evaluation asks it.

    Attributes:
        switches: Its departures from an honest evaluation.
    """

    switches: ClassVar[tuple[Switch, ...]]

    def gene_label(self, cohort: Cohort) -> str:
        """The label by which the published recipe selects genes: the task's own; empty for none."""
        return self.label

    def predict(self, embeddings: Embeddings, cohort: Cohort, split: Split) -> Predicted[Evidence]:
        """On the embeddings of `strict` alone: switches that need others are skipped."""
        return self.predict_all(Departures(Draws(embeddings)), cohort, split)

    def evaluate_all(self, departures: Departures, cohort: Cohort, split: Split) -> Outcome:
        """Every setting's score on the embeddings that it needs."""
        return self.outcome(lambda: self.predict_all(departures, cohort, split))

    @abstractmethod
    def predict_all(
        self, departures: Departures, cohort: Cohort, split: Split
    ) -> Predicted[Evidence]:
        """Train on the training patients, honestly and otherwise, and ask of the test patients."""


@dataclass(frozen=True)
class Probes:
    """The probes of a fold, trained when first asked for, on what a setting sees.

    Every fit's embeddings are brought to the scale of its own training patients, and draws to that
    of the fit they are of.

    Attributes:
        departures: What was embedded.
        cohort: Whose patients they are; says how many slides each has.
        label: By which genes are selected.
        train: Training patients.
        test: Test patients.
        learn: Trains probes on features [n, p], one matrix for each draw, of patients whose place
            among the training patients, followed by the test patients, is given, [n].
        judge: Scores logits [epochs, n, K] of such patients, each epoch; the best is reported.
        folds: Inner fold of each training patient; none where no epoch is chosen by them.
    """

    departures: Departures
    cohort: Cohort
    label: str
    train: Sequence[str]
    test: Sequence[str]
    learn: Callable[[Sequence[Matrix], Rows], Sequence[Trained]]
    judge: Callable[[Rows, NDArray[np.float64]], Vector]
    folds: Rows | None = None
    _trained: dict[tuple[Switch | None, bool, bool], Sequence[Trained]] = field(
        default_factory=dict
    )

    def trained(self, on: Setting) -> Sequence[Trained]:
        """The probes of a setting.

        Raises:
            Undefined: The setting is one switch, for which nothing was embedded.
        """
        which, draws = self._fit(on)
        dropout = self._draws(on, Switch.DROPOUT_ON, draws.dropout, self.departures.no_dropout)
        key = (which, bool(dropout), Switch.SHARED_PATIENTS in on)
        if key not in self._trained:
            everyone, places = [*self.train, *self.test], np.arange(len(self.train))
            if Switch.SHARED_PATIENTS in on:
                places = np.append(places, len(self.train) + self._shared())
            patients = [everyone[place] for place in places]
            X = [_rows(each, patients) for each in dropout or (draws.still,)]
            still = _rows(draws.still, self.train)
            self._trained[key] = self.learn([at_unit_scale(still, each)[1] for each in X], places)
        return self._trained[key]

    def logits(self, on: Setting) -> list[NDArray[np.float64]]:
        """Logits of the test patients after each epoch, [epochs, n, K], of each probe.

        Raises:
            Undefined: The setting is one switch, for which nothing was embedded.
        """
        _, draws = self._fit(on)
        patches = self._draws(on, Switch.FRESH_PATCHES, draws.patches, self.departures.no_patches)
        still = _rows(draws.still, self.train)
        Z = [at_unit_scale(still, _rows(each, self.test))[1] for each in patches or (draws.still,)]
        return [probe.logits(*Z) for probe in self.trained(on)]

    def scored(self, on: Setting) -> tuple[NDArray[np.intp], list[NDArray[np.float64]]]:
        """What a setting scores: rows of test patients [n], and each probe's logits of them.

        Returns:
            The rows, of which one may come repeatedly, and [n, K] of each probe after the epoch
            that is reported.

        Raises:
            Undefined: The setting is one switch, for which there is nothing to score.
        """
        rows = scored_rows(on, len(self.test), n_slides(self.cohort, self.test))
        places = len(self.train) + rows
        return rows, [
            logits[self._epoch(on, places, logits[:, rows]), rows] for logits in self.logits(on)
        ]

    def _epoch(self, on: Setting, places: Rows, logits: NDArray[np.float64]) -> int:
        """That which is reported, of logits [epochs, n, K]; of equals, the first."""
        if Switch.BEST_EPOCH in on:
            return int(np.argmax(self.judge(places, logits)))
        return self._inner_epoch if Switch.INNER_EPOCH in on else -1

    @cached_property
    def _inner_epoch(self) -> int:
        """That which scores best on inner folds, each left out of the training of a probe."""
        if self.folds is None:
            raise Undefined("no epoch is chosen by inner folds")
        still = _rows(self.departures.own.still, self.train)
        Z, total = at_unit_scale(still, still)[1], np.zeros(EPOCHS)
        for fold in np.unique(self.folds):
            rest, out = np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)
            total += self.judge(out, self.learn([Z[rest]], rest)[0].logits(Z[out]))
        return int(np.argmax(total))

    def _shared(self) -> Rows:
        """The rows of test patients that are trained on as well."""
        rng = generator("shared-patients", self.cohort.name, *self.test)
        return rng.choice(len(self.test), max(1, round(SHARED * len(self.test))), replace=False)

    def _fit(self, on: Setting) -> tuple[Switch | None, Draws]:
        which = next((s for s in (Switch.ALL_GENES, Switch.TRAIN_GENES) if s in on), None)
        if which is None:
            return None, self.departures.own
        fits = self.departures.genes.get(self.label, "no other genes were selected")
        if isinstance(fits, GeneFits):
            return which, fits.everyone if which is Switch.ALL_GENES else fits.train
        if on == {which}:
            raise Undefined(fits)
        return None, self.departures.own

    def _draws(
        self, on: Setting, switch: Switch, draws: tuple[Embeddings, ...], why_not: str
    ) -> tuple[Embeddings, ...]:
        if on == {switch} and not draws:
            raise Undefined(why_not)
        return draws if switch in on else ()


def redrawn(cohort: Cohort, tokens: int, *axes: str | int) -> Cohort:
    """The cohort as one evaluation of the published code sees it: some patches of each bag.

    With replacement only where a bag has fewer, as published (MIRROR.md 1.1).

    Args:
        cohort: With bags.
        tokens: Patches of a patient.
        axes: What the draw is seeded by, beside the patient.
    """
    bags = cohort.modalities["wsi"]
    if not isinstance(bags, BagModality):
        raise TypeError("slide vectors have no patches")
    slides = {patient: tuple(_drawn(bags, patient, tokens, axes)) for patient in bags.patients}
    modalities = {**cohort.modalities, "wsi": BagModality(slides, bags.width)}
    return Cohort(cohort.name, cohort.patients, modalities, clinical=cohort.clinical)


def _drawn(
    bags: BagModality, patient: str, tokens: int, axes: tuple[str | int, ...]
) -> list[Slide]:
    slides, n = bags.slides[patient], bags.n_instances(patient)
    rng = generator("fresh-patches", *axes, slides[0].name)
    chosen = rng.choice(n, tokens, replace=n < tokens)
    drawn, start = [], 0
    for slide in slides:
        rows = chosen[(chosen >= start) & (chosen < start + slide.n_instances)] - start
        start += slide.n_instances
        if len(rows):
            whole = BagModality({slide.name: (slide,)}, bags.width)
            read = partial(whole.read_rows, slide.name, rows)
            places = partial(_places, slide, rows)
            drawn.append(Slide(slide.name, len(rows), "", read, places))
    return drawn


def _places(slide: Slide, rows: NDArray[np.intp]) -> NDArray[np.float64] | None:
    xy = slide.coordinates()
    return None if xy is None else xy[rows]


def _rows(embeddings: Embeddings, patients: Sequence[str]) -> Matrix:
    return embeddings.joint[embeddings.rows(patients)].astype(np.float64)
