"""Series handed over to other processes: arrays in files, which processes of one machine share in its memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.rows_ahead import RowsAhead

SERIES = "series.json"


def hand_over(bars: Sequence[Bars], folder: Path) -> str:
    """Write series to a folder, which is made, once for all that are to read them.

    Returns:
        Its absolute path, for ``taken_over``.
    """
    folder.mkdir()
    written = 0

    def write(array: np.ndarray) -> str:
        nonlocal written
        written += 1
        np.save(folder / f"{written}.npy", array, allow_pickle=False)
        return f"{written}.npy"

    def table(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {"time": write(time_N), "columns": {name: write(values) for name, values in columns.items()}}

    series = [
        {"ticker": b.ticker, "resolution": b.resolution, "notices": b.notices, **table(b.time_N, b.columns)}
        | ({} if b.ahead is None else {"ahead": table(b.ahead.time_N, b.ahead.columns)})
        for b in bars
    ]
    (folder / SERIES).write_text(json.dumps(series))
    return str(folder.absolute())


def taken_over(folder: str, numbers: Iterable[int] | None = None) -> list[Bars]:
    """The series in a folder that ``hand_over`` wrote, or those of some numbers.

    Their arrays are mapped, not read: a machine has each page of them once, however many of its processes look at it.
    They are let go of with the last reference, since the folder goes with the command that handed it over.
    """
    path = Path(folder)

    def table(values: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return read(values["time"]), {name: read(file) for name, file in values["columns"].items()}

    def read(file: str) -> np.ndarray:
        return np.load(path / file, mmap_mode="r", allow_pickle=False).view(np.ndarray)

    written = json.loads((path / SERIES).read_text())
    return [
        Bars(
            series["ticker"], series["resolution"], *table(series), tuple(series["notices"]),
            RowsAhead(*table(series["ahead"])) if "ahead" in series else None,
        )
        for series in (written if numbers is None else [written[number] for number in numbers])
    ]  # fmt: skip
