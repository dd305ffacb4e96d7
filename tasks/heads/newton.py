"""Newton's method with halved steps, for the convex objectives of the heads."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tasks.heads.inputs import Matrix, Vector

MAX_STEPS = 50
TOLERANCE = 1e-9  # of the Newton decrement per event; the last step still squares the error


def minimise(
    objective: Callable[[Vector], float],
    derivatives: Callable[[Vector], tuple[Vector, Matrix]],
    start: Vector,
    n_events: float,
) -> Vector:
    """The minimum of a strictly convex function.

    Args:
        objective: The function.
        derivatives: Its negative gradient [p] and its Hessian [p, p], which may be overwritten.
        start: Where to begin, [p].
        n_events: Number of events behind the function; the tolerance grows with it.

    Returns:
        The arguments [p] of the minimum.

    Raises:
        ArithmeticError: `MAX_STEPS` steps did not reach it.
    """
    beta, value = start, objective(start)
    for _ in range(MAX_STEPS):
        gradient, hessian = derivatives(beta)
        step = cho_solve(cho_factor(hessian, overwrite_a=True, check_finite=False), gradient)
        if gradient @ step <= TOLERANCE * n_events:
            return np.asarray(beta + step)
        length = 1.0
        while not objective(beta + length * step) <= value:
            length /= 2
            if length < 1e-10:  # as flat as rounding can tell
                return beta
        beta = beta + length * step
        value = objective(beta)
    raise ArithmeticError(f"the fit did not converge in {MAX_STEPS} Newton steps")
