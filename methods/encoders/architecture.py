"""What the encoders of MIRROR and of all that stand on them are made of."""

from dataclasses import dataclass, replace
from typing import Self

from tasks.errors import InputError

EPS = 1e-6
"""Of the layer norms of vectors."""

SHORT = 65
"""Tokens, the class token among them, up to which softmax attention costs less than landmarks."""


@dataclass(frozen=True)
class EncoderArchitecture:
    """What both encoders are made of; defaults are the published ones.

    Attributes:
        width: Embedding width; both numbers of heads divide it.
        slide_heads: Attention heads among the tokens of a bag.
        vector_heads: Attention heads within a vector.
        depth: Blocks of the vector encoder.
        mlp_ratio: Hidden width of a vector block over `width`.
        slide_dropout: Dropout of the attention among a bag's tokens.
        vector_dropout: Dropout of vector blocks.
        exact_attention: Softmax attention among all tokens of a bag, or Nystrom's approximation by
            landmarks; None is what costs less, see `for_bags`.
        checkpointing: Compute attention layers of bags again in the backward pass: the same losses
            and gradients in less memory and more time, for small devices.
    """

    width: int = 768
    slide_heads: int = 8
    vector_heads: int = 12
    depth: int = 2
    mlp_ratio: float = 4.0
    slide_dropout: float = 0.1
    vector_dropout: float = 0.1
    exact_attention: bool | None = None
    checkpointing: bool = False

    def __post_init__(self) -> None:
        """Refuse a width that the heads do not divide.

        Raises:
            InputError: It is not a multiple of both numbers of heads.
        """
        for name in ("slide_heads", "vector_heads"):
            heads = getattr(self, name)
            if self.width % heads:
                raise InputError(
                    f"width: a multiple of {name} {heads} expected, {self.width} found"
                )

    @property
    def landmarks(self) -> int:
        """Of the Nystrom attention."""
        return self.width // 2

    def for_bags(self, tokens: int) -> Self:
        """The same with attention decided for training bags of so many patches.

        Where the patches and the class token are no more than the landmarks, each is a landmark
        of its own: there is nothing to approximate. Of few patches softmax attention takes less
        than half of the time of the iterated pseudo-inverse.
        """
        if self.exact_attention is not None:
            return self
        return replace(self, exact_attention=1 + tokens <= max(SHORT, self.landmarks))
