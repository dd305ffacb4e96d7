"""The optimism gap in words: switch by switch, and in brief."""

from itertools import groupby

import pandas as pd

from benchmark.analysis.optimism import Optimism, optimism
from benchmark.analysis.standings import REFERENCE
from benchmark.analysis.stats import Estimate
from benchmark.show.columns import difference
from benchmark.show.markdown import NONE, grid, number, p_value
from tasks.kinds.published.switches import HONEST, Switch

EXPLAINED = f"""\
What protocol `paper` reports on the folds of `strict`. `{HONEST}` is the same published probe, on
the embeddings of `strict`, with every departure from an honest evaluation switched off; the **gap**
is `paper` less `{HONEST}`, so that it is the evaluation's alone, and each switch stands with what
it adds by itself: they overlap, and need not sum to the gap. The switches from
`{Switch.ALL_GENES}` to `{Switch.DROPOUT_ON}` have embeddings of their own. `{Switch.ALL_GENES}`
selects genes by a label, as published, on the test patients too, and is counted from
`{Switch.TRAIN_GENES}`, the same recipe on the training patients: which is no departure, but tells
even a self-supervised method labels. `{Switch.BEST_EPOCH}` also holds what an honest choice of the
epoch would gain where the last one has overfitted; `paper` less `strict`, whose head is tuned
inside the training patients, does not, but has the change of the head in it. Under permuted labels
nothing can be gained honestly: what is above 0.5 there is made by the evaluation. ( ): 95 %
intervals over folds, by the corrected resampled t; p is of the gap, not adjusted.
"""


def optimism_section(records: pd.DataFrame) -> list[str]:
    """The paragraphs and tables, switch by switch; empty without records of protocol `paper`.

    Args:
        records: As for `optimism`.
    """
    found = optimism(records)
    if not found:
        return []
    text = [EXPLAINED]
    for title, rows in groupby(found, key=optimism_title):
        text += [f"## {title}\n", _markdown(tuple(rows))]
    return text


def optimism_brief(records: pd.DataFrame, link: str) -> list[str]:
    """The gap of the reference method on each task, for the front page.

    Args:
        records: As for `optimism`.
        link: Where the whole is.
    """
    found = [row for row in optimism(records) if row.method == REFERENCE]
    if not found:
        return []
    header = ("task", "metric", "strict", HONEST, "paper", "gap (95 %)", "p", "folds x seeds")
    cells = (
        (
            " · ".join(filter(None, (row.task, row.variant))),
            row.measure.name,
            *(number(score) for score in (row.strict, row.honest, row.paper)),
            _difference(row.gap),
            p_value(row.gap.p),
            f"{row.folds} x {row.seeds}",
        )
        for row in found
    )
    return [
        "## Optimism gap\n",
        f"What the published way of evaluating adds to the score of `{REFERENCE}`: the same"
        f" embeddings and folds, the same probe, evaluated as published (paper) and honestly"
        f" ({HONEST}). [Every method, switch by switch]({link})\n",
        grid(header, cells, (False, False, *(True for _ in header[2:]))),
    ]


def optimism_title(row: Optimism) -> str:
    """The task with what its rows have in common."""
    place = " · ".join(filter(None, (row.task, row.variant, row.measure.name)))
    return f"{place} · budget {row.budget}, {row.n_folds} folds"


def _markdown(rows: tuple[Optimism, ...]) -> str:
    switches = [s for s in Switch if any(s in dict(row.switches) for row in rows)]
    header = ("method", "strict", HONEST, "paper", "paper - strict", "gap", "p", *switches, "cells")
    cells = (
        (
            f"`{row.method}`",
            *(number(score) for score in (row.strict, row.honest, row.paper)),
            _difference(row.to_strict),
            f"**{_difference(row.gap)}**",
            p_value(row.gap.p),
            *(_difference(dict(row.switches).get(switch)) for switch in switches),
            f"{row.folds} x {row.seeds}",
        )
        for row in rows
    )
    return grid(tuple(map(str, header)), cells, tuple(i > 0 for i in range(len(header))))


def _difference(found: Estimate | None) -> str:
    return NONE if found is None else difference(found)
