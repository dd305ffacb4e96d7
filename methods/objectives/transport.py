"""Optimal transport with an entropy and with marginals that may be missed."""

import torch
from torch import Tensor

STEPS = 100
"""More than it takes at the strengths that are used here; each is two small products."""


@torch.no_grad()
def unbalanced_plan(cost: Tensor, entropy: float, slack: float) -> Tensor:
    """Plans between uniform marginals, by Sinkhorn's scaling (Chizat et al., 2018, algorithm 1).

    Minimises <P, cost> + entropy KL(P | a b') + slack (KL(P 1 | a) + KL(P' 1 | b)), which has no
    gradient here: a plan is taken as it is.

    Args:
        cost: [B, k, n], of the order of one.
        entropy: Weight of the divergence from independence.
        slack: Weight of the divergence from the marginals.

    Returns:
        [B, k, n].
    """
    k, n = cost.shape[1:]
    kernel = torch.exp(-cost / entropy) / (k * n)
    power = slack / (slack + entropy)
    left, right = cost.new_ones(len(cost), k, 1), cost.new_ones(len(cost), n, 1)
    for _ in range(STEPS):
        left = (1 / k / (kernel @ right)) ** power
        right = (1 / n / (kernel.mT @ left)) ** power
    return left * kernel * right.mT
