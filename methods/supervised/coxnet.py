"""Cox regression with an elastic net on both sides' means: few features, and their signs."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from methods.base import Choice, MethodSpec, Role, State, UnableError
from methods.supervised.means import MeansConfig, MeansMethod
from methods.supervised.target import Target
from methods.supervised.training import FAMILY
from tasks.heads.cox import RiskSets
from tasks.heads.inputs import Matrix, Vector


@dataclass(frozen=True)
class CoxnetConfig(MeansConfig):
    """Configuration of `Coxnet`.

    Attributes:
        l1_ratio: Share of the penalty that is of absolute values, above 0, at most 1.
        penalties: Tried, from the least without an effect down.
        weakest: The last of them, as a share of the first.
    """

    l1_ratio: float = 0.5
    penalties: int = 30
    weakest: float = 0.05


class Coxnet(MeansMethod):
    """The penalty is chosen as the tasks' ridge chooses its own, on the same inner folds."""

    config: CoxnetConfig

    def learn(self, X: NDArray[np.float32], target: Target, seed: int) -> State:
        """Fit the path of penalties, and keep the `coefficients` [p] of the best.

        The criterion is the cross-validated partial likelihood of `tasks.heads.cox`.

        Raises:
            UnableError: The outcome is a class.
        """
        if target.classes is not None:
            raise UnableError("a model of time to event, and the outcome is a class")
        falling = np.argsort(-target.values[:, 0], kind="stable")
        Z, folds = X[falling].astype(np.float64), target.folds[falling]
        time, event = target.values[falling, 0], target.values[falling, 1].astype(bool)
        everyone = RiskSets.of(time, event)
        penalties, path = self._path(Z, time, event, None)
        criterion = np.zeros(len(penalties))
        for fold in np.unique(folds):
            rest = folds != fold
            without = RiskSets.of(time[rest], event[rest])
            _, found = self._path(Z[rest], time[rest], event[rest], penalties)
            # A path ends where everything is explained; nothing beyond is taken.
            criterion = criterion[: len(found)]
            for i, beta in enumerate(found[: len(criterion)]):
                criterion[i] += everyone.log_likelihood(Z @ beta)
                criterion[i] -= without.log_likelihood(Z[rest] @ beta)
        return {"coefficients": path[int(np.argmax(criterion))]}

    def predict(self, model: State, X: NDArray[np.float32]) -> Matrix:
        """Log hazards beside the average training patient's, [n, 1]."""
        return np.asarray(X.astype(np.float64) @ model["coefficients"][:, None])

    def _path(
        self, Z: Matrix, time: Vector, event: NDArray[np.bool_], penalties: Vector | None
    ) -> tuple[Vector, Matrix]:
        """Penalties, falling, and the coefficients of each, [penalties, p]."""
        net = CoxnetSurvivalAnalysis(
            n_alphas=self.config.penalties,
            alphas=penalties,
            alpha_min_ratio=self.config.weakest,
            l1_ratio=self.config.l1_ratio,
        )
        with warnings.catch_warnings():
            # The first penalty is the least that leaves no effect: of a fold, all may be such.
            warnings.filterwarnings("ignore", message="all coefficients are zero")
            net.fit(Z, Surv.from_arrays(event, time))
        return net.alphas_, net.coef_.T


SPECS = (
    MethodSpec(
        name="coxnet",
        summary="Supervised: Cox regression with an elastic net on means of both sides",
        family=FAMILY,
        citation="Simon et al. 2011; scikit-survival CoxnetSurvivalAnalysis",
        build=Coxnet,
        config=CoxnetConfig(),
        role=Role.SUPERVISED,
        space={"l1_ratio": Choice((0.1, 0.5, 1.0))},
    ),
)
