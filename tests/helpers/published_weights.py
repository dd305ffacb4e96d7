"""Weights of our network as the published code would have saved them."""

from torch import Tensor

from methods.mirror.model import MIRROR
from methods.mirror.published import published_name


def to_published(model: MIRROR) -> dict[str, Tensor]:
    """The weights by published name, the inverse of `MIRROR.from_published`."""
    return {published_name(name): weight for name, weight in model.state_dict().items()}
