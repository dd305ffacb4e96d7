"""What can be fetched: pinned files, their licences, and the cohorts that are made of them."""

from dataclasses import dataclass
from pathlib import PurePosixPath


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


@dataclass(frozen=True)
class Recipe:
    """What a cohort is made of.

    Attributes:
        cohort: Its name, `TCGA-BRCA`.
        project: TCGA's word for it in the clinical table, `BRCA`.
        slides: Tables of slide features, one below the other.
        expression: A zip of one csv: expression, histology, a row a slide.
        clinical: The workbook of the TCGA Clinical Data Resource.
        histology: OncoTree codes that make a subtyping task; none if there is only one.
    """

    cohort: str
    project: str
    slides: tuple[RemoteFile, ...]
    expression: RemoteFile
    clinical: RemoteFile
    histology: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Everything that it needs."""
        return (*self.slides, self.expression, self.clinical)


@dataclass(frozen=True)
class Catalogue:
    """A set of cohorts that are fetched together.

    Attributes:
        name: What the command line calls it.
        source: Where the data come from, for the cohorts' provenance.
        licence: What they may be used for, for the cohorts' provenance.
        note: What whoever uses the cohorts must know.
        recipes: The cohorts.
    """

    name: str
    source: str
    licence: str
    note: str
    recipes: tuple[Recipe, ...]

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The repositories of its files, each once."""
        files = (file for recipe in self.recipes for file in recipe.files)
        return tuple(dict.fromkeys(file.repository for file in files))
