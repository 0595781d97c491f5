"""Own columns as the model gets them, against pandas: standardised, filled, and at the bars that are predicted."""

from __future__ import annotations

import json
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, with_columns
from window_reference import MODES, gather_all

from nextbar.bars.bars import Bars
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.config import ExperimentConfig
from nextbar.data.covariates import Covariate
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.preparation import Preparation
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import ConfigError, DataError
from nextbar.types import Batch

N = 200


def market(seed: int = 0, ticker: str = "made_up", level: float = 5.0) -> Bars:
    """Own columns of unlike sizes: one whole, one with gaps, one sparse, and an event now and then."""
    rng = np.random.default_rng(seed)
    bars = make_bars(ticker, n=N, seed=seed)
    gaps = np.where(rng.random(N) < 0.3, np.nan, 20 + level * rng.standard_normal(N))
    return with_columns(
        bars,
        rate=1e-4 * (level + rng.standard_normal(N)),
        gaps=gaps,
        daily=np.where(np.arange(N) % 24 == 7, level + np.arange(N), np.nan),
        event=(np.arange(N) % 16 == 3).astype(np.float64),
    )


def config_of(**fields: Any) -> ExperimentConfig:
    return make_config(**{"indicators": ["rate", "gaps", "rsi", "daily"], "features": "ohlc", **fields})


def windows(dataset: Dataset, rows: np.ndarray) -> Batch:
    """In the first mode: own columns do not know of it."""
    spec = dataset.preparation.spec
    got = jax.device_get(gather_all(dataset.tape(), rows.astype(np.int32), np.ones(len(rows), np.float32), MODES, spec))
    for array in (got.x_BLF[..., 4:], got.ahead_BHA):
        assert all(np.array_equal(array[0], array[m]) for m in MODES)
    return jax.tree.map(lambda array: array[0], got)


