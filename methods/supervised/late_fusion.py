"""Late fusion: one ridge model a side, their predictions averaged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.base import Config, Context, Method, MethodSpec, Role, State, rows_for
from methods.concatenated import below, pooled
from methods.supervised.means import log_probabilities
from methods.supervised.target import Target
from methods.supervised.training import FAMILY
from tasks.data.cohort import SIDES, Cohort
from tasks.data.preprocess import VectorScaler
from tasks.embeddings import Embeddings
from tasks.heads.cox import fit_ridge_cox
from tasks.heads.inputs import Matrix
from tasks.heads.logistic import fit_ridge_logistic


@dataclass(frozen=True)
class LateFusionConfig(Config):
    """Configuration of `LateFusion`.

    Attributes:
        genes: Features of highest training variance that are kept of each side; 0 keeps all.
    """

    genes: int = 4096


@dataclass(frozen=True)
class SideModel:
    """A fitted side.

    Attributes:
        scaler: Of its features.
        coefficients: Of the standardised risk [1, p], or of each class's logit [classes, p].
        intercepts: [1] or [classes].
    """

    scaler: VectorScaler
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    @classmethod
    def fit(cls, raw: NDArray[np.float32], target: Target, genes: int | None) -> "SideModel":
        """Fit the tasks' own heads, which choose their penalties on the inner folds.

        Args:
            raw: Features of the patients of `target`, [n, columns].
            target: What is predicted.
            genes: Features kept, None for all.
        """
        scaler = VectorScaler.fit(raw, genes)
        X = scaler.transform(raw).astype(np.float64)
        if target.classes is not None:
            values = target.values.astype(np.intp)
            model = fit_ridge_logistic(X, values, target.classes, target.folds)
            return cls(scaler, model.coefficients, model.intercepts)
        time, event = target.values.T
        cox = fit_ridge_cox(X, time, event.astype(bool), target.folds)
        # A side that was found to say nothing has no effect, and adds nothing.
        risk = cox.effect * cox.risk(X)
        spread = risk.std() or 1.0
        shift = np.array([cox.effect * cox.offset + risk.mean()])
        return cls(scaler, cox.effect * cox.coefficients[None] / spread, -shift / spread)

    def predict(self, raw: NDArray[np.float32]) -> Matrix:
        """Standardised risks [n, 1], or logarithms of probabilities [n, classes]."""
        X = self.scaler.transform(raw).astype(np.float64)
        scores: Matrix = X @ self.coefficients.T + self.intercepts
        if len(self.intercepts) == 1:
            return scores
        return log_probabilities(scores)


class LateFusion(Method):
    """Each side by its own ridge model: risks in standard deviations, or log-probabilities.

    Mean-pooled slides and expression, all features that are kept: ridge needs no components.
    """

    config: LateFusionConfig

    def __init__(self, config: LateFusionConfig) -> None:
        super().__init__(config)
        self._sides: dict[str, SideModel] = {}

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit a model a side on the training pairs whose outcome is known.

        Raises:
            UnableError: There is nothing to be trained on.
        """
        target = Target.of(context.target, train.complete(SIDES))
        known = train.subset(target.patients)
        self._sides = {
            side: SideModel.fit(pooled(known.modalities[side]), target, self.config.genes or None)
            for side in SIDES
        }

    def embed(self, cohort: Cohort) -> Embeddings:
        """The mean over the sides for each patient who has both, else NaN."""
        complete = cohort.subset(cohort.complete(SIDES))
        parts = [m.predict(pooled(complete.modalities[side])) for side, m in self._sides.items()]
        mean = np.asarray(np.mean(parts, axis=0, dtype=np.float64))
        return Embeddings(cohort.patients, rows_for(cohort.patients, complete.patients, mean))

    @property
    def n_parameters(self) -> int:
        """Coefficients and intercepts of both sides."""
        return sum(m.coefficients.size + m.intercepts.size for m in self._sides.values())

    def state(self) -> State:
        """`SIDE.coefficients`, `SIDE.intercepts`, and the scaler's arrays as `SIDE.scaler.NAME`."""
        state: State = {}
        for side, model in self._sides.items():
            state[f"{side}.coefficients"] = model.coefficients
            state[f"{side}.intercepts"] = model.intercepts
            state |= {f"{side}.scaler.{k}": v for k, v in model.scaler.state().items()}
        return state

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        for side in SIDES:
            scaler = VectorScaler.from_state(below(f"{side}.scaler.", state))
            self._sides[side] = SideModel(
                scaler, state[f"{side}.coefficients"], state[f"{side}.intercepts"]
            )


SPECS = (
    MethodSpec(
        name="late-fusion",
        summary="Supervised: mean of the standardised risks of one ridge model a side",
        family=FAMILY,
        citation="Ridge Cox and ridge logistic regression, the tasks' own heads",
        build=LateFusion,
        config=LateFusionConfig(),
        role=Role.SUPERVISED,
    ),
)
