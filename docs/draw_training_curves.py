"""The figure and the table of docs/findings.md, from what docs/training_curves.py measured.

    python docs/draw_training_curves.py docs/training-curves.csv.gz docs/training-curves.svg

The table goes to standard output.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from methods.optimisation import Optimisation

SETTINGS = ("mirror.width=48", "", "mirror.width=768", "mirror.learning_rate=1e-3")


def read(path: Path) -> pd.DataFrame:
    """The measurements, with what was set in words."""
    rows = pd.read_csv(path).fillna({"settings": "", "readout": ""})
    order = pd.Categorical(rows["settings"], SETTINGS, ordered=True)
    rows = rows.assign(order=order).sort_values(["cohort", "order"], kind="stable")
    words = rows["settings"].str.removeprefix("mirror.").str.replace(r"[=_]", " ", regex=True)
    return rows.assign(setting=words.replace("", "default (width 192)"))


def is_score(rows: pd.DataFrame) -> pd.Series:
    """Which rows are scores of a task."""
    return rows["what"].str.contains("/")


def draw(rows: pd.DataFrame, path: Path) -> None:
    """A row of panels a cohort: loss, effective rank and each task, over epochs.

    Args:
        rows: Of `read`.
        path: Of the SVG to write.
    """
    rows = rows[rows["readout"].isin(["", "own"])]
    cohorts = list(dict.fromkeys(rows["cohort"]))
    settings = list(dict.fromkeys(rows["setting"]))
    colours = dict(zip(settings, sns.color_palette("colorblind", len(settings)), strict=True))
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "curves"}
    figure, grid = plt.subplots(
        len(cohorts), 4, figsize=(12, 2.6 * len(cohorts)), squeeze=False, layout="constrained"
    )
    for line, cohort in zip(grid, cohorts, strict=True):
        own = rows[rows["cohort"] == cohort]
        tasks = list(dict.fromkeys(own.loc[is_score(own), "what"]))
        for axes, what in zip(line, ("loss", "effective_rank", *tasks), strict=True):
            _panel(axes, own[own["what"] == what], colours)
            axes.set_title(f"{cohort}: {_name(what)}", size=9)
        line[0].set_yscale("log")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, metadata={"Date": None})


def _panel(axes: Axes, rows: pd.DataFrame, colours: dict[str, tuple[float, ...]]) -> None:
    for setting, its in rows.groupby("setting", sort=False):
        by_epoch, colour = its.groupby("epoch")["value"], colours[str(setting)]
        mean, low, high = by_epoch.mean(), by_epoch.min(), by_epoch.max()
        axes.plot(mean.index, mean, color=colour, label=setting, lw=1.4)
        axes.fill_between(mean.index, low, high, color=colour, alpha=0.12, lw=0)
    axes.set_xlabel("epoch", size=8)
    axes.tick_params(labelsize=7)
    sns.despine(ax=axes)


def table(rows: pd.DataFrame) -> Iterator[str]:
    """Lines of Markdown: scores untrained, where the default's rule ends, and at the end."""
    header = ("cohort", "setting", "readout", "folds", "score", "untrained", "by the rule", "last")
    yield f"| {' | '.join(header)} |"
    yield "| :--- | :--- | :--- | ---: | :--- | ---: | ---: | ---: |"
    for (cohort, setting), own in rows.groupby(["cohort", "setting"], sort=False):
        end = _end(own)
        scores = own[is_score(own) | (own["what"] == "effective_rank")]
        for key, its in scores.groupby(["what", "readout"], sort=False):
            what, readout = map(str, key)
            mean = its.groupby("epoch")["value"].mean()
            near, last = min(mean.index, key=lambda epoch: abs(epoch - end)), mean.index[-1]
            digits, shown = (3, readout) if "/" in what else (0, "own")
            at = [f"{mean[0]:.{digits}f}"]
            at += [f"{mean[epoch]:.{digits}f} (epoch {epoch})" for epoch in (near, last)]
            cells = (str(cohort), str(setting), shown, str(its["fold"].nunique()), _name(what), *at)
            yield f"| {' | '.join(cells)} |"


def _name(what: str) -> str:
    """A score by its label and metric."""
    return what.rsplit("/", maxsplit=1)[-1].replace("_", " ")


def _end(rows: pd.DataFrame) -> float:
    """The mean epoch at which the rule of budget default would have ended these fits."""
    ends = []
    for _, losses in rows[rows["what"] == "loss"].groupby("fold"):
        values = losses.sort_values("epoch")["value"].tolist()
        epochs = range(1, len(values) + 1)
        done = [n for n in epochs if Optimisation().has_converged(values[:n])]
        ends.append(min(done, default=len(values)))
    return sum(ends) / len(ends)


def main() -> None:
    """The command of the module's docstring."""
    measured, figure = map(Path, sys.argv[1:])
    rows = read(measured)
    draw(rows, figure)
    sys.stdout.write("\n".join(table(rows)) + "\n")


if __name__ == "__main__":
    main()
