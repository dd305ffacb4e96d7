"""One fit: a method learns from training patients, then embeds all pairs of a split."""

import time
from collections.abc import Mapping
from typing import Any

from benchmark.cache import Fit
from benchmark.memory import peak_memory, reset_peak_memory
from methods.base import Context, MethodSpec
from tasks.base import Split
from tasks.cohort import Cohort, Endpoint, Label


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
    scores would not be comparable otherwise.

    Args:
        spec: The method.
        config: Its configuration, field by field.
        cohort: At least the split's patients.
        split: Whom to fit on; everybody in it is embedded.
        target: What a supervised reference is fitted to.
        seed: Of the fit.
        device: A torch device.
    """
    losses: dict[str, list[float]] = {}

    def log(_epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            losses.setdefault(name, []).append(value)

    method = spec.build(type(spec.config)(**config))
    reset_peak_memory()
    start = time.perf_counter()
    method.fit(cohort.subset(split.train), Context(seed, device, target, log))
    fitted = time.perf_counter()
    pairs = set(cohort.complete()) & {*split.train, *split.test}
    embeddings = method.embed(cohort.subset(pairs))
    embedded = time.perf_counter()
    return Fit(
        embeddings,
        losses,
        method.n_parameters,
        method.step_flops,
        fitted - start,
        embedded - fitted,
        peak_memory(),
    )
