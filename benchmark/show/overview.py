"""The top of the leaderboard: how methods fare over cohorts, kind by kind."""

from benchmark.analysis.over_cohorts import FEWEST_FOR_GROUPS, Comparison, KindComparison
from benchmark.analysis.standings import REFERENCE
from benchmark.show import columns
from benchmark.show.escape import markdown as escape
from benchmark.show.escape import markdown_code as code
from benchmark.show.markdown import grid
from benchmark.show.numbers import count, number
from benchmark.show.tables import View

SURE = 0.975
"""Probability from which a method is said to be better, or worse."""


def overview(of: Comparison) -> list[str]:
    """What the tables of a comparison show over cohorts, in words and as tables."""
    text = [part for kind in of.kinds for part in _kind(kind)]
    return text or ["No kind of task has two cohorts to compare methods over.\n"]


def _kind(of: KindComparison) -> list[str]:
    cohorts = ", ".join(escape(task.split("/", maxsplit=1)[1]) for task in of.tasks)
    text = [f"**{escape(of.kind)}, {count(len(of.tables), 'cohort')}** ({cohorts})."]
    against = {row.method: of.pair(row.method, REFERENCE) for row in of.entrants}
    for word, chosen in (
        ("better", [m for m, found in against.items() if found.better >= SURE]),
        ("worse", [m for m, found in against.items() if found.better <= 1 - SURE]),
    ):
        named = ", ".join(code(method) for method in chosen) or "nobody"
        text.append(f"Over cohorts {word} than {code(REFERENCE)} (P ≥ {SURE:g}): {named}.")
    text.append(
        f"Mean ranks tell nobody apart over fewer than {FEWEST_FOR_GROUPS} cohorts."
        if len(of.tables) < FEWEST_FOR_GROUPS
        else f"Mean ranks up to {number(of.apart, 2)} apart are chance."
    )
    return [" ".join(text) + "\n", grid(columns.ranking(of, ""), View.MARKDOWN)]
