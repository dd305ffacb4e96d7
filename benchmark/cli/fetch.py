"""`mirror-bench data fetch`: open cohorts with one command, their licences accepted first."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from benchmark.engine.interrupt import first_interrupt_only
from tasks.data.cohort import Cohort
from tasks.data.fetch.build import SEAL, build_cohort, build_union, changed_files
from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile, Sources
from tasks.data.fetch.download import Folder, Server, Source, download
from tasks.data.fetch.tcga_hif import TCGA_HIF
from tasks.data.fetch.tcga_hipt import TCGA_HIPT
from tasks.data.formats.files import what_is_at
from tasks.data.manifest import MANIFEST
from tasks.errors import InputError

DEFAULT_SOURCE = "https://raw.githubusercontent.com"
"""Serves the raw files of public GitHub repositories as OWNER/REPOSITORY/COMMIT/PATH."""

CATALOGUES = {catalogue.name: catalogue for catalogue in (TCGA_HIF, TCGA_HIPT)}
"""What there is to fetch."""

SOURCES = "sources"
_SLIDES = ".slides"
_SCRATCH = ".fetch-"
_MOST_NAMED = 4


def fetched_by(cohort: str, source: str) -> str:
    """The catalogue that a cohort is from, by its name and its declared source; empty if none."""
    return next(
        (
            catalogue.name
            for catalogue in CATALOGUES.values()
            if source == catalogue.source
            and cohort in (*catalogue.unions, *(recipe.cohort for recipe in catalogue.recipes))
        ),
        "",
    )


def fetch(
    catalogue: Catalogue,
    folder: Path,
    source: Source,
    console: Console,
    *,
    accepted: bool,
    cohorts: Sequence[str] = (),
) -> int:
    """Bring what is missing, build what can be built, and say what cannot, and why.

    Args:
        catalogue: What to fetch.
        folder: Where the cohorts go, a folder each; the tables that they are made of go to
            `sources` in it.
        source: Where the files are.
        console: Shows licences, progress and outcome.
        accepted: Whether the user accepts the licences.
        cohorts: Those that are wanted, `BRCA` or `TCGA-BRCA`; without any, all.

    Returns:
        Exit code: 0 if every cohort is there and whole, 1 if one is not.

    Raises:
        InputError: If the licences are not accepted, there is no such cohort, or the folder cannot
            be written or is in use.
    """
    wanted = catalogue.wanted(cohorts) if cohorts else catalogue.recipes
    _show_licences(catalogue, console)
    if not accepted:
        raise InputError(
            "--accept-licence: expected, as a sign that you accept the licences above; "
            "nothing was downloaded"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with first_interrupt_only(), _alone_in(folder), _scratch(folder) as scratch:
            return _Fetch(catalogue, folder, source, scratch, console).run(wanted)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: expected a place that can be written, "
            f"found: {error.strerror}"
        ) from error


def source_of(address: str | None, folder: Path | None) -> Source:
    """Where the files are, as the user says it.

    Raises:
        InputError: Both are given, the address is none, or there is no such folder.
    """
    if folder is None:
        address = address or DEFAULT_SOURCE
        if not address.startswith(("https://", "http://")):
            raise InputError(f"--source: expected an address http(s)://..., found {address!r}")
        return Server(address)
    if address is not None:
        raise InputError("--from: expected no --source beside it, found both")
    if not folder.is_dir():
        raise InputError(f"--from: expected a folder, found {folder}: {what_is_at(folder)}")
    return Folder(folder)


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


@dataclass(frozen=True)
class _Fetch:
    """What a fetch works with.

    Attributes:
        catalogue: What is fetched.
        folder: Where the cohorts go.
        source: Where the files are.
        scratch: A place for what is not finished.
        console: Shows progress and outcome.
    """

    catalogue: Catalogue
    folder: Path
    source: Source
    scratch: Path
    console: Console

    def run(self, recipes: Sequence[Recipe]) -> int:
        """Check the cohorts that are there and build the others; the exit code."""
        there = [recipe for recipe in recipes if (self.folder / recipe.cohort).exists()]
        wanted = [recipe for recipe in recipes if recipe not in there]
        bad = sum([not self._is_whole(recipe) for recipe in there])
        for recipe in there:  # a fetch may have been killed before it could
            self._remove_packed(recipe)
        places = dict(self._places(wanted))
        refused = self._download(places)
        self._say_refused(refused)
        sources = Sources(places)
        for recipe in wanted:
            absent = [file.name for file in recipe.files if file in refused]
            if absent:
                bad += 1
                self._say(f"{recipe.cohort}: not built, without {_listed(absent)}")
            else:
                self._build(recipe, sources)
        self._unite()
        if not any(path.is_file() for path in (self.folder / _SLIDES).rglob("*")):
            shutil.rmtree(self.folder / _SLIDES, ignore_errors=True)
        if bad:
            self._say(
                f"{bad} of {len(recipes)} cohorts are not there, or not whole. The same command "
                "tries again, and downloads only what is missing."
            )
        return 1 if bad else 0

    def _say(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def _say_refused(self, refused: Mapping[RemoteFile, str]) -> None:
        """A line a file; one line for many that are refused for one reason."""
        keys: dict[str, list[str]] = {}
        for file, reason in refused.items():
            keys.setdefault(reason, []).append(file.key)
        for reason, files in keys.items():
            for line in files if len(files) <= _MOST_NAMED else [_listed(files)]:
                self._say(f"{line}: {reason}")

    def _is_whole(self, recipe: Recipe) -> bool:
        folder = self.folder / recipe.cohort
        changed = changed_files(recipe, folder)
        edited = changed == (MANIFEST,) and (folder / MANIFEST).is_file()
        if changed is None:
            text = f"there already, left as it is; without {SEAL} it cannot be checked"
        elif edited:
            text = f"there already, every file as it was built but {MANIFEST}, which was edited"
        elif changed:
            text = f"{_listed(changed)} not as built; move the folder away to have it built anew"
        else:
            text = "there already, every file as it was built"
        self._say(f"{recipe.cohort}: {text}")
        return edited or not changed

    def _places(self, recipes: Sequence[Recipe]) -> Iterator[tuple[RemoteFile, Path]]:
        for recipe in recipes:
            for part in recipe.parts:
                # what a store will hold lies there only until it does
                name = _SLIDES if part.packed else SOURCES
                for file in part.files:
                    yield file, self.folder / name / file.key

    def _download(self, places: Mapping[RemoteFile, Path]) -> dict[RemoteFile, str]:
        if not places:
            return {}
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            bar = progress.add_task(f"{len(places)} files", total=sum(file.size for file in places))
            return download(places, self.source, self.scratch, lambda n: progress.advance(bar, n))

    def _build(self, recipe: Recipe, sources: Sources) -> None:
        with self.console.status(f"building {recipe.cohort}"):
            cohort, left_out = build_cohort(
                self.catalogue, recipe, sources, self.folder / recipe.cohort, self.scratch
            )
        self._say(f"{recipe.cohort}: {_size(cohort)}")
        for text in left_out:
            self._say(f"{recipe.cohort}: {text}")
        self._remove_packed(recipe)

    def _remove_packed(self, recipe: Recipe) -> None:
        """Remove the slides' own files: they are in the cohort's store."""
        for _, path in self._places([recipe]):
            if path.is_relative_to(self.folder / _SLIDES):
                path.unlink(missing_ok=True)

    def _unite(self) -> None:
        for name, members in self.catalogue.unions.items():
            folder = self.folder / name
            if not folder.exists() and all((self.folder / each).exists() for each in members):
                build_union(self.catalogue, name, folder, self.scratch)
                self._say(f"{name}: union of {', '.join(members)}")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _size(cohort: Cohort) -> str:
    paired = cohort.complete()
    deaths = int(cohort.endpoints["os"].subset(paired).event.sum())
    labels = ", ".join(cohort.labels) or "none"
    return f"{len(paired)} patients with both sides, {deaths} deaths; labels: {labels}"
