"""The one penalised fit that logistic heads and hazards share: cross-entropy of linear logits.

It is our own because the heads fit it thousands of times: scikit-learn's `LogisticRegression` has
no way to scale its descent other than by the features, whose scale the penalty hangs on, and takes
twice as long on wide embeddings (tests/speed/test_speed_logistic.py measures both). It finds
the same minimum (tests/tasks/test_subtyping_task.py).
"""

import numpy as np
from scipy.optimize import minimize

from tasks.heads.inputs import Matrix, Vector

MAX_STEPS = 2000
TOLERANCE = 1e-6  # of the gradient, in units in which the Hessian begins with ones on its diagonal


def descend(Z: Matrix, targets: Matrix, penalty: float, start: Matrix) -> Matrix:
    """Minimise the cross-entropy of all rows + penalty/2 |weights|^2; intercepts are free.

    Args:
        Z: Features [n, p]; the nearer to orthogonal its columns are, the faster it goes.
        targets: Probability of each class, [n, K]; rows sum to one.
        penalty: Above zero.
        start: Where to begin, an intercept and weights a logit, [m, 1 + p]. Two classes have one
            logit, of the second against the first; more have one each.

    Returns:
        The minimum, as `start` is laid out.
    """
    m, width = start.shape
    observed = targets[:, -m:]
    spread = probabilities(Z, start)[:, -m:]
    spread = spread * (1 - spread)
    curvature = np.empty_like(start)
    curvature[:, 0], curvature[:, 1:] = spread.sum(axis=0), spread.T @ Z**2 + penalty
    unit = 1.0 / np.sqrt(np.maximum(curvature, np.finfo(float).tiny))

    def objective(scaled: Vector) -> tuple[float, Vector]:
        beta = scaled.reshape(m, width) * unit
        weights = beta[:, 1:]
        logits = logits_of(Z, beta)
        top = logits.max(axis=1, keepdims=True)
        odds = np.exp(logits - top)
        total = odds.sum(axis=1, keepdims=True)
        loss = float((top + np.log(total)).sum() - np.vdot(targets, logits))
        rest = (odds / total)[:, -m:] - observed
        gradient = np.empty_like(beta)
        gradient[:, 0], gradient[:, 1:] = rest.sum(axis=0), rest.T @ Z + penalty * weights
        return loss + penalty / 2 * float(np.vdot(weights, weights)), (gradient * unit).ravel()

    solution = minimize(
        objective,
        (start / unit).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_STEPS, "maxcor": 20, "gtol": TOLERANCE, "ftol": 0.0},
    )
    return np.asarray(solution.x.reshape(m, width) * unit)


def probabilities(Z: Matrix, beta: Matrix) -> Matrix:
    """Of each class, [n, K], by intercepts and weights as `descend` lays them out."""
    logits = logits_of(Z, beta)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def log_loss(Z: Matrix, targets: Matrix, beta: Matrix) -> float:
    """Cross-entropy of all rows."""
    logits = logits_of(Z, beta)
    top = logits.max(axis=1)
    total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float(total.sum() - np.vdot(targets, logits))


def logits_of(Z: Matrix, beta: Matrix) -> Matrix:
    """Of each class, [n, K], that of the first of two being zero."""
    logits = Z @ beta[:, 1:].T + beta[:, 0]
    return np.hstack([np.zeros_like(logits), logits]) if len(beta) == 1 else logits
