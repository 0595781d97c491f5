"""What a mode needs of a forecast, and which of its errors count."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_spans import EDGES, make_scorer, random_forecast

from nextbar.metrics.elements import compared_loss, read_out
from nextbar.metrics.task import Task
from nextbar.types import Forecast


def test_a_forecast_of_the_wrong_shape_is_refused() -> None:
    scorer = make_scorer(3, output_mode="mean")
    with pytest.raises(ValueError, match=r"location_NH of shape \(458, 3\), got \(458, 1\)"):
        scorer.score(Forecast(location_NH=np.zeros((458, 1))))
    with pytest.raises(ValueError, match="distribution needs scale_NH"):
        make_scorer(3, output_mode="distribution").score(Forecast(location_NH=np.zeros((458, 3))))
    with pytest.raises(ValueError, match=r"location_NH of shape \(458, 3\), got nothing"):
        scorer.leading_errors(Forecast())
    law = make_scorer(3, output_mode="distribution")
    wide = random_forecast(law)._replace(df_NH=np.zeros((458, 2)))
    with pytest.raises(ValueError) as error:
        law.score(wide)
    assert str(error.value) == "distribution needs df_NH of shape (458, 3), got (458, 2)"
    with pytest.raises(ValueError) as error:
        make_scorer(3, output_mode="discrete_grid", edges=EDGES).score(Forecast(log_probs_NHK=np.zeros((458, 3, 4))))
    assert str(error.value) == "discrete_grid needs log_probs_NHK of shape (458, 3, 5), got (458, 3, 4)"


def test_forecasts_are_compared_by_the_loss_of_their_mode_and_without_prices_above_zero_in_a_unit_of_their_own() -> (
    None
):
    errors = {
        "squared_error": np.full((2, 1), 18.0),
        "squared_log_error": np.ones((2, 1)),
        "censored_nll": np.zeros((2, 1)),
        "log_loss": np.full((2, 1), 0.5),
    }
    mean = Task(output_mode="mean")
    assert compared_loss(errors, mean, True, 3.0).tolist() == [[1], [1]]
    assert compared_loss(errors, mean, False, 3.0).tolist() == [[2], [2]]
    assert compared_loss(errors, mean, False, 0.0).tolist() == [[18], [18]]
    for positive in (True, False):
        assert compared_loss(errors, Task(output_mode="distribution"), positive, 3.0).tolist() == [[0], [0]]
        assert compared_loss(errors, Task(output_mode="discrete_grid"), positive, 3.0).tolist() == [[0.5], [0.5]]


def test_one_broken_element_leaves_no_metric_of_the_mode() -> None:
    scorer = make_scorer(2, output_mode="mean")
    forecast = random_forecast(scorer)
    series = scorer._series[0]
    by_window = scorer._elements(forecast, series.row_M, series)
    total = {name: a_NH.sum(axis=0) for name, a_NH in by_window.items()} | {"count": np.full(2, len(series.row_M))}
    sound = read_out(total, scorer.task, series.spread)
    assert sound["mae"] == pytest.approx(by_window["absolute_error"].mean(axis=0).tolist())
    total["invalid"] = np.array([0, 1])
    broken = read_out(total, scorer.task, series.spread)
    assert broken.keys() == sound.keys() and all(np.isnan(values).all() for values in broken.values())
