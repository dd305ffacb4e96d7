"""Patches as instances: what attention looks at, and what it passes over, are told apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.linear_map import Linear
from methods.objectives.alignment import full_precision

UNKNOWN = -1
"""Class of a patient who has none: nothing is asked of the patches."""


def smooth_svm(logits: Tensor, *, of_class: bool) -> Tensor:
    """Smooth SVM loss of each logit of two classes: log(1 + exp(1 -+ logit)).

    Source: Berrada et al., "Smooth loss functions for deep top-k classification", ICLR 2018, with
    k = 1, a margin of 1 and a temperature of 1; of two scores only the difference counts.
    """
    return functional.softplus(1 - logits if of_class else 1 + logits)


class InstanceClustering(nn.Module):
    """CLAM's pseudo-labels of patches, and a linear classifier of patches for each class.

    Of a patient's own class the patches of highest attention are examples and those of lowest are
    not; of every other class those of highest attention are not.

    Source: Lu et al., "Data-efficient and weakly supervised computational pathology on
    whole-slide images", Nature Biomedical Engineering 2021, "Instance-level clustering", classes
    mutually exclusive.

    Args:
        width: Of a token.
        classes: That a patient may be of.
        instances: Patches at either end of attention, at most half of a bag.
    """

    def __init__(self, width: int, classes: int, instances: int) -> None:
        super().__init__()
        self.instances = instances
        self.classifiers = Linear(width, classes)

    def forward(self, tokens: Tensor, weights: Tensor, classes: Tensor) -> Tensor:
        """The mean over patients and classes; 0 where no patient has a class.

        Args:
            tokens: [B, n, width].
            weights: Attention, [B, n].
            classes: Of each patient, [B], or `UNKNOWN`.
        """
        count = min(self.instances, max(1, tokens.shape[1] // 2))
        seen = self._ends(tokens, weights, count, largest=True)
        passed = self._ends(tokens, weights, count, largest=False)
        own = (
            smooth_svm(seen, of_class=True).mean(1) + smooth_svm(passed, of_class=False).mean(1)
        ) / 2
        other = smooth_svm(seen, of_class=False).mean(1)
        is_own = classes[:, None] == torch.arange(own.shape[1], device=classes.device)
        known = classes != UNKNOWN
        of_patient = torch.where(is_own, own, other).mean(1)
        return (of_patient * known).sum() / known.sum().clamp(min=1)

    def _ends(self, tokens: Tensor, weights: Tensor, count: int, *, largest: bool) -> Tensor:
        """Logits [B, count, classes] of the patches at one end of attention."""
        places = weights.topk(count, largest=largest).indices
        patches = tokens.take_along_dim(places[..., None], dim=1)
        return full_precision(self.classifiers(patches))
