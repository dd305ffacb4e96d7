"""The first figure: what every method adds to plain features, over cohorts, kind by kind."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.analysis.findings import SIDES, Claim, Findings, KindFindings, Verdict
from benchmark.analysis.standings import CLINICAL, RANKED, REFERENCE, UNTRAINED
from benchmark.analysis.stats.hierarchical import ROPE
from benchmark.show.columns import directed
from benchmark.show.figures.look import (
    BLUE,
    MUTED,
    ORANGE,
    PALE,
    canvas,
    caption,
    head,
    look,
    named,
)

_ROW_INCHES = 0.17
_FLOORS = (*SIDES, UNTRAINED, "constant")
_WIDEST = 0.3
"""Of the axis to either side: what nobody would use may lie beyond."""


@look()
def differences(found: Findings) -> Figure | None:
    """Draw a panel a kind: the difference of every method to the reference, with its interval.

    Returns:
        None where nothing was compared.
    """
    if not found.kinds:
        return None
    claims = [_claims(kind, found.level) for kind in found.kinds]
    groups = {
        title: _order([of[title] for of in claims if title in of])
        for title in dict.fromkeys(title for of in claims for title in of)
    }
    lines = [line for title, methods in groups.items() for line in ((title, ""), *methods)]
    figure = canvas(1.5 + _ROW_INCHES * len(lines))
    panels = figure.subplots(1, len(found.kinds), squeeze=False, sharey=True)[0]
    for panel, kind, of in zip(panels, found.kinds, claims, strict=True):
        by_method = {claim.method: claim for group in of.values() for claim in group}
        _panel(panel, kind, [by_method.get(method) for _, method in lines])
    panels[0].set_ylim(len(lines) - 0.4, -0.6)
    panels[0].set_yticks(range(len(lines)), [named(method or title) for title, method in lines])
    for (_, method), label in zip(lines, panels[0].get_yticklabels(), strict=True):
        if not method:
            label.set_fontstyle("italic")
            label.set_color(MUTED)
    head(figure, f"What methods add to {found.kinds[0].reference}, over cohorts")
    n = sum(len(kind.claims) for kind in found.kinds)
    caption(
        figure,
        "Differences of the primary metric by a hierarchical model over cohorts, a primary task"
        f" each. Intervals hold together with 95 % probability over the {n} claims of the first"
        " page; floors and one side alone are drawn at the same level. Filled: the interval leaves"
        f" out zero. Band: differences of no consequence (±{ROPE:g}). Arrows: an interval goes on.",
    )
    return figure


def _claims(kind: KindFindings, level: float) -> dict[str, list[Claim]]:
    """Against the reference, under the headings of the figure."""

    def of(*methods: str) -> list[Claim]:
        pooled = ((name, kind.of.pair(name, kind.reference, level)) for name in methods)
        return [Claim(name, kind.reference, found) for name, found in pooled if found.n]

    learned = [entrant.method for entrant in kind.of.entrants if entrant.role == RANKED]
    told = [entrant.method for entrant in kind.of.entrants if entrant.role == "supervised"]
    groups = {
        "self-supervised": of(*learned),
        "floors": of(*_FLOORS),
        "age, sex, stage": of(CLINICAL),
        "supervised": of(*told),
    }
    return {title: claims for title, claims in groups.items() if claims}


def _order(groups: list[list[Claim]]) -> list[tuple[str, str]]:
    """The methods of a heading, the best on average first; empty titles beside them."""
    deltas: dict[str, list[float]] = {}
    for claims in groups:
        for claim in claims:
            deltas.setdefault(claim.method, []).append(claim.found.delta)
    return [("", name) for name in sorted(deltas, key=lambda m: (-np.mean(deltas[m]), m))]


def _panel(panel: Axes, kind: KindFindings, claims: list[Claim | None]) -> None:
    panel.axvspan(-ROPE, ROPE, color=PALE, alpha=0.4, lw=0, zorder=0)
    panel.axvline(0.0, color=MUTED, lw=0.8, zorder=0)
    for y, claim in enumerate(claims):
        if claim is None:
            continue
        found = claim.found
        color, marker = (ORANGE, "D") if claim.method == REFERENCE else (BLUE, "o")
        told = claim.verdict in (Verdict.BETTER, Verdict.WORSE)
        ends = np.clip([found.low, found.high], -_WIDEST, _WIDEST)
        panel.plot(ends, [y, y], color=color, lw=1.1)
        for end, beyond, arrow in (
            (-_WIDEST, found.low < -_WIDEST, "<"), (_WIDEST, found.high > _WIDEST, ">")
        ):  # fmt: skip
            if beyond:
                panel.plot(end, y, arrow, color=color, ms=3.5, mew=0, clip_on=False)
        if abs(found.delta) <= _WIDEST:
            panel.plot(
                found.delta, y, marker, color=color, ms=4.5, mew=1.1,
                mfc=color if told else "white",
            )  # fmt: skip
    cohorts = len(kind.of.tables)
    panel.set_title(f"{kind.of.kind}, {cohorts} cohorts", loc="left")
    panel.set_xlabel(f"difference of {directed(kind.of.measure)}")
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.set_xlim(-_WIDEST, _WIDEST)
