"""How far two forecasts are apart; predictors that look ahead are in ``test_participants``."""

from __future__ import annotations

import numpy as np
import pytest

from nextbar.backtesting.causality import _gap
from nextbar.forecasts import Keys
from nextbar.forecasts.mixture import mixture
from nextbar.metrics.task import Task
from nextbar.types import Forecast

ONE = np.ones((1, 1))
KEYS = Keys(np.array(["a"]), None, np.array([0]), np.array([[3600]]), np.array([100.0]))
LAW = Forecast(0.1 * ONE, ONE, 5 * ONE, -0.2 * ONE)


def gap(first: Forecast, second: Forecast) -> float:
    return float(_gap(first, second, KEYS, Task(output_mode="distribution"), direction_only=False)[0, 0])


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("scale_NH", 1.25, 0.2), ("df_NH", 4.0, 0.2), ("skew_NH", 0.0, 0.2), ("skew_NH", -0.2, 0.0)],
)
def test_every_number_of_a_law_counts_by_its_size(field: str, value: float, expected: float) -> None:
    """A skewness by the width of the upper half, 0.8 and 1, for it may be zero itself."""
    other = LAW._replace(**{field: value * ONE})
    assert gap(LAW, other) == pytest.approx(expected)
    assert gap(mixture([LAW, LAW]), mixture([LAW, other])) >= expected - 1e-9


@pytest.mark.parametrize("field", ["df_NH", "skew_NH"])
def test_a_law_of_another_family_is_another_law(field: str) -> None:
    other = LAW._replace(**{field: None})
    assert gap(LAW, other) == np.inf
    assert gap(mixture([LAW, LAW]), mixture([other, other])) == np.inf