def expected(column: pd.Series, n_train: int, policy: str, scaled: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Values and ages by pandas."""
    known = column[:n_train].dropna()
    mean, std = float(known.mean()), float(known.std(ddof=0)) if scaled else 1.0
    rows = pd.Series(np.arange(len(column)), index=column.index, dtype=float)
    if policy == "last":
        value = column.ffill().fillna(mean)
        old = rows - rows.where(column.notna()).ffill()
        age = (old / (old + 1)).fillna(1.0)
    else:
        value, age = column.fillna(mean), column.isna().astype(float)
    return ((value - (mean if scaled else 0)) / std).to_numpy(), age.to_numpy()


@pytest.mark.parametrize("policy", ["last", "mean"])
def test_an_own_column_is_standardised_and_filled_and_says_how_old_it_is(policy: str) -> None:
    bars = market()
    dataset = build_dataset(config_of(empty_values=policy, unscaled=["daily"]), [bars])
    n_train = int((bars.close_time_N < dataset.cuts.validation).sum())
    assert dataset.preparation.spec.covariates == (
        Covariate("rate", scaled=True, ahead=False, aged=False),
        Covariate("gaps", scaled=True, ahead=False, aged=True),
        Covariate("daily", scaled=False, ahead=False, aged=True),
    )
    rows = np.sort(np.concatenate(list(dataset.origins.values())))
    got = windows(dataset, rows)
    context_BL = rows[:, None] + np.arange(-5, 1)
    columns = {name: expected(pd.Series(bars.columns[name]), n_train, policy, name != "daily") for name in
               ("rate", "gaps", "daily")}  # fmt: skip
    wanted = [
        columns["rate"][0],
        columns["gaps"][0],
        None,
        columns["daily"][0],
        columns["gaps"][1],
        columns["daily"][1],
    ]
    assert got.x_BLF.shape[-1] == 4 + len(wanted) == dataset.preparation.spec.n_features
    for place, column in enumerate(wanted, start=4):
        if column is not None:
            np.testing.assert_allclose(got.x_BLF[..., place], column[context_BL], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(rows, np.arange(19, N - 1), "no window is lost but those before the rsi")
    train = got.x_BLF[: int((rows < n_train - 1).sum()), -1, 4]
    assert abs(train.mean()) < 0.2 and abs(train.std() - 1) < 0.2


def test_windows_over_empty_values_are_dropped_where_that_is_asked_for() -> None:
    bars = market()
    config = config_of(indicators=["gaps"], empty_values="drop", seq_len=2)
    dataset = build_dataset(config, [bars])
    rows = np.sort(np.concatenate(list(dataset.origins.values())))
    empty_N = np.isnan(bars.columns["gaps"])
    assert not (empty_N[rows] | empty_N[rows - 1]).any() and dataset.preparation.spec.ages == 0
    assert np.isfinite(windows(dataset, rows).x_BLF).all()


@pytest.mark.parametrize("policy", ["last", "mean", "drop"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_model_sees_a_known_ahead_column_at_the_bars_that_it_predicts(policy: str, horizon: int) -> None:
    bars = market()
    names = {"indicators": ["gaps", "event"], "known_ahead": ["event", "gaps"], "seq_len": 2}
    dataset = build_dataset(config_of(**names, empty_values=policy, horizon=horizon), [bars])
    rows = np.sort(np.concatenate(list(dataset.origins.values())))
    n_train = int((bars.close_time_N < dataset.cuts.validation).sum())
    gaps, event = (expected(pd.Series(bars.columns[name]), n_train, policy) for name in ("gaps", "event"))
    ahead_BH = rows[:, None] + np.arange(1, horizon + 1)
    wanted = [gaps[0], event[0]] + ([gaps[1]] if policy != "drop" else [])
    got = windows(dataset, rows).ahead_BHA
    assert got.shape == (len(rows), horizon, len(wanted)) and dataset.preparation.spec.ahead_width == len(wanted)
    for place, column in enumerate(wanted):
        np.testing.assert_allclose(got[..., place], column[ahead_BH], rtol=1e-5, atol=1e-5)
    if policy == "drop":
        assert not np.isnan(bars.columns["gaps"][ahead_BH]).any()


def test_each_series_has_statistics_of_its_own_and_those_that_it_lacks_from_all() -> None:
    """One that never moves in training, and one that is empty there, have the unit of the others."""
    bars = [
        market(seed, ticker, level) for seed, (ticker, level) in enumerate(zip("abc", (1.0, 50.0, 9.0), strict=True))
    ]
    bars[2].columns["rate"][:] = 3e-4
    bars[1].columns["gaps"][:150] = np.nan
    config = config_of(indicators=["rate", "gaps"], tickers=["a", "b", "c"])
    dataset = build_dataset(config, bars)
    n_train = [int((b.close_time_N < dataset.cuts.validation).sum()) for b in bars]
    pooled = {
        name: np.concatenate([b.columns[name][:n] for b, n in zip(bars, n_train, strict=True)])
        for name in ("rate", "gaps")
    }
    starts = dataset.panel.starts
    value_RC = dataset.tape().rows_RX[:, -3:]
    for s, n in ((0, n_train[0]), (1, n_train[1])):
        own_N = value_RC[starts[s] : starts[s] + n, 0]
        assert abs(own_N.mean()) < 1e-5 and abs(own_N.std() - 1) < 1e-5
    assert not value_RC[starts[2] : starts[3], 0].any()
    late = bars[1].columns["gaps"][-1]
    wanted = (late - np.nanmean(pooled["gaps"])) / np.nanstd(pooled["gaps"])
    last = value_RC[starts[2] - 1, 1]
    assert np.isnan(late) or last == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(value_RC[starts[1] : starts[1] + 100, 2], 1.0)  # never known before: as old as can be
    assert dataset.preparation.covariates[0].mean == pytest.approx(pooled["rate"].mean())


def test_what_is_learnt_of_own_columns_is_saved_and_read() -> None:
    first = build_dataset(config_of(known_ahead=["rate"]), [market()]).preparation
    plain = json.loads(json.dumps(first.to_dict(), allow_nan=False))
    assert Preparation.from_dict(plain) == first
    del plain["covariates"]
    with pytest.raises(ValueError, match="statistics that are not those of 3 covariates"):
        Preparation.from_dict(plain)


def test_earlier_layouts_have_own_columns_as_they_are() -> None:
    bars = market()
    spec = build_dataset(config_of(indicators=["rate", "rsi"]), [bars], layout=3).preparation.spec
    assert (spec.plain, spec.covariates, spec.empty_values) == (("rate", "rsi"), (), "drop")
    saved = spec.to_dict()
    del saved["covariates"], saved["empty_values"]
    assert WindowSpec.from_dict(saved) == spec


def test_what_cannot_be_an_own_column_is_refused() -> None:
    with pytest.raises(DataError, match="rate is empty in the training span of made_up_1h: nothing can be learnt"):
        build_dataset(config_of(indicators=["rate"]), [with_columns(market(), rate=np.full(N, np.nan))])
    for name in ("rsi", "ema_3"):
        with pytest.raises(ConfigError, match=f"known_ahead: found '{name}', which follows from prices"):
            build_dataset(config_of(indicators=[name], known_ahead=[name]), [market()])
    with pytest.raises(ConfigError, match="known_ahead: found 'event', should be among indicators"):
        config_of(known_ahead=["event"])


def test_rows_ahead_change_nothing_of_a_training() -> None:
    bars = market()
    ahead = RowsAhead(bars.time_N[-1:] + 3600, {"rate": np.array([9.0])})
    more = Bars(bars.ticker, "1h", bars.time_N, bars.columns, ahead=ahead)
    config = config_of(known_ahead=["rate"])
    one, other = build_dataset(config, [bars]), build_dataset(config, [more])
    assert one.fingerprint == other.fingerprint and one.preparation == other.preparation
    for span, rows in one.origins.items():
        np.testing.assert_array_equal(rows, other.origins[span])
