"""What stands on pages of its own: the optimism gap, ablations, the control check, maps."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.analysis import control as control_check
from benchmark.analysis.ablations import Delta, deltas
from benchmark.analysis.optimism import Optimism
from benchmark.analysis.optimism import optimism as optimism_of
from benchmark.analysis.standings import ALPHA, Standing
from benchmark.analysis.stats import Estimate
from benchmark.show.ablation_tables import titled
from benchmark.show.control_table import place_title, verdict
from benchmark.show.figures import ablations, of_deltas, optimism
from benchmark.show.html.drawings import Drawing, save_drawing
from benchmark.show.html.grid import Cell, Grid, Group, Header, Line, said, valued
from benchmark.show.html.page_names import method_page, slug
from benchmark.show.markdown import interval, number, p_value
from benchmark.show.optimism_tables import EXPLAINED, optimism_title
from tasks.kinds.published.switches import HONEST

_SIZE = {side: re.compile(rf'<svg[^>]*? {side}="([0-9.]+)pt"') for side in ("width", "height")}


@dataclass(frozen=True)
class Part:
    """A heading with what is under it."""

    title: str
    drawing: Drawing | None = None
    table: Grid | None = None


@dataclass(frozen=True)
class Finding:
    """A page.

    Attributes:
        path: Relative to the root of the report.
        title: What it is about.
        text: How to read it.
        parts: In order.
    """

    path: str
    title: str
    text: str
    parts: tuple[Part, ...]


def findings(
    scores: pd.DataFrame, tables: Sequence[Standing], maps: Path, root: Path
) -> tuple[Finding, ...]:
    """The pages that these records and figures have something for.

    Args:
        scores: A row per (trial, task, metric).
        tables: Their standings.
        maps: Where `mirror-bench map` may have drawn embeddings.
        root: The report's folder.
    """
    found = [*_control(tables), *_optimism(scores, root), *_ablations(scores, root)]
    return (*found, *_maps(maps, root))


def _control(tables: Sequence[Standing]) -> Iterator[Finding]:
    permuted = [table for table in tables if control_check.is_control(table)]
    if not permuted:
        return
    rows = control_check.checked(permuted)
    places = list(dict.fromkeys(place for row in rows for place in row.scores))
    headers = (
        Header("method", "name"),
        Header("role", choice=True),
        Header("check", choice=True),
        Header("mean", "number"),
        *(Header(place_title(place), "number") for place in places),
    )
    lines = tuple(
        Line(
            (
                said(row.method, method_page(row.method)),
                said(row.role),
                said("at chance" if row.at_chance else "⚠ not at chance"),
                valued(number(row.mean), row.mean),
                *(_number(row.scores.get(place, np.nan)) for place in places),
            )
        )
        for row in rows
    )
    text = re.sub(r"[*`]", "", verdict(permuted)).strip()
    grid = Grid("Scores where outcomes were dealt anew", headers, (Group(lines),))
    yield Finding(
        "permuted-labels.html",
        "Control check: permuted labels",
        text,
        (Part("Scores", None, grid),),
    )


def _optimism(scores: pd.DataFrame, root: Path) -> Iterator[Finding]:
    found = optimism_of(scores)
    if not found:
        return
    parts = [Part("All tasks", save_drawing(optimism(found), root, "optimism-gap"))]
    for title, group in groupby(found, key=optimism_title):
        parts.append(Part(title, None, _gaps(title, tuple(group))))
    text = " ".join(re.sub(r"[*`]", "", EXPLAINED).split())
    yield Finding("optimism-gap.html", "Optimism gap", text, tuple(parts))


def _gaps(title: str, rows: Sequence[Optimism]) -> Grid:
    switches = tuple(dict.fromkeys(switch for row in rows for switch, _ in row.switches))
    headers = (
        Header("method", "name"),
        *(Header(name, "number", descending=True) for name in ("strict", HONEST, "paper")),
        Header("gap", "number", descending=True),
        Header("95 % interval", "number"),
        Header("p", "number"),
        *(Header(str(switch), "number", descending=True) for switch in switches),
        Header("folds x seeds"),
    )
    lines = tuple(
        Line(
            (
                said(row.method, method_page(row.method)),
                *(_number(score) for score in (row.strict, row.honest, row.paper)),
                *_estimated(row.gap),
                *(
                    _number(alone[switch].mean if switch in alone else np.nan, sign=True)
                    for alone in (dict(row.switches),)
                    for switch in switches
                ),
                said(f"{row.folds} x {row.seeds}"),
            )
        )
        for row in rows
    )
    return Grid(f"What the published evaluation adds: {title}", headers, (Group(lines),))


def _ablations(scores: pd.DataFrame, root: Path) -> Iterator[Finding]:
    strict = scores[scores["protocol"] == "strict"]
    parents = strict.loc[strict["role"] == "ablation", "parent"].dropna()
    for parent in sorted(parents.unique()):
        found = deltas(strict, parent)
        if not found:
            continue
        name = slug(f"ablations-{parent}")
        parts = [Part("All tasks", save_drawing(ablations(of_deltas(found, parent)), root, name))]
        parts += [Part(title, None, _deltas(title, group)) for title, group in titled(found)]
        text = (
            f"Δ is the variant minus {parent} on the same folds and seeds, with the interval and p"
            " of the corrected resampled t over folds, p adjusted by Holm over the variants of a"
            " table. An interval that holds zero says that the part's worth was not shown here,"
            " not that it has none."
        )
        yield Finding(f"{name}.html", f"Ablations of {parent}", text, tuple(parts))


def _deltas(title: str, rows: Sequence[Delta]) -> Grid:
    headers = (
        Header("variant", "name"),
        Header("score", "number", descending=True),
        Header("Δ", "number", descending=True),
        Header("95 % interval", "number"),
        Header("p", "number"),
        Header("folds x seeds"),
        Header("patients", "number", descending=True),
        Header("what it is"),
    )
    lines = tuple(
        Line(
            (
                said(row.method, method_page(row.method)),
                _number(row.value),
                *_estimated(row.difference),
                said(f"{row.folds} x {row.seeds}"),
                valued(f"{row.n_patients:,}", row.n_patients),
                said(row.summary),
            ),
            "best" if row.difference.p < ALPHA else "",
        )
        for row in rows
    )
    return Grid(f"Ablations on {title}", headers, (Group(lines),))


def _maps(folder: Path, root: Path) -> Iterator[Finding]:
    """What `mirror-bench map` drew beside the records."""
    parts = []
    for path in sorted(folder.glob("map-*.svg")):
        text = path.read_text(encoding="utf-8")
        sizes = [pattern.search(text) for pattern in _SIZE.values()]
        width, height = (round(float(found[1])) if found else 0 for found in sizes)
        title, description = (_element(text, name) for name in ("title", "description"))
        target = f"figures/{slug(path.stem)}.svg"
        (root / "figures").mkdir(exist_ok=True)
        (root / target).write_text(text, encoding="utf-8")
        drawing = Drawing(target, title, description, width, height)
        parts.append(Part(title, drawing))
    if parts:
        text = "Patients on the first two principal axes of a method's joint embeddings."
        yield Finding("maps.html", "Maps of embeddings", text, tuple(parts))


def _element(svg: str, name: str) -> str:
    match = re.search(rf"<dc:{name}>(.*?)</dc:{name}>", svg, flags=re.DOTALL)
    return unescape(match[1]) if match else ""


def _number(x: float, *, sign: bool = False) -> Cell:
    return valued(number(x, sign=sign), x)


def _estimated(found: Estimate) -> tuple[Cell, Cell, Cell]:
    return (
        _number(found.mean, sign=True),
        valued(interval(found.low, found.high, sign=True), found.low),
        valued(p_value(found.p), found.p),
    )
