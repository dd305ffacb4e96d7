"""Nystrom attention: the published function, with fewer operations and bytes.

Source: Xiong et al., "Nystromformer", AAAI 2021, equations 13 to 16, in the form that TransMIL and
MIRROR use (zero padding in front, six pseudo-inverse steps, a convolution over the values).
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.pseudo_inverse import (
    largest_column,
    pseudo_inverse_times,
    row_times_pseudo_inverse,
)
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
        weights = self.qkv.weight.unflatten(0, (3, -1))

        def projected(heads: slice) -> tuple[Tensor, Tensor]:
            columns = self._columns(heads)
            q = self._heads(functional.linear(x[:, :n], weights[0, columns]))
            return q, functional.linear(x, weights[1:, columns].flatten(0, 1))

        whole = projected(together[0]) if len(together) == 1 else None
        attend = self.attention_over(x, whole if n == x.shape[1] else None)
        for heads in together:
            q, kv = whole or projected(heads)
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

    def attention_over(self, x: Tensor, whole: tuple[Tensor, Tensor] | None) -> Attend:
        """How heads attend to tokens [B, n, width]; any run of heads may then be asked for.

        Args:
            x: The tokens.
            whole: All tokens' queries [B, heads, n, d], and keys and values [B, n, 2 * width],
                where they are known already.
        """

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

    def attention_over(self, x: Tensor, whole: tuple[Tensor, Tensor] | None) -> Attend:
        """A1 pinv(A2) A3 V, multiplied from the right: no n x m x m product is ever formed."""
        if whole is None:
            q_marks, k_marks, between = self._landmarks(x)
        else:
            q, kv = whole
            k = self._heads(kv[..., : kv.shape[-1] // 2])
            q_marks, k_marks = (padded_means(part, self.landmarks) for part in (q, k))
            between = self._softmax(q_marks, k_marks)
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
        to_q, to_k, to_v = self.qkv.weight.unflatten(0, (3, -1))
        q_marks, k_marks, between = self._landmarks(x)
        row = self._softmax(self._heads(functional.linear(x[:, :1], to_q)), k_marks)
        row = row_times_pseudo_inverse(row, between, self.steps)
        on_tokens = []
        for heads in self._runs(x):
            keys = self._heads(self._pad(functional.linear(x, to_k[self._columns(heads)])))
            of_heads = (row[:, heads], q_marks[:, heads], keys)
            on_tokens += [
                self._on_tokens(*of_head)
                for of_head in zip(*(part.unbind(1) for part in of_heads), strict=True)
            ]
        at_tokens = torch.cat(on_tokens, dim=1)[..., -x.shape[1] :] @ x
        far = torch.einsum("bhw,hdw->bhd", at_tokens, to_v.unflatten(0, (self.heads, -1)))
        v = functional.linear(x[:, : 1 + self.kernel // 2], to_v)
        near = self._convolve(v, slice(0, self.heads))[:, :1]
        output: Tensor = self.dropout(self.output(far.flatten(1).unsqueeze(1) + near))
        return output

    def _on_tokens(self, row: Tensor, marks: Tensor, keys: Tensor) -> Tensor:
        """A row on a head's landmarks [B, 1, m], through A3 [B, m, n]: [B, 1, n]."""
        parts = runs(self.landmarks, keys.shape[0] * keys.shape[1])
        found = [row[..., part] @ self._softmax(marks[:, part], keys) for part in parts]
        return torch.stack(found).sum(0)

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
        zeros = x.new_zeros(x.shape[0], -x.shape[1] % self.landmarks, x.shape[2])
        return torch.cat([zeros, x], dim=1)


def padded_means(x: Tensor, count: int) -> Tensor:
    """Means of `count` groups of consecutive tokens, zeros in front making the groups equal.

    Args:
        x: [.., n, width].
        count: Number of groups; each has ceil(n / count) places.

    Returns:
        [.., count, width].
    """
    size = -(-x.shape[-2] // count)
    rest = x.shape[-2] % size
    means = x[..., rest:, :].unflatten(-2, (-1, size)).mean(-2)
    if rest:
        means = torch.cat([x[..., :rest, :].sum(-2, keepdim=True) / size, means], dim=-2)
    return functional.pad(means, (0, 0, count - means.shape[-2], 0))
