"""What `mirror-bench audit` prints: tables for people, stable JSON for programs.

The JSON is one object:

* `version`: 1; raised when a key changes its meaning or goes away. Keys may be added.
* `path`: as given. `target`: splits | cohort | cohorts | table.
* `leaks`: whether anything is a leak; the exit code is 1 then, 0 otherwise.
* `counts`: number of findings by severity: `leak`, `warning`, `note`.
* `findings`: the gravest first. Each has `check` (what was looked for), `where` (in what), `fold`
  (number, or null where it is about no one fold), `severity` (leak: a score computed on this is
  wrong or flattered; warning: it may be; note: worth knowing), `n` of `total` `unit` (how many of
  how many of what), `summary`, `examples` (at most 10 texts) and `advice`.
* `folds`: for split files, one per fold: `where`, `fold`, `patients` (part -> how many different
  ones) and `leaked_patients` (in several parts); empty for anything else.
* `checks`: everything that was looked for: `check`, `where`, `outcome` (found | clean | skipped)
  and `reason` (why skipped; else empty).
"""

import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.checks.leaks.findings import Checked, Finding, Report, Severity
from tasks.checks.leaks.paths import audit_path

VERSION = 1

_STYLE = {Severity.LEAK: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def audit(path: Path, as_json: bool, console: Console) -> int:
    """Audit a path and print what was found.

    Args:
        path: Split files, a cohort, a folder of cohorts or a table.
        as_json: Print the JSON, and nothing else, on the console.
        console: Where to.

    Returns:
        1 if something leaks, else 0.

    Raises:
        InputError: The path is none of these or cannot be read; the command line makes it 2.
    """
    if as_json:
        report = audit_path(path)
        print(json.dumps(as_dict(report), indent=2), file=console.file)
    else:
        with console.status(f"auditing {escape(str(path))}"):
            report = audit_path(path)
        show(report, console)
    return int(report.leaks)


def as_dict(report: Report) -> dict[str, object]:
    """The report as the JSON that the module describes."""
    return {
        "version": VERSION,
        "path": report.path,
        "target": str(report.target),
        "leaks": report.leaks,
        "counts": {str(severity): report.count(severity) for severity in Severity},
        "findings": [
            {
                "check": str(checked.check),
                "where": checked.where,
                "fold": finding.fold,
                "severity": str(finding.severity),
                "n": finding.n,
                "total": finding.total,
                "unit": finding.unit,
                "summary": finding.summary,
                "examples": list(finding.examples),
                "advice": finding.advice,
            }
            for checked, finding in _gravest_first(report)
        ],
        "folds": [
            {
                "where": facts.where,
                "fold": facts.fold,
                "patients": facts.patients,
                "leaked_patients": facts.leaked_patients,
            }
            for facts in report.folds
        ],
        "checks": [
            {
                "check": str(checked.check),
                "where": checked.where,
                "outcome": _outcome(checked),
                "reason": checked.skipped,
            }
            for checked in report.checks
        ],
    }


def show(report: Report, console: Console) -> None:
    """Print the folds, the findings with examples and advice, and what could not be checked."""
    console.print(f"[bold]{escape(report.path)}[/] ({report.target})", highlight=False)
    if report.folds:
        console.print()
        console.print(_folds(report))
    for checked, finding in _gravest_first(report):
        style = _STYLE[finding.severity]
        console.print()
        console.print(
            f"[{style}]{finding.severity}[/]  {escape(checked.where)}  [dim]{checked.check}[/]",
            highlight=False,
        )
        console.print(
            f"  {escape(finding.summary)} ({finding.n} of {finding.total} {finding.unit})",
            highlight=False,
        )
        if finding.examples:
            more = ", ..." if finding.n > len(finding.examples) else ""
            listed = escape(", ".join(finding.examples))
            console.print(f"  [dim]for example {listed}{more}[/]", highlight=False)
        console.print(f"  → {escape(finding.advice)}", highlight=False)
    skipped = [checked for checked in report.checks if checked.skipped]
    if skipped:
        console.print()
    for checked in skipped:
        line = f"not checked: {checked.check}, {checked.where}: {checked.skipped}"
        console.print(f"[dim]{escape(line)}[/]", highlight=False)
    counts = ", ".join(f"{report.count(severity)} {severity}s" for severity in Severity)
    console.print()
    verdict = "[bold red]leaks[/]" if report.leaks else "[green]no leak[/]"
    console.print(f"{verdict}: {counts}; {len(report.checks)} checks", highlight=False)


def _folds(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("folds of", overflow="fold")
    table.add_column("fold", justify="right")
    parts = [
        part for part in ("train", "val", "test") if any(part in f.patients for f in report.folds)
    ]
    for part in (*parts, "in several parts"):
        table.add_column(part, justify="right")
    for facts in report.folds:
        numbers = [str(facts.patients.get(part, "")) for part in parts]
        style = _STYLE[Severity.LEAK] if facts.leaked_patients else ""
        table.add_row(
            escape(facts.where), str(facts.fold), *numbers, str(facts.leaked_patients), style=style
        )
    return table


def _gravest_first(report: Report) -> Iterator[tuple[Checked, Finding]]:
    for severity in Severity:
        for checked in report.checks:
            for finding in checked.findings:
                if finding.severity is severity:
                    yield checked, finding


def _outcome(checked: Checked) -> str:
    if checked.findings:
        return "found"
    return "skipped" if checked.skipped else "clean"
