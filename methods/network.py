"""What the networks of most methods have in common: nothing to do before or after a step."""

from torch import nn


class Network(nn.Module):
    """A network as `methods.trainer.Encoder` describes it; a subclass adds losses and encoders."""

    def before_step(self) -> None:
        """Nothing, unless a subclass has something to renormalise."""

    def after_step(self) -> None:
        """Nothing, unless a subclass has something to clamp."""
