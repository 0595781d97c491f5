"""First rows that hold a later value."""

from __future__ import annotations

import numpy as np
import pandas as pd
from builders import make_bars, with_columns

from nextbar.auditing.filling import back_filled

BARS = make_bars(n=300)
MEAN = pd.Series(BARS.columns["close"]).rolling(20).mean()


def test_an_indicator_filled_backwards_is_named() -> None:
    leak = back_filled("x", with_columns(BARS, x=MEAN.bfill().to_numpy()))
    assert leak is not None and "in its first 20 rows" in leak.text and leak.column == "x"


def test_other_beginnings_are_not() -> None:
    expanding = pd.Series(BARS.columns["close"]).expanding().mean()
    steps = pd.Series(BARS.columns["close"]).where(np.arange(300) % 24 == 0).ffill()
    for x in (MEAN, MEAN.fillna(0.0), MEAN.fillna(50.0), expanding, steps):
        assert back_filled("x", with_columns(BARS, x=x.to_numpy())) is None
