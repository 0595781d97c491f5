"""Small files of bars for the tests that read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.bars import Bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.errors import DataError

START = 1_600_000_000 // 86_400 * 86_400
UTC_DATES = pd.to_datetime(START + 3600 * np.arange(8), unit="s", utc=True)
SPELLINGS = {
    "iso": UTC_DATES.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "blank, no zone": UTC_DATES.strftime("%Y-%m-%d %H:%M:%S"),
    "milliseconds": UTC_DATES.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "UTC as a word": UTC_DATES.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "mixed zones": [d.tz_convert(z).isoformat() for d, z in zip(UTC_DATES, ["UTC", "Asia/Tokyo"] * 4, strict=True)],
    "short zone": UTC_DATES.tz_convert("Asia/Tokyo").strftime("%Y-%m-%dT%H:%M:%S+09"),
    "compact": UTC_DATES.strftime("%Y%m%dT%H%M%SZ"),
    "epoch seconds": START + 3600 * np.arange(8),
    "epoch milliseconds": (START + 3600 * np.arange(8)) * 1000,
    "epoch float": (START + 3600 * np.arange(8)).astype(float),
}


def bars_table(n: int = 8, step: int = 3600) -> pd.DataFrame:
    """n sound hourly bars, dates as ISO text."""
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    start = np.concatenate([[100.0], close[:-1]])
    edge = rng.uniform(0, 1, n)
    date = pd.to_datetime(START + step * np.arange(n), unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")
    high, low = np.maximum(start, close) + edge, np.minimum(start, close) - edge
    columns = {"date": date, "open": start, "high": high, "low": low, "close": close}
    return pd.DataFrame({**columns, "volume": rng.uniform(1, 9, n)})


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "json": lambda frame, path: path.write_text(json.dumps(frame.to_dict("records"))),
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
}


def write(folder: Path, frame: pd.DataFrame | str | bytes, extension: str = "csv", name: str = "abc") -> Path:
    path = folder / "1h" / f"{name}_1h.{extension}"
    path.parent.mkdir(exist_ok=True)
    if isinstance(frame, pd.DataFrame):
        WRITERS[extension](frame, path)
    else:
        path.write_bytes(frame.encode() if isinstance(frame, str) else frame)
    return path


def load(folder: Path, features: str = "ohlcv", **options) -> Bars:
    options = {name: tuple(value) if name == "indicators" else value for name, value in options.items()}
    return load_bars(folder, ["abc"], ["1h"], TableNeeds(features, **options))[0]


def refusal(folder: Path, content: pd.DataFrame | str | bytes, extension: str = "csv", **options) -> str:
    write(folder, content, extension)
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    return str(caught.value)
