"""The iterative Moore-Penrose inverse of Nystrom attention, applied to a block or to a row.

The iteration is Razavi et al.'s (2014) as Xiong et al., "Nystromformer", AAAI 2021, publish it.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from methods.encoders.attention.runs import runs

# Steps that `row_times_pseudo_inverse` does not form. A fourth would take 384 products with rows
# instead of three of matrices: more time, not less, at the paper's size.
ON_ROWS = 3
# Numbers of the matrices that rows are taken through together, 1.25 MiB of float32: with as many of
# the inverse they stay in the caches of two cores from product to product, twice as fast.
CACHED = 5 * 2**16
# Numbers of float32 in a line of the cache.
LINE = 16
# Rows of a symmetric product that are made together, from the diagonal on.
STRIP = 72


def largest_column(A: Tensor) -> Tensor:
    """The published scale of the pseudo-inverse: largest row sum (one) times largest column sum.

    One number for the whole batch and all heads, so bags embedded together are not independent.
    """
    return A.sum(-2).amax()


def pseudo_inverse_times(A: Tensor, block: Tensor, scale: Tensor, steps: int = 6) -> Tensor:
    """The iterative Moore-Penrose inverse of `A`, applied to a block.

    The published iteration is Z <- Z p(A Z) / 4 with p(Y) = 13 I - 15 Y + 7 Y^2 - Y^3, from
    Z = A^T / scale. Its last step is applied to the block and never formed.

    Args:
        A: Softmax matrices [..., m, m]: rows sum to one.
        block: [..., m, d].
        scale: `largest_column` of all matrices that are iterated together.
        steps: Number of iterations.

    Returns:
        [..., m, d].
    """
    A, block, c = _in_one_dtype(A, block, scale)
    flat = (A.flatten(0, -3), block.flatten(0, -3))
    applied = _PseudoInverseTimes.apply(*flat, c, steps)  # type: ignore[no-untyped-call]
    output: Tensor = applied.unflatten(0, A.shape[:-2])
    return output


def row_times_pseudo_inverse(row: Tensor, A: Tensor, scale: Tensor, steps: int = 6) -> Tensor:
    """A row times the inverse that `pseudo_inverse_times` applies; without gradients.

    With E = I - Z A a step is Z' = (I + E + E^2 + E^3 / 4) Z, so that a row times Z' is seven
    products of rows with Z and A. The last `ON_ROWS` steps are taken so, each on the one before,
    and never formed.

    Args:
        row: [..., 1, m].
        A: Softmax matrices [..., m, m].
        scale: As of `pseudo_inverse_times`.
        steps: Number of iterations.

    Returns:
        [..., 1, m].
    """
    A, row, c = _in_one_dtype(A, row, scale)
    shape, A, row = row.shape, A.flatten(0, -3), row.flatten(0, -3)
    on_rows = min(ON_ROWS, steps)
    Z = A.mT / c
    for _ in range(steps - on_rows):
        Y = _symmetric_product(A, Z)
        Z = Z @ _factor(Y, _shifted_square(Y))
    # Rows of whole cache lines: a product with one takes a sixth less.
    over = -A.shape[-1] % LINE
    A, Z = (functional.pad(matrix, (0, over, 0, over)) for matrix in (A, Z))
    row = functional.pad(row, (0, over))
    together = runs(len(A), A[0].numel(), CACHED if A.device.type == "cpu" else A.numel())
    found = [_through(row[some], Z[some], A[some], on_rows) for some in together]
    return torch.cat(found)[..., : shape[-1]].reshape(shape)


def _through(row: Tensor, Z: Tensor, A: Tensor, steps: int) -> Tensor:
    """Rows [b, 1, m] times what so many steps make of Z."""
    if steps == 0:
        return torch.bmm(row, Z)
    # Horner's rule: row (I + E (I + E (I + E / 4))).
    summed = row
    for share in (0.25, 1, 1):
        times_E = torch.baddbmm(summed, _through(summed, Z, A, steps - 1), A, alpha=-1)
        summed = torch.add(row, times_E, alpha=share)
    return _through(summed, Z, A, steps - 1)


def _in_one_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Autocast's, where that is on."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(tensor.to(dtype) for tensor in tensors)


class _PseudoInverseTimes(torch.autograd.Function):
    """`pseudo_inverse_times` with fewer products and saved matrices.

    Every Y = A Z is symmetric, for Z is A^T times a polynomial of A A^T. With P = Y^2 - 3.5 Y +
    2.75 a step is Z' = Z (0.84375 + 0.875 P - 0.25 Y P), and Y' = A Z' is also Y' = 0.84375 Y +
    0.6875 P - 0.25 P^2. The derivative takes that way, two products where the way over Z takes
    four. The values do not: errors of a Y so derived grow 3.25-fold a step where singular values
    are small.
    """

    @staticmethod
    def forward(ctx: Any, A: Tensor, block: Tensor, c: Tensor, steps: int) -> Tensor:
        """A [b, m, m], block [b, m, d], c scalar -> [b, m, d]."""
        for_backward = any(ctx.needs_input_grad)
        Z = A.mT / c
        Y = _symmetric_product(A, Z)
        # What nothing needs any more is let go at once, and the next matrix is written where it
        # was, in the cache: without gradients 54 ms where keeping all took 75 (paper size).
        Ys, Ps = [], []
        for step in range(1, steps):
            P = _shifted_square(Y)
            if for_backward:
                Ys.append(Y)
                Ps.append(P)
            Z = Z @ _factor(Y, P)
            # The last is not made symmetric: no step after it mends what that loses.
            Y = A @ Z if step == steps - 1 else _symmetric_product(A, Z)
        # The last step, applied to the block.
        first = torch.baddbmm(block, Y, block, beta=1.75, alpha=-0.25)
        second = torch.baddbmm(block, Y, first, beta=3.75, alpha=-1)
        w = torch.baddbmm(block, Y, second, beta=3.25, alpha=-1)
        if for_backward:
            ctx.save_for_backward(A, block, c, Z, Y, first, second, w, *Ys, *Ps)
        return Z @ w

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of A, the block and c."""
        A, block, c, Z, last, first, second, w, *rest = ctx.saved_tensors
        n = len(rest) // 2
        steps = list(zip(rest[:n], rest[n:], strict=True))
        under = []
        for Y, P in reversed(steps):
            below, through = _factor_times(Y, P, w)
            under.append((w, through))
            w = below

        # Back through the factors, first step first: what each adds to its Y and P, as factors.
        dA = torch.bmm(w, gradient.mT).div_(c)
        dc = -(dA * A).sum() / c
        g = (A @ gradient) / c
        of_Y_and_P = []
        for Y, P in steps:
            w, through = under.pop()
            of_through = (0.875 * g).baddbmm_(Y, g, alpha=-0.25)
            of_Y_and_P.append(((g, through), (of_through, w)))
            g = (0.84375 * g).baddbmm_(P, of_through)
        g = Z.mT @ gradient

        # The last step: 3.25 block - Y second, second = 3.75 block - Y first, and so on.
        of_second = -(last @ g)
        of_first = -(last @ of_second)
        left = torch.cat([g, of_second, of_first], -1)
        D = _symmetric(left @ torch.cat([-second, -first, -0.25 * block], -1).mT)
        of_block = torch.add(3.25 * g, of_second, alpha=3.75).add_(of_first, alpha=1.75)
        of_block.baddbmm_(last, of_first, alpha=-0.25)

        # Back through Y' = 0.84375 Y + 0.6875 P - P P / 4, P = Y Y - 3.5 Y + 2.75, all symmetric.
        for (Y, P), ((g, through), (of_through, w)) in zip(
            reversed(steps), reversed(of_Y_and_P), strict=True
        ):
            dP = (D @ P).mul_(-0.5).add_(D, alpha=0.6875)
            dP = _symmetric(dP.baddbmm_(of_through, w.mT))
            dY = (dP @ Y).sub_(dP, alpha=1.75).mul_(2).add_(D, alpha=0.84375)
            D = _symmetric(dY.baddbmm_(g, through.mT, alpha=-0.25))
        # Y = A A^T / c.
        dc -= (D * (steps[0][0] if steps else last)).sum() / c
        dA.baddbmm_(D.mul_(2).div_(c), A)
        return dA, of_block, dc, None


