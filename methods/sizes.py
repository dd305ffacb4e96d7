"""Sizes that trained methods share: under the budgets, and what a search may change."""

from collections.abc import Mapping
from typing import Any

from methods.base import Budget, Choice, LogUniform
from methods.encoders.architecture import SHORT
from methods.optimisation import Optimiser, Schedule

# The published sizes (configs/pretrain/mirror.template.yaml), and sizes for a quick look.
PAPER: Mapping[str, Any] = {
    "width": 768,
    "epochs": 100,
    "min_gain": 0.0,
    "batch_size": 16,
    "learning_rate": 2e-5,
    "tokens": 2048,
    "oversample": True,
    "genes": 0,
}
SMOKE: Mapping[str, Any] = {"width": 24, "epochs": 5, "learning_rate": 1e-3, "tokens": 36}
BUDGETS: Mapping[Budget, Mapping[str, Any]] = {Budget.SMOKE: SMOKE, Budget.PAPER: PAPER}

SPACE: Mapping[str, Choice | LogUniform] = {
    "learning_rate": LogUniform(1e-5, 3e-3),
    "epochs": Choice((20, 60, 120)),
    "width": Choice((48, 96, 192, 384)),
    "batch_size": Choice((16, 32, 64)),
    "weight_decay": LogUniform(1e-6, 1e-1),
}

CONSTANT_ADAM = "Adam at a constant learning rate"
"""The optimiser of every trained method at equal settings; a departure where papers differ."""

DECAYED: Mapping[str, Any] = {
    "optimiser": Optimiser.ADAMW,
    "schedule": Schedule.COSINE,
    "warmup": 5,
}
"""What most papers have in its place, and so do their methods under budget `paper`."""

SHORT_BAGS = (
    f"softmax attention among up to {SHORT - 1} patches, or as many as there are landmarks; "
    "published: Nystrom's alone"
)

INPUTS = "features and genes are standardised by the training patients"
