"""Resolutions as text."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbar.errors import ConfigError
from nextbar.resolution import seconds


@given(st.integers(1, 10**6), st.sampled_from("smhdw"))
def test_agrees_with_pandas(count: int, unit: str) -> None:
    pandas_unit = {"m": "min", "d": "D", "w": "W"}.get(unit, unit)
    assert seconds(f"{count}{unit}") == pd.Timedelta(count, unit=pandas_unit).total_seconds()


@pytest.mark.parametrize(
    "text", ["", "h", "0h", "-1h", "1.5h", "1H", "1M", "1h ", " 1h", "1hh", "01h", "1 h", "٣h", 4, None]
)
def test_anything_else_is_refused_with_the_forms(text: object) -> None:
    with pytest.raises(ConfigError, match="30m, 4h, 1d") as told:
        seconds(text)  # type: ignore[arg-type]
    assert repr(text) in str(told.value)
