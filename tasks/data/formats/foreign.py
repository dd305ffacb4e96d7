"""Files that stand where another one is meant, told by their first bytes; none of them is read."""

from collections.abc import Callable
from pathlib import Path

from tasks.data.formats.format import Format


def _begins(*starts: bytes) -> Callable[[Path, bytes], bool]:
    return lambda _path, head: head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(starts)


def _pickle(path: Path, head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and not _torch(path)


def _archive(path: Path, head: bytes) -> bool:
    book = path.suffix.lower() in (".xlsx", ".xlsm")
    return head.startswith(b"PK\x03\x04") and not _torch(path) and not book


def _torch(path: Path) -> bool:
    return path.suffix.lower() in (".pt", ".pth")


_SAVE = "save the table as csv, tsv or parquet"

FORMATS = (
    Format(
        "a git-LFS pointer",
        _begins(b"version https://git-lfs.github.com/spec/"),
        why_not="the file itself is not here; `git lfs pull` in its repository brings it",
    ),
    Format(
        "a web page (HTML)",
        _begins(b"<!doctype html", b"<html", b"<head"),
        why_not="a page that asks for a login, or an error, was saved under the file's name; "
        "download it again, signed in where that is asked",
    ),
    Format(
        "JSON",
        lambda path, head: path.suffix.lower() != ".json" and _begins(b"{", b"[{")(path, head),
        why_not="an answer of a server, or another format under this name; download the table",
    ),
    Format(
        "XML",
        _begins(b"<?xml"),
        why_not="an answer of a server, or another format under this name; download the table",
    ),
    Format(
        "a Python pickle",
        _pickle,
        why_not="never loaded, since it may run anything; open it where you trust it and save the "
        "features as .h5 (a dataset `features`), a table as csv or parquet",
    ),
    Format("a zip archive", _archive, why_not="unpack it"),
    Format("a 7z archive", _begins(b"7z\xbc\xaf\x27\x1c"), why_not="unpack it"),
    Format("a rar archive", _begins(b"rar!"), why_not="unpack it"),
    Format(
        "a tar archive",
        lambda path, head: head[257:262] == b"ustar" or path.name.endswith((".tgz", ".tar.gz")),
        why_not="unpack it",
    ),
    Format(
        "R data",
        lambda path, head: path.suffix.lower() in (".rds", ".rda", ".rdata")
        or head.startswith((b"RDX2\n", b"RDX3\n", b"X\n\x00\x00\x00")),
        why_not="in R, write.csv() or arrow::write_parquet() saves it as a table",
    ),
    Format(
        "an Excel 97 book (.xls)",
        _begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        why_not="save it as xlsx or csv",
    ),
    Format("NumPy's format", _begins(b"\x93numpy"), why_not=_SAVE),
    Format("an SQLite database", _begins(b"sqlite format 3"), why_not=_SAVE),
    Format("an image or a PDF", _begins(b"\x89png", b"%pdf", b"ii*\x00", b"mm\x00*"),
           why_not="features are made of images by an encoder first"),
)  # fmt: skip
