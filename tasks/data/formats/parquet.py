"""Parquet tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet

from tasks.data.formats.format import Format, Wanted
from tasks.errors import InputError

_MOST_CELLS = 1 << 31


def _table(path: Path, wanted: Wanted) -> pd.DataFrame:
    facts = pyarrow.parquet.read_metadata(path)
    if facts.num_rows * facts.num_columns > _MOST_CELLS:
        raise InputError(
            f"{path}: expected at most {_MOST_CELLS} cells, found {facts.num_rows} rows of "
            f"{facts.num_columns} columns"
        )
    frame = pd.read_parquet(path)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis(index=str(frame.index.name or "")).reset_index()
    frame.columns = pd.Index([str(name) for name in frame.columns])
    frame = frame[: wanted.rows]
    lists = [name for name in frame if len(frame) and isinstance(frame[name].iloc[0], np.ndarray)]
    if lists:
        raise InputError(
            f"{path}: expected cells, found lists in {lists[0]!r}; features of patches are read as "
            'a folder of a file a slide, named after it (kind = "bag")'
        )
    if wanted.text is None:
        return frame.astype(object).where(frame.notna(), "").astype(str)
    return frame


FORMAT = Format("Parquet", lambda _path, head: head.startswith(b"PAR1"), table=_table)
