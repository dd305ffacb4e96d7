"""An elastic net on both sides' means, Cox's or logistic: few features, and their signs."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import PredefinedSplit
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.util import Surv

from methods.base import Budget, Choice, MethodSpec, Role, State
from methods.floors import RawConfig
from methods.supervised.means import MeansMethod, log_probabilities
from methods.supervised.target import Target
from methods.supervised.training import FAMILY
from tasks.heads.cox import RiskSets
from tasks.heads.inputs import Matrix, Vector

PASSES = 100
"""Of a logistic fit over the patients, at most: with more features than patients more change the
coefficients, and hardly the predictions."""


@dataclass(frozen=True)
class CoxnetConfig(RawConfig):
    """Configuration of `Coxnet`.

    Attributes:
        l1_ratio: Share of the penalty that is of absolute values, above 0, at most 1.
        penalties: Tried, from the least without an effect down.
        class_penalties: Likewise of classes, whose paths cost a hundred times as much.
        weakest: The last of them, as a share of the first.
    """

    l1_ratio: float = 0.5
    penalties: int = 30
    class_penalties: int = 6
    weakest: float = 0.05


class Coxnet(MeansMethod):
    """The penalty is chosen as the tasks' ridge chooses its own, on the same inner folds."""

    config: CoxnetConfig

    def learn(self, X: NDArray[np.float32], target: Target, seed: int) -> State:
        """`coefficients` [outputs, p] and `intercepts` [outputs] of the best penalty."""
        if target.classes is None:
            return self._of_times(X, target)
        return self._of_classes(X, target, seed)

    def predict(self, model: State, X: NDArray[np.float32]) -> Matrix:
        """Log hazards beside the average training patient's, or log-probabilities."""
        scores: Matrix = X.astype(np.float64) @ model["coefficients"].T + model["intercepts"]
        return scores if scores.shape[1] == 1 else log_probabilities(scores)

    def _of_classes(self, X: NDArray[np.float32], target: Target, seed: int) -> State:
        """Logistic: the penalty of least cross-entropy on the inner folds."""
        classes, codes = np.unique(target.values, return_inverse=True)
        away = np.eye(len(classes))[codes] - np.bincount(codes) / len(codes)
        # The inverse of the least penalty without an effect.
        first = self.config.l1_ratio / np.abs(X.T @ away).max()
        net = LogisticRegressionCV(
            Cs=first * np.geomspace(1, 1 / self.config.weakest, self.config.class_penalties),
            l1_ratios=(self.config.l1_ratio,),
            cv=PredefinedSplit(target.folds),
            scoring="neg_log_loss",
            solver="saga",
            max_iter=PASSES,
            tol=1e-2,
            random_state=seed,
            use_legacy_attributes=False,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            net.fit(X.astype(np.float64), codes)
        # Of two classes scikit-learn has the logit of the second alone.
        skipped = len(classes) - len(net.coef_)
        coefficients = np.zeros((target.n_outputs, X.shape[1]))
        intercepts = np.full(target.n_outputs, -np.inf)
        intercepts[classes] = np.append(np.zeros(skipped), net.intercept_)
        coefficients[classes[skipped:]] = net.coef_
        return {"coefficients": coefficients, "intercepts": intercepts}

    def _of_times(self, X: NDArray[np.float32], target: Target) -> State:
        """Cox's: the cross-validated partial likelihood of `tasks.heads.cox` chooses."""
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
        return {"coefficients": path[[int(np.argmax(criterion))]], "intercepts": np.zeros(1)}

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
        summary="Supervised: elastic net on means of both sides, Cox's or logistic",
        family=FAMILY,
        citation="Zou and Hastie 2005; Simon et al. 2011; scikit-survival and scikit-learn",
        build=Coxnet,
        config=CoxnetConfig(),
        role=Role.SUPERVISED,
        budgets={Budget.SMOKE: {"genes": 256, "class_penalties": 3}},
        space={"l1_ratio": Choice((0.1, 0.5, 1.0))},
    ),
)
