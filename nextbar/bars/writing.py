"""Writes series to files of nextbar's own layout: whole files, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nextbar.bars.bars import Bars
from nextbar.bars.columns import AMOUNTS, PRICES
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.errors import DataError, listed
from nextbar.files import write_whole


def write_series(series: Sequence[Bars], to: str | Path, overwrite: bool = False) -> list[Path]:
    """Write ``<to>/<resolution>/<ticker>_<resolution>.csv`` for each series, or none where one of them may not be.

    Raises:
        DataError: a file is there with other content, and ``overwrite`` is False; or a folder cannot be written.
    """
    return write_files({Path(to) / bars.resolution / f"{bars.name}.csv": csv_bytes(bars) for bars in series}, overwrite)


def write_files(contents: Mapping[Path, bytes], overwrite: bool = False) -> list[Path]:
    """Write files of bars, or none where one of them may not be; one that is there with the same content stays.

    Raises:
        DataError: as ``write_series``.
    """
    try:
        stale = {path: data for path, data in contents.items() if not path.is_file() or path.read_bytes() != data}
        existing = [str(path) for path in stale if path.exists()]
        if existing and not overwrite:
            raise DataError(
                f"{listed(existing, 5)}: there already, with other content; move it away, or say --overwrite"
            )
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
        for path, data in stale.items():
            write_whole(path, data)
    except OSError as error:
        where = error.filename or next(iter(contents)).parent
        raise DataError(f"{where}: cannot be written: {error.strerror or error}") from error
    return [*contents]


def csv_bytes(bars: Bars) -> bytes:
    """Bars and rows ahead as CSV: date, prices, amounts, further columns, every number as exactly as it was read."""
    names = [name for name in (*PRICES, *AMOUNTS) if name in bars.columns]
    names += [name for name in bars.columns if name not in names]
    ahead = bars.ahead or RowsAhead(np.empty(0, np.int64), {})
    frame = pd.DataFrame({name: np.concatenate([bars.columns[name], ahead.values(name)]) for name in names})
    time = np.concatenate([bars.time_N, ahead.time_N]).astype("datetime64[s]")
    frame.insert(0, "date", np.char.add(np.datetime_as_string(time, unit="s"), "Z"))
    return frame.to_csv(index=False, lineterminator="\n").encode()
