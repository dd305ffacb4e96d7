"""Views of a side: what is left where parts of it are really hidden."""

import torch
from torch import Tensor

from methods.objectives.retention import choose_masked
from methods.trainer import FEWEST_TOKENS, TorchConfig
from tasks.errors import InputError


def partial_view(x: Tensor, mask_ratio: float) -> Tensor:
    """A view of bags, [B, patches kept, D], or of vectors, [B, D] with zeros; drawn afresh.

    Patches that are hidden are left out: an encoder never gets them. Hidden features of a vector
    are set to the mean of the training patients.

    Args:
        x: [B, n, D] or [B, D], standardised.
        mask_ratio: Share of patches, or of features, that is hidden.
    """
    mask = choose_masked(torch.rand(x.shape[:2], device=x.device), mask_ratio)
    if x.dim() == 2:
        return x.masked_fill(mask, 0)
    kept: Tensor = x[~mask].unflatten(0, (len(x), -1))  # every bag keeps as many
    return kept


def require_visible(config: TorchConfig, mask_ratio: float) -> None:
    """Refuse views of no patch.

    Raises:
        InputError: `mask_ratio` hides every patch of the shortest bags.
    """
    fewest = config.tokens if config.oversample else min(config.tokens, FEWEST_TOKENS)
    if int(fewest * (1 - mask_ratio)) < 1:
        raise InputError(
            f"mask_ratio: one that leaves a patch of {fewest} expected, {mask_ratio} found"
        )
