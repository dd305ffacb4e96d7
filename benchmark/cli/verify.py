"""What `mirror-bench data verify` prints: a table for people, stable JSON for programs.

The JSON is one object:

* `version`: 1; raised when a key changes its meaning or goes away. Keys may be added.
* `path`: as given.
* `problems`: whether anything is a problem; the exit code is 1 then, 0 otherwise.
* `counts`: number of facts by weight: `problem`, `warning`, `fact`.
* `cohorts`: one per cohort: `name`, `folder`, `counts`, and `facts` in the order of the work. Each
  fact has `part` (cohort, wsi, rna, patients, clinical, truth, an endpoint or a label), `check`
  (what was looked at), `weight` (problem: `run` refuses it, or scores what is wrong; warning: it is
  left out or runs, and deserves a look; fact: what the data are), `summary`, `n` of `total` `unit`
  (how many of how many of what; 0, 0 and empty where nothing is counted) and `examples` (at most 5
  texts).
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from tasks.checks.data.cohort_facts import verify_cohort
from tasks.checks.data.facts import Check, CohortFacts, Fact, Weight
from tasks.data.load import find_cohorts

VERSION = 1

_MARK = {
    Weight.PROBLEM: "[bold red]✗[/]",
    Weight.WARNING: "[yellow]![/]",
    Weight.FACT: "[dim]·[/]",
}
_STYLE = {Weight.PROBLEM: "red", Weight.WARNING: "yellow", Weight.FACT: ""}


def verify(path: Path, as_json: bool, console: Console) -> int:
    """Verify a cohort, or each one of a folder, and print what is so.

    Args:
        path: A cohort's folder, or a folder of cohorts.
        as_json: Print the JSON, and nothing else.
        console: Where to.

    Returns:
        1 if there is a problem, else 0.

    Raises:
        InputError: There is no cohort, or a manifest cannot be read; the command line makes it 2.
    """
    found = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    quiet = as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        bar = progress.add_task("", total=None)
        for folder in find_cohorts(path):

            def looking_at(what: str, done: int, total: int, name: str = folder.name) -> None:
                text = f"{escape(name)}: {escape(what)}"
                progress.update(bar, description=text, completed=done, total=total)

            found.append(verify_cohort(folder, looking_at))
    found = _with_names_compared(found)
    if as_json:
        print(json.dumps(as_dict(path, found), indent=2), file=console.file)
    else:
        for cohort in found:
            show(cohort, console)
    return int(any(cohort.count(Weight.PROBLEM) for cohort in found))


def _with_names_compared(found: Sequence[CohortFacts]) -> list[CohortFacts]:
    """`run` takes no two cohorts of one name, which `data init` gives all cohorts of a project."""
    folders = defaultdict(list)
    for cohort in found:
        folders[cohort.name].append(cohort.folder)
    compared = []
    for cohort in found:
        others = [folder for folder in folders[cohort.name] if folder != cohort.folder]
        if others:
            summary = f"named as the cohort of {', '.join(others)}; `run` asks for different names"
            fact = Fact("cohort", Check.MANIFEST, Weight.PROBLEM, summary)
            cohort = replace(cohort, facts=(fact, *cohort.facts))  # noqa: PLW2901
        compared.append(cohort)
    return compared


def as_dict(path: Path, cohorts: Sequence[CohortFacts]) -> dict[str, object]:
    """The cohorts as the JSON that the module describes."""
    counts = {str(weight): sum(c.count(weight) for c in cohorts) for weight in Weight}
    return {
        "version": VERSION,
        "path": str(path),
        "problems": counts["problem"] > 0,
        "counts": counts,
        "cohorts": [
            {
                "name": cohort.name,
                "folder": cohort.folder,
                "counts": {str(weight): cohort.count(weight) for weight in Weight},
                "facts": [
                    {
                        "part": fact.part,
                        "check": str(fact.check),
                        "weight": str(fact.weight),
                        "summary": fact.summary,
                        "n": fact.n,
                        "total": fact.total,
                        "unit": fact.unit,
                        "examples": list(fact.examples),
                    }
                    for fact in cohort.facts
                ],
            }
            for cohort in cohorts
        ],
    }


def show(cohort: CohortFacts, console: Console) -> None:
    """Print a cohort: a line a fact, part by part, and the verdict."""
    console.print()
    console.print(
        f"[bold]{escape(cohort.name)}[/] [dim]{escape(cohort.folder)}[/]", highlight=False
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column("part", style="dim", no_wrap=True)
    table.add_column("mark", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("summary", overflow="fold")
    part = ""
    for fact in cohort.facts:
        shown = "" if fact.part == part else fact.part
        part = fact.part
        text = f"[{_STYLE[fact.weight]}]{escape(fact.summary)}[/]" if _STYLE[fact.weight] else ""
        table.add_row(escape(shown), _MARK[fact.weight], _count(fact), text or escape(fact.summary))
        if fact.examples and fact.weight is not Weight.FACT:
            more = ", ..." if fact.n > len(fact.examples) else ""
            listed = escape(", ".join(fact.examples))
            table.add_row("", "", "", f"[dim]for example {listed}{more}[/]")
    console.print(table, highlight=False)
    n_problems, n_warnings = cohort.count(Weight.PROBLEM), cohort.count(Weight.WARNING)
    verdict = "[bold red]problems[/]" if n_problems else "[green]whole[/]"
    console.print(f"{verdict}: {n_problems} problems, {n_warnings} warnings", highlight=False)


def _count(fact: Fact) -> str:
    return f"{fact.n:,} of {fact.total:,} {fact.unit}" if fact.unit else ""
