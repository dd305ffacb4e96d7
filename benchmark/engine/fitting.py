"""One fit: a method learns from training patients, then embeds all pairs of a split."""

import time
from collections.abc import Mapping
from typing import Any

from benchmark.engine.cache import Fit
from benchmark.engine.machine import peak_memory, reset_peak_memory
from methods.base import Context, Method, MethodSpec, UnableError
from tasks.data.cohort import Cohort, Endpoint, Label
from tasks.data.elimination import TooFewError
from tasks.data.fold_expression import Expression, selecting_label
from tasks.data.splits import Split


def fit_and_embed(
    spec: MethodSpec,
    config: Mapping[str, Any],
    cohort: Cohort,
    split: Split,
    target: Endpoint | Label | None,
    seed: int,
    device: str,
) -> Fit:
    """Fit on the training patients, then embed all pairs.

    Every method embeds the same patients, those with all modalities, whatever it needs itself: its
    scores would not be comparable otherwise. Likewise they are all given the same expression,
    as the cohort declares it and as it was fitted to the training patients.

    Args:
        spec: The method.
        config: Its configuration, field by field.
        cohort: At least the split's patients, with the label by which its genes are selected.
        split: Whom to fit on; everybody in it is embedded.
        target: What a supervised reference is fitted to.
        seed: Of the fit.
        device: A torch device.

    Raises:
        UnableError: The method cannot, or genes cannot be selected.
    """
    return fit_method(spec, config, cohort, split, target, seed, device)[1]


def fit_method(
    spec: MethodSpec,
    config: Mapping[str, Any],
    cohort: Cohort,
    split: Split,
    target: Endpoint | Label | None,
    seed: int,
    device: str,
) -> tuple[Method, Fit]:
    """As `fit_and_embed`, with the fitted method."""
    try:
        expression = Expression.fit(cohort, split.train)
    except TooFewError as error:
        raise UnableError(str(error)) from error
    genes: tuple[str, ...] = ()
    if expression is not None:
        genes = expression.genes if selecting_label(cohort) else ()
        cohort = expression.of(cohort)
    losses: dict[str, list[float]] = {}
    geometry: dict[str, list[float]] = {}

    def log(_epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            losses.setdefault(name, []).append(value)

    def watch(values: Mapping[str, float]) -> None:
        for name, value in values.items():
            geometry.setdefault(name, []).append(value)

    method = spec.build(type(spec.config)(**config))
    reset_peak_memory()
    start = time.perf_counter()
    method.fit(cohort.subset(split.train), Context(seed, device, target, log, watch))
    fitted = time.perf_counter()
    pairs = set(cohort.complete()) & {*split.train, *split.test}
    embeddings = method.embed(cohort.subset(pairs))
    embedded = time.perf_counter()
    return method, Fit(
        embeddings,
        losses,
        geometry,
        method.n_parameters,
        method.step_flops,
        fitted - start,
        embedded - fitted,
        peak_memory(),
        genes,
    )
