"""What can be fetched: pinned files, their licences, and the cohorts that are made of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from tasks.data.formats.cells import near
from tasks.errors import InputError

_Table = TypeVar("_Table")


@dataclass(frozen=True)
class Repository:
    """A public repository at one commit.

    Attributes:
        name: `OWNER/REPOSITORY`.
        commit: Its full hash; a commit never changes.
        holds: What is taken from it, for the reader.
        licence: Under which terms, for the reader who has to accept them.
    """

    name: str
    commit: str
    holds: str
    licence: str


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository.

    Attributes:
        repository: Where it is.
        path: Its path in the repository.
        size: Bytes.
        sha256: Of its bytes, in hexadecimal digits.
    """

    repository: Repository
    path: str
    size: int
    sha256: str

    @property
    def key(self) -> str:
        """Where a server of raw files has it: `OWNER/REPOSITORY/COMMIT/PATH`."""
        return f"{self.repository.name}/{self.repository.commit}/{self.path}"

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name


class Sources:
    """Files that have been brought, each where it lies now."""

    def __init__(self, places: Mapping[RemoteFile, Path]) -> None:
        self._places = places
        self._shared: dict[RemoteFile, Any] = {}

    def path(self, file: RemoteFile) -> Path:
        """Where a file lies."""
        return self._places[file]

    def shared(self, file: RemoteFile, read: Callable[[Path], _Table]) -> _Table:
        """What `read` finds in a file that serves many cohorts; read once, kept while this is."""
        if file not in self._shared:
            self._shared[file] = read(self.path(file))
        table: _Table = self._shared[file]
        return table


class Part(Protocol):
    """One side of a cohort, or what is asked of it: from published files to files of the cohort."""

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The published files that it needs."""
        ...

    @property
    def packed(self) -> bool:
        """Whether all that they hold goes into the cohort, so that they need not be kept."""
        ...

    def write(self, cohort: str, sources: Sources, folder: Path) -> dict[str, Any]:
        """Write its files into a cohort's folder.

        Returns:
            Its tables of the cohort.toml.

        Raises:
            InputError: If a published file is not what it should be.
            OSError: If something cannot be written.
        """
        ...


@dataclass(frozen=True)
class Recipe:
    """What a cohort is made of.

    Attributes:
        cohort: Its name, `TCGA-BRCA`.
        parts: Its parts, in the order in which they are written.
    """

    cohort: str
    parts: tuple[Part, ...]

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Everything that it needs."""
        return tuple(file for part in self.parts for file in part.files)


@dataclass(frozen=True)
class Catalogue:
    """A set of cohorts that are fetched together.

    Attributes:
        name: What the command line calls it.
        source: Where the data come from, for the cohorts' provenance.
        licence: What they may be used for, for the cohorts' provenance.
        note: What whoever uses the cohorts must know.
        recipes: The cohorts.
        unions: Cohorts that are unions of others, by name, written where their members are.
        fewest: Patients with every modality that a class of a label must have; a class of fewer is
            left out, and so is a label of which fewer than two classes are left.
    """

    name: str
    source: str
    licence: str
    note: str
    recipes: tuple[Recipe, ...]
    unions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fewest: int = 20

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The repositories of its files, each once."""
        files = (file for recipe in self.recipes for file in recipe.files)
        return tuple(dict.fromkeys(file.repository for file in files))

    def wanted(self, names: Iterable[str]) -> tuple[Recipe, ...]:
        """The cohorts of these names, with or without `TCGA-`, in the catalogue's order.

        Raises:
            InputError: There is no such cohort.
        """
        full = {name if name.startswith("TCGA-") else f"TCGA-{name}" for name in names}
        known = [recipe.cohort for recipe in self.recipes]
        for name in sorted(full.difference(known)):
            raise InputError(
                f"--cohorts: expected some of {', '.join(known)}, found {name!r}{near(name, known)}"
            )
        return tuple(recipe for recipe in self.recipes if recipe.cohort in full)
