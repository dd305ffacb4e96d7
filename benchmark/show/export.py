"""The leaderboard for a spreadsheet and for a paper: the same standings, csv and LaTeX."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from benchmark.analysis.standings import REFERENCE, Row, Standing
from benchmark.show.columns import ROLE_TITLES, conditions, directed, mark, score
from benchmark.show.markdown import NONE, interval, number, p_value
from tasks.errors import InputError

_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
_SIGNS = {"●": r"$\bullet$", "=": "$=$"}


def chosen(
    records: pd.DataFrame, tasks: str | None, methods: str | None, protocol: str | None
) -> pd.DataFrame:
    """The records that filters leave.

    Args:
        records: A row per (trial, task, metric).
        tasks: Kinds, or globs of KIND/COHORT/LABEL, between commas; None for all.
        methods: Names and globs between commas; None for all.
        protocol: Its name; None for all.

    Raises:
        InputError: A filter leaves nothing.
    """

    def matching(option: str, values: Sequence[str], patterns: str) -> set[str]:
        wanted = [pattern.strip() for pattern in patterns.split(",")]
        found = {
            value
            for value in values
            if any(fnmatchcase(value, p) or fnmatchcase(value.split("/")[0], p) for p in wanted)
        }
        if not found:
            raise InputError(
                f"{option}: expected one of {', '.join(sorted(values))}, found {patterns!r}"
            )
        return found

    filters = {
        "--tasks": ("task", tasks),
        "--methods": ("method", methods),
        "--protocol": ("protocol", protocol),
    }
    for option, (column, patterns) in filters.items():
        if patterns is not None:
            found = matching(option, records[column].unique().tolist(), patterns)
            records = records[records[column].isin(found)]
    return records


def sheet(tables: Sequence[Standing]) -> pd.DataFrame:
    """A row per task and method, unrounded numbers; what markdown shows as text."""
    rows = [_line(table, row) for table in tables for row in table.rows]
    return pd.DataFrame(rows)


def _line(table: Standing, row: Row) -> dict[str, object]:
    return {
        "task": table.task,
        "cohort": table.cohort,
        "protocol": table.protocol,
        "budget": table.budget,
        "source": table.source,
        "n_patients": table.n_patients[1],
        "n_events": table.n_events,
        "n_folds": table.n_folds,
        "n_splits": table.n_splits,
        "n_seeds": len(table.seeds),
        "method": row.method,
        "family": row.family,
        "role": row.role,
        "metric": table.primary.name,
        "higher_is_better": table.primary.higher_is_better,
        "cells": row.cells,
        "score": row.score.mean,
        "sd": row.spread,
        "low": row.score.low,
        "high": row.score.high,
        "reference": REFERENCE if table.has_reference else None,
        "difference": row.difference.mean,
        "difference_low": row.difference.low,
        "difference_high": row.difference.high,
        "difference_p": row.difference.p,
        "smallest_difference_shown": row.smallest,
        "tied_with_best": row.tied,
        "fit_seconds": row.seconds,
        "parameters": row.parameters,
    }


def latex(tables: Sequence[Standing]) -> str:
    """A `table` per task for LaTeX; needs the package booktabs and nothing else."""
    return "\n".join(_latex(table) for table in tables)


def _latex(table: Standing) -> str:
    header = ["", "method", f"{_text(directed(table.primary))} $\\pm$ sd", "95\\,\\%"]
    if table.has_reference:
        header += [f"$\\Delta$ to {_text(REFERENCE)}", "95\\,\\% of $\\Delta$", "$p$"]
    lines = []
    role = ""
    for row in table.rows:
        if row.role != role and row.role != table.rows[0].role:
            lines += [r"\midrule"]
        if row.role != role:
            role = row.role
            lines += [
                f"\\multicolumn{{{len(header)}}}{{l}}{{\\emph{{{_text(_short(role))}}}}} \\\\"
            ]
        sign = mark(table, row)
        cells = [
            _SIGNS.get(sign, _text(sign.replace("⚠ ", ""))),
            f"\\texttt{{{_text(row.method)}}}",
            score(row).replace("±", r"$\pm$"),
            interval(row.score.low, row.score.high),
        ]
        if table.has_reference:
            low, high = row.difference.low, row.difference.high
            p = p_value(row.difference.p)
            cells += [
                _minus(number(row.difference.mean, sign=True)),
                NONE if np.isnan(low) else _minus(interval(low, high, sign=True)),
                p.replace("<", "$<$"),
            ]
        lines.append(" & ".join(cells) + r" \\")
    body = "\n".join(lines)
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_text(table.task)}: {_text(conditions(table))}. "
        "$\\bullet$ best, $=$ cannot be told apart from it ($p \\ge 0.05$).}\n"
        f"\\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}\n\\toprule\n"
        f"{' & '.join(header)} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )


def _short(role: str) -> str:
    return ROLE_TITLES[role].split(":")[0].split(",")[0]


def _text(text: str) -> str:
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "·": r"$\cdot$", "Δ": r"$\Delta$"}
    escaped = text.replace("\\", "/").translate(_SPECIAL)
    for sign, command in arrows.items():
        escaped = escaped.replace(sign, command)
    return escaped


def _minus(text: str) -> str:
    return text.replace("-", "$-$").replace("+", "$+$")
