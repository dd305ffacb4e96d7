"""A forest of both sides' means: the anchor that needs no scale, no line and no penalty."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sksurv.ensemble import RandomSurvivalForest
from sksurv.util import Surv

from methods.base import Budget, Choice, MethodSpec, Role, State
from methods.floors import RawConfig
from methods.supervised.means import FLOOR, MeansMethod
from methods.supervised.target import Target
from methods.supervised.training import FAMILY
from tasks.heads.inputs import Matrix


@dataclass(frozen=True)
class ForestConfig(RawConfig):
    """Configuration of `RandomForest`.

    Attributes:
        trees: Each of as many patients as there are, drawn with replacement.
        leaf: Patients of a leaf, at least. The trees know their own patients better than others,
            and the task's head trusts them accordingly: the larger, the less.
    """

    trees: int = 100
    leaf: int = 10


class RandomForest(MeansMethod):
    """A random survival forest, or a forest of classes.

    What is kept of a forest are its trees as arrays: a saved model needs no object of a library.
    """

    config: ForestConfig

    def learn(self, X: NDArray[np.float32], target: Target, seed: int) -> State:
        """Grow the trees: `feature`, `threshold`, `left`, `right`, `value` of all nodes, `root`s.

        A leaf is its own child. Its value is the risk, summed over event times as Ishwaran et al.
        (2008) do, or the probability of each class.
        """
        told: dict[str, Any] = {
            "n_estimators": self.config.trees,
            "min_samples_leaf": self.config.leaf,
            "max_features": "sqrt",
            "random_state": seed,
        }
        if target.classes is None:
            time, event = target.values.T
            forest = RandomSurvivalForest(**told, low_memory=True)
            forest.fit(X, Surv.from_arrays(event.astype(bool), time))
            classes = None
        else:
            forest = RandomForestClassifier(**told, class_weight="balanced")
            classes = forest.fit(X, target.values).classes_
        trees = [grown.tree_ for grown in forest.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        found: dict[str, list[NDArray[Any]]] = {
            name: [] for name in ("feature", "threshold", "left", "right", "value")
        }
        for root, tree in zip(roots, trees, strict=True):
            itself, leaf = np.arange(tree.node_count), tree.children_left < 0
            found["feature"].append(np.where(leaf, 0, tree.feature))
            found["threshold"].append(tree.threshold)
            found["left"].append(root + np.where(leaf, itself, tree.children_left))
            found["right"].append(root + np.where(leaf, itself, tree.children_right))
            values = tree.value.reshape(tree.node_count, -1)
            if classes is not None:
                known = values / values.sum(axis=1, keepdims=True)
                values = np.zeros((tree.node_count, target.n_outputs))
                values[:, classes] = known
            found["value"].append(values)
        return {"root": roots, **{name: np.concatenate(parts) for name, parts in found.items()}}

    def predict(self, model: State, X: NDArray[np.float32]) -> Matrix:
        """The logarithm of what the trees say on average."""
        total = np.zeros((len(X), model["value"].shape[1]))
        rows = np.arange(len(X))
        for root in model["root"]:
            node = np.full(len(X), root)
            while True:
                goes_left = X[rows, model["feature"][node]] <= model["threshold"][node]
                below = np.where(goes_left, model["left"][node], model["right"][node])
                if (below == node).all():
                    break
                node = below
            total += model["value"][node]
        return np.asarray(np.log(np.maximum(total / len(model["root"]), np.exp(FLOOR))))


SPECS = (
    MethodSpec(
        name="random-forest",
        summary="Supervised: forest of survival trees or of classes on means of both sides",
        family=FAMILY,
        citation="Breiman 2001; Ishwaran et al. 2008; scikit-learn and scikit-survival",
        build=RandomForest,
        config=ForestConfig(),
        role=Role.SUPERVISED,
        budgets={Budget.SMOKE: {"trees": 30}},
        space={"leaf": Choice((3, 10, 30))},
    ),
)
