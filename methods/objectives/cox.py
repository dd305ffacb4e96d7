"""The loss of Cox regression: patients who die sooner get the higher risk."""

import torch
from torch import Tensor, nn

from methods.objectives.alignment import full_precision


class CoxLoss(nn.Module):
    """Cox's negative log partial likelihood of a batch, the mean over its events.

    Risk sets are those of the batch. Ties are Breslow's, as in the benchmark's own Cox head. A
    batch without an event says nothing: its loss and its gradient are zero.
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
        total = ((at_risk - eta) * event.to(eta.dtype)).sum()
        return total / event.sum().clamp(min=1).to(eta.dtype)
