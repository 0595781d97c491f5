"""Forecasts of several folds as one; their scores are in ``test_backtester``."""

from __future__ import annotations

import numpy as np
import pytest

from nextbar.backtesting.pooling import pooled
from nextbar.errors import DataError
from nextbar.forecasts.mixture import mixture
from nextbar.types import Forecast

ONE = np.ones((1, 1))
LAW = Forecast(0.1 * ONE, ONE, 5 * ONE, -0.2 * ONE)


def test_folds_lie_end_to_end() -> None:
    found = pooled("x", [LAW, LAW._replace(skew_NH=0.3 * ONE)])
    assert found.skew_NH is not None and found.skew_NH.tolist() == [[-0.2], [0.3]]


@pytest.mark.parametrize("field", ["df", "skew"])
def test_folds_of_different_families_are_refused(field: str) -> None:
    other = LAW._replace(**{f"{field}_NH": None})
    with pytest.raises(DataError, match=f"x: there is a column {field} in some folds and none in others"):
        pooled("x", [LAW, other])
    with pytest.raises(DataError, match="x: its laws are mixtures of other kinds in some folds"):
        pooled("x", [mixture([LAW, LAW]), mixture([other, other])])
    with pytest.raises(DataError, match="x: its laws are mixtures of other kinds in some folds"):
        pooled("x", [mixture([LAW, LAW]), mixture([LAW, LAW, LAW])])
