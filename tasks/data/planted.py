"""The planted model: latent factors, and what they do to slides, expression and outcome.

Everything here is drawn as arrays; `tasks.data.synthetic` writes them in the formats users have.
Factors are exactly centred, uncorrelated and of unit variance over the patients, so that what one
modality shows of another's private factor is zero by construction and not only on average.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.seeds import generator

Array = NDArray[np.float64]
Mixture = tuple[tuple[str, float], ...]

PATHWAYS = 20
"""Pathways; gene i belongs to pathway i mod `PATHWAYS`."""

WEIBULL_SHAPE = 1.2
FOLLOW_UP_DAYS = 4000.0


@dataclass(frozen=True)
class PlantedConfig:
    """A planted cohort: everything that its files depend on.

    Attributes:
        name: The cohort's name.
        seed: Of every draw.
        bags: True writes a bag of patches per slide, False the mean of each bag, one row a slide.
        width: Features per patch or slide.
        patients: Number of patients.
        shared: Number of factors that both modalities carry, `shared_0` and so on.
        wsi_private: Number of factors that slides alone carry, `wsi_private_0` and so on.
        rna_private: Number of factors that expression alone carries, `rna_private_0` and so on.
        patches: Fewest and most patches of a slide that is not empty.
        patch_types: Number of patch types, such as tumour, stroma and necrosis.
        genes: Number of genes of pathways.
        genes_as_rows: True writes expression as Xena does, a row a gene; False a row a sample.
        loose_genes: Number of further genes, of no pathway: they carry no factor.
        gene_sets: True declares the pathways as the cohort's gene sets.
        sites: Number of tissue-source sites, at most 10; no site is a cause of any outcome.
        wsi_site_shift: Standard deviation of a site's shift of a feature, in units of the noise of
            a patch.
        rna_site_shift: Standard deviation of a site's shift of a gene, in units of its noise.
        censored: Fraction of patients whose overall survival is censored.
        hazard: Weights of factors in the log-hazard; the factors not named have none.
        subtypes: Name and weights of factors in the logit of each class.
        mutations: Name of each gene and weights of factors in the logit of its being mutated.
        unsequenced: Fraction of patients of whom no mutation is known.
        two_slides: Fraction of patients with a second slide.
        missing: Fraction of patients without slides, and of other patients without expression.
        missing_outcomes: Number of patients whose outcome is not known.
        missing_stages: Fraction of patients whose stage is not known.
    """

    name: str
    seed: int
    bags: bool
    width: int
    patients: int = 200
    shared: int = 3
    wsi_private: int = 2
    rna_private: int = 2
    patches: tuple[int, int] = (40, 120)
    patch_types: int = 6
    genes: int = 300
    genes_as_rows: bool = False
    loose_genes: int = 0
    gene_sets: bool = False
    sites: int = 10
    wsi_site_shift: float = 0.12
    rna_site_shift: float = 0.25
    censored: float = 0.7
    hazard: Mixture = (
        ("shared_0", 0.7),
        ("shared_1", -0.4),
        ("wsi_private_0", 0.7),
        ("rna_private_0", 0.7),
    )
    subtypes: tuple[tuple[str, Mixture], ...] = (
        ("alpha", (("shared_1", 1.8), ("wsi_private_1", 0.9))),
        ("beta", (("shared_2", 1.8), ("rna_private_1", 0.9))),
        ("gamma", (("shared_1", -1.2), ("shared_2", -1.2))),
    )
    mutations: tuple[tuple[str, Mixture], ...] = (
        ("DRIVER", (("shared_0", 1.4), ("wsi_private_0", 1.0), ("rna_private_1", 1.0))),
    )
    unsequenced: float = 0.05
    two_slides: float = 0.1
    missing: float = 0.05
    missing_outcomes: int = 3
    missing_stages: float = 0.05

    def factors(self) -> tuple[str, ...]:
        """Names of the factors in the column order of `draw_factors`: shared, slide, expression."""
        kinds = (
            ("shared", self.shared),
            ("wsi_private", self.wsi_private),
            ("rna_private", self.rna_private),
        )
        return tuple(f"{kind}_{i}" for kind, count in kinds for i in range(count))

    def stream(self, *axes: str | int) -> np.random.Generator:
        """The generator of one part, so that no part depends on how much another one draws."""
        return generator("planted", self.seed, *axes)


@dataclass(frozen=True)
class Outcomes:
    """What happened to the patients; times in whole days, at least 1.

    Attributes:
        log_hazard: The planted linear predictor, float64 [n_patients].
        os_time: Death or last contact, int64 [n_patients].
        os: Death of any cause, bool [n_patients].
        dss: Death of the disease, bool [n_patients]; its time is `os_time`.
        pfi_time: First progression, or `os_time` without one, int64 [n_patients].
        pfi: Progression, bool [n_patients].
        subtype: Class number, int64 [n_patients].
    """

    log_hazard: Array
    os_time: NDArray[np.int64]
    os: NDArray[np.bool_]
    dss: NDArray[np.bool_]
    pfi_time: NDArray[np.int64]
    pfi: NDArray[np.bool_]
    subtype: NDArray[np.int64]


def draw_factors(config: PlantedConfig) -> Array:
    """True factors, float64 [n_patients, n_factors], rounded to 6 decimals."""
    rng = config.stream("factors")
    return _uncorrelated(rng, (config.patients, len(config.factors()))).round(6)


def _uncorrelated(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Normal draws whose columns are exactly centred, uncorrelated and of unit variance.

    Cholesky and not an eigenbasis makes them so, because eigenvectors have no sign.
    """
    draws = rng.standard_normal(shape)
    draws -= draws.mean(axis=0)
    factor = np.linalg.cholesky(draws.T @ draws / len(draws))
    columns: Array = np.linalg.solve(factor, draws.T).T
    return columns


