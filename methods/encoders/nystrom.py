"""Nystrom attention: the published function, with fewer operations and bytes.

Source: Xiong et al., "Nystromformer", AAAI 2021, equations 13 to 16, in the form that TransMIL and
MIRROR use (zero padding in front, six pseudo-inverse steps, a convolution over the values).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


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
        self.kernel = kernel
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        return self._attend_from(x.shape[1], x)

    def first(self, x: Tensor) -> Tensor:
        """The first token of `forward`, [B, 1, width], without the others' queries."""
        return self._attend_from(1, x)

    def _attend_from(self, n: int, x: Tensor) -> Tensor:
        """The first `n` tokens of the output."""
        width = x.shape[-1]
        q = self._heads(functional.linear(x[:, :n], self.qkv.weight[:width]))
        kv = functional.linear(x, self.qkv.weight[width:])
        found = self.attend(q, kv, x).transpose(1, 2).flatten(2)
        near = self._convolve(kv[:, : n + self.kernel // 2, width:])[:, :n]
        output: Tensor = self.dropout(self.output(found + near))
        return output

    def _convolve(self, v: Tensor) -> Tensor:
        """Each head's kernel over the sequence, on every channel of the head; [B, n, width]."""
        # A kernel per channel, the channels last as the tokens have them: twice as fast on a CPU
        # as one per head on a transposed copy.
        per_head = self.convolution.weight
        kernel = per_head.repeat_interleave(v.shape[-1] // self.heads, dim=0)
        column = v.unsqueeze(2).permute(0, 3, 1, 2)
        output = functional.conv2d(
            column,
            kernel.to(memory_format=torch.channels_last),
            padding=(self.kernel // 2, 0),
            groups=v.shape[-1],
        )
        return output.squeeze(3).transpose(1, 2)

    def attend(self, q: Tensor, kv: Tensor, x: Tensor) -> Tensor:
        """What queries find, [B, heads, n, d].

        Args:
            q: [B, heads, n, d].
            kv: Keys and values of all tokens, [B, tokens, 2 width].
            x: The tokens, [B, tokens, width].
        """
        k, v = (self._heads(part) for part in kv.chunk(2, dim=-1))
        return functional.scaled_dot_product_attention(q, k, v)

    def _heads(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, heads, n, d], a view."""
        heads: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
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

    def attend(self, q: Tensor, kv: Tensor, x: Tensor) -> Tensor:
        """A1 pinv(A2) A3 V, multiplied from the right: no n x m x m product is ever formed."""
        # Padding tokens are zero and have no bias, so they are zero as keys and as values too.
        front = (0, 0, -x.shape[1] % self.landmarks, 0)
        k, v = (self._heads(part) for part in functional.pad(kv, front).chunk(2, dim=-1))
        # The mean of projected tokens is the projection of their mean.
        means = functional.pad(x, front).unflatten(1, (self.landmarks, -1)).mean(2)
        marks = functional.linear(means, self.qkv.weight[: 2 * x.shape[-1]])
        q_marks, k_marks = (self._heads(part) for part in marks.chunk(2, dim=-1))
        block = functional.scaled_dot_product_attention(q_marks, k, v)
        between = torch.softmax(q_marks @ k_marks.mT / math.sqrt(q.shape[-1]), dim=-1)
        block = pseudo_inverse_times(between, block, self.steps)
        return functional.scaled_dot_product_attention(q, k_marks, block)


def pseudo_inverse_times(A: Tensor, block: Tensor, steps: int = 6) -> Tensor:
    """The iterative Moore-Penrose inverse of `A`, applied to a block.

    The published iteration is Z <- Z p(A Z) / 4 with p(Y) = 13 I - 15 Y + 7 Y^2 - Y^3, from
    Z = A^T / c. Its last step is applied to the block and never formed.

    Args:
        A: Softmax matrices [..., m, m]: rows sum to one.
        block: [..., m, d].
        steps: Number of iterations.

    Returns:
        [..., m, d].
    """
    # Published: c is one number for the whole batch, the largest row sum (one) times column sum.
    c = A.sum(-2).amax()
    if torch.is_autocast_enabled(A.device.type):
        dtype = torch.get_autocast_dtype(A.device.type)
        A, block, c = A.to(dtype), block.to(dtype), c.to(dtype)
    flat = (A.flatten(0, -3), block.flatten(0, -3))
    applied = _PseudoInverseTimes.apply(*flat, c, steps)  # type: ignore[no-untyped-call]
    output: Tensor = applied.unflatten(0, A.shape[:-2])
    return output


class _PseudoInverseTimes(torch.autograd.Function):
    """`pseudo_inverse_times` with a backward pass of fewer products and saved matrices.

    Every Y = A Z is symmetric, for Z is A^T times a polynomial of A A^T: so Y' = Y p(Y) / 4, and
    its derivative needs three products a step where that of the forward pass needs eight. The
    forward pass itself computes Y afresh from A: deriving it from the last Y costs digits.
    """

    @staticmethod
    def forward(ctx: Any, A: Tensor, block: Tensor, c: Tensor, steps: int) -> Tensor:
        """A [b, m, m], block [b, m, d], c scalar -> [b, m, d]."""
        Z = A.mT / c
        Ys, squares = [A @ Z], []
        for _ in range(steps - 1):
            Y = Ys[-1]
            squares.append(Y @ Y)
            polynomial = torch.baddbmm(squares[-1], Y, squares[-1], beta=1.75, alpha=-0.25)
            polynomial.sub_(Y, alpha=3.75).diagonal(dim1=-2, dim2=-1).add_(3.25)
            Z = Z @ polynomial
            Ys.append(A @ Z)
        ctx.save_for_backward(A, block, c, Z, *Ys, *squares)
        return Z @ _last_step(Ys[-1], block)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of A, the block and c."""
        A, block, c, Z, *rest = ctx.saved_tensors
        n_steps = len(rest) // 2 + 1
        Ys, squares = rest[:n_steps], rest[n_steps:]
        block_gradient = _last_step(Ys[-1].mT, Z.mT @ gradient)

        # The block under the factors p(Y) / 4, last step first: in this order it grows late.
        w = _last_step(Ys[-1], block)
        under = []
        for Y, S in zip(reversed(Ys[:-1]), reversed(squares), strict=True):
            through = S @ w
            inner = 3.75 * w + 0.25 * through
            under.append((w, inner))
            w = torch.baddbmm(3.25 * w + 1.75 * through, Y, inner, alpha=-1)

        # Back through the factors, first step first: what each adds to its Y and Y^2, as factors.
        dA = torch.bmm(w, gradient.mT).div_(c)
        dc = -(dA * A).sum() / c
        g = (A @ gradient) / c
        of_Y_and_S = []
        for Y, S in zip(Ys[:-1], squares, strict=True):
            w, inner = under.pop()
            of_inner = -(Y @ g)
            of_through = 1.75 * g + 0.25 * of_inner
            of_Y_and_S.append(((g, inner), (of_through, w)))
            g = torch.baddbmm(3.25 * g + 3.75 * of_inner, S, of_through)
        D = _last_step_gradient(Ys[-1], block, g)

        # Back through Y' = (13 Y - 15 S + 7 S Y - S S) / 4 with S = Y Y, all symmetric.
        for Y, S in zip(reversed(Ys[:-1]), reversed(squares), strict=True):
            (g, inner), (of_through, w) = of_Y_and_S.pop()
            mixed = torch.lerp(Y, S, -0.4)  # 1.25 of it is 1.75 Y - 0.5 S
            dS = torch.baddbmm(D, D, mixed, beta=-3.75, alpha=1.25)
            dS = _symmetric(dS.baddbmm_(of_through, w.mT))
            dY = torch.baddbmm(D, D, S, beta=3.25, alpha=1.75).baddbmm_(dS, Y, alpha=2)
            D = _symmetric(dY.baddbmm_(g, inner.mT, alpha=-1))
        # Y = A A^T / c.
        dc -= (D * Ys[0]).sum() / c
        dA.baddbmm_(D.mul_(2).div_(c), A)
        return dA, block_gradient, dc, None


def _last_step(Y: Tensor, block: Tensor) -> Tensor:
    """p(Y) / 4 applied to a block, Horner's way."""
    inner = torch.baddbmm(block, Y, block, beta=1.75, alpha=-0.25)
    inner = torch.baddbmm(block, Y, inner, beta=3.75, alpha=-1)
    return torch.baddbmm(block, Y, inner, beta=3.25, alpha=-1)


def _last_step_gradient(Y: Tensor, block: Tensor, g: Tensor) -> Tensor:
    """Symmetric gradient of Y in `_last_step`, for the output's gradient `g`."""
    first = torch.baddbmm(block, Y, block, beta=1.75, alpha=-0.25)
    second = torch.baddbmm(block, Y, first, beta=3.75, alpha=-1)
    gb = -(Y @ g)
    ga = -(Y @ gb)
    left, right = torch.cat([g, gb, ga], -1), torch.cat([second, first, 0.25 * block], -1)
    return -_symmetric(left @ right.mT)


def _symmetric(M: Tensor) -> Tensor:
    return torch.lerp(M, M.mT, 0.5)
