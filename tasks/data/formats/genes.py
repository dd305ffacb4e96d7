"""Gene names: lists of genes, sets of genes (gmt), and the columns of a table that they mean."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tasks.data.formats.files import reading, require_file, unpacked
from tasks.data.formats.tables import is_missing, read_text_table
from tasks.errors import InputError

CENSUS_COLUMN = "Gene Symbol"
"""The column of a COSMIC Cancer Gene Census table that names the genes."""


_LARGEST = 64 << 20


def read_gene_sets(path: Path) -> dict[str, tuple[str, ...]]:
    """Read gene sets.

    Args:
        path: A gmt file (MSigDB's: a line a set, of name, description and genes with tabs between
            them), or a csv with a column a set, its name in the header. Either may be gzipped.

    Returns:
        The genes of each set, without repetition, by name; both in the order of the file.

    Raises:
        InputError: If the file is no such text, a set has no genes, or a name comes twice.
    """
    return _columns_of_genes(path) if ".csv" in path.suffixes else _lines_of_genes(path)


def _columns_of_genes(path: Path) -> dict[str, tuple[str, ...]]:
    table = read_text_table(path, ragged=True)
    names = [str(name).strip() for name in table.columns]
    sets: dict[str, tuple[str, ...]] = {}
    for column, name in enumerate(names):
        cells = (str(cell).strip() for cell in table.iloc[:, column])
        genes = tuple(dict.fromkeys(cell for cell in cells if not is_missing(cell)))
        if not name or not genes:
            raise InputError(
                f"{path}: column {column + 1}: expected a name and genes below it, found {name!r} "
                f"and {len(genes)} genes"
            )
        if name in sets:
            raise InputError(
                f"{path}: column {column + 1}: expected a new name, found {name!r} again"
            )
        sets[name] = genes
    return sets


def _lines_of_genes(path: Path) -> dict[str, tuple[str, ...]]:
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(_lines(path, "a gmt file of gene sets"), start=1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        genes = tuple(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name or not genes:
            raise InputError(
                f"{path}: line {number}: expected a name, a description and genes with tabs "
                f"between them, found {line[:60]!r}"
            )
        if name in sets:
            raise InputError(f"{path}: line {number}: expected a new name, found {name!r} again")
        sets[name] = genes
    if not sets:
        raise InputError(f"{path}: expected gene sets, found an empty file")
    return sets


def read_gene_list(path: Path) -> tuple[str, ...]:
    """Read genes: the column `Gene Symbol` of a census table, or a text of one gene a line.

    Raises:
        InputError: If the file cannot be read, names no gene, or has several columns and not that.
    """
    lines = _lines(path, "a list of genes")
    header = next((line for line in lines if not line.startswith("#")), "")
    if "\t" in header or "," in header or header.strip() == CENSUS_COLUMN:
        cells: Iterable[str] = read_text_table(path, (CENSUS_COLUMN,))[CENSUS_COLUMN]
    else:
        cells = (line for line in lines if not line.startswith("#"))
    genes = tuple(dict.fromkeys(cell.strip() for cell in cells if not is_missing(cell)))
    if not genes:
        raise InputError(f"{path}: expected genes, found none")
    return genes


def read_probemap(path: Path) -> dict[str, str]:
    """Read what a probe, transcript or gene identifier is the gene of, as Xena's probemaps say it.

    Raises:
        InputError: If the file cannot be read, or `id` or `gene` is no column of it.
    """
    table = read_text_table(path, ("id", "gene"))
    pairs = zip(table["id"].str.strip(), table["gene"].str.strip(), strict=True)
    return {name: gene for name, gene in pairs if name and not is_missing(gene)}


def columns_by_gene(
    features: Sequence[str], probemap: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The columns that a gene's name means.

    A name means the columns that are called so, with or without the version that Ensembl puts
    behind a dot, and those that the probemap says to be of that gene.

    Args:
        features: The columns' names.
        probemap: Identifier -> gene.
    """
    unversioned = {_without_version(name): gene for name, gene in probemap.items()}
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for feature in features:
        bare = _without_version(feature)
        gene = probemap.get(feature, unversioned.get(bare))
        for name in (feature, bare, gene):
            if name is not None:
                found[name][feature] = None
    return {name: tuple(columns) for name, columns in found.items()}


def matched(genes: Iterable[str], columns: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The columns that any of the genes means, each once, in the order of the genes."""
    return tuple(
        dict.fromkeys(
            feature
            for gene in genes
            for feature in columns.get(gene, columns.get(_without_version(gene), ()))
        )
    )


def _without_version(name: str) -> str:
    """ENSG00000141510.11 -> ENSG00000141510; names of other kinds stay."""
    return name.split(".", 1)[0] if name.startswith("ENS") else name


def _lines(path: Path, expected: str) -> list[str]:
    require_file(path)
    with reading(path, expected):
        with unpacked(path) as file:
            # an archive may unpack to more than a memory holds
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InputError(f"{path}: expected at most {_LARGEST >> 20} MiB, found more")
        return content.decode("utf-8-sig").splitlines()
