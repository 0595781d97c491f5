"""Means over tickers, metrics taken from another forecast, and scores side by side."""

from __future__ import annotations

import numpy as np

from nextbar.metrics.comparison import Compared, Score
from nextbar.metrics.scores import Contenders, Scores

LOSS_N = np.array([1.0, 2.0])


def score(mae: float | None, up: float | None = None) -> Score:
    return Score({"mae": mae, "acc_dir": up}, {"mae": [mae, 2.0], "acc_dir": [up, up]})


def test_a_mean_leaves_out_tickers_without_the_metric() -> None:
    found = Scores.of({"a": score(1.0, 40.0), "b": score(4.0), "c": score(None)}, LOSS_N)
    assert found.mean == Score({"mae": 2.5, "acc_dir": 40.0}, {"mae": [2.5, 2.0], "acc_dir": [40.0, 40.0]})
    assert Scores.of({"c": score(None)}, LOSS_N).mean.pooled == {"mae": None, "acc_dir": None}


def test_metrics_that_another_forecast_has_take_the_place_of_the_own() -> None:
    own = Scores.of({"a": score(1.0, 40.0)}, LOSS_N)
    other = Scores.of({"a": Score({"acc_dir": 60.0}, {"acc_dir": [60.0, 61.0]})}, np.empty(0))
    found = own.replaced(other)
    expected = Score({"mae": 1.0, "acc_dir": 60.0}, {"mae": [1.0, 2.0], "acc_dir": [60.0, 61.0]})
    assert found.by_ticker == {"a": expected} and found.mean == expected and found.loss_N is LOSS_N


def test_contenders_stand_side_by_side_by_ticker_and_in_the_mean() -> None:
    model, baseline, rival = (Scores.of({"a": score(mae), "b": score(2 * mae)}, LOSS_N) for mae in (1.0, 2.0, 4.0))
    pair = Contenders(model, baseline)
    assert pair.mean == Compared(model.mean, baseline.mean) and pair.mean.strongest is None
    assert pair.by_ticker == {name: Compared(model.by_ticker[name], baseline.by_ticker[name]) for name in "ab"}
    three = Contenders(model, baseline, rival)
    assert three.mean.strongest == rival.mean and three.by_ticker["b"].strongest == score(8.0)
