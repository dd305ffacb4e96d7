"""The loss of Cox regression: patients who die sooner get the higher risk."""

import torch
from torch import Tensor, nn

from methods.objectives.alignment import full_precision


class CoxLoss(nn.Module):
    """Cox's negative log partial likelihood of a batch, over the number of its patients.

    That is the mean of PORPOISE's and MCAT's public code, in which a batch with few events weighs
    less; one without an event has a loss and a gradient of zero. Risk sets are those of the batch.
    Ties are Breslow's, as in the benchmark's own Cox head.
    """

    def forward(self, risk: Tensor, outcome: Tensor) -> Tensor:
        """Loss of log risks [B, 1], given times and events (1, 0) as the columns of [B, 2]."""
        time, event = outcome.unbind(1)
        latest_first = torch.argsort(time, descending=True, stable=True)
        time, event = time[latest_first], event[latest_first]
        eta = full_precision(risk[latest_first, 0])
        # At risk at a time are all up to the last patient who has that time.
        last = torch.searchsorted(-time, -time, right=True) - 1
        at_risk = torch.logcumsumexp(eta, 0)[last]
        return ((at_risk - eta) * event.to(eta.dtype)).mean()
