"""Labels of the next bars' range, for ``range_loss``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import make_bars, make_config, with_columns

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.engine.engine import Engine
from nextbar.errors import ConfigError, DataError

LAW: dict[str, Any] = {
    "resolution": "1d", "output_mode": "distribution", "target": "log_return", "norm_mode": "window_meanstd",
    "tickers": ["aaa", "bbb"], "horizon": 2,
}  # fmt: skip


def make(range_loss: float, n: int = 320, **overrides: Any) -> tuple[ExperimentConfig, Dataset]:
    config = make_config(**LAW | {"range_loss": range_loss} | overrides)
    return config, build_dataset(
        config, [make_bars(t, "1d", n, seed=i, move=0.02) for i, t in enumerate(("aaa", "bbb"))]
    )


def test_they_are_log_ratios_to_the_start_centred_on_training() -> None:
    _, dataset = make(1.0)
    start = dataset.preparation.start
    assert start is not None
    label = dataset.tape().range_RH
    training = dataset.origins["training"]
    for s, (bars, calendar) in enumerate(zip(dataset.bars, dataset.calendars, strict=True)):
        law = start.of(bars.ticker, bars.resolution).law(bars, calendar)
        c, o, h, low = (np.log(bars.columns[name]) for name in ("close", "open", "high", "low"))
        gap = np.r_[0.0, o[1:] - c[:-1]]
        variance = gap**2 + 0.5 * (h - low) ** 2 - (2 * np.log(2) - 1) * (c - o) ** 2
        rows = dataset.panel.within(training, s)
        for k in (1, 2):
            ahead = np.array([variance[i + 1 : i + 1 + k].sum() for i in rows])
            expected = np.log(ahead) - 2 * law.log_scale_NH[rows, k - 1]
            expected = np.clip(expected - expected.mean(), -4, 4)
            np.testing.assert_allclose(label[rows + dataset.panel.starts[s], k - 1], expected, atol=1e-4)
    others = np.setdiff1d(np.arange(len(label)), training)
    assert (label[others] == 0).all()


def test_without_it_there_are_none() -> None:
    _, dataset = make(0.0)
    assert dataset.tape().range_RH.shape == (640, 0)


def test_the_loss_that_is_told_is_the_likelihood_alone() -> None:
    """The same numbers before the first step, other parameters after it."""
    trained = {}
    for weight in (0.0, 1.0):
        engine = Engine(*make(weight, learning_rate=1e-2, lr_mode="constant", batch_size=512))
        state, epoch = engine.train(engine.start(None), 1)
        trained[weight] = epoch.loss_T[0], np.asarray(state.params["head"]["log_scale"]["bias"])
    assert trained[0.0][0] == pytest.approx(trained[1.0][0], rel=1e-6)
    assert (trained[0.0][1] != trained[1.0][1]).any()


def test_what_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"range_loss: found 1\.0 with output_mode 'mean', needs a distribution"):
        make_config(range_loss=1.0)
    with pytest.raises(ConfigError, match=r"range_loss: found 1\.0, needs a model_config\.start at a range HAR"):
        make_config(**LAW | {"range_loss": 1.0, "start": "constant"})
    with pytest.raises(DataError, match="no series has enough training bars"):
        make(1.0, n=110)


def test_a_later_price_at_zero_changes_none_of_them() -> None:
    config, dataset = make(1.0, target="close")
    late = dataset.bars[0].close_time_N >= dataset.cuts.validation
    spoilt = with_columns(dataset.bars[0], low=np.where(late, 0.0, dataset.bars[0].columns["low"]))
    other = build_dataset(config, [spoilt, dataset.bars[1]])
    np.testing.assert_array_equal(other.tape().range_RH, dataset.tape().range_RH)
