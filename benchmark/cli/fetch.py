"""`mirror-bench data fetch`: open cohorts with one command, their licences accepted first."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from benchmark.engine.interrupt import first_interrupt_only
from tasks.data.cohort import Cohort
from tasks.data.fetch.build import build_cohort
from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile
from tasks.data.fetch.download import download
from tasks.data.fetch.source_tables import read_outcomes
from tasks.errors import InputError

DEFAULT_SOURCE = "https://raw.githubusercontent.com"
"""Serves the raw files of public GitHub repositories as OWNER/REPOSITORY/COMMIT/PATH."""

SOURCES = "sources"
_SCRATCH = ".fetch-"


def fetch(
    catalogue: Catalogue, folder: Path, source: str, console: Console, *, accepted: bool
) -> int:
    """Download what is missing, build what can be built, and say what cannot, and why.

    Args:
        catalogue: What to fetch.
        folder: Where the cohorts go, a folder each; the downloaded files go to `sources` in it.
        source: Address of a server with the layout of `DEFAULT_SOURCE`.
        console: Shows licences, progress and outcome.
        accepted: Whether the user accepts the licences.

    Returns:
        Exit code: 0 if every cohort is there, 1 if one is not.

    Raises:
        InputError: If the licences are not accepted, the address is none, or the folder cannot be
            written or is in use.
    """
    _show_licences(catalogue, console)
    if not accepted:
        raise InputError(
            "--accept-licence: expected, as a sign that you accept the licences above; "
            "nothing was downloaded"
        )
    if not source.startswith(("https://", "http://")):
        raise InputError(f"--source: expected an address http(s)://..., found {source!r}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with first_interrupt_only(), _alone_in(folder), _scratch(folder) as scratch:
            return _fetch(catalogue, folder, source, scratch, console)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: expected a place that can be written, "
            f"found: {error.strerror}"
        ) from error


def _show_licences(catalogue: Catalogue, console: Console) -> None:
    console.print(f"[bold]{catalogue.name}[/bold] takes other people's data from")
    for repository in catalogue.repositories:
        console.print(Text(f"\n{repository.name}, commit {repository.commit}", style="bold"))
        console.print(Text(f"  {repository.holds}."))
        console.print(Text(f"  Licence: {repository.licence}"))
    console.print()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep a second fetch out of the folder; the lock ends with the process, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: expected no other fetch at work, found one") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A place for what is not finished; what a killed fetch left is removed first."""
    for left in folder.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch:
        yield Path(scratch)


def _fetch(catalogue: Catalogue, folder: Path, source: str, scratch: Path, console: Console) -> int:
    wanted = []
    for recipe in catalogue.recipes:
        if (folder / recipe.cohort).exists():
            console.print(f"{recipe.cohort}: there already, left as it is", highlight=False)
        else:
            wanted.append(recipe)
    refused = _download(tuple(wanted), folder / SOURCES, source, scratch, console)
    for file, reason in refused.items():
        console.print(Text(f"{file.key}: {reason}"), soft_wrap=True)
    outcomes = cache(read_outcomes)  # the workbook takes seconds and serves every cohort
    failed = 0
    for recipe in wanted:
        absent = [file.name for file in recipe.files if file in refused]
        if absent:
            failed += 1
            reason = f"not built, without {', '.join(absent)}"
        else:
            with console.status(f"building {recipe.cohort}"):
                cohort = build_cohort(
                    catalogue, recipe, folder / SOURCES, folder / recipe.cohort, scratch, outcomes
                )
            reason = _size(cohort)
        console.print(Text(f"{recipe.cohort}: {reason}"), soft_wrap=True)
    if failed:
        console.print(
            f"{failed} of {len(catalogue.recipes)} cohorts are not there. The same command tries "
            "again, and downloads only what is missing."
        )
    return 1 if failed else 0


def _download(
    recipes: tuple[Recipe, ...], folder: Path, source: str, scratch: Path, console: Console
) -> dict[RemoteFile, str]:
    files = tuple(dict.fromkeys(file for recipe in recipes for file in recipe.files))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    so_far: dict[RemoteFile, int] = {}
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("looking", total=sum(file.size for file in files))

        def received(file: RemoteFile, size: int) -> None:
            so_far[file] = size
            progress.update(bar, completed=sum(so_far.values()), description=file.name)

        refused = download(files, source, folder, scratch, received)
        progress.update(bar, description=f"{len(files) - len(refused)} of {len(files)} files")
    return refused


def _size(cohort: Cohort) -> str:
    paired = cohort.complete()
    deaths = int(cohort.endpoints["os"].subset(paired).event.sum())
    labels = ", ".join(cohort.labels) or "none"
    return f"{len(paired)} patients with both sides, {deaths} deaths; labels: {labels}"
