"""What `mirror-bench data init` prints: what was found, what was taken, what must be told."""

import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.checks.recognise.candidates import Slides, Vectors
from tasks.checks.recognise.draft import needs, write_draft
from tasks.checks.recognise.survey import Survey, survey
from tasks.data.identifiers import Scheme
from tasks.data.manifest import MANIFEST
from tasks.errors import InputError


def init(folder: Path, console: Console) -> None:
    """Look at a folder of users' files and write its cohort.toml.

    Args:
        folder: The folder.
        console: Where to say what was found.

    Raises:
        InputError: There is a cohort.toml already, or nothing that could make a cohort.
    """
    target = folder / MANIFEST
    if target.exists() or target.is_symlink():  # a dangling one too
        raise InputError(f"{target}: expected no such file yet, found one; it is left as it is")
    with console.status("looking") as status:
        found = survey(folder, lambda path: status.update(f"looking at {escape(str(path))}"))
    path = write_draft(found)
    console.print(_table(found))
    if found.proposal.ids.scheme is not Scheme.TCGA:
        read = ", ".join(f"{name} is {patient}" for name, patient in found.proposal.examples)
        text = escape(f"identifiers: {found.proposal.ids.scheme}; {read}")
        console.print(text, highlight=False)
    for need in needs(found):
        console.print(
            f"[yellow]needed[/]  {escape(f'{need.where}: {need.summary}')}", highlight=False
        )
    console.print(f"wrote {escape(str(path))}; look at it, then:", highlight=False)
    console.print(f"  mirror-bench data verify {escape(shlex.quote(str(folder)))}", highlight=False)


def _table(found: Survey) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("as")
    table.add_column("what", overflow="fold", max_width=34)
    table.add_column("patients", justify="right")
    table.add_column("", overflow="fold")
    for side, sources in (("wsi", found.wsi), ("rna", found.rna)):
        for i, source in enumerate(sources):
            _add(table, found, i == 0, side, source.path, len(source.patients), _described(source))
    for i, file in enumerate(found.clinical):
        text = f"{file.format}: {', '.join(file.endpoints)}"
        _add(table, found, i == 0, "clinical", file.path, len(file.patients), text)
    for column in found.classes:
        text = f"column {column.column}: {', '.join(column.patients)}"
        n = sum(map(len, column.patients.values()))
        _add(table, found, False, "label?", column.path, n, text)
    for other in found.others:
        _add(table, found, False, "", Path(other.where), None, other.summary)
    return table


def _described(source: Slides | Vectors) -> str:
    mixed = f"; {source.mixture}" if source.mixture else ""
    if isinstance(source, Slides):
        return f"{source.what}; {source.n_files} slides, {source.width} features{mixed}"
    return f"{source.what}{mixed}"


def _add(
    table: Table, found: Survey, taken: bool, kind: str, path: Path, n: int | None, text: str
) -> None:
    name = str(path.relative_to(found.folder)) if path.is_relative_to(found.folder) else str(path)
    table.add_row(
        "[green]✓[/]" if taken else "",
        kind,
        escape(name),
        "" if n is None else f"{n:,}",
        escape(text),
        style="" if taken else "dim",
    )
