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

from benchmark.cli.wording import STYLES, Wording
from tasks.checks.data.cohort_facts import CohortFacts, verify_cohort
from tasks.checks.finding import Check, Finding, Severity, by_severity
from tasks.data.load import find_cohorts

VERSION = 1

VERIFY = Wording(
    {Severity.PROBLEM: "problem", Severity.WARNING: "warning", Severity.NOTE: "fact"},
    {
        "part": "where", "check": "check", "weight": "severity", "summary": "summary",
        "n": "n", "total": "total", "unit": "unit", "examples": "examples",
    },
    5,
)  # fmt: skip
_MARK = {
    Severity.PROBLEM: "[bold red]✗[/]",
    Severity.WARNING: "[yellow]![/]",
    Severity.NOTE: "[dim]·[/]",
}


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
    cohorts = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    quiet = as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        bar = progress.add_task("", total=None)
        for folder in find_cohorts(path):

            def looking_at(what: str, done: int, total: int, name: str = folder.name) -> None:
                text = f"{escape(name)}: {escape(what)}"
                progress.update(bar, description=text, completed=done, total=total)

            cohorts.append(verify_cohort(folder, looking_at))
    cohorts = _with_names_compared(cohorts)
    findings = [finding for cohort in cohorts for finding in cohort.findings]
    problems = by_severity(findings)[Severity.PROBLEM] > 0
    if as_json:
        report = {
            "version": VERSION,
            "path": str(path),
            "problems": problems,
            "counts": VERIFY.counts(findings),
            "cohorts": [_as_dict(cohort) for cohort in cohorts],
        }
        print(json.dumps(report, indent=2, sort_keys=True), file=console.file)
    else:
        for cohort in cohorts:
            show(cohort, console)
    return int(problems)


def _with_names_compared(cohorts: Sequence[CohortFacts]) -> list[CohortFacts]:
    """`run` takes no two cohorts of one name, which `data init` gives all cohorts of a project."""
    folders = defaultdict(list)
    for cohort in cohorts:
        folders[cohort.name].append(cohort.folder)
    compared = []
    for cohort in cohorts:
        others = [folder for folder in folders[cohort.name] if folder != cohort.folder]
        if others:
            summary = f"named as the cohort of {', '.join(others)}; `run` asks for different names"
            finding = Finding("cohort", Check.MANIFEST, Severity.PROBLEM, summary)
            cohort = replace(cohort, findings=(finding, *cohort.findings))  # noqa: PLW2901
        compared.append(cohort)
    return compared


def _as_dict(cohort: CohortFacts) -> dict[str, object]:
    return {
        "name": cohort.name,
        "folder": cohort.folder,
        "counts": VERIFY.counts(cohort.findings),
        "facts": [VERIFY.as_dict(finding) for finding in cohort.findings],
    }


def show(cohort: CohortFacts, console: Console) -> None:
    """Print a cohort: a line a finding, part by part, and the verdict."""
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
    for finding in cohort.findings:
        shown = "" if finding.where == part else finding.where
        part = finding.where
        style = STYLES[finding.severity]
        text = f"[{style}]{escape(finding.summary)}[/]" if style else escape(finding.summary)
        count = f"{finding.n:,} of {finding.total:,} {finding.unit}" if finding.unit else ""
        table.add_row(escape(shown), _MARK[finding.severity], count, text)
        if finding.severity is not Severity.NOTE and (examples := VERIFY.examples(finding)):
            table.add_row("", "", "", examples)
    console.print(table, highlight=False)
    counts = by_severity(cohort.findings)
    n_problems, n_warnings = counts[Severity.PROBLEM], counts[Severity.WARNING]
    verdict = "[bold red]problems[/]" if n_problems else "[green]whole[/]"
    console.print(f"{verdict}: {n_problems} problems, {n_warnings} warnings", highlight=False)
