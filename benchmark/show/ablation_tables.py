"""Ablations in words: a table per task and metric."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from benchmark.analysis.ablations import Delta
from benchmark.show.markdown import interval, number, p_value

COLUMNS: tuple[tuple[str, Callable[[Delta], str]], ...] = (
    ("variant", lambda d: d.method),
    ("score", lambda d: number(d.value)),
    ("Δ", lambda d: number(d.difference.mean, sign=True)),
    ("95 %", lambda d: interval(d.difference.low, d.difference.high, sign=True)),
    ("p", lambda d: p_value(d.difference.p)),
    ("folds x seeds", lambda d: f"{d.folds} x {d.seeds}"),
    ("patients", lambda d: f"{d.n_patients:,}"),
)


def titled(found: Sequence[Delta]) -> Iterator[tuple[str, tuple[Delta, ...]]]:
    """Those of one table with its title."""
    for (task, metric, higher, setting), group in groupby(
        found, key=lambda d: (d.task, d.metric, d.higher_is_better, d.setting)
    ):
        yield f"{task} · {metric} {'↑' if higher else '↓'} · {setting}", tuple(group)


def markdown(found: Sequence[Delta], parent: str) -> str:
    """The same tables as markdown, deterministic to the byte."""
    text = [
        f"# Ablations of `{parent}`\n",
        f"Δ is the variant minus `{parent}` on the same folds and seeds; its interval and p are"
        " those of the corrected resampled t-test (Nadeau and Bengio, 2003) over folds, p adjusted"
        " by Holm over the variants of a table. An interval that holds zero says that the part's"
        " worth was not shown here, not that it has none.\n",
    ]
    for title, group in titled(found):
        rule = [":---", *["---:"] * (len(COLUMNS) - 1), ":---"]
        rows = [[name for name, _ in COLUMNS] + ["what it is"], rule]
        rows += [[*(cell(delta) for _, cell in COLUMNS), delta.summary] for delta in group]
        text += [f"## {title}\n", "".join(f"| {' | '.join(row)} |\n" for row in rows)]
    return "\n".join(text)