def _shifted_square(Y: Tensor) -> Tensor:
    """P = Y^2 - 3.5 Y + 2.75."""
    return _add_identity(_symmetric_product(Y, Y, Y, beta=-3.5), 2.75)


def _factor(Y: Tensor, P: Tensor) -> Tensor:
    """p(Y) / 4."""
    return _add_identity(_symmetric_product(Y, P, P, beta=0.875, alpha=-0.25), 0.84375)


def _factor_times(Y: Tensor, P: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """p(Y) / 4 applied to a block: 0.84375 w + 0.875 P w - 0.25 Y P w; and P w."""
    through = P @ w
    output = torch.add(0.84375 * w, through, alpha=0.875)
    return output.baddbmm_(Y, through, alpha=-0.25), through


def _symmetric_product(
    X: Tensor, Y: Tensor, M: Tensor | None = None, *, beta: float = 0, alpha: float = 1
) -> Tensor:
    """X Y alpha + M beta [b, m, m] where that is symmetric: below the diagonal it is copied."""
    m = X.shape[-1]
    M = X if M is None else M
    if m <= 2 * STRIP or X.device.type != "cpu":
        return torch.baddbmm(M, X, Y, beta=beta, alpha=alpha)
    product = torch.empty_like(X, memory_format=torch.contiguous_format)
    for start in range(0, m, STRIP):
        rows, after = slice(start, start + STRIP), slice(start + STRIP, m)
        strip = torch.baddbmm(
            M[:, rows, start:], X[:, rows], Y[:, :, start:], beta=beta, alpha=alpha
        )
        product[:, rows, start:] = strip
        product[:, after, rows] = strip[:, :, STRIP:].mT
    return product


def _add_identity(M: Tensor, times: float) -> Tensor:
    """Add to the diagonal in place."""
    M.diagonal(dim1=-2, dim2=-1).add_(times)
    return M


def _symmetric(M: Tensor) -> Tensor:
    return torch.lerp(M, M.mT, 0.5)
