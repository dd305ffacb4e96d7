"""The scale of expression values: counts, TPM, log2(x + c), z-scores."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tasks.data.formats.expression import slightly_negative
from tasks.data.manifest import Scale

Values = NDArray[np.float64] | NDArray[np.float32]

MILLION = 1e6
"""What the TPM of a sample sum to, if every gene is there."""

_SUM_TOLERANCE = 0.05
_HIGHEST_LOG2 = 30.0  # 2 ** 30 reads of one gene: no sample has them
_HIGHEST_LINEAR = 1000.0
_FLOOR_SHARE = 5e-4  # of the cells: so many equal to the least value are a floor, not chance
_LEVEL = 0.25  # of a gene's standard deviation: a mean as near to zero is centred
_MOST_SAMPLES = 512  # looked at, spread over the table: more tell nothing new
_UNIT = (0.5, 1.5)  # standard deviations of z-scored genes, of a part of the samples as well


class SeenScale(StrEnum):
    """What expression values are."""

    COUNTS = "counts"
    TPM = "TPM"
    LINEAR = "linear and not negative: TPM, FPKM or normalised counts"
    LOG2 = "log2(x + c)"
    Z_SCORES = "z-scores"
    CENTRED = "logarithms centred by gene"
    UNKNOWN = "unknown"

    @property
    def declared(self) -> Scale | None:
        """What a cohort.toml would declare it as; None where it has no word for it."""
        return {
            SeenScale.COUNTS: Scale.COUNTS,
            SeenScale.TPM: Scale.TPM,
            SeenScale.LINEAR: Scale.TPM,
            SeenScale.LOG2: Scale.LOG2,
            SeenScale.Z_SCORES: Scale.ZSCORE,
        }.get(self)


@dataclass(frozen=True)
class ScaleFacts:
    """What is seen of the scale.

    Attributes:
        scale: The best word for it.
        name: The same in a few words, such as `log2(x + 1)`.
        evidence: What it is told from.
        low: Least value.
        high: Greatest value.
        pseudocount: Of log2(x + c): c, where a floor shows it; else NaN.
    """

    scale: SeenScale
    name: str
    evidence: str
    low: float
    high: float
    pseudocount: float = float("nan")

    @property
    def text(self) -> str:
        """Name and evidence in one sentence."""
        return f"{self.name}: {self.evidence}"


def detect_scale(values: Values) -> ScaleFacts:
    """Tell the scale of expression from its values.

    Args:
        values: [samples, genes]; NaN is a missing cell.

    Returns:
        The scale. Of log2(x + c) the constant is read off the floor, the value of genes that are
        not expressed: -9.966 is log2(0.001), 0 is log2(1).
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return ScaleFacts(SeenScale.UNKNOWN, "unknown", "no value is there", np.nan, np.nan)
    low, high = float(known.min()), float(known.max())
    if low < 0 and high > _HIGHEST_LINEAR and slightly_negative(values):
        values, low = np.maximum(values, 0.0), 0.0  # as a correction of batches leaves amounts
    values = values[:: -(-len(values) // _MOST_SAMPLES)]
    known = values[np.isfinite(values)]
    if low < 0 and (by_gene := _by_gene(values, low, high)) is not None:
        return by_gene
    floor_share = float(np.mean(known <= low + 1e-4 * max(1.0, abs(low))))
    has_floor = floor_share >= _FLOOR_SHARE
    if low < 0:
        return _below_zero(values, low, high, floor_share if has_floor else 0.0)
    return _not_negative(values, known, low, high, floor_share if has_floor else 0.0)


def _by_gene(values: Values, low: float, high: float) -> ScaleFacts | None:
    """Z-scores or centred logarithms, if genes are centred."""
    if len(values) < 3:
        return None
    means, deviations = _moments(values)
    varying = deviations > 0
    if not varying.any():
        return None
    level = float(np.median(np.abs(means[varying]) / deviations[varying]))
    spread = float(np.median(deviations[varying]))
    if level > _LEVEL:
        return None
    centred = f"genes have mean 0 (median off by {level:.2f} sd)"
    if _UNIT[0] <= spread <= _UNIT[1]:
        evidence = f"{centred} and sd 1 (median {spread:.2f})"
        return ScaleFacts(SeenScale.Z_SCORES, "z-scores", evidence, low, high)
    evidence = f"{centred}, median sd {spread:.2f}"
    return ScaleFacts(SeenScale.CENTRED, "logarithms centred by gene", evidence, low, high)


def _moments(values: Values) -> tuple[Values, Values]:
    """Mean and standard deviation of each gene over what is known of it."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / count
    variance = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / count
    return mean, np.sqrt(variance)


def _below_zero(values: Values, low: float, high: float, floor_share: float) -> ScaleFacts:
    if not floor_share or high > _HIGHEST_LOG2 or low < -_HIGHEST_LOG2:
        evidence = "negative values, but neither centred by gene nor with a floor"
        return ScaleFacts(SeenScale.UNKNOWN, "unknown", evidence, low, high)
    c = 2.0**low
    sums = _median_sum(np.exp2(values) - c)
    evidence = (
        f"{floor_share:.1%} of the cells are at the floor {low:.3f} = log2({c:.3g}); "
        f"{_sum_text(sums)}"
    )
    return ScaleFacts(SeenScale.LOG2, f"log2(x + {c:.3g})", evidence, low, high, c)


def _not_negative(
    values: Values, known: Values, low: float, high: float, floor_share: float
) -> ScaleFacts:
    whole = bool(np.all(known == np.rint(known)))
    sums = _median_sum(values)
    if whole and high > _HIGHEST_LOG2:
        evidence = f"whole numbers; a sample has {sums:,.0f} in the median"
        return ScaleFacts(SeenScale.COUNTS, "counts", evidence, low, high)
    if high <= _HIGHEST_LOG2 and not whole:
        undone = _median_sum(np.exp2(values) - 1.0)
        if floor_share and low == 0:
            name, c = "log2(x + 1)", 1.0
            evidence = f"{floor_share:.1%} of the cells are 0 = log2(1); {_sum_text(undone)}"
        else:
            name, c = "log2(x + c) or another logarithm", float("nan")
            evidence = f"no value beyond {high:.1f}, no floor shows c"
        return ScaleFacts(SeenScale.LOG2, name, evidence, low, high, c)
    if high <= _HIGHEST_LINEAR and whole:
        return ScaleFacts(SeenScale.UNKNOWN, "unknown", "a few small whole numbers", low, high)
    if abs(sums / MILLION - 1) <= _SUM_TOLERANCE:
        evidence = f"a sample sums to {sums:,.0f} in the median"
        return ScaleFacts(SeenScale.TPM, "TPM", evidence, low, high)
    evidence = f"TPM, FPKM or normalised counts; {_sum_text(sums)}"
    name = "linear, no logarithm taken"
    return ScaleFacts(SeenScale.LINEAR, name, evidence, low, high)


def _sum_text(sums: float) -> str:
    if abs(sums / MILLION - 1) <= _SUM_TOLERANCE:
        return f"undone, a sample sums to {sums:,.0f} in the median, as TPM do"
    return f"undone, a sample sums to {sums:,.0f} in the median (whole TPM: 1,000,000)"


def _median_sum(values: Values) -> float:
    return float(np.median(np.nansum(values, axis=1)))


def sample_sums(values: Values, facts: ScaleFacts) -> Values | None:
    """Each sample's sum of linear values, [samples]; None where the scale has none."""
    if facts.scale in (SeenScale.COUNTS, SeenScale.TPM, SeenScale.LINEAR):
        return np.asarray(np.nansum(values, axis=1))
    if facts.scale is SeenScale.LOG2 and np.isfinite(facts.pseudocount):
        return np.asarray(np.nansum(np.exp2(values) - facts.pseudocount, axis=1))
    return None
