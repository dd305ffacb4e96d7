"""Mixtures of prototypes: planted patch types found, and a mixture as scikit-learn has it."""

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import r2_score
from sklearn.mixture import GaussianMixture

from methods.base import Context, UnableError
from methods.prototypes import (
    Mixture,
    Panther,
    PantherConfig,
    PrototypeCounts,
    PrototypeMethod,
    PrototypesConfig,
)
from tasks.data.cohort import BagModality, Cohort, Slide
from tasks.heads.ridge import fit_ridge
from tests.helpers.planted import planted

TYPES, WIDTH, PATCHES = 5, 24, 100


def bags(n: int = 120) -> tuple[Cohort, NDArray[np.float64]]:
    """Patients whose patches are of five types, and the planted share of each, [n, types]."""
    rng = np.random.default_rng(11)
    types = 1.5 * rng.normal(size=(TYPES, WIDTH))
    shares = rng.dirichlet(np.ones(TYPES), n)
    slides = {}
    for number, share in enumerate(shares):
        which = rng.choice(TYPES, PATCHES, p=share)
        patches = (types[which] + rng.normal(size=(PATCHES, WIDTH))).astype(np.float32)
        slides[f"P{number:03}"] = (Slide("slide", PATCHES, "", partial(np.array, patches)),)
    return Cohort("PLANTED", tuple(sorted(slides)), {"wsi": BagModality(slides, WIDTH)}), shares


def patches_of(cohort: Cohort) -> BagModality:
    modality = cohort.modalities["wsi"]
    assert isinstance(modality, BagModality)
    return modality


@pytest.mark.parametrize(
    "method", [Panther(PantherConfig(8)), PrototypeCounts(PrototypesConfig(8))]
)
def test_a_head_reads_the_planted_shares_of_patch_types(method: PrototypeMethod) -> None:
    """R² on other patients. A hundred patches tell no more than 0.95 of a planted share."""
    cohort, shares = bags(400)
    train = len(cohort.patients) // 2
    method.fit(cohort.subset(cohort.patients[:train]), Context(seed=0))
    X = method.embed(cohort).joint.astype(np.float64)
    head = fit_ridge(X[:train], shares[:train], np.arange(train) % 3)
    assert r2_score(shares[train:], head.predict(X[train:])) > 0.9


def test_the_weights_of_a_mixture_are_the_planted_shares() -> None:
    cohort, shares = bags()
    method = Panther(PantherConfig(TYPES))
    method.fit(cohort, Context(seed=0))
    weights = method.embed(cohort).joint[:, :TYPES]
    alike = np.corrcoef(weights.T, shares.T)[:TYPES, TYPES:]
    cluster, planted_type = linear_sum_assignment(-alike)
    assert r2_score(shares[:, planted_type], weights[:, cluster]) > 0.9


def test_probabilities_are_those_of_scikit_learns_mixture() -> None:
    rng = np.random.default_rng(3)
    mixture = Mixture(
        rng.dirichlet(np.ones(4)), rng.normal(size=(4, 6)), rng.uniform(0.3, 2, size=(4, 6))
    )
    patches = rng.normal(size=(50, 6))
    theirs = GaussianMixture(4, covariance_type="diag")
    theirs.weights_, theirs.means_ = mixture.weights, mixture.means
    theirs.covariances_ = mixture.variances
    theirs.precisions_cholesky_ = mixture.variances**-0.5
    np.testing.assert_allclose(
        mixture.responsibilities(patches), theirs.predict_proba(patches), rtol=1e-9
    )


def test_without_a_prior_the_steps_are_scikit_learns() -> None:
    cohort, _ = bags(40)
    method = Panther(PantherConfig(4, steps=3, strength=1e-12))
    method.fit(cohort, Context(seed=0))
    patient = cohort.patients[0]
    modality = patches_of(cohort)
    (patches,) = method.chunks(modality, patient)
    theirs = GaussianMixture(
        4,
        covariance_type="diag",
        reg_covar=0.0,
        max_iter=3,
        tol=0.0,
        weights_init=np.full(4, 0.25),
        means_init=method.state()["centres"],
        precisions_init=np.ones((4, WIDTH)),
    )
    with pytest.warns(UserWarning, match="did not converge"):
        theirs.fit(patches)
    found = method.mixture(modality, patient)
    close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-8)
    close(found.weights, theirs.weights_)
    close(found.means, theirs.means_)
    close(found.variances, theirs.covariances_)


def test_a_prototype_that_a_slide_lacks_stays_the_prior() -> None:
    cohort, _ = bags(40)
    method = Panther(PantherConfig(4))
    method.fit(cohort, Context(seed=0))
    state = method.state()
    method.restore({**state, "centres": np.vstack([state["centres"], np.full(WIDTH, 99.0)])})
    found = method.mixture(patches_of(cohort), cohort.patients[0])
    assert found.weights[4] < 1e-3
    np.testing.assert_allclose(found.means[4], 99.0)
    np.testing.assert_allclose(found.variances[4], 1.0, atol=1e-3)
    assert found.weights.sum() == pytest.approx(1.0)


def test_slides_that_are_vectors_have_no_patches_to_cluster() -> None:
    cohort = planted(bags=False)
    with pytest.raises(UnableError, match="are vectors"):
        Panther(PantherConfig()).fit(cohort, Context(seed=0))


def test_more_prototypes_than_patches_are_refused() -> None:
    cohort, _ = bags(2)
    with pytest.raises(UnableError, match="200 training patches, 201 prototypes"):
        PrototypeCounts(PrototypesConfig(201)).fit(cohort, Context(seed=0))
