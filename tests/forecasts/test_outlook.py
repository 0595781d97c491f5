"""The outlook of a series: bands, reach and chances are the law's, by another computation of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from outlooks import LAST, made, past_errors
from scipy import integrate, stats
from scipy.special import gamma

from nextbar.forecasts.mixture import mixture
from nextbar.forecasts.outlook import BANDS, LEAST_PAST, MOST_AHEAD, MOST_PAST, MOSTLY
from nextbar.metrics.task import Task
from nextbar.types import Forecast

HORIZON = 2
SCALE_H = np.array([0.02, 0.05])
LOCATION_H = np.array([0.003, -0.01])
DF, SKEW = 4.0, -0.3


def normal(h: int) -> Callable[[float], float]:
    return stats.norm(LOCATION_H[h], SCALE_H[h]).cdf


def student(h: int) -> Callable[[float], float]:
    return stats.t(DF, LOCATION_H[h], SCALE_H[h] * np.sqrt((DF - 2) / DF)).cdf


def two(h: int) -> Callable[[float], float]:
    far = stats.norm(LOCATION_H[h] + 0.03, 2 * SCALE_H[h])
    return lambda x: (normal(h)(x) + far.cdf(x)) / 2


def skewed(h: int) -> Callable[[float], float]:
    """The density of docs/metrics.md, integrated."""
    c = gamma((DF + 1) / 2) / (np.sqrt(np.pi * (DF - 2)) * gamma(DF / 2))
    a = 4 * SKEW * c * (DF - 2) / (DF - 1)
    b = np.sqrt(1 + 3 * SKEW**2 - a**2)

    def density(z: float) -> float:
        side = 1 + SKEW if b * z + a >= 0 else 1 - SKEW
        return b * c * (1 + ((b * z + a) / side) ** 2 / (DF - 2)) ** (-(DF + 1) / 2)

    def cdf(x: float) -> float:
        z, mode = (x - LOCATION_H[h]) / SCALE_H[h], -a / b
        parts = (-np.inf, min(z, mode)), (min(z, mode), z)
        return sum(integrate.quad(density, *part, epsabs=1e-11)[0] for part in parts)

    return cdf


def told(**numbers: float) -> Forecast:
    each = {f"{name}_NH": np.full((1, HORIZON), value) for name, value in numbers.items()}
    return Forecast(LOCATION_H[None], SCALE_H[None], **each)


LAWS = {
    "normal": (told(), normal),
    "student": (told(df=DF), student),
    "skewed": (told(df=DF, skew=SKEW), skewed),
    "two": (mixture([told(), Forecast(LOCATION_H[None] + 0.03, 2 * SCALE_H[None])]), two),
}


@pytest.mark.parametrize("target", ["close", "log_return"])
@pytest.mark.parametrize("law", LAWS)
def test_all_that_is_said_of_a_law_is_its_distribution_functions(law: str, target: str) -> None:
    forecast, cdf = LAWS[law]
    found = made(forecast, Task(output_mode="distribution", horizon=HORIZON, target=target))

    def share(h: int, low: float, high: float) -> float:
        """Of the closes between two prices."""
        ends = np.array([low, high])
        changes = np.log(ends / LAST) if target == "log_return" else ends - LAST
        return cdf(h)(changes[1]) - cdf(h)(changes[0])

    for h in range(HORIZON):
        assert share(h, LAST - found.reach_H[h], LAST + found.reach_H[h]) == pytest.approx(MOSTLY, abs=1e-6)
        assert found.rise_H[h] == pytest.approx(1 - cdf(h)(0.0), abs=1e-7)
        for level in BANDS:
            low_H, high_H = found.bands[level]
            assert share(h, low_H[h], high_H[h]) == pytest.approx(level, abs=1e-6)
            assert low_H[h] < found.close_H[h] < high_H[h]
    assert found.is_relative


def test_the_reach_is_the_widest_where_the_law_lies_far_off() -> None:
    """Nearly all of it on one side, and a price that can only fall to zero."""
    forecast = Forecast(np.array([[-8.0]]), np.array([[0.5]]))
    found = made(forecast, Task(output_mode="distribution", target="log_return"))
    share = stats.norm(-8, 0.5).sf(np.log1p(-found.reach_H[0] / LAST))
    assert share == pytest.approx(MOSTLY, abs=1e-9) and found.reach_H[0] < LAST


def test_bins_keep_their_probabilities_and_tell_a_rise_where_zero_is_an_edge() -> None:
    probs_K = np.array([0.1, 0.2, 0.3, 0.4])
    forecast = Forecast(log_probs_NHK=np.log(probs_K)[None, None])
    at_zero, around = ((-np.inf, -1.0, 0.0, 1.0, np.inf), (-np.inf, -1.0, -0.5, 1.0, np.inf))
    found = made(forecast, Task(output_mode="discrete_grid", edges=at_zero))
    np.testing.assert_allclose(found.probs_HK, probs_K[None])
    assert found.rise_H == pytest.approx([0.7]) and found.close_H is None and not found.bands
    assert made(forecast, Task(output_mode="discrete_grid", edges=around)).rise_H is None


def test_a_point_has_the_bands_of_past_errors_and_none_without() -> None:
    task, point = Task(output_mode="mean"), Forecast(np.array([[1.0]]))
    bare = made(point, task)
    assert bare.close_H == [51.0] and not bare.bands and bare.reach_H is None and bare.rise_H is None
    found = made(point, task, errors=past_errors())
    for level in BANDS:
        error = np.ceil(401 * level) / 100 / 100 * LAST
        np.testing.assert_allclose(found.bands[level], [[51 - error], [51 + error]])
    np.testing.assert_allclose(found.reach_H, [0.0268 * LAST])


def test_moves_are_no_percentages_where_a_close_is_not_above_zero() -> None:
    assert not made(told(), Task(output_mode="distribution", horizon=HORIZON), last=-3.0).is_relative


@pytest.mark.parametrize(("horizon", "count"), [(1, LEAST_PAST), (10, 40), (99, MOST_PAST), (500, MOST_PAST)])
def test_a_fan_has_as_much_past_as_its_horizon_asks_for(horizon: int, count: int) -> None:
    task = Task(output_mode="distribution", horizon=horizon)
    found = made(Forecast(np.zeros((1, horizon)), np.ones((1, horizon))), task)
    fan = found.fan(("said",))
    assert len(fan.past_time_N) == count and fan.past_close_N[-1] == LAST and fan.words == ("said",)
    assert (fan.time_H == fan.past_time_N[-1] + 3600 * fan.ahead_H).all()
    assert (fan.ahead_H[0], fan.ahead_H[-1], len(fan.ahead_H)) == (1, horizon, min(horizon, MOST_AHEAD))
    assert len(fan.close_H) == len(fan.bands[0.5][1]) == len(fan.ahead_H)