def draw_sites(config: PlantedConfig) -> NDArray[np.int64]:
    """Tissue-source site of each patient, int64 [n_patients]; sites differ in size as in TCGA."""
    weights = 1.0 / np.arange(2, config.sites + 2)
    return config.stream("sites").choice(
        config.sites, size=config.patients, p=weights / weights.sum()
    )


def combine(config: PlantedConfig, factors: Array, mixture: Mixture) -> Array:
    """Weighted sum of the factors that a mixture names, float64 [n_patients]."""
    columns = {name: column for column, name in enumerate(config.factors())}
    total = np.zeros(len(factors))
    for name, weight in mixture:
        total += weight * factors[:, columns[name]]
    return total


def draw_outcomes(config: PlantedConfig, factors: Array) -> Outcomes:
    """Weibull survival, independent censoring at exactly the declared rate, and the subtype.

    Death comes at scale * (E exp(-log_hazard))^(1/shape) with E exponential. It is seen if it
    comes before censoring, so the scale that censors a fraction is a quantile of a ratio.
    """
    rng = config.stream("outcomes")
    n = config.patients
    log_hazard = combine(config, factors, config.hazard)
    unscaled = (rng.standard_exponential(n) * np.exp(-log_hazard)) ** (1 / WEIBULL_SHAPE)
    censoring = FOLLOW_UP_DAYS * rng.uniform(0.05, 1.0, n)
    death = unscaled * np.quantile(censoring / unscaled, config.censored)
    progression = death * rng.uniform(0.3, 1.0, n)
    dead = death <= censoring
    logits = np.stack([combine(config, factors, mixture) for _, mixture in config.subtypes], axis=1)
    return Outcomes(
        log_hazard=log_hazard,
        os_time=_days(np.minimum(death, censoring)),
        os=dead,
        dss=dead & (rng.random(n) < 0.8),
        pfi_time=_days(np.minimum(progression, censoring)),
        pfi=progression <= censoring,
        subtype=np.argmax(logits + rng.gumbel(size=logits.shape), axis=1),
    )


def draw_mutations(config: PlantedConfig, factors: Array) -> tuple[NDArray[np.bool_], ...]:
    """Of each gene, who is mutated: about a third, bool [n_patients] a gene."""
    rng = config.stream("mutations")
    logits = [combine(config, factors, mixture) - 1.0 for _, mixture in config.mutations]
    return tuple(rng.random(config.patients) < 1 / (1 + np.exp(-logit)) for logit in logits)


def draw_covariates(config: PlantedConfig, outcomes: Outcomes) -> Array:
    """Age in years, sex (1 male) and stage (1 to 4, NaN unknown), float64 [n_patients, 3].

    Stage is a noisy view of the risk; age and sex are causes of nothing.
    """
    rng = config.stream("clinical")
    n = config.patients
    noisy = outcomes.log_hazard + 1.5 * rng.standard_normal(n)
    stage = 1.0 + np.searchsorted(np.quantile(noisy, [0.4, 0.7, 0.9]), noisy)
    age = rng.integers(35, 86, n)
    male = rng.random(n) >= 0.5
    unknown = config.stream("unknown stages").random(n) < config.missing_stages
    return np.column_stack([age, male, np.where(unknown, np.nan, stage)])


def _days(time: Array) -> NDArray[np.int64]:
    return np.maximum(np.ceil(time), 1.0).astype(np.int64)


