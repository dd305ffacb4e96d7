"""Slides as mixtures of patch prototypes: what is learned of a slide without any other modality."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from methods.base import Choice, Config, Context, Method, MethodSpec, State, UnableError, rows_for
from methods.concatenated import below
from methods.linear import Projection
from methods.sizes import INPUTS
from tasks.data.cohort import BagModality, Cohort, Modality
from tasks.data.preprocess import InstanceScaler
from tasks.draws import fixed_rows
from tasks.embeddings import Embeddings

Matrix = NDArray[np.float64]

# Patches of a bag that are looked at together: what is made of them takes tens of MB.
CHUNK = 4096


@dataclass(frozen=True)
class PrototypesConfig(Config):
    """What every mixture of prototypes can be told.

    Attributes:
        prototypes: Number of clusters of patches.
        sampled: Training patches that are clustered, at most; as many of each patient.
        restarts: Initialisations of the clusters, of which the tightest is kept.
    """

    prototypes: int = 16
    sampled: int = 50_000
    restarts: int = 3


class PrototypeMethod(Method):
    """Clusters the patches of training slides; a subclass describes a slide by the clusters."""

    config: PrototypesConfig
    sides: ClassVar[tuple[str, ...]] = ("wsi",)
    _scaler: InstanceScaler
    _centres: Matrix

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scaler, and k-means of as many patches of each training patient.

        Raises:
            UnableError: Slides are vectors, or there are fewer patches than prototypes.
        """
        slides = _patches_of(train.modalities["wsi"])
        self._scaler = InstanceScaler.fit(slides)
        each = max(1, self.config.sampled // len(slides.patients))
        sample = [self._sampled(slides, patient, each) for patient in slides.patients]
        patches = np.concatenate(sample)
        if len(patches) < self.config.prototypes:
            raise UnableError(
                f"{len(patches)} training patches, {self.config.prototypes} prototypes asked"
            )
        means = KMeans(
            self.config.prototypes, n_init=self.config.restarts, random_state=context.seed % 2**32
        )
        # Sums of several threads have no fixed order.
        with threadpool_limits(1):
            self._centres = means.fit(patches).cluster_centers_.astype(np.float64)

    def embed(self, cohort: Cohort) -> Embeddings:
        """The slides of each patient as one bag, by the prototypes; NaN without slides."""
        slides = _patches_of(cohort.modalities["wsi"])
        rows = [self.describe(slides, patient) for patient in slides.patients]
        values = np.array(rows, dtype=np.float64).reshape(len(rows), self.width)
        joint = rows_for(cohort.patients, slides.patients, values)
        return Embeddings(cohort.patients, joint, wsi=joint)

    @property
    @abstractmethod
    def width(self) -> int:
        """Of an embedding."""

    @abstractmethod
    def describe(self, slides: BagModality, patient: str) -> NDArray[np.float64]:
        """The embedding of a patient, [width]."""

    def chunks(self, slides: BagModality, patient: str) -> Iterator[Matrix]:
        """All scaled patches of a patient, [at most `CHUNK`, D] at a time."""
        bag = slides.read(patient)
        for start in range(0, len(bag), CHUNK):
            yield self._scaled(bag[start : start + CHUNK])

    def _sampled(self, slides: BagModality, patient: str, count: int) -> NDArray[np.float32]:
        rows = fixed_rows(slides.n_instances(patient), count, "prototypes", patient)
        bag = slides.read(patient) if rows is None else slides.read_rows(patient, rows)
        return self._scaled(bag).astype(np.float32)

    def _scaled(self, bag: NDArray[np.floating]) -> Matrix:
        scaled: Matrix = self._scaler.scale_(torch.from_numpy(bag.astype(np.float64))).numpy()
        return scaled

    def state(self) -> State:
        """`centres` [prototypes, D], and the scaler's arrays as `scaler.NAME`."""
        scaler = {f"scaler.{name}": values for name, values in self._scaler.state().items()}
        return {"centres": self._centres, **scaler}

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self._scaler = InstanceScaler.from_state(below("scaler.", state))
        self._centres = state["centres"]


class PrototypeCounts(PrototypeMethod):
    """Which share of a patient's patches is nearest to each prototype."""

    @property
    def width(self) -> int:
        """One share a prototype."""
        return len(self._centres)

    def describe(self, slides: BagModality, patient: str) -> NDArray[np.float64]:
        """Shares, [prototypes]."""
        counts = np.zeros(len(self._centres))
        for patches in self.chunks(slides, patient):
            distance = (self._centres**2).sum(axis=1) - 2 * patches @ self._centres.T
            counts += np.bincount(distance.argmin(axis=1), minlength=len(counts))
        return np.asarray(counts / counts.sum())


@dataclass(frozen=True)
class MixtureConfig(PrototypesConfig):
    """What every mixture of Gaussians can be told.

    Attributes:
        steps: Of expectation and maximisation.
        strength: Of the prior, in patches a prototype.
        variance: Of every feature about its prototype before the first step; features are
            standardised.
    """

    steps: int = 1
    strength: float = 1e-3
    variance: float = 1.0


@dataclass(frozen=True)
class Mixture:
    """A bag as a mixture of Gaussians with diagonal covariance.

    Attributes:
        weights: [C], their sum is 1.
        means: [C, D].
        variances: [C, D], positive.
    """

    weights: NDArray[np.float64]
    means: Matrix
    variances: Matrix

    def responsibilities(self, patches: Matrix) -> Matrix:
        """Probability of each Gaussian given the patch, [n, C], of patches [n, D]."""
        precision = 1 / self.variances
        squares = (
            patches**2 @ precision.T
            - 2 * patches @ (self.means * precision).T
            + (self.means**2 * precision).sum(axis=1)
        )
        log_density = -(squares + np.log(self.variances).sum(axis=1)) / 2
        return np.asarray(softmax(np.log(self.weights) + log_density, axis=1))


class MixtureMethod(PrototypeMethod):
    """The mixture that explains a patient's patches, found from the prototypes as a prior.

    Song et al., CVPR 2024: a step of expectation and maximisation a posteriori from the prior
    whose means are the prototypes. A prototype that a slide does not have stays as it is.
    """

    config: MixtureConfig

    def mixture(self, slides: BagModality, patient: str) -> Mixture:
        """The mixture that explains a patient's patches, its components as the prototypes are."""
        number = len(self._centres)
        spread = np.full_like(self._centres, self.config.variance)
        prior = Mixture(np.full(number, 1 / number), self._centres, spread)
        mixture = prior
        for _ in range(self.config.steps):
            mixture = self._step(mixture, prior, self.chunks(slides, patient))
        return mixture

    def _step(self, mixture: Mixture, prior: Mixture, chunks: Iterator[Matrix]) -> Mixture:
        """One step: what the prior weighs is as if it had so many patches of its own."""
        tau = self.config.strength
        count = np.full((len(prior.weights), 1), tau)
        first = tau * prior.means
        second = tau * (prior.variances + prior.means**2)
        for patches in chunks:
            share = mixture.responsibilities(patches)
            count += share.sum(axis=0)[:, None]
            first += share.T @ patches
            second += share.T @ patches**2
        means = first / count
        # The prior's part keeps a variance above zero, but for rounding.
        variances = np.maximum(second / count - means**2, np.finfo(np.float32).eps)
        return Mixture(count[:, 0] / count.sum(), means, variances)


@dataclass(frozen=True)
class PantherConfig(MixtureConfig):
    """Configuration of `Panther`.

    Attributes:
        components: Principal axes of training patients that the means and variances are given
            on, at most. A head that weighs columns alike would drown sixteen shares in six
            thousand others.
    """

    components: int = 64


class Panther(MixtureMethod):
    """The mixture of a patient's patches: its weights, its means and variances along axes."""

    config: PantherConfig
    _axes: Projection

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the prototypes, then the axes of the training patients' means and variances.

        Raises:
            UnableError: As of every mixture of prototypes.
        """
        super().fit(train, context)
        slides = _patches_of(train.modalities["wsi"])
        shapes = [_shape(self.mixture(slides, patient)) for patient in slides.patients]
        self._axes, _ = Projection.principal(np.stack(shapes), self.config.components)

    @property
    def width(self) -> int:
        """A weight of each prototype, and the axes."""
        return len(self._centres) + len(self._axes.axes)

    def describe(self, slides: BagModality, patient: str) -> NDArray[np.float64]:
        """The mixture's weights, and its means and variances along the axes."""
        mixture = self.mixture(slides, patient)
        return np.concatenate([mixture.weights, *self._axes.transform(_shape(mixture)[None])])

    def state(self) -> State:
        """The prototypes', and those of the axes as `axes.NAME`."""
        axes = {f"axes.{name}": values for name, values in self._axes.state().items()}
        return {**super().state(), **axes}

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        super().restore(state)
        self._axes = Projection.from_state(below("axes.", state))


class PrototypeTokens(MixtureMethod):
    """A token of each prototype: its weight times their number, and its mean, side by side."""

    @property
    def width(self) -> int:
        """Of all tokens."""
        return self._centres.size + len(self._centres)

    def describe(self, slides: BagModality, patient: str) -> NDArray[np.float64]:
        """The tokens, [prototypes * (1 + D)]."""
        mixture = self.mixture(slides, patient)
        weights = len(mixture.weights) * mixture.weights[:, None]
        return np.hstack([weights, mixture.means]).ravel()


def _shape(mixture: Mixture) -> NDArray[np.float32]:
    """Means and variances, [2 C D]."""
    parts = [mixture.means.ravel(), mixture.variances.ravel()]
    return np.concatenate(parts).astype(np.float32)


def _patches_of(slides: Modality) -> BagModality:
    if not isinstance(slides, BagModality):
        raise UnableError("prototypes are of patches, and these slides are vectors")
    return slides


SPECS = (
    MethodSpec(
        name="prototypes",
        summary="shares of the patches nearest to each of some clusters of training patches",
        family="prototypes",
        citation="k-means of patches; scikit-learn KMeans",
        build=PrototypeCounts,
        config=PrototypesConfig(),
        sides=PrototypeCounts.sides,
        space={"prototypes": Choice((8, 16, 32))},
    ),
    MethodSpec(
        name="panther",
        summary="each slide as a Gaussian mixture about clusters of training patches",
        family="prototypes",
        citation="Song et al., CVPR 2024 (PANTHER)",
        build=Panther,
        config=PantherConfig(),
        sides=Panther.sides,
        space={"prototypes": Choice((4, 8, 16)), "steps": Choice((1, 3))},
        departures=(
            INPUTS,
            "the prior's variance is that of standardised features; published: 0.1 of raw ones",
            "means and variances on principal axes of training patients; published: as they are",
            "clusters by Euclidean distance, as many patches of each patient; published: any patch",
        ),
    ),
)
