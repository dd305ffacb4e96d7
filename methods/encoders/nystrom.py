"""Nystrom attention: the published function, with fewer operations and bytes.

Source: Xiong et al., "Nystromformer", AAAI 2021, equations 13 to 16, in the form that TransMIL and
MIRROR use (zero padding in front, six pseudo-inverse steps, a convolution over the values).
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from methods.encoders.runs import runs

# Queries [B, heads, n, d], keys and values of all tokens [B, tokens, 2 * heads * d], and which
# heads these are -> what the queries find, [B, heads, n, d].
Attend = Callable[[Tensor, Tensor, slice], Tensor]


class TokenAttention(nn.Module):
    """Exact softmax attention among tokens, plus a depthwise convolution over the values.

    Args:
        width: Width of a token; `heads` divides it.
        heads: Number of heads.
        dropout: Dropout of the output projection.
        kernel: Tokens that the convolution spans, odd.
    """

    def __init__(self, width: int, heads: int = 8, dropout: float = 0.1, kernel: int = 33) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.kernel = kernel
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        (mixed,) = self._mixed(x.shape[1], x, [slice(0, self.heads)])
        output: Tensor = self.dropout(self.output(mixed))
        return output

    def first(self, x: Tensor) -> Tensor:
        """The first token of `forward`, [B, 1, width], without the others' queries."""
        mixed = torch.cat(list(self._mixed(1, x, self._runs(x))), dim=-1)
        output: Tensor = self.dropout(self.output(mixed))
        return output

    def add_to_(self, residual: Tensor, x: Tensor) -> None:
        """Add `forward(x)` without dropout to `residual` in place, few heads at a time."""
        residual += self.output.bias
        heads = self._runs(x)
        for run, mixed in zip(heads, self._mixed(x.shape[1], x, heads), strict=True):
            weight = self.output.weight[:, self._columns(run)]
            for tokens in runs(x.shape[1], x.numel() // x.shape[1]):
                residual[:, tokens] += functional.linear(mixed[:, tokens], weight)

    def _mixed(self, n: int, x: Tensor, together: list[slice]) -> Iterator[Tensor]:
        """The first `n` tokens before the output projection, [B, n, heads * d] per run of heads."""
        attend = self.attention_over(x)
        weights = self.qkv.weight.unflatten(0, (3, -1))
        for heads in together:
            columns = self._columns(heads)
            q = self._heads(functional.linear(x[:, :n], weights[0, columns]))
            kv = functional.linear(x, weights[1:, columns].flatten(0, 1))
            found = attend(q, kv, heads).transpose(1, 2).flatten(2)
            v = kv[:, : n + self.kernel // 2, kv.shape[-1] // 2 :]
            yield found + self._convolve(v, heads)[:, :n]

    def _runs(self, x: Tensor) -> list[slice]:
        """Heads computed together."""
        return runs(self.heads, x.numel() // self.heads)

    def _columns(self, heads: slice) -> slice:
        """The channels of heads."""
        return slice(heads.start * self.head_width, heads.stop * self.head_width)

    def _convolve(self, v: Tensor, heads: slice) -> Tensor:
        """Each head's kernel over the sequence, on every channel of the head; [B, n, width]."""
        # A kernel per channel, the channels last as the tokens have them: twice as fast on a CPU
        # as one per head on a transposed copy.
        kernel = self.convolution.weight[heads].repeat_interleave(self.head_width, dim=0)
        column = v.unsqueeze(2).permute(0, 3, 1, 2)
        output = functional.conv2d(
            column,
            kernel.to(memory_format=torch.channels_last),
            padding=(self.kernel // 2, 0),
            groups=v.shape[-1],
        )
        return output.squeeze(3).transpose(1, 2)

    def attention_over(self, x: Tensor) -> Attend:
        """How heads attend to tokens [B, n, width]; any run of heads may then be asked for."""

        def attend(q: Tensor, kv: Tensor, _: slice) -> Tensor:
            k, v = (self._heads(part) for part in kv.chunk(2, dim=-1))
            return functional.scaled_dot_product_attention(q, k, v)

        return attend

    def _heads(self, x: Tensor) -> Tensor:
        """[B, n, heads * d] -> [B, heads, n, d], a view."""
        heads: Tensor = x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        return heads


class NystromAttention(TokenAttention):
    """Nystrom attention: softmax attention through landmarks.

    Args:
        width: Width of a token; `heads` divides it.
        landmarks: Number of landmarks; each is the mean of consecutive tokens.
        heads: Number of heads.
        dropout: Dropout of the output projection.
        kernel: Tokens that the convolution spans, odd.
        steps: Steps of the iterative pseudo-inverse.
    """

    def __init__(
        self,
        width: int,
        landmarks: int,
        *,
        heads: int = 8,
        dropout: float = 0.1,
        kernel: int = 33,
        steps: int = 6,
    ) -> None:
        super().__init__(width, heads, dropout, kernel)
        self.landmarks = landmarks
        self.steps = steps

    def attention_over(self, x: Tensor) -> Attend:
        """A1 pinv(A2) A3 V, multiplied from the right: no n x m x m product is ever formed."""
        q_marks, k_marks, between = self._landmarks(x)
        scale = largest_column(between)

        def attend(q: Tensor, kv: Tensor, heads: slice) -> Tensor:
            # Padding tokens are zero and have no bias, so they are zero as keys and as values too.
            k, v = (self._heads(part) for part in self._pad(kv).chunk(2, dim=-1))
            block = functional.scaled_dot_product_attention(q_marks[:, heads], k, v)
            block = pseudo_inverse_times(between[:, heads], block, self.steps, scale=scale)
            return functional.scaled_dot_product_attention(q, k_marks[:, heads], block)

        return attend

    def first(self, x: Tensor) -> Tensor:
        """The first token of `forward`, [B, 1, width].

        Without gradients from the left, ((A1 pinv(A2)) A3 X) W: one row, and values of few tokens.
        """
        if torch.is_grad_enabled():
            return super().first(x)
        to_q, to_k, to_v = self.qkv.weight.unflatten(0, (3, self.heads, -1))
        q_marks, k_marks, between = self._landmarks(x)
        q = self._heads(functional.linear(x[:, :1], to_q.flatten(0, 1)))
        row = self._softmax(q, k_marks)
        row = row_times_pseudo_inverse(row, between, self.steps)
        mixed = []
        for head in range(self.heads):
            keys = self._pad(functional.linear(x, to_k[head]))
            on_tokens = torch.zeros_like(x[:, :1, :1])
            for marks in runs(self.landmarks, keys.shape[0] * keys.shape[1]):
                on_tokens = on_tokens + row[:, head, :, marks] @ self._softmax(
                    q_marks[:, head, marks], keys
                )
            mixed.append(functional.linear(on_tokens[..., -x.shape[1] :] @ x, to_v[head]))
        v = functional.linear(x[:, : 1 + self.kernel // 2], to_v.flatten(0, 1))
        near = self._convolve(v, slice(0, self.heads))[:, :1]
        output: Tensor = self.dropout(self.output(torch.cat(mixed, -1) + near))
        return output

    def _landmarks(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean queries and keys [B, heads, landmarks, d], and A2, the attention between them."""
        # The mean of projected tokens is the projection of their mean.
        weight = self.qkv.weight[: 2 * x.shape[-1]]
        marks = functional.linear(padded_means(x, self.landmarks), weight)
        q_marks, k_marks = (self._heads(part) for part in marks.chunk(2, dim=-1))
        return q_marks, k_marks, self._softmax(q_marks, k_marks)

    def _softmax(self, q: Tensor, k: Tensor) -> Tensor:
        return torch.softmax(q / math.sqrt(self.head_width) @ k.mT, dim=-1)

    def _pad(self, x: Tensor) -> Tensor:
        """Zeros in front of tokens [B, n, ..], to a multiple of the landmarks."""
        return functional.pad(x, (0, 0, -x.shape[1] % self.landmarks, 0))


def padded_means(x: Tensor, count: int) -> Tensor:
    """Means of `count` groups of consecutive tokens, zeros in front making the groups equal.

    Args:
        x: [B, n, width].
        count: Number of groups; each has ceil(n / count) places.

    Returns:
        [B, count, width].
    """
    size = -(-x.shape[1] // count)
    rest = x.shape[1] % size
    means = x[:, rest:].unflatten(1, (-1, size)).mean(2)
    if rest:
        means = torch.cat([x[:, :rest].sum(1, keepdim=True) / size, means], dim=1)
    return functional.pad(means, (0, 0, count - means.shape[1], 0))


def largest_column(A: Tensor) -> Tensor:
    """The published scale of the pseudo-inverse: largest row sum (one) times largest column sum.

    One number for the whole batch and all heads, so bags embedded together are not independent.
    """
    return A.sum(-2).amax()


def pseudo_inverse_times(
    A: Tensor, block: Tensor, steps: int = 6, *, scale: Tensor | None = None
) -> Tensor:
    """The iterative Moore-Penrose inverse of `A`, applied to a block.

    The published iteration is Z <- Z p(A Z) / 4 with p(Y) = 13 I - 15 Y + 7 Y^2 - Y^3, from
    Z = A^T / scale. Its last step is applied to the block and never formed.

    Args:
        A: Softmax matrices [..., m, m]: rows sum to one.
        block: [..., m, d].
        steps: Number of iterations.
        scale: `largest_column` of all matrices that are iterated together; None if `A` is all.

    Returns:
        [..., m, d].
    """
    c = largest_column(A) if scale is None else scale
    A, block, c = _in_one_dtype(A, block, c)
    flat = (A.flatten(0, -3), block.flatten(0, -3))
    applied = _PseudoInverseTimes.apply(*flat, c, steps)  # type: ignore[no-untyped-call]
    output: Tensor = applied.unflatten(0, A.shape[:-2])
    return output


def row_times_pseudo_inverse(row: Tensor, A: Tensor, steps: int = 6) -> Tensor:
    """A row from the left of `pseudo_inverse_times`' inverse, [..., 1, m]; without gradients.

    With E = I - Z A a step is Z' = (I + E + E^2 + E^3 / 4) Z, so that a row times Z' is seven
    products of rows with Z and A. The last `ON_ROWS` steps are taken so, each on the one before,
    and never formed. On the left of Z the errors of an E stay as small as they are there.
    """
    A, row, c = _in_one_dtype(A, row, largest_column(A))
    shape, A, row = row.shape, A.flatten(0, -3), row.flatten(0, -3)
    on_rows = min(ON_ROWS, steps)
    Z = A.mT / c
    for step in range(steps - on_rows):
        Y = A @ Z if step else _symmetric_product(A, Z)
        Z = Z @ _factor(Y, _shifted_square(Y))

    def times(row: Tensor, steps: int) -> Tensor:
        if steps == 0:
            return row @ Z
        E = lambda row: row - times(row, steps - 1) @ A  # noqa: E731
        return times(row + E(row + E(row + 0.25 * E(row))), steps - 1)

    return times(row, on_rows).view(shape)


def _in_one_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Autocast's, where that is on."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(tensor.to(dtype) for tensor in tensors)


# Steps that `row_times_pseudo_inverse` does not form. A fourth would take 384 products with rows to
# save three of matrices: more time, not less, at the paper's size.
ON_ROWS = 3


class _PseudoInverseTimes(torch.autograd.Function):
    """`pseudo_inverse_times` with fewer products and saved matrices.

    Every Y = A Z is symmetric, for Z is A^T times a polynomial of A A^T. With P = Y^2 - 3.5 Y +
    1.375 a step is Z' = Z (2.046875 - 0.34375 Y + 0.875 P - 0.25 Y P), and Y' = A Z' is also
    Y' = 0.47265625 + 0.84375 Y - 0.25 P^2: two products where the way over Z takes four, and two
    for its derivative. Errors of a Y so derived grow 3.25-fold a step where singular values are
    small, so that only the last ones are; all of them would cost two digits.
    """

    DERIVED = 1

    @staticmethod
    def forward(ctx: Any, A: Tensor, block: Tensor, c: Tensor, steps: int) -> Tensor:
        """A [b, m, m], block [b, m, d], c scalar -> [b, m, d]."""
        n_formed = max(0, steps - 1 - _PseudoInverseTimes.DERIVED)
        Z = A.mT / c
        Y = _symmetric_product(A, Z)
        Ys, Ps = [], []
        for step in range(steps - 1):
            P = _shifted_square(Y)
            Ys.append(Y)
            Ps.append(P)
            if step < n_formed:
                # Not made symmetric: what Y lacks of it, the next steps mend in Z.
                Z = Z @ _factor(Y, P)
                Y = A @ Z
            else:
                Y = _derived_step(Y, P)
        # The last step, then those whose Z was not formed, applied to the block.
        first = torch.baddbmm(block, Y, block, beta=1.75, alpha=-0.25)
        second = torch.baddbmm(block, Y, first, beta=3.75, alpha=-1)
        w = torch.baddbmm(block, Y, second, beta=3.25, alpha=-1)
        under = []
        for step in reversed(range(n_formed, steps - 1)):
            below, inner = _factor_times(Ys[step], Ps[step], w)
            under += [w, inner]
            w = below
        ctx.n_formed = n_formed
        ctx.save_for_backward(A, block, c, Z, Y, first, second, w, *Ys, *Ps, *under)
        return Z @ w

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of A, the block and c."""
        A, block, c, Z, last, first, second, w, *rest = ctx.saved_tensors
        n_formed = ctx.n_formed
        # One Y and one P a step, and two of `under` for each whose Z was not formed.
        n = (len(rest) + 2 * n_formed) // 4
        steps = list(zip(rest[:n], rest[n : 2 * n], strict=True))
        under = list(zip(rest[2 * n :: 2], rest[2 * n + 1 :: 2], strict=True))
        for Y, P in reversed(steps[:n_formed]):
            below, inner = _factor_times(Y, P, w)
            under.append((w, inner))
            w = below

        # Back through the factors, first step first: what each adds to its Y and P, as factors.
        dA = torch.bmm(w, gradient.mT).div_(c)
        dc = -(dA * A).sum() / c
        g = (A @ gradient) / c
        of_Y_and_P = []
        for step, (Y, P) in enumerate(steps):
            if step == n_formed:
                g = Z.mT @ gradient
            w, inner = under.pop()
            of_inner = -(Y @ g)
            of_through = torch.add(0.875 * g, of_inner, alpha=0.25)
            of_Y_and_P.append(((g, inner), (of_through, w)))
            g = torch.add(2.046875 * g, of_inner, alpha=0.34375).baddbmm_(P, of_through)
        if n_formed == len(steps):
            g = Z.mT @ gradient

        # The last step: 3.25 block - Y second, second = 3.75 block - Y first, and so on.
        of_second = -(last @ g)
        of_first = -(last @ of_second)
        left = torch.cat([g, of_second, of_first], -1)
        D = _symmetric(left @ torch.cat([-second, -first, -0.25 * block], -1).mT)
        of_block = torch.add(3.25 * g, of_second, alpha=3.75).add_(of_first, alpha=1.75)
        of_block.baddbmm_(last, of_first, alpha=-0.25)

        # Back through Y' = 0.84375 Y - P P / 4 with P = Y Y - 3.5 Y, all symmetric.
        for (Y, P), ((g, inner), (of_through, w)) in zip(
            reversed(steps), reversed(of_Y_and_P), strict=True
        ):
            dP = _symmetric((D @ P).mul_(-0.5).baddbmm_(of_through, w.mT))
            dY = (dP @ Y).sub_(dP, alpha=1.75).mul_(2).add_(D, alpha=0.84375)
            D = _symmetric(dY.baddbmm_(g, inner.mT, alpha=-1))
        # Y = A A^T / c.
        dc -= (D * (steps[0][0] if steps else last)).sum() / c
        dA.baddbmm_(D.mul_(2).div_(c), A)
        return dA, of_block, dc, None


def _shifted_square(Y: Tensor) -> Tensor:
    """P = Y^2 - 3.5 Y + 1.375."""
    return _add_identity(_symmetric_product(Y, Y).sub_(Y, alpha=3.5), 1.375)


def _factor(Y: Tensor, P: Tensor) -> Tensor:
    """p(Y) / 4."""
    factor = _symmetric_product(Y, P).mul_(-0.25).add_(P, alpha=0.875)
    return _add_identity(factor.sub_(Y, alpha=0.34375), 2.046875)


def _derived_step(Y: Tensor, P: Tensor) -> Tensor:
    """The next Y from the last."""
    squared = _symmetric_product(P, P).mul_(-0.25)
    return _add_identity(squared.add_(Y, alpha=0.84375), 0.47265625)


def _factor_times(Y: Tensor, P: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """p(Y) / 4 applied to a block, and what is in brackets in 2.046875 w + 0.875 P w - Y (..)."""
    through = P @ w
    inner = torch.add(0.25 * through, w, alpha=0.34375)
    output = torch.add(2.046875 * w, through, alpha=0.875)
    return output.baddbmm_(Y, inner, alpha=-1), inner


def _symmetric_product(X: Tensor, Y: Tensor) -> Tensor:
    """X Y [b, m, m] where that is symmetric: what is below the diagonal is copied."""
    m = X.shape[-1]
    if m < 128 or X.device.type != "cpu":
        return X @ Y
    size = -(-m // 4)
    product = torch.empty_like(X)
    for start in range(0, m, size):
        rows, after = slice(start, start + size), slice(start + size, m)
        product[:, rows, start:] = X[:, rows] @ Y[:, :, start:]
        product[:, after, rows] = product[:, rows, after].mT
    return product


def _add_identity(M: Tensor, times: float) -> Tensor:
    """Add to the diagonal in place."""
    M.diagonal(dim1=-2, dim2=-1).add_(times)
    return M


def _symmetric(M: Tensor) -> Tensor:
    return torch.lerp(M, M.mT, 0.5)
