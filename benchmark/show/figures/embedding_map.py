"""A map of embeddings: patients on two principal axes, by label and by site."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from benchmark.show.escape import plain
from benchmark.show.figures.look import PALE, canvas, caption, head, look

_MOST = 8
"""Groups that are told apart; the smaller ones share one pale sign."""

_MARKERS = "osD^vPX*"
_OTHERS = "others"
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Projection:
    """Points on their first two principal axes.

    Attributes:
        points: Shape [n, 2], centred.
        shares: Of the whole variance, what each axis holds.
    """

    points: NDArray[np.float64]
    shares: tuple[float, float]


def principal_axes(embeddings: ArrayLike) -> Projection:
    """Project embeddings on the two axes of largest variance.

    Every axis points to where its largest loading is positive, so that a map does not flip from
    one machine to the next.

    Args:
        embeddings: Finite, shape [n, width], n at least 2.
    """
    x = np.asarray(embeddings, dtype=np.float64)
    x = x - x.mean(axis=0)
    u, s, axes = np.linalg.svd(x, full_matrices=False)
    found = np.zeros((len(x), 2))
    shares = [0.0, 0.0]
    for i in range(min(2, len(s))):
        sign = 1.0 if axes[i][np.abs(axes[i]).argmax()] >= 0.0 else -1.0
        found[:, i] = sign * u[:, i] * s[i]
        shares[i] = float(s[i] ** 2 / (s**2).sum()) if s[0] > 0.0 else 0.0
    return Projection(found, (shares[0], shares[1]))


@look()
def embedding_map(
    projection: Projection, groups: Mapping[str, Sequence[str | None]], method: str, cohort: str
) -> Figure:
    """Draw the same map once for every way of grouping its patients.

    Args:
        projection: Of the patients' joint embeddings.
        groups: Title of a panel -> the group of each patient; None where it is not known.
        method: Whose embeddings they are.
        cohort: Of which patients.

    Returns:
        A panel a grouping, on the same axes.
    """
    figure = canvas(4.6)
    panels = figure.subplots(1, len(groups), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (title, of_patient) in zip(panels, groups.items(), strict=True):
        _panel(panel, projection.points, [group or _UNKNOWN for group in of_patient])
        panel.set_title(plain(title), loc="left")
        panel.set_xlabel(f"principal axis 1 ({100 * projection.shares[0]:.0f} % of variance)")
    panels[0].set_ylabel(f"principal axis 2 ({100 * projection.shares[1]:.0f} % of variance)")
    head(figure, f"Embeddings of {cohort} by {method}")
    shown = 100 * sum(projection.shares)
    caption(
        figure,
        f"A point a patient ({len(projection.points):,}); joint embeddings on their first two"
        f" principal axes, which hold {shown:.0f} % of the variance: what is apart in the rest is"
        " not seen here. The method was fitted on these patients, without labels. Patients of a"
        " site that lie together say that the embedding knows where a slide was made.",
    )
    return figure


def _panel(panel: Axes, points: NDArray[np.float64], groups: Sequence[str]) -> None:
    counts = Counter(group for group in groups if group != _UNKNOWN)
    largest = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    shown = sorted(largest[:_MOST])
    palette = sns.color_palette("colorblind")
    signs = {name: (palette[i], _MARKERS[i]) for i, name in enumerate(shown)}
    of_group = np.array([g if g in signs or g == _UNKNOWN else _OTHERS for g in groups])
    rest = [name for name in (_UNKNOWN, _OTHERS) if (of_group == name).any()]
    for name in (*rest, *shown):
        color, marker = signs.get(name, (PALE, "."))
        at = points[of_group == name]
        n_groups = f"{len(largest) - _MOST} others" if name == _OTHERS else name
        panel.plot(
            at[:, 0], at[:, 1], marker, color=color, ms=3.5, mew=0, alpha=0.75, ls="none",
            label=f"{plain(n_groups)} ({len(at):,})",
        )  # fmt: skip
    panel.legend(
        loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=2, markerscale=1.6, handletextpad=0.2,
        columnspacing=0.8, borderaxespad=0.0, fontsize=7,
    )  # fmt: skip
