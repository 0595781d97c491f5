"""Numbers of a raw column: float64 values, and where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nextbar.bars.columns import plain

_NO_NUMBERS = (bool, np.bool_, np.ndarray, np.timedelta64, np.datetime64)
"""kinds of values that float() would take"""
_NOTHING = ("nan", "null")


def floats(raw: pd.Series) -> np.ndarray:
    """float64 values; NaN for what is no number."""
    if isinstance(raw.dtype, np.dtype) and raw.dtype.kind in "iuf":
        return raw.to_numpy().astype(np.float64, copy=False)
    if raw.dtype.kind in "iuf":
        return raw.to_numpy(dtype=np.float64, na_value=np.nan)
    if raw.dtype.kind in "bcMm":
        return np.full(len(raw), np.nan)
    if raw.dtype == object:
        raw = raw.map(_number_or_text)
    return pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def empty(raw: pd.Series, values: np.ndarray) -> np.ndarray:
    """bool (N,): where a value is missing or a word for that, such as the NaN that polars writes into CSV."""
    empty = raw.isna().to_numpy(bool, copy=True)
    words = np.isnan(values) & ~empty
    empty[words] = [isinstance(value, str) and plain(value) in _NOTHING for value in raw[words]]
    return empty


def _number_or_text(value: object) -> float | str:
    """One value of a mixed column; NaN for true, false, lists, arrays, durations and numbers too large."""
    if isinstance(value, str):
        return value
    if isinstance(value, _NO_NUMBERS):
        return np.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return np.nan
