"""The leaderboard for a spreadsheet and for a paper: the same standings, csv and LaTeX."""

from collections.abc import Iterable, Iterator

import pandas as pd

from benchmark.analysis.board import Board, line
from benchmark.analysis.missing import Missing
from benchmark.analysis.standings import Standing
from benchmark.show import columns, escape
from benchmark.show.numbers import NONE
from benchmark.show.tables import Column, Name, Table, View

_OF_COHORTS = ("source", "encoder", "pretrained_on", "reference")


def sheet(board: Board) -> str:
    """A row per task and method, unrounded numbers, as csv."""
    return escape.csv_frame(board.frame()).to_csv(index=False)


def sheet_of(tables: Iterable[Standing]) -> str:
    """The same of some tables, numbers to five digits, cohorts described elsewhere."""
    rows = [line(table, row) for table in tables for row in table.rows]
    return _csv([{name: row[name] for name in row if name not in _OF_COHORTS} for row in rows])


def missing_sheet(found: Iterable[Missing]) -> str:
    """A row per thing that is missing, as csv; names between blanks."""
    return _csv(
        [
            {
                "status": one.status,
                "reason": one.reason,
                "protocol": one.protocol,
                "budget": one.budget,
                "cells": one.cells,
                "metrics": " ".join(one.metrics),
                "methods": " ".join(one.methods),
                "tasks": " ".join(one.tasks),
            }
            for one in found
        ]
    )


def _csv(rows: list[dict[str, object]]) -> str:
    frame = escape.csv_frame(pd.DataFrame(rows))
    return frame.to_csv(index=False, float_format="%.5g")


def latex(board: Board) -> str:
    """A `table` per task for LaTeX; needs the package booktabs and nothing else."""
    return "\n".join(_table(of, columns.scores(of).seen(View.LATEX)) for of in board.standings)


def _table(of: Standing, table: Table[columns.Entry]) -> str:
    title = f"{of.task}: {columns.conditions(of)}. ● best, = cannot be told apart from it"
    header = " & ".join(escape.latex(column.header) for column in table.columns)
    alignment = "".join("r" if column.right else "l" for column in table.columns)
    body = "\n".join(_body(table))
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{escape.latex(title)} ($p \\ge 0.05$).}}\n"
        f"\\begin{{tabular}}{{{alignment}}}\n\\toprule\n"
        f"{header} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )


def _body(table: Table[columns.Entry]) -> Iterator[str]:
    for i, group in enumerate(table.groups):
        if i:
            yield r"\midrule"
        if group.title:
            title = escape.latex(group.title)
            yield f"\\multicolumn{{{len(table.columns)}}}{{l}}{{\\emph{{{title}}}}} \\\\"
        for row in group.rows:
            yield " & ".join(_cell(column, row) for column in table.columns) + r" \\"


def _cell(column: Column[columns.Entry], row: columns.Entry) -> str:
    parts = column.parts(row)
    text = "".join(
        f"\\texttt{{{escape.latex(part)}}}" if isinstance(part, Name) else escape.latex(part)
        for part in parts
    )
    if not column.right or text == NONE:
        return text
    return text.replace("-", "$-$").replace("+", "$+$")
