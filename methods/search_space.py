"""Declared ranges of hyper-parameters as Optuna has them."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from methods.base import Choice, LogUniform


def distribution(values: Choice | LogUniform) -> BaseDistribution:
    """A declared range of values as Optuna has it."""
    if isinstance(values, Choice):
        return CategoricalDistribution(values.values)
    return FloatDistribution(values.low, values.high, log=True)


def inside(values: Choice | LogUniform, value: Any) -> bool:
    """Whether a value lies in a declared range."""
    if isinstance(values, Choice):
        return value in values.values
    return bool(values.low <= value <= values.high)
