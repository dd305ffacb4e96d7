"""Nystrom attention: the published function, with fewer operations and bytes.

Source: Xiong et al., "Nystromformer", AAAI 2021, equations 13 to 16, in the form that TransMIL and
MIRROR use (zero padding in front, six pseudo-inverse steps, a convolution over the values).
"""

import math
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.attention import toeplitz
from methods.encoders.attention.landmarks import Landmarks, attention, group_means
from methods.encoders.attention.pseudo_inverse import pseudo_inverse_times, row_times_pseudo_inverse
from methods.encoders.attention.runs import VALUES_AT_ONCE, runs
from methods.encoders.linear_map import Linear, linear

# Queries [B, heads, n, d], keys and values of all tokens [B, tokens, 2 * heads * d], and which
# heads these are -> what the queries find, [B, heads, n, d].
Attend = Callable[[Tensor, Tensor, slice], Tensor]


class TokenAttention(nn.Module):
    """Exact softmax attention among tokens, plus a depthwise convolution over the values.

    Of short sequences all is computed at once: the convolution is a matrix among tokens as the
    attention is, and is added to it.

    Args:
        width: Width of a token; `heads` divides it.
        heads: Number of heads.
        dropout: Dropout of the output projection.
        kernel: Tokens that the convolution spans, odd.
    """

    longest_at_once: ClassVar[int] = toeplitz.LONGEST

    def __init__(self, width: int, heads: int = 8, dropout: float = 0.1, kernel: int = 33) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.kernel = kernel
        self.qkv = Linear(width, 3 * width, bias=False)
        self.output = Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv2d(
            heads, heads, (kernel, 1), padding=(kernel // 2, 0), groups=heads, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        if x.shape[1] <= self.longest_at_once:
            mixed = self._at_once(x)
        else:
            (mixed,) = self._mixed(x.shape[1], x, [slice(0, self.heads)])
        output: Tensor = self.dropout(self.output(mixed))
        return output

    def _at_once(self, x: Tensor) -> Tensor:
        """Every token before the output projection, [B, n, width]."""
        n = x.shape[1]
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = parts.contiguous().unbind(0)
        among = torch.softmax(q @ k.mT / math.sqrt(self.head_width), dim=-1)
        among = among + toeplitz.over_sequence(self.convolution.weight[:, 0, :, 0], n)
        mixed: Tensor = among.to(v.dtype) @ v
        return mixed.transpose(1, 2).flatten(2)

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
                residual[:, tokens] += linear(mixed[:, tokens], weight)

    def _mixed(self, n: int, x: Tensor, together: list[slice]) -> Iterator[Tensor]:
        """The first `n` tokens before the output projection, [B, n, heads * d] per run of heads."""
        weights = self.qkv.weight.unflatten(0, (3, -1))

        def projected(heads: slice) -> tuple[Tensor, Tensor]:
            columns = self._columns(heads)
            q = linear(x[:, :n], weights[0, columns])
            return q, linear(x, weights[1:, columns].flatten(0, 1))

        whole = projected(together[0]) if len(together) == 1 else None
        attend = self.attention_over(x, whole if n == x.shape[1] else None)
        for heads in together:
            q, kv = whole or projected(heads)
            found = attend(self._heads(q), kv, heads).transpose(1, 2).flatten(2)
            v = kv[:, : n + self.kernel // 2, kv.shape[-1] // 2 :]
            yield self._convolve(v, heads)[:, :n].add_(found)

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
            whole: All tokens' queries [B, n, width], and keys and values [B, n, 2 * width], where
                they are known already.
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

    longest_at_once: ClassVar[int] = 0

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
        marks = self._landmarks(x, *(whole or (None, None)))
        among, scale = marks.among()

        def attend(q: Tensor, kv: Tensor, heads: slice) -> Tensor:
            k, v = (self._heads(part) for part in kv.chunk(2, dim=-1))
            block = marks.times_roots(self._found(marks.queries[:, heads], k, v).mT).mT
            block = pseudo_inverse_times(among[:, heads], block, scale, self.steps)
            block = marks.all(marks.over_roots(block.mT).mT)
            return functional.scaled_dot_product_attention(
                q, marks.all(marks.keys[:, heads]), block
            )

        return attend

    def first(self, x: Tensor) -> Tensor:
        """The first token of `forward`, [B, 1, width].

        Without gradients from the left, ((A1 pinv(A2)) A3 X) W: one row, and values of few tokens.
        """
        if torch.is_grad_enabled():
            return super().first(x)
        to_q, to_k, to_v = self.qkv.weight.unflatten(0, (3, -1))
        together = self._runs(x)
        keys = linear(x, to_k) if len(together) == 1 else None
        marks = self._landmarks(x, None, keys)
        among, scale = marks.among()
        row = attention(self._heads(linear(x[:, :1], to_q)), marks.keys, marks.zeros)
        row = row_times_pseudo_inverse(marks.over_roots(row), among, scale, self.steps)
        row = marks.times_roots(row)
        on_tokens = []
        for heads in together:
            k = linear(x, to_k[self._columns(heads)]) if keys is None else keys
            of_heads = (row[:, heads], marks.queries[:, heads], self._heads(k))
            for row_of_head, *of_head in zip(*(part.split(1, 1) for part in of_heads), strict=True):
                parts = self._on_tokens(*of_head)
                found = [row_of_head[..., part] @ weights for part, weights in parts]
                on_tokens.append(torch.stack(found).sum(0))
        at_tokens = torch.cat(on_tokens, dim=1).squeeze(2) @ x
        far = torch.einsum("bhw,hdw->bhd", at_tokens, to_v.unflatten(0, (self.heads, -1)))
        v = linear(x[:, : 1 + self.kernel // 2], to_v)
        near = self._convolve(v, slice(0, self.heads))[:, :1]
        output: Tensor = self.dropout(self.output(far.flatten(1).unsqueeze(1) + near))
        return output

    def _found(self, marks: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """A3 V [B, heads, m, d]: what landmarks find among the tokens.

        Padding tokens are zero and have no bias, so they are zero as keys and as values too.
        """
        few = k.shape[0] * k.shape[1] * marks.shape[2] * k.shape[2] <= VALUES_AT_ONCE
        if torch.is_grad_enabled() or few or k.device.type != "cpu":
            padding = (0, 0, -k.shape[2] % self.landmarks, 0)
            k, v = (functional.pad(part, padding) for part in (k, v))
            return functional.scaled_dot_product_attention(marks, k, v)
        found = []
        for of_head, *keys in zip(v.split(1, 1), marks.split(1, 1), k.split(1, 1), strict=True):
            parts = self._on_tokens(*keys)
            found.append(torch.cat([weights @ of_head for _, weights in parts], dim=2))
        return torch.cat(found, dim=1)

    def _on_tokens(self, marks: Tensor, keys: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """A3 of a head, few landmarks at a time: which of [B, 1, m, d], and [B, 1, some, n]."""
        n = keys.shape[2]
        zeros = -n % self.landmarks
        for part in runs(marks.shape[2], keys.shape[0] * n):
            q = marks[:, 0, part] / math.sqrt(self.head_width)
            # What padding tokens score is one column, as the logarithm of how many there are.
            scores = q.new_empty(*q.shape[:2], 1 + n)
            scores[..., 0] = math.log(zeros) if zeros else -math.inf
            torch.bmm(q, keys[:, 0].mT, out=scores[..., 1:])
            yield part, torch.softmax(scores, dim=-1)[:, None, :, 1:]

    def _landmarks(self, x: Tensor, q: Tensor | None, k: Tensor | None) -> Landmarks:
        """Of tokens [B, n, width], whose queries [B, n, width] and keys [B, n, ..] may be known."""
        # The mean of projected tokens is the projection of their mean.
        of_x = group_means(x, self.landmarks) if q is None or k is None else x
        means = [
            linear(of_x, weight)
            if known is None
            else group_means(known[..., : x.shape[-1]], self.landmarks)
            for known, weight in zip((q, k), self.qkv.weight.chunk(3)[:2], strict=True)
        ]
        of_a_group = -(-x.shape[1] // self.landmarks)
        zeros = -x.shape[1] % self.landmarks // of_a_group
        queries, keys = map(self._heads, means)
        return Landmarks(queries, keys, zeros)
