"""Lines of older schemas as the present one has them."""

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_PLANTED = "planted by mirror-bench"
"""How the source of an embedded cohort began."""

_METRICS: tuple[tuple[str, float | None, float | None, float | None], ...] = (
    (r".*_sd", None, 0.0, 1.0),
    (r"(harrell_c|uno_c|auc|auroc_macro|concordance)(_.*)?|logrank_p", 0.5, 0.0, 1.0),
    (r"(balanced_accuracy|accuracy|f1_macro|auprc_macro|ece|ici)(_k\d+|_\d+m)?", None, 0.0, 1.0),
    (r"d_calibration_p|.*_(mrr|recall_at_\d+)", None, 0.0, 1.0),
    (r".*_median_rank|effective_rank", None, 1.0, None),
    (r"(wsi|rna)_cka|kappa", 0.0, -1.0, 1.0),
    (r"ibs_skill|.*_r2", 0.0, None, 1.0),
    (r"ibs|slope_error", None, 0.0, None),
    (r"brier|modality_gap", None, 0.0, 2.0),
    (r"with_clinical_(c|auroc)", None, 0.0, 1.0),
    (r"added_(c|auroc)", 0.0, -1.0, 1.0),
    (r"added_(brier_)?skill", 0.0, None, 1.0),
    (r"alignment", None, 0.0, 4.0),
    (r"uniformity", None, -8.0, 0.0),
)
"""Names of metrics of kinds that are older than schema 2, with chance and the bounds."""


def measure(metric: object) -> Json:
    """`chance`, `low` and `high` of a metric by its name; nothing is known of unknown ones."""
    for names, chance, low, high in _METRICS:
        if isinstance(metric, str) and re.fullmatch(names, metric):
            return {"chance": chance, "low": low, "high": high}
    return {"chance": None, "low": None, "high": None}


def migrated(line: Json) -> Json:
    """A line of schema 1 in schema 2. What it lacks besides stays lacking, and is found later.

    Args:
        line: A trial's record, or predictions, which have not changed.
    """
    if "columns" in line:
        return line
    tasks = line.get("tasks")
    if isinstance(tasks, list):
        line = line | {"tasks": [_task(task) for task in tasks]}
    return line | {"planted": str(line.get("source")).startswith(_PLANTED)}


def _task(task: Any) -> Any:
    if not isinstance(task, Mapping) or not isinstance(task.get("scores"), list):
        return task
    scores = [
        {**score, **measure(score.get("metric"))} if isinstance(score, Mapping) else score
        for score in task["scores"]
    ]
    return {**task, "scores": scores}
