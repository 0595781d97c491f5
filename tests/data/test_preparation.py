"""What is fitted before training: statistics, layout, tape; and its way through JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, with_columns

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.naming import Naming
from nextbar.data.dataset import build_dataset
from nextbar.data.features import empty_features
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.data.spreads import SpreadBins
from nextbar.data.statistics import Statistics
from nextbar.data.window_spec import WindowSpec

HOUR = 3600


def spec_of(bars: list[Bars], **fields: object) -> WindowSpec:
    config = make_config(**fields).dataset_config
    return WindowSpec.of(config, bars, empty_features(config, bars, [len(b) for b in bars]))


def prepared(**fields: object) -> Preparation:
    return build_dataset(make_config(**fields), [make_bars(trades=True)]).preparation


@pytest.mark.parametrize(
    ("features", "own", "volumes", "n"),
    [
        ("ohlcv", ("open", "high", "low", "close"), ("volume", "trades"), 4 + 2 + 2),
        ("ohlc", ("open", "high", "low", "close"), (), 4 + 2),
        ("close", ("close",), (), 1 + 2),
        ("returns", ("open", "high", "low", "close"), ("volume", "trades"), 6 + 2 + 2),
    ],
)
def test_the_layout_follows_the_feature_set(features: str, own: tuple, volumes: tuple, n: int) -> None:
    spec = spec_of([make_bars(trades=True)], features=features, indicators=["rsi", "ema_9"])
    assert spec.prices == (*own, "ema_9")
    assert spec.own_prices == len(own)
    assert spec.volumes == volumes
    assert spec.plain == ("rsi",)
    assert spec.n_features == n
    for time_feature in ("position", "span"):
        other = spec_of([make_bars(trades=True)], features=features, time_feature=time_feature)
        assert other.n_features == n - 2 + 1, "no indicators, a column of time"
    assert spec.groups == ("price", *volumes)
    assert hash(spec) == hash(spec_of([make_bars(trades=True)], features=features, indicators=["rsi", "ema_9"]))


def test_a_feature_some_series_lack_is_dropped_and_named() -> None:
    bars = [make_bars("a"), make_bars("b", volume=False), make_bars("c", trades=True)]
    assert spec_of(bars).volumes == ()
    config, n_train = make_config().dataset_config, [200, 200, 200]
    assert empty_features(config, bars, n_train) == {"volume": ["b_1h"], "trades": ["a_1h", "b_1h"]}
    assert empty_features(config, bars[:1], [200]) == {"trades": ["a_1h"]}


def test_only_the_training_span_says_what_a_series_lacks() -> None:
    late, early = (make_bars(name) for name in ("late", "early"))
    late.columns["volume"][:100] = np.nan
    early.columns["volume"][1:] = np.nan
    config = make_config().dataset_config
    assert empty_features(config, [late, early], [101, 100])["trades"] == ["late_1h", "early_1h"]
    assert "volume" not in empty_features(config, [late, early], [101, 100])
    assert empty_features(config, [late, early], [100, 100])["volume"] == ["late_1h"]
    assert empty_features(config, [late, early], [0, 100]) == {"trades": ["early_1h"]}, "without bars it has no say"


def test_features_that_were_not_asked_for_are_not_called_dropped() -> None:
    bars = [make_bars("a"), make_bars("b", volume=False)]
    assert empty_features(make_config(features="ohlc").dataset_config, bars, [200, 200]) == {}


@pytest.mark.parametrize(
    ("resolutions", "clock", "width"),
    [(["1h"], True, 4), (["1d"], True, 2), (["1h", "1d"], True, 4), (["1h"], False, 0)],
)
def test_the_clock_has_an_hour_below_a_day(resolutions: list[str], clock: bool, width: int) -> None:
    assert spec_of([make_bars(resolution=r) for r in resolutions], clock=clock).clock == width


def test_bins_are_part_of_the_layout_only_when_asked_for() -> None:
    assert spec_of([make_bars()]).edges is None
    spec = spec_of([make_bars()], output_mode="discrete_grid", discrete_grid_levels=[-np.inf, 0, np.inf])
    assert spec.edges == (-np.inf, 0.0, np.inf)


def test_a_whole_layout_and_its_way_through_json() -> None:
    fields = {"features": "returns", "target": "log_return", "horizon": 3, "indicators": ["RSI", "ema_5", "vwap"]}
    bars = [make_bars(n=50), make_bars(resolution="1d", n=50)]
    config = make_config(**fields, output_mode="discrete_grid", discrete_grid_levels=[-np.inf, 0, np.inf])
    spec = WindowSpec.of(config.dataset_config, bars, {"trades": ["made_up_1h"]}, 1)
    assert spec == WindowSpec(
        seq_len=6,
        horizon=3,
        target="log_return",
        edges=(-np.inf, 0.0, np.inf),
        returns=True,
        prices=("open", "high", "low", "close", "ema_5"),
        own_prices=4,
        volumes=("volume",),
        plain=("RSI", "vwap"),
        indicators=("RSI", "ema_5", "vwap"),
        clock=4,
        time_feature="none",
        layout=1,
    )
    plain = json.loads(json.dumps(spec.to_dict(), allow_nan=False))
    assert plain["edges"] == ["-inf", "0.0", "inf"] and WindowSpec.from_dict(plain) == spec
    del plain["time_feature"], plain["layout"]
    assert WindowSpec.from_dict(plain) == dataclasses.replace(spec, time_feature="span")
    mean = spec_of(bars, horizon=2)
    assert WindowSpec.from_dict(json.loads(json.dumps(mean.to_dict()))) == mean and mean.to_dict()["edges"] is None


def test_a_series_is_fitted_on_its_first_bars_only() -> None:
    bars = make_bars(n=100)
    spec = spec_of([bars])
    calendar = Calendar.always(HOUR)
    fit = SeriesFit.fit(bars, 60, spec, calendar)
    prices = np.stack([bars.columns[name][:60] for name in ("open", "high", "low", "close")])
    volume_N = bars.columns["volume"][:60]
    for got, known in zip(fit.statistics, (prices, volume_N), strict=True):
        np.testing.assert_allclose(got, (known.min(), known.max(), known.mean(), known.std()), rtol=1e-14)
    close_N = bars.columns["close"][:60]
    np.testing.assert_allclose(fit.return_std, np.std(np.log(close_N[1:] / close_N[:-1])), rtol=1e-12)
    later = with_columns(bars, **{k: np.where(np.arange(100) < 60, v, 7e9) for k, v in bars.columns.items()})
    assert SeriesFit.fit(later, 60, spec, calendar) == fit


def test_indicators_do_not_widen_the_price_scale() -> None:
    bars = with_columns(make_bars(n=100), ema_9=np.full(100, 1e6))
    assert (
        SeriesFit.fit(bars, 60, spec_of([bars], indicators=["ema_9"]), Calendar.always(HOUR)).statistics[0].maximum
        < 1e3
    )


def test_a_move_across_a_hole_is_no_return() -> None:
    bars = make_bars(n=100, holes=range(50, 70))
    jump = with_columns(bars, **{k: np.where(np.arange(80) < 50, v, 2 * v) for k, v in bars.columns.items()})
    fits = [SeriesFit.fit(b, 80, spec_of([b]), Calendar.always(HOUR)).return_std for b in (bars, jump)]
    np.testing.assert_allclose(fits[0], fits[1], rtol=1e-9)


@pytest.mark.parametrize("n_train", [0, 1])
def test_without_bars_nothing_is_known(n_train: int) -> None:
    fit = SeriesFit.fit(make_bars(n=50), n_train, spec_of([make_bars()]), Calendar.always(HOUR))
    assert np.isnan(fit.return_std)
    assert np.isnan(fit.statistics[0].mean) == (n_train == 0)


def test_returns_of_prices_below_zero_are_unknown() -> None:
    bars = Bars("made_up", "1h", make_bars(n=50).time_N, {"close": np.linspace(-1, 1, 50)})
    assert np.isnan(SeriesFit.fit(bars, 40, spec_of([bars], features="close"), Calendar.always(HOUR)).return_std)


def test_volumes_enter_as_logs_with_returns_only() -> None:
    bars = with_columns(make_bars(n=3), volume=np.array([0.0, 1.0, np.e - 1]))
    plain, logs = (spec_of([bars], features=features) for features in ("ohlcv", "returns"))
    np.testing.assert_array_equal(plain.device_column(bars, "volume"), bars.columns["volume"])
    np.testing.assert_allclose(logs.device_column(bars, "volume"), [0, np.log(2), 1])
    np.testing.assert_array_equal(logs.device_column(bars, "close"), bars.columns["close"])


def test_the_tape_holds_every_bar_of_every_series() -> None:
    late = MONDAY + dt.timedelta(days=10)
    bars = [make_bars("a", n=120, start=late, price=60_000, move=1e-5), make_bars("b", "4h", n=90, seed=1)]
    fields = {"tickers": ["a", "b"], "resolution": ["1h", "4h"], "indicators": ["ema_3", "rsi"]}
    dataset = build_dataset(make_config(**fields, time_feature="span"), bars)
    tape = dataset.tape()
    assert tape.rows_RX.shape == (210, 2 * 6 + 1 + 1)
    assert all(np.isfinite(part).all() for part in (tape.rows_RX, tape.close_R2, tape.clock_SMC))
    assert {tape.rows_RX.dtype, tape.close_R2.dtype, tape.clock_SMC.dtype} == {np.dtype(np.float32)}
    close_R = np.concatenate([b.columns["close"] for b in bars])
    np.testing.assert_allclose(tape.close_R2.astype(np.float64).sum(axis=1), close_R, rtol=1e-13)
    np.testing.assert_allclose(tape.rows_RX[:, 3].astype(np.float64) + tape.rows_RX[:, 3 + 6], close_R, rtol=1e-13)
    np.testing.assert_array_equal(tape.series_R, np.repeat([0, 1], [120, 90]))
    cut = dataset.cuts.validation
    closing = np.concatenate([b.close_time_N for b in bars])
    first, last = closing.min(), max(b.close_time_N[b.close_time_N < cut].max() for b in bars)
    np.testing.assert_allclose(tape.rows_RX[:, 12], (closing - first) / (last - first), rtol=1e-6)
    assert tape.fitted.std.shape == (2, 2)
    assert tape.return_std_S.shape == (2,)
    horizon = dataset.preparation.spec.horizon
    for chain_Z, slots in zip(tape.chain_SZ, (168, 42), strict=True):
        n = 1 + slots + horizon - 1
        np.testing.assert_array_equal(chain_Z[:n], np.arange(-1, n - 1) % slots)
        assert not chain_Z[n:].any()
    assert tape.clock_SMC.shape == (2, 168, 4)
    for time_feature in ("none", "position"):
        other = build_dataset(make_config(**fields, time_feature=time_feature), bars).tape()
        np.testing.assert_array_equal(other.rows_RX, np.delete(tape.rows_RX, 12, axis=1))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"features": "close", "clock": False, "target": "log_return", "horizon": 3},
        {"indicators": ["rsi", "bb_lower"], "calendar": "sessions"},
        {"output_mode": "discrete_grid", "discrete_grid_levels": [-np.inf, -0.1, 1 / 3, np.inf]},
    ],
)
def test_json_loses_nothing(fields: dict) -> None:
    before = prepared(**fields)
    text = json.dumps(before.to_dict(), allow_nan=False)
    assert Preparation.from_dict(json.loads(text)) == before


def test_json_keeps_what_is_unknown() -> None:
    unknown = Statistics.fit(np.empty(0))
    one = prepared()
    fit = SeriesFit(
        "a",
        "1h",
        Calendar("sessions", HOUR, 60, (1, 5, 100)),
        (unknown, Statistics(0, 1, 0.5, 0.1), unknown),
        np.nan,
        (np.nan, 2.5, np.nan),
    )
    bins = SpreadBins((np.nan, 1.0, np.nan), one.spreads.edges)
    before = Preparation(one.spec, one.first_time, one.last_time, (fit,), one.naming, bins)
    after = Preparation.from_dict(json.loads(json.dumps(before.to_dict(), allow_nan=False)))
    assert np.isnan(after.series[0].statistics[0]).all()
    assert np.isnan(after.series[0].return_std)
    assert after.series[0].statistics[1] == fit.statistics[1]
    assert after.series[0].calendar == fit.calendar
    assert np.isnan(after.series[0].spreads[0]) and after.series[0].spreads[1] == 2.5
    assert np.isnan(after.spreads.typical[0]) and after.spreads.edges == one.spreads.edges
    assert after.to_dict() == before.to_dict()


def test_a_series_is_found_by_both_of_its_names() -> None:
    bars = [make_bars(t, r, n=100) for t in ("a", "b") for r in ("1h", "4h")]
    dataset = build_dataset(make_config(tickers=["a", "b"], resolution=["1h", "4h"]), bars)
    found = dataset.preparation.find("b", "1h")
    assert found is dataset.preparation.series[2]
    assert dataset.preparation.find("b", "1d") is None


@pytest.mark.parametrize(("resolution", "clock", "width"), [("1h", True, 4), ("1d", True, 2), ("1h", False, 0)])
def test_the_clock_of_each_slot_is_the_weekday_and_the_hour_on_circles(
    resolution: str, clock: bool, width: int
) -> None:
    """Sines, then cosines; of the slot of each bar, found by its rank; of no slot zero."""
    bars = make_bars(resolution=resolution, n=200, trades=True)
    other = make_bars("other", "30m", n=400, trades=True)
    fields = {"tickers": ["made_up"], "test_tickers": ["made_up", "other"], "resolution": [resolution, "30m"]}
    series = [bars] if width == 2 else [bars, other]
    if width == 2:
        fields = {"resolution": resolution}
    tape = build_dataset(make_config(**fields, clock=clock), series).tape()
    slots = {"1h": 168, "1d": 7}[resolution]
    assert tape.clock_SMC.shape == (len(series), 7 * 48 if width != 2 else 7, width)
    np.testing.assert_array_equal(tape.chain_SZ[0, : slots + 1], np.arange(-1, slots) % slots)
    for row in (0, 5, 40, 199):
        date = dt.datetime.fromtimestamp(int(bars.time_N[row]), dt.UTC)
        angle = 2 * np.pi * np.array([date.weekday() / 7, (date.hour + date.minute / 60) / 24][: width // 2])
        slot = tape.chain_SZ[0, tape.rank_R[row] - 1]
        np.testing.assert_allclose(tape.clock_SMC[0, slot], [*np.sin(angle), *np.cos(angle)], atol=1e-6)
    assert not tape.clock_SMC[0, slots:].any()


def test_the_tape_has_the_types_of_the_device() -> None:
    fields = {"output_mode": "discrete_grid", "discrete_grid_levels": [-np.inf, 0, np.inf]}
    tape = build_dataset(make_config(**fields, target="log_return"), [make_bars(trades=True)]).tape()
    whole = (tape.bin_RH, tape.series_R, tape.rank_R, tape.chain_SZ)
    assert [part.dtype for part in whole] == [np.int32] * 4
    floats = (tape.rows_RX, tape.close_R2, tape.clock_SMC, tape.return_std_S, *tape.spreads, tape.fitted.range,
              tape.fitted.std, *tape.fitted.mean, *tape.fitted.minimum)  # fmt: skip
    assert [part.dtype for part in floats] == [np.float32] * len(floats)
    close_N = make_bars().columns["close"]
    np.testing.assert_array_equal(tape.bin_RH[:-1, 0], close_N[1:] >= close_N[:-1])
    plain = build_dataset(make_config(), [make_bars(trades=True)])
    assert plain.tape().bin_RH.shape == (200, 0)
    assert plain.tape().rows_RX.shape == (200, plain.preparation.spec.row_width) == (200, 12)


def test_what_is_empty_is_zero_on_the_device() -> None:
    """No window holds it, but a number that is none would spread."""
    bars = make_bars(n=200)
    bars.columns["volume"][7] = np.nan
    rows_RX = build_dataset(make_config(indicators=["rsi"]), [bars]).tape().rows_RX
    assert rows_RX[7, 4] == rows_RX[7, 9] == 0 and rows_RX[8, 4] > 0
    assert not rows_RX[:14, -1].any() and rows_RX[14, -1] > 0, "rsi needs 14 changes"


def test_a_span_of_one_bar_counts_seconds() -> None:
    bars = make_bars(trades=True)
    one = prepared(time_feature="span")
    one = dataclasses.replace(one, last_time=one.first_time)
    np.testing.assert_array_equal(one.tape([bars], one.series).rows_RX[:, 12], 3600 * np.arange(200))


def test_spreads_are_fitted_on_the_training_windows_of_the_newer_layout_alone() -> None:
    bars = [make_bars(trades=True)]
    earlier, newer = (build_dataset(make_config(), bars, layout=layout).preparation for layout in (1, 2))
    assert (earlier.spec.layout, newer.spec.layout, prepared().spec.layout) == (1, 2, 4)
    assert np.isnan(earlier.spreads.typical).tolist() == [True] * 3 and earlier.spreads.edges == ((), (), ())
    assert np.isfinite(newer.spreads.typical).all() and [len(edges) for edges in newer.spreads.edges] == [31] * 3


@pytest.mark.parametrize("implied", ["4h", None])
def test_the_names_of_series_are_saved(implied: str | None) -> None:
    """What the configuration decided, not what the resolutions of the bars would say."""
    one = dataclasses.replace(prepared(), naming=Naming(implied))
    plain = json.loads(json.dumps(one.to_dict()))
    assert plain["implied_resolution"] == implied
    assert Preparation.from_dict(plain).naming == Naming(implied)


def test_earlier_runs_saved_neither_spreads_nor_names() -> None:
    plain = json.loads(json.dumps(prepared().to_dict()))
    del plain["spreads"], plain["implied_resolution"], plain["series"][0]["spreads"]
    with pytest.raises(ValueError, match="statistics that are not those of 3 groups"):
        Preparation.from_dict(plain)  # a later run has them
    plain["spec"]["layout"] = 1
    one = Preparation.from_dict(plain)
    assert one.naming == Naming("1h") and one.spreads.edges == ((), (), ())
    assert np.isnan(one.spreads.typical).tolist() == [True] * 3
    assert np.isnan(one.series[0].spreads).tolist() == [True] * 3
    again = Preparation.from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False)))
    assert again.to_dict() == one.to_dict()
