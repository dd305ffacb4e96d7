"""Small frames of records and predictions, built by hand."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analysis.board import Board
from benchmark.records.migration import measure
from benchmark.show.leaderboard import render
from tasks.seeds import generator

SCHEMA = {
    "task": "str", "cohort": "str", "method": "str", "protocol": "str", "fold": "int64",
    "seed": "int64", "metric": "str", "value": "float64", "higher_is_better": "bool",
    "n_patients": "Int64", "n_events": "Int64", "status": "str", "reason": "str", "trial": "str",
    "last_gain": "float64", "effective_rank": "float64", "uniformity": "float64",
    "family": "str", "role": "str", "parent": "object", "summary": "str",
    "budget": "str", "source": "str", "licence": "str", "encoder": "str",
    "pretrained_on": "str", "planted": "bool",
    "n_folds": "int64", "parameters": "Int64", "step_flops": "Int64", "fit_seconds": "float64",
    "embed_seconds": "float64", "peak_memory_mb": "float64", "primary": "bool", "position": "int64",
    "chance": "float64", "low": "float64", "high": "float64",
    "notes": "str", "circular": "str",
}  # fmt: skip


def records(
    values: dict[str, list[list[float]]],
    *,
    task: str = "survival/PLANTED/os",
    metric: str = "harrell_c",
    higher_is_better: bool = True,
    primary: bool = True,
    n_folds: int | None = None,
    **columns: Any,
) -> pd.DataFrame:
    """A row per method, seed and fold: `values[method][seed][fold]`; NaN is a skipped score."""
    rows = []
    for method, seeds in values.items():
        for seed, folds in enumerate(seeds):
            for fold, value in enumerate(folds):
                lost = bool(np.isnan(value))
                row = {
                    "task": task, "cohort": task.split("/")[1], "method": method,
                    "protocol": "strict", "fold": fold, "seed": seed, "metric": metric,
                    "value": value, "higher_is_better": higher_is_better, "n_patients": 40,
                    "n_events": 12, "status": "skipped" if lost else "ok",
                    "reason": "too few events" if lost else "", "family": "controls",
                    "role": "self-supervised", "parent": None, "step_flops": 10**9,
                    "embed_seconds": 0.5, "peak_memory_mb": 800.0,
                    "summary": "", "budget": "default", "source": "planted", "licence": "CC0",
                    "encoder": "", "pretrained_on": "",
                    "planted": str(columns.get("source", "planted")).startswith("planted"),
                    "n_folds": n_folds or len(folds), "primary": primary, "position": 0,
                    "fit_seconds": 1.25, **measure(metric),
                    "parameters": 1200, "notes": "", "circular": "",
                }  # fmt: skip
                row |= columns
                axes = "/".join(str(row[k]) for k in ("cohort", "method", "protocol", "budget"))
                rows.append({"trial": f"{axes}/{fold}/{seed}"} | row)
    return pd.DataFrame(rows, columns=list(SCHEMA)).astype(SCHEMA)


def lose(frame: pd.DataFrame, rows: "pd.Series[bool]", status: str, reason: str) -> None:
    """Take the values of some rows away."""
    frame.loc[rows, "value"] = np.nan
    frame.loc[rows, "status"] = status
    frame.loc[rows, "reason"] = reason


def scores(mean: float, spread: float, n_seeds: int, n_folds: int, *axes: str) -> list[list[float]]:
    """Values of folds x seeds about a mean; the folds' part is shared by all with equal axes[0]."""
    folds = generator("folds", axes[0]).normal(0.0, spread, n_folds)
    noise = generator("noise", *axes).normal(0.0, spread / 3, (n_seeds, n_folds))
    values: list[list[float]] = (mean + folds + noise).tolist()
    return values


def fake() -> pd.DataFrame:
    """A frame like that of a whole run: two sources, a circular label, gaps and failures."""
    return _fake().copy()


@cache
def _fake() -> pd.DataFrame:
    methods = {
        "mirror": (0.64, "cross-modal", 10_400_000, 31.0),
        "contrastive": (0.635, "contrastive", 9_800_000, 24.5),
        "random-init": (0.55, "controls", 9_800_000, 0.2),
        "pca": (0.645, "linear", None, 0.81),
    }
    planted: dict[str, Any] = {"source": "planted by mirror-bench", "licence": "Apache-2.0"}
    tcga: dict[str, Any] = {
        "source": "hif2gene (slide features), PORPOISE (expression), TCGA-CDR (endpoints)",
        "licence": "non-commercial (CC BY-NC-SA 4.0)",
        "notes": "wsi: 884 of 1,004 patients have slides\nrna: 3 patients without expression",
    }
    tasks: dict[str, dict[str, Any]] = {
        "survival/PLANTED-BAGS/os": planted,
        "survival/PLANTED-VECTORS/os": planted,
        "survival/TCGA-BRCA/os": tcga | {"n_patients": 177, "n_events": 24},
        "survival/TCGA-LUAD/os": tcga | {"n_patients": 85, "n_events": 30},
        "subtyping/TCGA-BRCA/pam50": tcga | {"circular": "rna", "n_events": pd.NA},
    }
    metrics = {
        "survival": (("harrell_c", True, 0.0), ("uno_c", True, -0.01), ("ibs", False, -0.43)),
        "subtyping": (("macro_auroc", True, 0.1), ("balanced_accuracy", True, -0.05)),
    }
    frames = []
    for task, columns in tasks.items():
        for i, (metric, higher, shift) in enumerate(metrics[task.split("/")[0]]):
            for method, (mean, family, parameters, cost) in methods.items():
                frame = records(
                    {method: scores(mean + shift, 0.03, 3, 5, task, method, metric)},
                    task=task,
                    metric=metric,
                    higher_is_better=higher,
                    primary=i == 0,
                    position=i,
                    family=family,
                    parameters=parameters or pd.NA,
                    fit_seconds=cost,
                    **columns,
                )
                frames.append(frame)
    frame = pd.concat(frames, ignore_index=True)
    luad = (frame["method"] == "contrastive") & (frame["task"] == "survival/TCGA-LUAD/os")
    lose(frame, luad & (frame["fold"] == 2) & (frame["seed"] == 1), "failed", "epoch 3: nan")
    ibs = (frame["metric"] == "ibs") & (frame["fold"] == 4) & (frame["cohort"] == "PLANTED-BAGS")
    lose(frame, ibs, "skipped", "2 events, 5 are needed")
    absent = (frame["method"] == "pca") & (frame["task"] == "survival/PLANTED-VECTORS/os")
    return frame[~(absent & (frame["seed"] == 2))].reset_index(drop=True)


def rendered(frame: pd.DataFrame, predictions: pd.DataFrame | None = None) -> str:
    """Everything that the leaderboard says, its front page and all tables."""
    return render(Board(frame, None if predictions is None else lambda: predictions)).whole
