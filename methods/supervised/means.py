"""References without a network: a model of both sides' means, told the outcome."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from methods.base import Context, Method, State, rows_for
from methods.concatenated import below
from methods.floors import MeanConcat, RawConfig
from methods.supervised.target import Target
from tasks.data.cohort import SIDES, Cohort
from tasks.embeddings import Embeddings
from tasks.heads.inputs import Matrix

FLOOR = np.log(1e-6)
"""Of the logarithm of a probability: a class that nobody was fitted on has probability 0."""


def log_probabilities(logits: Matrix) -> Matrix:
    """Logarithms of the classes' probabilities [n, classes], no lower than `FLOOR`."""
    return np.asarray(np.maximum(log_softmax(logits, axis=1), FLOOR))


class MeansMethod(Method):
    """Standardised means of the patches beside standardised expression; a subclass has a model."""

    config: RawConfig

    def __init__(self, config: RawConfig) -> None:
        super().__init__(config)
        self._inputs = MeanConcat(config)
        self._model: State = {}

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit on the training pairs whose outcome is known.

        Raises:
            UnableError: There is nothing to be trained on.
        """
        target = Target.of(context.target, train.complete(SIDES))
        known = train.subset(target.patients)
        self._inputs.fit(known, context)
        X = self._inputs.embed(known).joint
        self._model = self.learn(X, target, context.seed % 2**32)

    @abstractmethod
    def learn(self, X: NDArray[np.float32], target: Target, seed: int) -> State:
        """Fit the model: arrays by name, all that `predict` needs.

        Args:
            X: Standardised inputs of the patients of `target`, [n, p].
            target: What is predicted.
            seed: The only source of randomness.
        """

    @abstractmethod
    def predict(self, model: State, X: NDArray[np.float32]) -> Matrix:
        """Log risks [n, 1], or logarithms of probabilities [n, classes], of any patients."""

    def embed(self, cohort: Cohort) -> Embeddings:
        """The prediction for each patient who has both sides, else NaN."""
        complete = cohort.subset(cohort.complete(SIDES))
        predicted = self.predict(self._model, self._inputs.embed(complete).joint)
        return Embeddings(cohort.patients, rows_for(cohort.patients, complete.patients, predicted))

    def state(self) -> State:
        """The model's arrays as `model.NAME`, those of the inputs' scalers as `inputs.NAME`."""
        model = {f"model.{name}": values for name, values in self._model.items()}
        return model | {f"inputs.{name}": values for name, values in self._inputs.state().items()}

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self._model = below("model.", state)
        self._inputs.restore(below("inputs.", state))
