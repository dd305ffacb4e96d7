"""An estimate: a mean, how well it is known, and whether it is zero."""

import math
from dataclasses import dataclass, replace

from scipy import special


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

    def clipped(self, most: float) -> "Estimate":
        """The same difference with an interval that ends where differences can."""
        return replace(self, low=max(self.low, -most), high=min(self.high, most))

    def within(self, bounds: tuple[float, float], n: int) -> "Estimate":
        """The same with an interval that does not leave the scale of the numbers.

        Between two bounds the ends are those of the logit of the mean's place on the scale, beside
        one bound those of the logarithm of its distance, both by the delta method (Agresti,
        Categorical data analysis, section 3.1). A place or a distance is taken as 1 / (2 n) where
        it is less, as for a fraction of n.

        Args:
            bounds: The least and the greatest value there can be; infinite where there is none.
            n: Patients, or whatever the mean is of.
        """
        low, high = bounds
        half = self.high - self.mean
        if not half > 0 or not (math.isfinite(low) or math.isfinite(high)):
            return self
        least = 1 / (2 * max(1, n))
        if math.isfinite(low) and math.isfinite(high):
            width = high - low
            place = min(max((self.mean - low) / width, least), 1 - least)
            centre = float(special.logit(place))
            reach = half / width / (place * (1 - place))
            ends = [low + width * float(special.expit(centre + side * reach)) for side in (-1, 1)]
        else:
            bound, sign = (high, -1) if math.isfinite(high) else (low, 1)
            distance = max(abs(self.mean - bound), least)
            # 700: beyond it, the exponential is no number
            reach = min(half / distance, 700.0)
            ends = sorted(bound + sign * distance * math.exp(side * reach) for side in (-1, 1))
        return replace(self, low=min(self.mean, ends[0]), high=max(self.mean, ends[1]))
