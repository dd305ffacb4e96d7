"""Discrete-time survival: ridge logistic hazards in quantile intervals of the event times.

Each interval has intercept and slopes of its own, as the linear probes of the field have (a logit
an interval): unlike Cox regression it lets an effect fade or turn with time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tasks.heads.inputs import Matrix, Vector, rotate, standardise
from tasks.heads.newton import minimise
from tasks.heads.softmax import descend

INTERVALS = 4  # as MCAT, SurvPath and MIRROR have it
# Penalties per event of an interval and per feature, on the scale of the Cox head's; infinity
# likewise: survival curves may know no features, and risks are those of the best finite penalty.
PENALTIES: tuple[float, ...] = (np.inf, *(10.0**power for power in range(1, -5, -1)))

# Above this width a Hessian costs more than the gradients that do without it.
WIDE = 128


@dataclass(frozen=True)
class Periods:
    """Patients cut into person-periods, one row a patient and one column an interval.

    Attributes:
        at_risk: Whether the patient counts in the interval, bool [n, K].
        died: Whether the event fell into it, bool [n, K]; implies `at_risk`.
    """

    at_risk: NDArray[np.bool_]
    died: NDArray[np.bool_]

    @classmethod
    def of(cls, time: Vector, event: NDArray[np.bool_], edges: Vector) -> "Periods":
        """Cut at the ends [K] of the intervals; the first one begins at 0.

        Whoever is censored in an interval counts as having survived it after half of it, and not
        at all before (Gensheimer & Narasimhan, PeerJ 2019).
        """
        start, T = np.append(0.0, edges[:-1]), time[:, None]
        middle = (start + edges) / 2
        inside = (start < T) & (edges >= T)
        inside[:, 0] |= time == 0  # died on the day of diagnosis: the first interval has its ends
        died = inside & event[:, None]
        survived = (edges < T) | (inside & ~event[:, None] & (middle <= T))
        return cls(died | survived, died)

    def of_rows(self, rows: NDArray[np.bool_]) -> "Periods":
        """The same of some of the patients."""
        return Periods(self.at_risk[rows], self.died[rows])

    def log_likelihood(self, logits: Matrix) -> float:
        """Of the logits [n, K] of the hazards."""
        return float((self.died * logits - self.at_risk * np.logaddexp(0, logits)).sum())


@dataclass(frozen=True)
class DiscreteHazard:
    """A fitted model in the units of the features.

    Attributes:
        edges: Ends of the K intervals in months, rising; the first one begins at 0.
        coefficients: Change of an interval's log odds of the event per unit of a feature, [K, p].
        intercepts: [K].
        penalty: The best finite penalty, per event of an interval and feature.
        flat: Intercepts [K] of survival curves without features where an infinite penalty is
            better, else nothing.
    """

    edges: Vector
    coefficients: Matrix
    intercepts: Vector
    penalty: float
    flat: Vector

    def cumulative_hazard(self, X: Matrix) -> Matrix:
        """Minus the logarithm of the probability of outliving each interval, [n, K]."""
        logits = X @ self.coefficients.T + self.intercepts
        return np.asarray(np.cumsum(np.logaddexp(0, logits), axis=1))

    def risk(self, X: Matrix) -> Vector:
        """Minus the expected number of intervals outlived, [n]; higher dies sooner."""
        return np.asarray(-np.exp(-self.cumulative_hazard(X)).sum(axis=1))

    def risk_by(self, X: Matrix, times: Sequence[float] | Vector) -> Matrix:
        """Cumulative hazard at `times` months, [n, len(times)]."""
        return self._at(times, self.cumulative_hazard(X))

    def _at(self, times: Sequence[float] | Vector, cumulative: Matrix) -> Matrix:
        """It between the ends of the intervals, where it is `cumulative` [n, K].

        The hazard is constant within an interval, and zero after the last event in training.
        """
        knots = np.hstack([np.zeros((len(cumulative), 1)), cumulative])
        start = np.append(0.0, self.edges[:-1])
        last = np.minimum(np.searchsorted(self.edges, times), len(self.edges) - 1)
        # Where so many die on the day of diagnosis that the first interval ends there, it is over.
        part = np.ones(len(last))
        width = (self.edges - start)[last]
        np.divide(times - start[last], width, out=part, where=width > 0)
        part = np.minimum(part, 1.0)
        return np.asarray(knots[:, last] + part * (knots[:, last + 1] - knots[:, last]))

    def survival(self, X: Matrix, times: Sequence[float] | Vector) -> Matrix:
        """Probability of surviving `times` months, [n, len(times)]."""
        if not self.flat.size:
            return np.exp(-self.risk_by(X, times))
        of_all = np.cumsum(np.logaddexp(0, self.flat))
        return np.exp(-self._at(times, np.tile(of_all, (len(X), 1))))

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything that was fitted, by name."""
        return {
            "edges": self.edges,
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "penalty": np.array([self.penalty]),
            "flat": self.flat,
        }


