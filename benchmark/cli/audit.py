"""What `mirror-bench audit` prints: tables for people, stable JSON for programs.

The JSON is one object:

* `version`: 1; raised when a key changes its meaning or goes away. Keys may be added.
* `path`: as given. `target`: splits | cohort | cohorts | table.
* `leaks`: whether anything is a leak; the exit code is 1 then.
* `unseen`: checks that tell leaks and could be made nowhere; the exit code is 3 if there are some
  and nothing leaks, and 0 otherwise.
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
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.cli.wording import STYLES, Wording
from tasks.checks.finding import FOUND, Check, Finding, Severity
from tasks.checks.leaks.paths import Report, audit_path

VERSION = 1

_KEYS = (
    "check",
    "where",
    "fold",
    "severity",
    "n",
    "total",
    "unit",
    "summary",
    "examples",
    "advice",
)
AUDIT = Wording(
    {Severity.PROBLEM: "leak", Severity.WARNING: "warning", Severity.NOTE: "note"},
    dict(zip(_KEYS, _KEYS, strict=True)),
    10,
)
_STYLES = {**STYLES, Severity.PROBLEM: "bold red", Severity.NOTE: "dim"}


def audit(path: Path, as_json: bool, console: Console) -> int:
    """Audit a path and print what was found.

    Args:
        path: Split files, a cohort, a folder of cohorts or a table.
        as_json: Print the JSON, and nothing else, on the console.
        console: Where to.

    Returns:
        1 if something leaks, 3 if nothing does in what could be looked at, 0 if all could be.

    Raises:
        InputError: The path is none of these or cannot be read; the command line makes it 2.
    """
    if as_json:
        report = audit_path(path)
        print(json.dumps(as_dict(report), indent=2, sort_keys=True), file=console.file)
    else:
        with console.status(f"auditing {escape(str(path))}"):
            report = audit_path(path)
        show(report, console)
    return 1 if report.leaks else 3 if report.unseen else 0


def as_dict(report: Report) -> dict[str, object]:
    """The report as the JSON that the module describes."""
    return {
        "version": VERSION,
        "path": report.path,
        "target": str(report.target),
        "leaks": report.leaks,
        "unseen": [str(check) for check in report.unseen],
        "counts": AUDIT.counts(report.findings),
        "findings": [AUDIT.as_dict(finding) for finding in _gravest_first(report)],
        "folds": [asdict(facts) for facts in report.folds],
        "checks": [
            {"check": str(check), "where": where, "outcome": outcome, "reason": reason}
            for check, where, outcome, reason in _checks(report)
        ],
    }


def show(report: Report, console: Console) -> None:
    """Print the folds, the findings with examples and advice, and what could not be checked."""
    console.print(f"[bold]{escape(report.path)}[/] ({report.target})", highlight=False)
    if report.folds:
        console.print()
        console.print(_folds(report))
    for finding in _gravest_first(report):
        word = f"[{_STYLES[finding.severity]}]{AUDIT.words[finding.severity]}[/]"
        count = f"({finding.n} of {finding.total} {finding.unit})"
        console.print()
        console.print(f"{word}  {escape(finding.where)}  [dim]{finding.check}[/]", highlight=False)
        console.print(f"  {escape(f'{finding.summary} {count}')}", highlight=False)
        if examples := AUDIT.examples(finding):
            console.print(f"  {examples}", highlight=False)
        console.print(f"  → {escape(finding.advice)}", highlight=False)
    skipped = [finding for finding in report.findings if finding.severity is Severity.SKIPPED]
    if skipped:
        console.print()
    for finding in skipped:
        line = f"not checked: {finding.check}, {finding.where}: {finding.summary}"
        console.print(f"[dim]{escape(line)}[/]", highlight=False)
    counts = ", ".join(f"{n} {word}s" for word, n in AUDIT.counts(report.findings).items())
    console.print()
    verdict = "[bold red]leaks[/]" if report.leaks else "[green]no leak[/]"
    if report.unseen and not report.leaks:
        unseen = ", ".join(report.unseen)
        verdict = f"[yellow]no leak in what could be looked at; not looked at: {unseen}[/]"
    n_checks = sum(1 for _ in _checks(report))
    console.print(f"{verdict}: {counts}; {n_checks} checks", highlight=False)


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
        style = _STYLES[Severity.PROBLEM] if facts.leaked_patients else ""
        table.add_row(
            escape(facts.where), str(facts.fold), *numbers, str(facts.leaked_patients), style=style
        )
    return table


def _gravest_first(report: Report) -> list[Finding]:
    there = (finding for finding in report.findings if finding.is_there)
    return sorted(there, key=lambda finding: FOUND.index(finding.severity))


def _checks(report: Report) -> Iterator[tuple[Check, str, str, str]]:
    """Each check: what was looked for, in what, what came out, and why not if it could not be."""
    for (check, where), group in groupby(report.findings, key=lambda f: (f.check, f.where)):
        reasons = {finding.severity: finding.summary for finding in group}
        found = not reasons.keys().isdisjoint(FOUND)
        skipped = Severity.SKIPPED in reasons
        outcome = "found" if found else "skipped" if skipped else "clean"
        yield check, where, outcome, reasons.get(Severity.SKIPPED, "")
