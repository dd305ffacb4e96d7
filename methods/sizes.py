"""Sizes that trained methods share: under the budgets, and what a search may change."""

from collections.abc import Mapping
from typing import Any

from methods.base import Budget, Choice, LogUniform

# The published sizes (configs/pretrain/mirror.template.yaml), and sizes for a quick look.
PAPER: Mapping[str, Any] = {
    "width": 768,
    "epochs": 100,
    "batch_size": 16,
    "learning_rate": 2e-5,
    "tokens": 2048,
    "genes": 0,
}
SMOKE: Mapping[str, Any] = {"width": 24, "epochs": 5, "tokens": 36}
BUDGETS: Mapping[Budget, Mapping[str, Any]] = {Budget.SMOKE: SMOKE, Budget.PAPER: PAPER}

SPACE: Mapping[str, Choice | LogUniform] = {
    "learning_rate": LogUniform(1e-4, 3e-3),
    "epochs": Choice((10, 20, 40)),
    "width": Choice((24, 48, 96)),
}

CONSTANT_ADAM = "Adam at a constant learning rate"
"""The optimiser of every trained method here; a departure where a paper has another."""

INPUTS = "features and genes are standardised by the training patients"
