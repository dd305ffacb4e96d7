"""What slide features were made by, in words."""

from collections.abc import Sequence


def slide_encoder(encoder: str, pretrained_on: Sequence[str]) -> str:
    """What made the slide features, and what it had seen; empty if neither is known."""
    seen = f"pre-trained on {', '.join(pretrained_on)} slides (without labels)"
    return ", ".join(part for part in (encoder, seen if pretrained_on else "") if part)
