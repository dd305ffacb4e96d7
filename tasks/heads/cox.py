"""Ridge Cox regression whose penalty is chosen by cross-validated partial likelihood.

It is our own because the benchmark fits it thousands of times: scikit-survival's
`CoxPHSurvivalAnalysis(alpha)` sums its Hessian patient by patient and needs about 0.4 s for one
fit at 700 patients and 256 features, more than 20 times longer than here, where the Hessian is
two matrix products (tests/speed/test_speed_cox.py measures both). Coefficients and survival
functions equal its own (tests/tasks/test_cox.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize as descend

from tasks.heads.inputs import Matrix, Vector, rotate, standardise
from tasks.heads.newton import minimise

# Penalties per training event and per feature. A standardised feature carries about one unit of
# information per event and p of them at most p, so 10 shrinks everything to nothing and 1e-4
# leaves all but the directions without variance alone, for any width and any cohort. Infinity is
# the model without effects: it gives the survival curves where features do not help. The risks, by
# which patients are ranked, are those of the best finite penalty: a prediction that is the same for
# everybody would pass for a precise score of a half.
PENALTIES: tuple[float, ...] = (np.inf, *(10.0 ** (step / 2) for step in range(2, -9, -1)))

# Above this width a Hessian costs more than the gradients that do without it.
WIDE = 128


@dataclass(frozen=True)
class RiskSets:
    """Who is at risk when, for patients in the order of falling time.

    Attributes:
        event: Whether the patient's time is that of an event, [n].
        last: For each distinct event time, falling, the last patient still at risk, [m].
        deaths: Events at each of these times, [m].
        first: For each patient the first (latest) of these times that is not after its own, [n].
    """

    event: NDArray[np.bool_]
    last: NDArray[np.intp]
    deaths: Vector
    first: NDArray[np.intp]

    @classmethod
    def of(cls, time: Vector, event: NDArray[np.bool_]) -> "RiskSets":
        """The risk sets of falling `time` [n] and `event` [n], at least one event among them."""
        rising = -time
        moments, deaths = np.unique(rising[event], return_counts=True)
        return cls(
            event=event,
            last=np.searchsorted(rising, moments, side="right") - 1,
            deaths=deaths.astype(np.float64),
            first=np.searchsorted(moments, rising, side="left"),
        )

    def log_likelihood(self, eta: Vector) -> float:
        """Breslow's log partial likelihood of linear predictors `eta` [n].

        Sums are taken as logarithms, so that a step gone too far is a bad value and no overflow.
        """
        log_at_risk = np.logaddexp.accumulate(eta)[self.last]
        return float(eta[self.event].sum() - self.deaths @ log_at_risk)

    def derivatives(self, X: Matrix, eta: Vector) -> tuple[Vector, Matrix]:
        """Gradient [p] of the log partial likelihood and its negative Hessian [p, p].

        With w = exp(eta), S0 the sum of w over a risk set and m its w-weighted mean of x, the
        negative Hessian is the sum over events i of sum_j w_j x_j x_j^T / S0_i - m_i m_i^T.
        Patient j enters the first sum once for each event time up to its own, that is with the
        weight w_j H_j, H the Breslow cumulative hazard at its time. So the whole is
        X^T diag(w H) X - A^T A, with one row of A, sqrt(deaths) m, for each event time.
        """
        weight, at_risk, expected = self._expected(eta)
        gradient = X.T @ (self.event - expected)
        B = X * np.sqrt(expected)[:, None]
        between = np.append(0, self.last[:-1] + 1)
        weighted = X[: self.last[-1] + 1] * weight[: self.last[-1] + 1, None]
        A = np.cumsum(np.add.reduceat(weighted, between, axis=0), axis=0)
        A *= (np.sqrt(self.deaths) / at_risk)[:, None]
        return gradient, B.T @ B - A.T @ A

    def residuals(self, eta: Vector) -> Vector:
        """Martingale residuals [n]: events minus expected ones, the gradient by `eta`."""
        return self.event - self._expected(eta)[2]

    def _expected(self, eta: Vector) -> tuple[Vector, Vector, Vector]:
        """Weights [n] up to a factor, their sums over risk sets [m], and expected events [n]."""
        weight = np.exp(eta - eta.max())
        at_risk = np.cumsum(weight)[self.last]
        hazard = np.append(np.cumsum((self.deaths / at_risk)[::-1])[::-1], 0.0)
        return weight, at_risk, weight * hazard[self.first]

    @property
    def n_events(self) -> float:
        """Number of events."""
        return float(self.deaths.sum())


@dataclass(frozen=True)
class RidgeCox:
    """A fitted proportional-hazards model in the units of the features.

    Attributes:
        coefficients: Log hazard ratio per unit of each feature, [p].
        offset: Linear predictor at the features' training means; subtracted.
        times: Distinct event times in training, rising, [m], months.
        cumulative_hazard: Efron's baseline cumulative hazard at these times, [m].
        penalty: The best finite penalty, per event and feature.
        effect: 1, or 0 where an infinite penalty is better: survival functions know no features.
        held_out: Risk of each training patient by the fit that went without its inner fold, at the
            penalty that was chosen, [n]; None where it was given. No part of `state`.
    """

    coefficients: Vector
    offset: float
    times: Vector
    cumulative_hazard: Vector
    penalty: float
    effect: float
    held_out: Vector | None = None

    def risk(self, X: Matrix) -> Vector:
        """Log hazard relative to the average training patient, [n]; higher dies sooner."""
        return X @ self.coefficients - self.offset

    def risk_by(self, X: Matrix, times: Sequence[float]) -> Matrix:
        """The same risk for each of `times`, [n, len(times)]: hazards are proportional."""
        return np.repeat(self.risk(X)[:, None], len(times), axis=1)

    def survival(self, X: Matrix, times: Sequence[float] | Vector) -> Matrix:
        """Probability of surviving `times` months, [n, len(times)].

        After the last event in training it stays where that event left it.
        """
        steps = np.append(0.0, self.cumulative_hazard)
        of_average = steps[np.searchsorted(self.times, times, side="right")]
        # beyond exp(700) lies overflow; the survival is zero long before
        hazard_ratio = np.exp(np.minimum(self.effect * self.risk(X), 700.0))
        return np.exp(-np.outer(hazard_ratio, of_average))

    def state(self) -> dict[str, Vector]:
        """Everything that was fitted, by name."""
        return {
            "coefficients": self.coefficients,
            "offset": np.array([self.offset]),
            "times": self.times,
            "cumulative_hazard": self.cumulative_hazard,
            "penalty": np.array([self.penalty]),
            "effect": np.array([self.effect]),
        }


def fit_path(Z: Matrix, risk_sets: RiskSets, penalties: Sequence[float]) -> list[Vector]:
    """Maximise the penalised partial likelihood for each penalty, each from the one before.

    Minimises -log L(beta) + penalty/2 |beta|^2 by Newton steps that are halved while they lead
    upwards; where Z is wide, by descent with gradients alone. Ties are Breslow's: the survival
    function then belongs to the same likelihood.

    Args:
        Z: Features [n, p] of patients in the order of falling time, no missing values.
        risk_sets: Of the same patients in the same order.
        penalties: Best falling, so that each solution is near the next; infinity gives zeros.

    Returns:
        Coefficients [p] for each penalty.
    """
    beta = np.zeros(Z.shape[1])
    path = []
    for penalty in penalties:
        if np.isfinite(penalty):
            solve = _descent if Z.shape[1] > WIDE else _newton
            beta = solve(Z, risk_sets, penalty, beta)
        path.append(beta)
    return path


def fit_ridge_cox(
    X: Matrix,
    time: Vector,
    event: NDArray[np.bool_],
    folds: NDArray[np.intp],
    penalties: Sequence[float] = PENALTIES,
) -> RidgeCox:
    """Fit on training patients, with the penalty chosen by cross-validation among them.

    The criterion is the cross-validated partial likelihood, the sum over folds of l(b) - l'(b):
    b was fitted without the fold, l is the likelihood of all patients and l' of those without
    the fold (Verweij & van Houwelingen, Stat. Med. 1993, equation 3). Unlike the likelihood of
    the fold alone it needs no events to be compared inside a small fold.

    Args:
        X: Training features [n, p], finite.
        time: Months, [n].
        event: [n]; every fold's complement must have an event.
        folds: Inner fold of each patient, [n].
        penalties: Candidates per event and feature, falling; one alone is taken as given.

    Returns:
        The model fitted on all of these patients with the best finite penalty; of equals, the
        largest.
    """
    falling = np.argsort(-time, kind="stable")
    X, time, event, folds = X[falling], time[falling], event[falling], folds[falling]
    Z, mean, scale = standardise(X)
    Z, V = rotate(Z, wide=WIDE)
    everyone = RiskSets.of(time, event)
    width = X.shape[1]
    best, effect = 0, 1.0
    held_out = None
    if len(penalties) > 1:
        criterion = np.zeros(len(penalties))
        risks = np.zeros((len(penalties), len(time)))  # of each by the fit without its fold
        for fold in np.unique(folds):
            rest = folds != fold
            without = RiskSets.of(time[rest], event[rest])
            scaled = [penalty * without.n_events * width for penalty in penalties]
            for i, beta in enumerate(fit_path(Z[rest], without, scaled)):
                eta = Z @ beta
                risks[i, ~rest] = eta[~rest]
                criterion[i] += everyone.log_likelihood(eta)
                criterion[i] -= without.log_likelihood(Z[rest] @ beta)
        finite = np.isfinite(penalties)
        effect = float(finite[np.argmax(criterion)])
        best = int(np.argmax(np.where(finite, criterion, -np.inf))) if finite.any() else 0
        held_out = np.empty(len(time))
        held_out[falling] = risks[best]
    scaled = [penalty * everyone.n_events * width for penalty in penalties[: best + 1]]
    beta = fit_path(Z, everyone, scaled)[-1]
    coefficients = (beta if V is None else V @ beta) / scale
    times, hazard = baseline(everyone, time, effect * (Z @ beta))
    offset = float(mean @ coefficients)
    return RidgeCox(coefficients, offset, times, hazard, penalties[best], effect, held_out)


def _newton(Z: Matrix, risk_sets: RiskSets, penalty: float, start: Vector) -> Vector:
    """One penalised fit from a starting point."""

    def objective(beta: Vector) -> float:
        return penalty / 2 * float(beta @ beta) - risk_sets.log_likelihood(Z @ beta)

    def derivatives(beta: Vector) -> tuple[Vector, Matrix]:
        gradient, hessian = risk_sets.derivatives(Z, Z @ beta)
        gradient -= penalty * beta
        hessian[np.diag_indices_from(hessian)] += penalty
        return gradient, hessian

    return minimise(objective, derivatives, start, risk_sets.n_events)


def _descent(Z: Matrix, risk_sets: RiskSets, penalty: float, start: Vector) -> Vector:
    """The same fit by L-BFGS, in units in which the Hessian is nearly the identity.

    The columns of a rotated Z are nearly orthogonal, so that its Hessian is nearly diagonal: about
    the share of events times their sums of squares, and the penalty.
    """
    share = risk_sets.n_events / len(Z)
    unit = 1.0 / np.sqrt(share * np.einsum("ij,ij->j", Z, Z) + penalty)
    scaled = Z * unit

    def objective(gamma: Vector) -> tuple[float, Vector]:
        eta, beta = scaled @ gamma, gamma * unit
        value = penalty / 2 * float(beta @ beta) - risk_sets.log_likelihood(eta)
        return value, penalty * beta * unit - scaled.T @ risk_sets.residuals(eta)

    solution = descend(
        objective,
        start / unit,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxcor": 20, "gtol": 1e-7, "ftol": 1e-13},
    )
    return np.asarray(solution.x * unit)


def baseline(risk_sets: RiskSets, time: Vector, eta: Vector) -> tuple[Vector, Vector]:
    """Distinct event times, rising, and Efron's cumulative hazard of a patient with eta 0.

    Of d patients who die at one time, the risk set loses the average of them with each death. The
    hazard is that much above Breslow's, which matters where times are whole years.

    Args:
        risk_sets: Of n patients in the order of falling time.
        time: Theirs, [n].
        eta: Their linear predictors, [n].

    Source:
        Efron, JASA 72:557 (1977); Therneau and Grambsch, Modeling survival data (2000), appendix E.
    """
    at_risk = np.exp(np.logaddexp.accumulate(eta)[risk_sets.last])
    dying = np.bincount(
        risk_sets.first[risk_sets.event], np.exp(eta[risk_sets.event]), len(risk_sets.deaths)
    )
    # one row a death, in the order of its time
    of_death = np.repeat(np.arange(len(at_risk)), risk_sets.deaths.astype(int))
    before = np.arange(len(of_death)) - np.searchsorted(of_death, of_death)
    left = at_risk[of_death] - before / risk_sets.deaths[of_death] * dying[of_death]
    hazard = np.bincount(of_death, 1.0 / left, len(at_risk))
    return time[risk_sets.last][::-1].copy(), np.cumsum(hazard[::-1])
