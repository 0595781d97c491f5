"""Quantiles and probabilities are the law's; what forecasts do not tell is refused, or empty."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pytest
from made_up_forecasts import TASKS, H, N, keys, made_up
from scipy import stats
from skewed import SkewedLaw

from nextbar.errors import ConfigError, DataError
from nextbar.forecasts.quantities import Quantities
from nextbar.metrics.conformal import Conformal, Residuals
from nextbar.metrics.task import Task
from nextbar.types import Forecast

LAWS = [name for name, task in TASKS.items() if task.output_mode == "distribution"]
LAST = np.repeat(keys().last_close_N, H)


def below(kind: str, price: np.ndarray) -> np.ndarray:
    """Probability of a close at or below a price of each row, by scipy and arch."""
    law, is_log = made_up(kind), TASKS[kind].target == "log_return"
    change = np.log(price / LAST) if is_log else price - LAST
    parts = [a if a is None else np.asarray(a).reshape(N * H, -1) for a in law.law]
    location, scale, df, skew = parts
    out = np.zeros(N * H)
    for row in range(N * H):
        for m in range(location.shape[1]):
            if skew is not None:
                own: Any = SkewedLaw(df[row, m], skew[row, m], location[row, m], scale[row, m])
            elif df is not None:
                v = df[row, m]
                own = stats.t(v, location[row, m], scale[row, m] * np.sqrt((v - 2) / v))
            else:
                own = stats.norm(location[row, m], scale[row, m])
            out[row] += np.squeeze(own.cdf(change[row])) / location.shape[1]
    return out


@pytest.mark.parametrize("kind", LAWS)
def test_quantiles_and_probabilities_are_those_of_the_law(kind: str) -> None:
    asked = Quantities.of(quantiles=[0.1, 0.5, 0.975], above=[100.5], below=["100.5", 6.25])
    columns = asked.columns(keys(), made_up(kind), TASKS[kind])
    assert list(columns) == [
        "close-q-10", "close-q-50", "close-q-97.5", "close-above-100.5", "close-below-100.5", "close-below-6.25",
    ]  # fmt: skip
    for share, name in ((0.1, "close-q-10"), (0.5, "close-q-50"), (0.975, "close-q-97.5")):
        np.testing.assert_allclose(below(kind, columns[name]), share, rtol=1e-6)
    np.testing.assert_allclose(columns["close-below-100.5"], below(kind, np.full(N * H, 100.5)), atol=1e-9)
    np.testing.assert_allclose(columns["close-above-100.5"] + columns["close-below-100.5"], 1)
    np.testing.assert_allclose(columns["close-below-6.25"], below(kind, np.full(N * H, 6.25)), atol=1e-9)


def test_no_log_return_leads_below_zero_and_names_keep_their_digits() -> None:
    columns = Quantities.of(above=[-5, 0, 65432.125]).columns(keys(), made_up("student_t"), TASKS["student_t"])
    assert list(columns) == ["close-above--5", "close-above-0", "close-above-65432.125"]
    assert (columns["close-above--5"] == 1).all() and (columns["close-above-0"] == 1).all()


def test_bins_tell_what_lies_between_their_inner_edges(caplog: pytest.LogCaptureFixture) -> None:
    edges = (-np.inf, -1.0, 0.0, 2.0, np.inf)
    task = Task(output_mode="discrete_grid", horizon=H, edges=edges)
    probs = np.broadcast_to([0.1, 0.2, 0.4, 0.3], (N, H, 4))
    some = keys()._replace(last_close_N=np.full(N, 1000.0))
    asked = Quantities.of(quantiles=[0.05, 0.2, 0.5, 0.9], below=[990, 995, 1010, 1030], above=[1010])
    with caplog.at_level(logging.WARNING, "nextbar"):
        columns = asked.columns(some, Forecast(log_probs_NHK=np.log(probs)), task)
    expected = {
        "close-q-5": np.nan, "close-q-20": 995, "close-q-50": 1010, "close-q-90": np.nan, "close-above-1010": 0.5,
        "close-below-990": 0.1, "close-below-995": 0.2, "close-below-1010": 0.5, "close-below-1030": np.nan,
    }  # fmt: skip
    assert columns.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(columns[name], np.full(N * H, value), err_msg=name)
    assert "close-q-5: empty in 10 of 10 rows" in caplog.text and "close-q-20" not in caplog.text


def test_adjusted_intervals_adjust_quantiles() -> None:
    law = made_up("normal")

    def interval(level: float) -> tuple[np.ndarray, np.ndarray]:
        return np.full((N, H), -level), np.full((N, H), 3 + level)

    columns = Quantities.of([0.1, 0.5, 0.9]).columns(keys(), law, TASKS["normal"], interval)
    np.testing.assert_allclose(columns["close-q-10"], LAST - 0.8)
    np.testing.assert_allclose(columns["close-q-90"], LAST + 3.8)
    np.testing.assert_allclose(columns["close-q-50"], LAST + np.asarray(law.location_NH).ravel())


def test_a_quantile_is_the_end_of_the_interval_of_its_very_share() -> None:
    """Of nine residuals the interval of 30 % ends at the third; one of a whit more would end at the fourth."""
    unit = Forecast(np.zeros((N, H)), np.ones((N, H)))
    nine = Conformal({}, Residuals.of(np.repeat(np.arange(1.0, 10)[:, None], H, axis=1), 9))

    def interval(level: float) -> tuple[np.ndarray, np.ndarray]:
        return nine.interval(level, np.zeros(N, int), ("a",), unit)

    percents = [p for p in range(5, 96) if p != 50]
    columns = Quantities.of([p / 100 for p in percents]).columns(keys(), unit, TASKS["normal"], interval)
    for p in percents:
        rank = -(-abs(100 - 2 * p) // 10)  # ten times the level, rounded up in whole numbers
        np.testing.assert_allclose(columns[f"close-q-{p}"], LAST + np.copysign(rank, p - 50), err_msg=str(p))


def test_paths_are_columns_of_closes() -> None:
    columns = Quantities.of(samples=3, seed=5).columns(keys(), made_up("student_t"), TASKS["student_t"])
    assert list(columns) == ["close-path-1", "close-path-2", "close-path-3"]
    assert all((values > 0).all() and values.shape == (N * H,) for values in columns.values())


@pytest.mark.parametrize(
    ("asked", "task", "conformal", "said"),
    [
        (
            {"quantiles": [0.5], "samples": 2},
            "mean",
            False,
            "quantiles, samples: the model forecasts a close and no law",
        ),
        ({"above": 5}, "mean", False, "above: the model forecasts a close"),
        ({"samples": 2}, "bins", False, "samples: bins say how probable"),
        ({"samples": 2, "below": 1}, "normal", True, "below, samples: they are the law's, and conformal adjusts"),
    ],
)
def test_what_forecasts_do_not_tell_is_refused(asked: dict[str, Any], task: str, conformal: bool, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        Quantities.of(**asked).require(TASKS[task], conformal)
    Quantities.of().require(TASKS[task], conformal)
    Quantities.of(quantiles=[0.1]).require(TASKS["normal"], conformal=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"quantiles": [10]}, "quantiles: 10 is no share; allowed are numbers above 0 and below 1; write 0.1 for 10 %"),
        ({"quantiles": [0.1, 0.1]}, "quantiles: 0.1 is there twice: both would be called close-q-10"),
        ({"above": "high"}, "above: 'high' is no price"),
        ({"above": None}, "above: None is no price"),
        ({"below": [1, 1.0]}, "below: 1 is there twice"),
        ({"below": [np.inf]}, "below: inf is no price"),
        ({"samples": -1}, "samples: found -1, should be a whole number from 0 to 10,000"),
        ({"samples": 10_001}, "found 10001"),
        ({"samples": 1.5}, "found 1.5"),
        ({"seed": True}, "seed: found True"),
    ],
)
def test_a_wrong_question_is_refused_in_words(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        Quantities.of(**asked)
