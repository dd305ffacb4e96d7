"""An estimate: a mean, how well it is known, and whether it is zero."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval and the test of its being zero.

    Attributes:
        mean: The average of the values.
        low: Lower end of the interval; NaN where one value cannot give any.
        high: Upper end; NaN likewise.
        p: Two-sided p value of the hypothesis that the mean is zero; NaN likewise.
    """

    mean: float
    low: float
    high: float
    p: float
