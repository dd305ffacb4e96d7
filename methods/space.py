"""What a search may change of every method trained by gradient descent: the same for all."""

from collections.abc import Mapping

from methods.base import Choice, LogUniform

SPACE: Mapping[str, Choice | LogUniform] = {
    "learning_rate": LogUniform(1e-4, 3e-3),
    "epochs": Choice((10, 20, 40)),
    "width": Choice((24, 48, 96)),
}
