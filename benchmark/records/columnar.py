"""Merged predictions in columns: a parquet file a method, and who was tested once a cohort.

In `predictions/COHORT/`, `METHOD.parquet` has a row a trial and task, each of its columns a list
with a value a patient, floats in float32; `_tested.parquet` has a row for each group of test
patients with their outcomes, to which the others refer. Every file says in its metadata what it is
of, and every row bears the CRC-32 of what is in it.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmark.records.schema import SCHEMA, DamagedError, NewerError, Predictions
from tasks.atomic import atomic_write
from tasks.errors import InputError

SUFFIX = ".parquet"

OUTCOMES = ("patient", "time_months", "event", "label")
"""Columns that are the patients' own, whatever was predicted of them."""

_TESTED = "_tested"  # no method has a name that begins so
_KEY = b"mirror_bench"
_FIXED = ("trial", "attempt", "task", "tested", "order")
_LEVEL = 19

Columns = Mapping[str, NDArray[Any]]
Row = tuple[dict[str, Any], Columns]


def write_columns(
    folder: Path, cohort: str, blocks: Iterable[tuple[str, Iterable[Predictions]]]
) -> None:
    """Write the predictions of a cohort, a file a method. The same predictions, the same bytes.

    Args:
        folder: `predictions/` of a results folder.
        cohort: Name.
        blocks: Methods with their predictions, these in any order.

    Raises:
        OSError: The disk took it not.
    """
    place = folder / cohort
    place.mkdir(parents=True, exist_ok=True)
    groups: dict[str, Row] = {}
    for method, of_method in blocks:
        rows: list[Row] = []
        for block in sorted(of_method, key=lambda b: (b.task, b.trial, b.attempt)):
            arrays = {name: np.array(column) for name, column in block.columns.items()}
            tested = {name: arrays[name] for name in OUTCOMES if name in arrays}
            key = _fingerprint(tested)
            groups[key] = ({"tested": key}, tested)
            rest = {name: _single(arrays[name]) for name in sorted(arrays) if name not in tested}
            fixed = {name: getattr(block, name) for name in _FIXED[:3]}
            rows.append((fixed | {"tested": key, "order": list(arrays)}, rest))
        _write(place / f"{method}{SUFFIX}", cohort, method, rows)
    _write(place / f"{_TESTED}{SUFFIX}", cohort, _TESTED, [groups[key] for key in sorted(groups)])


def read_columns(folder: Path) -> Iterator[Predictions]:
    """The predictions of all cohorts, whose columns are arrays.

    Raises:
        DamagedError: A file is damaged, or of something else.
        InputError: A newer mirror-bench wrote it.
    """
    for place in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = sorted(place.glob(f"*{SUFFIX}"))
        if not files:
            continue
        tested_file = place / f"{_TESTED}{SUFFIX}"
        tested = {fixed["tested"]: columns for fixed, columns in _read(tested_file)}
        for file in files:
            if file == tested_file:
                continue
            for fixed, columns in _read(file):
                if fixed["tested"] not in tested:
                    raise DamagedError(
                        tested_file, f"expected the patients of {file.name}, found others"
                    )
                every = {**tested[fixed["tested"]], **columns}
                yield Predictions.model_construct(
                    trial=fixed["trial"],
                    attempt=fixed["attempt"],
                    task=fixed["task"],
                    columns={name: every[name] for name in fixed["order"]},
                )


