"""What the features of an expression table are called."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class GeneName(StrEnum):
    """How a gene or transcript is named."""

    SYMBOL = "gene symbol"
    ENSEMBL_GENE = "Ensembl gene"
    ENSEMBL_GENE_VERSION = "Ensembl gene with version"
    ENSEMBL_TRANSCRIPT = "Ensembl transcript"
    ENSEMBL_TRANSCRIPT_VERSION = "Ensembl transcript with version"
    SYMBOL_ENTREZ = "symbol|Entrez id"
    ENTREZ = "plain number"
    REFSEQ = "RefSeq transcript"
    DATE = "symbol that a spreadsheet made a date of"
    OTHER = "other name"


# In this order: a date is a symbol by its letters, and an Ensembl id is one too.
_PATTERNS = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for name, pattern in (
        (GeneName.ENSEMBL_GENE_VERSION, r"ENS[A-Z]{0,4}G\d{11}\.\d+(_PAR_Y)?"),
        (GeneName.ENSEMBL_GENE, r"ENS[A-Z]{0,4}G\d{11}(_PAR_Y)?"),
        (GeneName.ENSEMBL_TRANSCRIPT_VERSION, r"ENS[A-Z]{0,4}T\d{11}\.\d+(_PAR_Y)?"),
        (GeneName.ENSEMBL_TRANSCRIPT, r"ENS[A-Z]{0,4}T\d{11}(_PAR_Y)?"),
        (GeneName.REFSEQ, r"[NX][MR]_\d+(\.\d+)?"),
        (GeneName.SYMBOL_ENTREZ, r"[^|]+\|\d+"),
        (GeneName.ENTREZ, r"\d+"),
        # SEPT2 and MARCH1 as a spreadsheet saves them
        (GeneName.DATE, r"\d{1,2}-(sep|mar|dec|oct|feb|apr|nov|jan)(-\d+)?"),
        (GeneName.DATE, r"(sep|mar|dec)-\d{1,2}"),
        # ABC-1, HLA-DRA, 5S_rRNA's kin, C1orf112, RP11-34P13.7: short and without an underscore
        (GeneName.SYMBOL, r"[A-Z][A-Z0-9]{0,15}([-.@][A-Z0-9]{1,10}){0,3}"),
    )
)
_VERSION = re.compile(r"(?<=\d{11})\.\d+")


@dataclass(frozen=True)
class GeneNames:
    """The names of a table's features.

    Attributes:
        kinds: Kind -> number of names, most first.
        merged: Names that become one if versions are dropped.
        dates: Names that were symbols once.
    """

    kinds: Mapping[GeneName, int]
    merged: tuple[str, ...]
    dates: tuple[str, ...]


def gene_name(name: str) -> GeneName:
    """What one feature is called."""
    found = (kind for kind, pattern in _PATTERNS if pattern.fullmatch(name.strip()))
    return next(found, GeneName.OTHER)


def gene_names(names: Sequence[str]) -> GeneNames:
    """What features are called, and which names are not theirs alone."""
    kind_of = {name: gene_name(name) for name in set(names)}
    kinds = Counter(kind_of[name] for name in names)
    bare = {name: _VERSION.sub("", name) for name in kind_of}
    sharing = Counter(bare.values())
    return GeneNames(
        dict(kinds.most_common()),
        tuple(sorted(name for name in bare if sharing[bare[name]] > 1)),
        tuple(sorted(name for name, kind in kind_of.items() if kind is GeneName.DATE)),
    )


def plural(kind: GeneName) -> str:
    """The kind in the plural: `Ensembl genes with version`."""
    noun, space, rest = str(kind).partition(" with ")
    head, also, tail = noun.partition(" that ")
    return f"{head}s{also}{tail}{space}{rest}"


def looks_like_genes(names: Iterable[str]) -> bool:
    """Whether most names are those of genes or transcripts."""
    kinds = Counter(gene_name(name) for name in names)
    others = kinds[GeneName.OTHER] + kinds[GeneName.ENTREZ]
    return others < kinds.total() / 2
