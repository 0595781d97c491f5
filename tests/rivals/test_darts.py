"""Global models of darts, held against a regression computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rivals_of import CUT, instants, keys_between, obeys, options, panel

from nextbar.errors import ConfigError
from nextbar.rivals.darts import DartsRival

pytest.importorskip("darts", reason="darts is not installed")


def linear(**parameters: Any) -> DartsRival:
    return DartsRival.called("LinearRegressionModel", {"lags": 3, "output_chunk_length": 2, **parameters})


def test_the_laws_of_closes_alone() -> None:
    assert linear().for_task(options()).closes_only
    obeys(linear, options())


def test_the_laws_of_quantiles() -> None:
    rival = linear(likelihood="quantile", quantiles=[0.1, 0.5, 0.9])
    assert rival.for_task(options()).shares == (0.1, 0.5, 0.9)
    obeys(lambda: linear(likelihood="quantile", quantiles=[0.1, 0.5, 0.9]), options())


def test_it_is_the_regression_of_all_series() -> None:
    whole = panel(1)
    cutoff, end = instants(whole)
    keys = keys_between(whole, cutoff, end)
    rival = linear(output_chunk_length=1).for_task(options(horizon=1))
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, end), keys)
    x, y = [], []
    logs = [np.log(bars.columns["close"]) for bars in whole.bars]
    units = []
    for bars, log_N in zip(whole.bars, logs, strict=True):
        known = log_N[bars.close_time_N < cutoff]
        units.append(np.diff(known).std())
        values = ((known - known[-1]) / units[-1]).astype(np.float32)
        x += [values[i : i + 3] for i in range(len(values) - 3)]
        y += values[3:].tolist()
    design = np.column_stack([np.array(x, float), np.ones(len(x))])
    coefficients = np.linalg.lstsq(design, np.array(y), rcond=None)[0]
    assert len(whole.bars[0].time_N) > CUT
    for row in np.flatnonzero((whole.bars[0].close_time_N >= cutoff) & (whole.bars[0].close_time_N < end)):
        context = (logs[0][row - 2 : row + 1] - logs[0][row]) / units[0]
        expected = np.exp(logs[0][row] + units[0] * (context @ coefficients[:3] + coefficients[3]))
        origin = table["origin"].astype("datetime64[s, UTC]").astype("int64") == whole.bars[0].time_N[row]
        found = table[(table["ticker"] == "aaa") & origin]["close"].item()
        assert found == pytest.approx(expected, rel=1e-4)


def test_models_that_cannot_answer_are_refused() -> None:
    with pytest.raises(ConfigError, match="darts:ARIMA is a local model"):
        DartsRival.called("ARIMA", {}).for_task(options())
    with pytest.raises(ConfigError, match="output_chunk_length is 2, and the experiment's horizon 3"):
        linear(likelihood="quantile", quantiles=[0.1, 0.5, 0.9]).for_task(options(horizon=3))
    with pytest.raises(ConfigError, match="its likelihood has lambda"):
        linear(likelihood="poisson").for_task(options())
    with pytest.raises(ConfigError, match="given lags of the close alone"):
        linear(lags_past_covariates=2).for_task(options())
    with pytest.raises(ConfigError, match="should be a model such as"):
        DartsRival(3)
    with pytest.raises(ConfigError, match=r"no model 'LinearModel'"):
        DartsRival.called("LinearModel", {})
