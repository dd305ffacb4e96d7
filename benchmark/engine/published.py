"""Protocol `paper`: the fits and embeddings that the published pipeline has and `strict` has not.

Each is made again for every trial and seeded by what it is of, so that it is the same every time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sklearn.model_selection import train_test_split

from benchmark.engine.fitting import fit_method
from benchmark.engine.plan import Trial
from methods.base import Method, MethodSpec, UnableError
from tasks.data.cohort import BagModality, Cohort, Endpoint, Label, Selection, VectorModality
from tasks.data.elimination import TooFewError
from tasks.data.fold_expression import Expression
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.kinds.published.departures import Departures, Draws, GeneFits, redrawn
from tasks.seeds import derive_seed

DRAWS = 8
"""Draws of dropout, and of patches. The published code has one an epoch: 100."""

TOKENS = 2048
"""Patches that the published code draws of a bag, for methods that say no number of their own."""


@dataclass(frozen=True)
class Refit:
    """A trial's method, to be fitted again.

    Attributes:
        trial: The trial.
        spec: Its method.
        config: The configuration.
        target: What a supervised reference is fitted to.
        seed: Of the fit: that of `strict`.
        device: A torch device.
    """

    trial: Trial
    spec: MethodSpec
    config: Mapping[str, Any]
    target: Endpoint | Label | None
    seed: int
    device: str

    def departures(self, honest: Embeddings, cohort: Cohort, labels: Iterable[str]) -> Departures:
        """Everything that the switches of a trial are scored on.

        Args:
            honest: The embeddings of `strict`.
            cohort: With its labels, permuted if the trial is a control.
            labels: By which genes are selected; an empty one stands for none.
        """
        seen = _as_seen(cohort, self.trial.split.train)
        method = fit_method(self.spec, self.config, seen, *self._rest())[0]
        dropout, no_dropout = _or_why_not(lambda: self._with_dropout(method, seen))
        patches, no_patches = _or_why_not(lambda: self._other_patches(method, seen))
        return Departures(
            Draws(honest, dropout, patches),
            {label: self._genes(cohort, label) for label in labels},
            no_dropout,
            no_patches,
        )

    def _rest(self) -> tuple[Any, ...]:
        return self.trial.split, self.target, self.seed, self.device

    def _genes(self, cohort: Cohort, label: str) -> GeneFits | str:
        """Both fits on selected genes, or why there are none."""
        rna = cohort.modalities["rna"]
        if "rna" not in self.spec.sides or not isinstance(rna, VectorModality):
            return "the method does not use expression"
        if not label:
            return "the cohort has no label to select genes by"
        always = () if rna.selection is None else rna.selection.always
        selecting = replace(rna, selection=Selection(label, always))
        cohort = replace(cohort, modalities={**cohort.modalities, "rna": selecting})
        try:
            _, honest = fit_method(self.spec, self.config, cohort, *self._rest())
            leaky = _as_seen(cohort, _of_the_script(cohort))
            method, refit = fit_method(self.spec, self.config, leaky, *self._rest())
        except (UnableError, TooFewError, InputError) as error:
            return str(error)
        everyone = Draws(
            refit.embeddings,
            _or_why_not(lambda: self._with_dropout(method, leaky))[0],
            _or_why_not(lambda: self._other_patches(method, leaky))[0],
        )
        return GeneFits(Draws(honest.embeddings), everyone)

    def _with_dropout(self, method: Method, seen: Cohort) -> tuple[Embeddings, ...]:
        train = seen.subset(set(seen.complete()) & set(self.trial.split.train))
        return tuple(
            method.embed_with_dropout(train, self._derived("dropout-on", draw))
            for draw in range(DRAWS)
        )

    def _other_patches(self, method: Method, seen: Cohort) -> tuple[Embeddings, ...]:
        if "wsi" not in self.spec.sides or not isinstance(seen.modalities["wsi"], BagModality):
            raise UnableError("there are no patches to draw: slides are vectors, or not used")
        test = seen.subset(set(seen.complete()) & set(self.trial.split.test))
        tokens = self.config.get("tokens", TOKENS)
        return tuple(
            method.embed(redrawn(test, tokens, self._derived("fresh-patches", draw)))
            for draw in range(DRAWS)
        )

    def _derived(self, what: str, draw: int) -> int:
        trial = self.trial
        return derive_seed(what, trial.method, trial.cohort, trial.split.fold, trial.seed, draw)


def _as_seen(cohort: Cohort, patients: tuple[str, ...]) -> Cohort:
    """The cohort with its expression fitted to some patients, and nothing left to be fitted."""
    expression = Expression.fit(cohort, patients)
    return cohort if expression is None else expression.of(cohort)


def _of_the_script(cohort: Cohort) -> tuple[str, ...]:
    """Whom the published script selects genes on: four fifths of all patients, in no strata."""
    kept, _ = train_test_split(sorted(cohort.patients), test_size=0.2, random_state=42)
    return tuple(kept)


def _or_why_not(
    draw: Callable[[], tuple[Embeddings, ...]],
) -> tuple[tuple[Embeddings, ...], str]:
    try:
        return draw(), ""
    except UnableError as error:
        return (), str(error)