def interval_edges(time: Vector, event: NDArray[np.bool_]) -> Vector:
    """Ends of the intervals: the quantiles of the event times, in months, each once.

    Args:
        time: Months of the training patients, [n].
        event: [n], at least one.

    Returns:
        At most `INTERVALS` event times, rising; the last one is that of the last event.
    """
    levels = np.arange(1, INTERVALS + 1) / INTERVALS
    return np.unique(np.quantile(time[event], levels, method="inverted_cdf"))


def fit_path(
    Z: Matrix, periods: Periods, penalties: Sequence[float]
) -> list[tuple[Matrix, Vector]]:
    """Maximise the penalised likelihood for each penalty, each from the one before.

    The likelihood is a product over intervals, each a logistic regression among those at risk:
    penalty/2 |w|^2 - sum log p(died | a + Zw). In an interval without events, or without
    survivors, the intercept a would run away. It has the log-F(1, 1) prior (Greenland &
    Mansournia, Stat. Med. 2015): half an event and half a survivor at the mean of the features.

    Args:
        Z: Centred features [n, p].
        periods: Of the same patients.
        penalties: Best falling, so that each solution is near the next; infinity gives no slopes.

    Returns:
        Slopes [K, p] and intercepts [K] for each penalty.
    """
    fits = [
        _interval_path(Z[at_risk], died[at_risk], penalties)
        for at_risk, died in zip(periods.at_risk.T, periods.died.T, strict=True)
    ]
    stacked = [np.stack(betas) for betas in zip(*fits, strict=True)]
    return [(betas[:, 1:], betas[:, 0]) for betas in stacked]


def fit_discrete_hazard(
    X: Matrix,
    time: Vector,
    event: NDArray[np.bool_],
    folds: NDArray[np.intp],
    penalties: Sequence[float] = PENALTIES,
) -> DiscreteHazard:
    """Fit on training patients, with the penalty chosen by cross-validation among them.

    The criterion is the likelihood of the patients of each fold under the fit without them.

    Args:
        X: Training features [n, p], finite.
        time: Months, not negative, [n].
        event: [n]; every fold's complement must have an event.
        folds: Inner fold of each patient, [n].
        penalties: Candidates per event of an interval and feature, falling.

    Returns:
        The model fitted on all of these patients with the best finite penalty; of equals, the
        largest.
    """
    edges = interval_edges(time, event)
    everyone = Periods.of(time, event, edges)
    Z, mean, scale = standardise(X)
    Z, V = rotate(Z, wide=WIDE)
    width = X.shape[1]

    def scaled(candidates: Sequence[float], n_events: float) -> list[float]:
        return [penalty * n_events / len(edges) * width for penalty in candidates]

    criterion = np.zeros(len(penalties))
    for fold in np.unique(folds):
        out = folds == fold
        rest, held_out = everyone.of_rows(~out), everyone.of_rows(out)
        path = fit_path(Z[~out], rest, scaled(penalties, float(rest.died.sum())))
        for i, (slopes, intercepts) in enumerate(path):
            criterion[i] += held_out.log_likelihood(Z[out] @ slopes.T + intercepts)
    finite = np.isfinite(penalties)
    best = int(np.argmax(np.where(finite, criterion, -np.inf)))
    path = fit_path(Z, everyone, scaled(penalties[: best + 1], event.sum()))
    slopes, intercepts = path[-1]
    coefficients = (slopes if V is None else slopes @ V.T) / scale
    first = int(np.argmax(criterion))
    return DiscreteHazard(
        edges,
        coefficients,
        intercepts - coefficients @ mean,
        penalties[best],
        np.empty(0) if finite[first] else path[first][1],
    )


def _interval_path(Z: Matrix, died: NDArray[np.bool_], penalties: Sequence[float]) -> list[Vector]:
    """Intercept and slopes [1 + p] of one interval for each penalty."""
    n, p = Z.shape
    design = np.zeros((n + 1, p + 1))  # the last row is the prior
    design[:, 0], design[:n, 1:] = 1.0, Z
    outcome = np.append(died, 0.5)
    n_events = outcome.sum()
    beta = np.zeros(p + 1)
    beta[0] = np.log(n_events / (n + 1 - n_events))
    both = np.column_stack([1 - outcome, outcome])
    path = []
    for penalty in penalties:
        if np.isfinite(penalty) and p > WIDE:
            beta = descend(design[:, 1:], both, penalty, beta[None])[0]
        elif np.isfinite(penalty):
            beta = _newton(design, outcome, penalty, beta)
        path.append(beta)
    return path


def _newton(design: Matrix, outcome: Vector, penalty: float, start: Vector) -> Vector:
    """One penalised fit from a starting point; the first column of `design` is not penalised."""
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = 0.0

    def objective(beta: Vector) -> float:
        eta = design @ beta
        return float(ridge @ beta**2) / 2 - float(outcome @ eta - np.logaddexp(0, eta).sum())

    def derivatives(beta: Vector) -> tuple[Vector, Matrix]:
        hazard = expit(design @ beta)
        gradient = design.T @ (outcome - hazard) - ridge * beta
        B = design * np.sqrt(hazard * (1 - hazard))[:, None]
        hessian = B.T @ B
        hessian[np.diag_indices_from(hessian)] += ridge
        return gradient, hessian

    return minimise(objective, derivatives, start, outcome.sum())