def damaged_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files that cannot be read, and why; those too whose patients cannot.

    Raises:
        InputError: A newer mirror-bench wrote one.
    """
    for tested_file in sorted(folder.glob(f"*/{_TESTED}{SUFFIX}")):
        try:
            known = {fixed["tested"] for fixed, _ in _read(tested_file)}
        except DamagedError as error:
            known = set()
            yield tested_file, error.detail
        for file in sorted(tested_file.parent.glob(f"*{SUFFIX}")):
            if file == tested_file:
                continue
            try:
                if not {fixed["tested"] for fixed, _ in _read(file)} <= known:
                    yield file, f"expected its patients in {tested_file.name}, found others"
            except DamagedError as error:
                yield file, error.detail


def _single(values: NDArray[Any]) -> NDArray[Any]:
    """In float32, where that holds the numbers."""
    if values.dtype != np.float64:
        return values
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return single if np.isfinite(single).all() else values


def _fingerprint(columns: Columns) -> str:
    return hashlib.sha256(_content({}, columns)).hexdigest()[:16]


def _content(fixed: Mapping[str, Any], columns: Columns) -> bytes:
    """What a row says, as one text of bytes."""
    parts = [json.dumps(fixed, sort_keys=True).encode()]
    for name, values in sorted(columns.items()):
        raw = (
            json.dumps(values.tolist()).encode() if values.dtype.kind in "UO" else values.tobytes()
        )
        parts.append(f"\0{name}\0{values.dtype.kind}\0{len(values)}\0".encode() + raw)
    return b"".join(parts)


def _write(path: Path, cohort: str, method: str, rows: list[Row]) -> None:
    names = sorted({name for _, columns in rows for name in columns})
    arrays: dict[str, pa.Array] = {
        name: pa.array([fixed[name] for fixed, _ in rows])
        for name in _FIXED
        if rows and name in rows[0][0]
    }
    kinds = {name: _kind([c[name] for _, c in rows if name in c]) for name in names}
    rows = [(f, {n: c[n].astype(kinds[n]) for n in c}) for f, c in rows]
    sums = [zlib.crc32(_content(fixed, columns)) for fixed, columns in rows]
    arrays["crc32"] = pa.array(sums, type=pa.uint32())
    for name in names:
        lists = [columns.get(name) for _, columns in rows]
        arrays[f"column {name}"] = _lists(lists, kinds[name])
    about = {
        "schema": SCHEMA,
        "cohort": cohort,
        "method": method,
        "rows": len(rows),
        "crc32": zlib.crc32(np.array(sums, dtype=np.uint32).tobytes()),
    }
    table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(about).encode()})
    floats = [f"column {name}.list.element" for name in names if kinds[name].kind == "f"]
    others = [name for name in table.column_names if name.removeprefix("column ") not in names]
    texts = [f"column {name}.list.element" for name in names if kinds[name].kind != "f"]
    with atomic_write(path) as file:
        pq.write_table(
            table,
            file,
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=[*others, *texts],
            use_byte_stream_split=floats,
            write_statistics=False,
            write_page_checksum=True,
        )


def _kind(columns: list[NDArray[Any]]) -> np.dtype[Any]:
    """The one type of a column over all rows; an empty list has none."""
    kinds = {c.dtype for c in columns if len(c)} or {np.dtype(np.float32)}
    if {kind.kind for kind in kinds} <= set("if"):
        return np.result_type(*kinds)
    return np.dtype(object)


def _lists(lists: list[NDArray[Any] | None], kind: np.dtype[Any]) -> pa.Array:
    item = pa.string() if kind.kind == "O" else pa.from_numpy_dtype(kind)
    return pa.array(
        [None if values is None else values.tolist() for values in lists], type=pa.list_(item)
    )


def _read(path: Path) -> Iterator[Row]:
    """The rows of a file, each as its checksum has it."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        about = json.loads((file.schema_arrow.metadata or {})[_KEY])
        if about["schema"] > SCHEMA:
            raise NewerError(about["schema"])
        if (about["cohort"], about["method"]) != (path.parent.name, path.stem):
            raise ValueError(
                f"expected {path.parent.name}/{path.stem}, "
                f"found {about['cohort']}/{about['method']}"
            )
        table = file.read()
        sums = table["crc32"].to_numpy().astype(np.uint32)
        if (len(sums), zlib.crc32(sums.tobytes())) != (about["rows"], about["crc32"]):
            raise ValueError("expected the rows that it was written with, found others")
        fixed = table.select([n for n in table.column_names if n in _FIXED]).to_pylist()
        lists = {
            name.removeprefix("column "): table[name].combine_chunks()
            for name in table.column_names
            if name.startswith("column ")
        }
        arrays = {name: _arrays(column) for name, column in lists.items()}
    except NewerError as error:
        raise InputError(f"{path}: {error}") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        detail = " ".join(str(error).split())
        raise DamagedError(path, f"expected a whole parquet file, found: {detail}") from error
    for i, row in enumerate(fixed):
        columns = {name: own for name, of in arrays.items() if (own := of[i]) is not None}
        if zlib.crc32(_content(row, columns)) != sums[i]:
            raise DamagedError(path, f"row {i + 1}: expected what its checksum was made of")
        yield row, columns


def _arrays(column: pa.Array) -> list[NDArray[Any] | None]:
    """A list column as an array a row."""
    values = column.values.to_numpy(zero_copy_only=False)
    offsets = column.offsets.to_numpy()
    there = column.is_valid().to_numpy(zero_copy_only=False)
    return [
        values[start:end] if valid else None
        for start, end, valid in zip(offsets, offsets[1:], there, strict=False)
    ]
