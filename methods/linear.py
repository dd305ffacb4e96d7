"""Linear methods: PCA of each side, and the two that look for what the sides have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSSVD
from sklearn.decomposition import PCA

from methods.base import Budget, Choice, Config, Context, MethodSpec, Role, UnableError
from methods.concatenated import ConcatenatedMethod, below, pooled
from tasks.data.cohort import SIDES, Cohort
from tasks.data.preprocess import VectorScaler
from tasks.seeds import generator

# Fewer pairs have no second axis that is more than a name for one patient.
MIN_PAIRS = 8


@dataclass(frozen=True)
class LinearConfig(Config):
    """Configuration of the linear methods.

    Attributes:
        components: Axes kept per side, at most.
        genes: Features of highest training variance that are kept of each side; 0 keeps all.
    """

    components: int = 32
    genes: int = 4096


@dataclass(frozen=True)
class Projection:
    """A fitted side: scaler, then projection.

    Attributes:
        scaler: Of the raw features, to [width of the scaler].
        mean: Of the scaled features over the training patients, [width of the scaler].
        axes: What a centred vector is projected on, [components, width of the scaler].
    """

    scaler: VectorScaler
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def principal(
        cls, raw: NDArray[np.floating], components: int, n_features: int | None = None
    ) -> tuple["Projection", NDArray[np.float64]]:
        """The scaler and at most `components` principal axes of training patients' rows.

        Args:
            raw: Of training patients, [n, n_columns].
            components: Axes, at most as many as there are patients and features.
            n_features: Columns of highest variance that are kept; None for all.

        Returns:
            The projection, and the standard deviation of the training patients along each axis.
        """
        scaler = VectorScaler.fit(raw, n_features)
        scaled = scaler.transform(raw).astype(np.float64)
        # "full" is exact and has no seed; the sides are small.
        pca = PCA(min(components, *scaled.shape), svd_solver="full").fit(scaled)
        return cls(scaler, pca.mean_, pca.components_), np.sqrt(pca.explained_variance_)

    def transform(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Project any patients' rows: float32 [n, components]."""
        scaled = self.scaler.transform(values).astype(np.float64)
        return np.asarray((scaled - self.mean) @ self.axes.T, dtype=np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """`mean`, `axes` and the scaler's arrays as `scaler.NAME`."""
        scaler = {f"scaler.{name}": values for name, values in self.scaler.state().items()}
        return {"mean": self.mean, "axes": self.axes, **scaler}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> "Projection":
        """The inverse of `state`."""
        return cls(VectorScaler.from_state(below("scaler.", state)), state["mean"], state["axes"])


class LinearMethod(ConcatenatedMethod):
    """Mean-pooled slides and expression, each projected on axes, concatenated."""

    side_map = Projection
    config: LinearConfig


class PCAMethod(LinearMethod):
    """Principal components of each side, which knows nothing of the other."""

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scaler and the components of each side on its training patients."""
        for side in SIDES:
            raw = pooled(train.modalities[side])
            self.fitted[side], _ = Projection.principal(
                raw, self.config.components, self.config.genes or None
            )


@dataclass(frozen=True)
class RandomProjectionConfig(LinearConfig):
    """Configuration of `random-projection`: as wide as a network's embedding."""

    components: int = 192


class RandomProjectionMethod(LinearMethod):
    """Gaussian directions of each side: what a width is worth that nothing was learned for.

    Distances are kept on average (Johnson and Lindenstrauss, 1984), and so is most of what a
    linear head reads out of the features themselves.
    """

    config: RandomProjectionConfig

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scaler of each side on its training patients, and draw the directions."""
        for side in SIDES:
            raw = pooled(train.modalities[side])
            scaler = VectorScaler.fit(raw, self.config.genes or None)
            width = scaler.width
            axes = generator("directions", side, context.seed).normal(
                scale=self.config.components**-0.5, size=(self.config.components, width)
            )
            self.fitted[side] = Projection(scaler, np.zeros(width), axes)


class TwoViewMethod(LinearMethod):
    """Axes of greatest covariance between the sides, from singular vectors.

    With T and U the principal scores of the two sides over the training pairs, the axes are the
    singular vectors of T'U, which scikit-learn's `PLSSVD` gives. Principal axes are a rotation, so
    that all of them give the partial least squares of the features themselves; scores whitened
    first make covariance a correlation, and give canonical correlation analysis (Healy 1957). It
    is exact, has no seed and no iteration that could end early, as scikit-learn's `CCA` can.
    """

    whiten: ClassVar[bool]

    def n_principal(self, n_pairs: int) -> int:
        """Principal axes of each side between which the common ones are sought, at most."""
        return n_pairs

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit both sides on the training patients that have both.

        Raises:
            UnableError: Fewer than `MIN_PAIRS` training patients have both.
        """
        pairs = train.complete(SIDES)
        if len(pairs) < MIN_PAIRS:
            raise UnableError(
                f"{len(pairs)} training patients with slides and expression, {MIN_PAIRS} needed"
            )
        sides, scores = {}, []
        for side in SIDES:
            raw = pooled(train.modalities[side].subset(pairs))
            found, spread = Projection.principal(
                raw, self.n_principal(len(pairs)), self.config.genes or None
            )
            if self.whiten:
                found = Projection(found.scaler, found.mean, found.axes / spread[:, None])
            sides[side] = found
            scaled = found.scaler.transform(raw).astype(np.float64)
            scores.append((scaled - found.mean) @ found.axes.T)
        components = min(self.config.components, *(score.shape[1] for score in scores))
        model = PLSSVD(components, scale=False).fit(*scores)
        for side, weights in zip(SIDES, (model.x_weights_, model.y_weights_), strict=True):
            basis = sides[side]
            self.fitted[side] = Projection(basis.scaler, basis.mean, weights.T @ basis.axes)


@dataclass(frozen=True)
class CCAConfig(LinearConfig):
    """Configuration of `CCAMethod`.

    Attributes:
        pairs_per_axis: Training pairs for each principal axis of a side: the regularisation, since
            sides with half as many axes as there are pairs correlate perfectly by chance. Of 1 to
            90, about 10 gave the highest correlations of held-out pairs (first 8 axes; TCGA-BRCA,
            LUAD, STAD, KIRP; no outcome was looked at): 0.43, 0.38, 0.38, 0.20 on average, against
            0.33, 0.29, 0.38, 0.25 at 5 and 0.43, 0.26, 0.39, 0.14 at about 20.
    """

    components: int = 8
    pairs_per_axis: int = 10


class CCAMethod(TwoViewMethod):
    """Canonical correlation analysis between the leading principal components of the sides."""

    config: CCAConfig
    whiten = True

    def n_principal(self, n_pairs: int) -> int:
        """As many as the pairs bear, at least one."""
        return max(1, n_pairs // self.config.pairs_per_axis)


class PLSMethod(TwoViewMethod):
    """Partial least squares: covariance needs no regularisation, so every component is kept."""

    whiten = False


SPECS = (
    MethodSpec(
        name="pca",
        summary="PCA of mean-pooled slides and of expression, concatenated",
        family="linear",
        citation="Pearson 1901; scikit-learn PCA",
        build=PCAMethod,
        config=LinearConfig(),
        space={"components": Choice((8, 16, 32, 64, 128))},
    ),
    MethodSpec(
        name="random-projection",
        summary="Gaussian directions of mean-pooled slides and of expression: nothing is learned",
        family="floors",
        citation="Johnson and Lindenstrauss 1984",
        build=RandomProjectionMethod,
        config=RandomProjectionConfig(),
        role=Role.CONTROL,
        budgets={Budget.SMOKE: {"components": 24}, Budget.PAPER: {"components": 768}},
    ),
    MethodSpec(
        name="cca",
        summary="canonical correlation of slides and expression, on principal components of each",
        family="linear",
        citation="Hotelling 1936; scikit-learn PCA and PLSSVD",
        build=CCAMethod,
        config=CCAConfig(),
        space={"components": Choice((4, 8, 16, 32)), "pairs_per_axis": Choice((5, 10, 20))},
    ),
    MethodSpec(
        name="pls",
        summary="directions of greatest covariance between slides and expression",
        family="linear",
        citation="Tucker 1958; Wold 1975; scikit-learn PLSSVD",
        build=PLSMethod,
        config=LinearConfig(components=16),
        space={"components": Choice((4, 8, 16, 32, 64))},
    ),
)
