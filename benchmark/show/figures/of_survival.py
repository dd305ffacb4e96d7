"""What predicted risks show of one task: Kaplan-Meier curves and calibration."""

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd
from matplotlib.figure import Figure

from benchmark.analysis.standings import CLINICAL, REFERENCE, SIMPLE, TABLE, Standing
from benchmark.show.figures.calibration import calibration
from benchmark.show.figures.kaplan_meier import kaplan_meier, risk_groups

Predicted = Mapping[tuple[object, ...], pd.DataFrame]
"""(task, protocol, budget, n_folds, method) -> a row per fold, seed and patient."""

_RISKS = ["risk", "time_months", "event"]


def survival_predictions(predictions: pd.DataFrame) -> Predicted:
    """The rows of each table and method, where risks were predicted."""
    if not set(_RISKS).issubset(predictions.columns):
        return {}
    scored = predictions.dropna(subset=_RISKS)
    return {tuple(key): rows for key, rows in scored.groupby([*TABLE, "method"])}


def survival_figures(
    table: Standing, predicted: Predicted, methods: Iterable[str]
) -> Iterator[tuple[str, Figure]]:
    """Kaplan-Meier curves of methods, and how the plain ones and the reference are calibrated.

    Args:
        table: A task.
        predicted: From `survival_predictions`.
        methods: Whose curves to draw; those without predictions are passed over.

    Yields:
        The name of a figure within its task, and the figure.
    """
    for method in methods:
        if (rows := predicted.get((*table.key, method))) is not None:
            figure = kaplan_meier(risk_groups(rows), method, table.task, table.protocol)
            yield f"kaplan-meier-{method}", figure
    compared = {
        name: rows
        for name in (SIMPLE, REFERENCE, CLINICAL)
        if (rows := predicted.get((*table.key, name))) is not None
    }
    if (calibrated := calibration(compared, table.task, table.protocol)) is not None:
        yield "calibration", calibrated
