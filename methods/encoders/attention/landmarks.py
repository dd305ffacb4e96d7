"""Landmarks of Nystrom attention: means of consecutive tokens, those of padding taken as one."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from methods.encoders.attention.pseudo_inverse import largest_column


@dataclass(frozen=True)
class Landmarks:
    """Mean queries and keys of groups of consecutive tokens, zeros in front of the tokens.

    Groups of zeros alone are one here, the first, that counts as often as there are. It makes
    matrices among landmarks smaller, of 384 to 354 for 2,048 patches, and does not change what is
    computed: where U's orthonormal columns say which landmarks are one, the attention among all is
    U A U^T, and so the same polynomial of it and of its transpose is U times that of A times U^T.

    Attributes:
        queries: [B, heads, m, d].
        keys: [B, heads, m, d].
        zeros: How often the first counts; 0 if no group is of zeros alone.
    """

    queries: Tensor
    keys: Tensor
    zeros: int

    def among(self) -> tuple[Tensor, Tensor]:
        """A [B, heads, m, m], and the largest sum of a column of U A U^T."""
        weights = attention(self.queries, self.keys, self.zeros)
        if self.zeros < 2:
            return weights, largest_column(weights)
        counts = self._roots.square()
        largest = (counts @ weights / counts).amax()
        return weights * (self._roots.unsqueeze(1) / self._roots), largest

    def all(self, x: Tensor) -> Tensor:
        """[B, heads, m, d] of every landmark, as often as it counts."""
        if self.zeros < 2:
            return x
        first = x[:, :, :1].expand(-1, -1, self.zeros, -1)
        return torch.cat([first, x[:, :, 1:]], dim=2)

    def times_roots(self, x: Tensor) -> Tensor:
        """[.., m] times the roots of how often each counts."""
        return x if self.zeros < 2 else x * self._roots

    def over_roots(self, x: Tensor) -> Tensor:
        """[.., m] over the roots of how often each counts."""
        return x if self.zeros < 2 else x / self._roots

    @cached_property
    def _roots(self) -> Tensor:
        full = torch.promote_types(self.keys.dtype, torch.float32)
        roots = self.keys.new_ones(self.keys.shape[2], dtype=full)
        roots[0] = math.sqrt(self.zeros)
        return roots


def attention(q: Tensor, k: Tensor, zeros: int = 1) -> Tensor:
    """What queries attend to, and the first key counts as so many.

    Args:
        q: [.., n, d].
        k: [.., m, d].
        zeros: How often the first key counts; 0 as 1.

    Returns:
        [.., n, m]; rows sum to one.
    """
    scores = q / math.sqrt(q.shape[-1]) @ k.mT
    if zeros > 1:
        scores[..., 0] += math.log(zeros)
    return torch.softmax(scores, dim=-1)


def group_means(x: Tensor, count: int) -> Tensor:
    """Means of `count` groups of consecutive tokens, zeros in front making the groups equal.

    Args:
        x: [.., n, width].
        count: Number of groups; each has ceil(n / count) places.

    Returns:
        [.., m, width]: the groups with tokens, after a zero for all that have none.
    """
    size = -(-x.shape[-2] // count)
    rest = x.shape[-2] % size
    means = [x[..., rest:, :].unflatten(-2, (-1, size)).mean(-2)]
    if rest:
        means.insert(0, x[..., :rest, :].sum(-2, keepdim=True) / size)
    if -(-x.shape[-2] // size) < count:
        means.insert(0, torch.zeros_like(means[0][..., :1, :]))
    return torch.cat(means, dim=-2)
