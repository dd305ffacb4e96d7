"""Which embeddings that were made elsewhere a run may ask for: declared, or given beside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.data.manifest import EmbeddingSource, Manifest, read_manifest
from tasks.data.precomputed import Given, embedding_sources
from tasks.errors import InputError
from tasks.names import NAME_RULE, is_name


def parse_given(texts: Sequence[str]) -> Given:
    """Names and absolute paths of `NAME=FILE`.

    Raises:
        InputError: A text has another form, a name is given twice, or nothing is at a path.
    """
    given: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (equals and file):
            raise InputError(f"--embeddings: expected NAME=FILE, found {text!r}")
        if not is_name(name) or "+" in name:
            raise InputError(f"--embeddings {text}: expected {NAME_RULE} but without a +, {name!r}")
        if name in given:
            raise InputError(f"--embeddings {text}: expected each name once, found {name} twice")
        given[name] = Path(file).resolve()
        if not given[name].exists():
            raise InputError(f"--embeddings {text}: expected a file or a folder, found none")
    return tuple(given.items())


def declared_embeddings(
    folders: Sequence[Path], given: Given
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> what the embeddings are of, and what the model that made them has seen.

    Raises:
        InputError: Two cohorts declare other sides, or a manifest is wrong.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for folder in folders:
        for name, source in _sources(folder, read_manifest(folder), given):
            side, seen = found.get(name, (source.side, ()))
            if side != source.side:
                raise InputError(
                    f"{folder}: embeddings.{name}.side: expected {side} as in another cohort, "
                    f"found {source.side}"
                )
            found[name] = (side, tuple(dict.fromkeys((*seen, *source.pretrained_on))))
    return found


def _sources(
    folder: Path, manifest: Manifest, given: Given
) -> Iterator[tuple[str, EmbeddingSource]]:
    if not manifest.union:
        yield from embedding_sources(folder, manifest, given).items()
    for member in manifest.union:
        yield from embedding_sources(member, read_manifest(member), given).items()
