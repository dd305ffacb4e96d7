"""MIRROR's encoders as they are before any training: the strongest embarrassing baseline."""

from methods.mirror import SPEC as MIRROR_SPEC

SPECS = (
    MIRROR_SPEC.derive(
        "random-init", "MIRROR's encoders, untrained", family="control", epochs=0
    ),
)