@dataclass(frozen=True)
class SlideModel:
    """How slides come from the factors that they carry.

    Attributes:
        seen: Columns of the factors that slides carry.
        base: Logit of each patch type for an average patient, [n_types].
        mixing: Effect of the factors on the logits, [n_types, n_seen].
        prototypes: Mean patch of each type, [n_types, width].
        appearance: Effect of the factors on each type's mean patch, [n_types, width, n_seen].
        site_shifts: What each site adds to every patch, [n_sites, width].
    """

    seen: tuple[int, ...]
    base: Array
    mixing: Array
    prototypes: Array
    appearance: Array
    site_shifts: Array

    @classmethod
    def draw(cls, config: PlantedConfig) -> "SlideModel":
        """The model of a configuration."""
        rng = config.stream("slide model")
        seen = tuple(range(config.shared + config.wsi_private))
        types, width = config.patch_types, config.width
        # A type shows every other factor, so that which patches one looks at matters.
        shows = np.add.outer(np.arange(types), np.arange(len(seen)))[:, None, :] % 2
        return cls(
            seen=seen,
            base=np.linspace(0.6, -0.6, types),
            mixing=0.45 * rng.standard_normal((types, len(seen))),
            prototypes=rng.standard_normal((types, width)),
            appearance=0.4 * shows * rng.standard_normal((types, width, len(seen))),
            site_shifts=config.wsi_site_shift * rng.standard_normal((config.sites, width)),
        )

    def bag(self, rng: np.random.Generator, factors: Array, site: int, n_patches: int) -> Array:
        """Patches of one slide, [n_patches, width], in units of a patch's own noise.

        Args:
            rng: Of this slide alone.
            factors: All factors of the patient, [n_factors].
            site: The patient's site.
            n_patches: How many.
        """
        seen = factors[list(self.seen)]
        # A section is a sample of the tumour, and its stain is its own.
        logits = self.base + self.mixing @ seen + 0.3 * rng.standard_normal(len(self.base))
        proportions = np.exp(logits) / np.exp(logits).sum()
        stain = 0.15 * rng.standard_normal(self.prototypes.shape[1])
        types = rng.choice(len(proportions), size=n_patches, p=proportions)
        means = self.prototypes + self.appearance @ seen
        noise = rng.standard_normal((n_patches, self.prototypes.shape[1]))
        patches: Array = means[types] + self.site_shifts[site] + stain + noise
        return patches


def draw_expression(
    config: PlantedConfig, factors: Array, sites: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Expression as log2(normalised count + 1), rounded to 4 decimals.

    Args:
        config: The configuration.
        factors: All factors, [n_patients, n_factors].
        sites: Site of each patient, [n_patients].

    Returns:
        Tumour samples [n_patients, n_genes], and one normal sample [n_genes] without any factor.
    """
    rng = config.stream("expression")
    carried = [*range(config.shared), *range(config.shared + config.wsi_private, factors.shape[1])]
    # No factor hides behind another: each is seen on pathways of its own direction.
    loadings = _uncorrelated(rng, (PATHWAYS, len(carried)))
    activity = factors[:, carried] @ loadings.T
    activity += 1.6 * rng.standard_normal(activity.shape)
    pathway = np.arange(config.genes) % PATHWAYS
    weights = rng.uniform(0.15, 0.45, config.genes) * rng.choice([-1.0, 1.0], config.genes)
    baseline = rng.uniform(1.0, 12.0, config.genes)
    shifts = config.rna_site_shift * rng.standard_normal((config.sites, config.genes))
    noise = rng.standard_normal((config.patients, config.genes))
    tumour = baseline + activity[:, pathway] * weights + shifts[sites] + noise
    normal = baseline + rng.standard_normal(config.genes)
    tumour, normal = _with_loose(config, tumour, normal)
    return _log_counts(tumour), _log_counts(normal)


def pathways(config: PlantedConfig) -> dict[str, tuple[int, ...]]:
    """The genes of each planted pathway, by its name."""
    return {
        f"PATHWAY_{number:02d}": tuple(range(number, config.genes, PATHWAYS))
        for number in range(PATHWAYS)
    }


def _with_loose(config: PlantedConfig, tumour: Array, normal: Array) -> tuple[Array, Array]:
    """The samples with the genes of no pathway behind the others."""
    rng = config.stream("loose genes")
    baseline = rng.uniform(1.0, 12.0, config.loose_genes)
    noise = rng.standard_normal((len(tumour) + 1, config.loose_genes))
    *patients, healthy = baseline + 1.5 * noise
    wide = np.array(patients).reshape(len(tumour), config.loose_genes)
    return np.hstack([tumour, wide]), np.concatenate([normal, healthy])


def _log_counts(values: Array) -> Array:
    # Adding zero turns -0.0 into 0.0, which print differently.
    counts: Array = np.maximum(values, 0.0).round(4) + 0.0
    return counts


def chosen(rng: np.random.Generator, rows: Iterable[int], count: int) -> frozenset[int]:
    """`count` of `rows`, drawn without replacement."""
    return frozenset(rng.permutation(np.array(sorted(rows)))[:count].tolist())
