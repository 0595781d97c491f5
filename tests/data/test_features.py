"""A run is named by the bars it uses: what it does not use changes nothing, and what has changed is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_bars, with_columns
from trainings import make_config

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.data.features import FeatureSet, empty_features, with_all_columns
from nextbar.errors import RunError
from nextbar.runs.folder import RunFolder
from nextbar.train.trainer import Trainer

N = 150
LONGER = make_bars(n=N + 40, trades=True)
BARS = LONGER.between(final=int(LONGER.close_time_N[N - 1]))
END = str(np.datetime64(int(BARS.close_time_N[-1]), "s")) + "Z"


def identity(bars: Bars, **overrides: Any) -> str:
    return build_dataset(make_config(Path("runs"), **overrides), [bars]).fingerprint


def other(bars: Bars, column: str, row: int = 3) -> Bars:
    """The bars with another value in a column."""
    values = bars.columns[column].copy()
    values[row] *= 1.0001
    return with_columns(bars, **{column: values})


def test_bars_outside_the_dates_are_not_used() -> None:
    assert identity(LONGER, final_date=END) == identity(BARS, final_date=END) == identity(BARS)
    assert identity(LONGER) != identity(BARS)
    start = str(np.datetime64(int(BARS.close_time_N[19]), "s")) + "Z"
    assert identity(BARS, initial_date=start) == identity(other(BARS, "close"), initial_date=start) != identity(BARS)


@pytest.mark.parametrize(
    ("fields", "used", "unused"),
    [
        ({}, ["open", "high", "low", "close", "volume", "trades"], ["own"]),
        ({"features": "ohlc"}, ["open", "high", "low", "close"], ["volume", "trades", "own"]),
        ({"features": "returns", "indicators": ["own"]}, ["close", "volume", "trades", "own"], []),
        ({"features": "ohlc", "indicators": ["volume"]}, ["close", "volume"], ["trades", "own"]),
        ({"features": "close"}, ["close"], ["open", "high", "low", "volume", "trades", "own"]),
        ({"features": "close", "indicators": ["ema_8"]}, ["close"], ["volume", "own"]),
    ],
)
def test_columns_that_are_not_used_change_nothing(fields: dict[str, Any], used: list[str], unused: list[str]) -> None:
    bars = with_columns(BARS, own=np.linspace(1, 2, N))
    plain = identity(bars, **fields)
    for column in unused:
        assert identity(other(bars, column), **fields) == plain, column
        rest = {name: values for name, values in bars.columns.items() if name != column}
        assert identity(Bars(bars.ticker, "1h", bars.time_N, rest), **fields) == plain, column
    for column in used:
        assert identity(other(bars, column), **fields) != plain, column


def test_a_volume_that_another_series_lacks_is_not_used() -> None:
    """No series has a feature that one of them lacks."""
    config = make_config(Path("runs"), tickers=["a", "b"])
    first = Bars("a", "1h", BARS.time_N, BARS.columns)
    second = make_bars("b", n=N, seed=1, volume=False)
    plain = build_dataset(config, [first, second])
    assert "volume" not in plain.preparation.spec.columns
    assert build_dataset(config, [other(first, "volume"), second]).fingerprint == plain.fingerprint
    assert build_dataset(config, [other(first, "close"), second]).fingerprint != plain.fingerprint


def test_a_feature_set_is_what_a_configuration_asks_for() -> None:
    def asked(**fields: Any) -> FeatureSet:
        return FeatureSet.of(make_config(Path("runs"), **fields).dataset_config)

    prices, volumes = ("open", "high", "low", "close"), ("volume", "trades")
    assert asked(features="ohlcv") == asked(features="returns") == FeatureSet(prices, volumes, ())
    assert asked(features="ohlc", indicators=["rsi", "VWAP"]) == FeatureSet(prices, (), ("rsi", "VWAP"))
    assert asked(features="close") == FeatureSet(("close",), (), ())


def test_of_a_source_only_its_columns_are_kept_and_none_of_its_notices() -> None:
    bars = replace(with_columns(BARS, own=np.zeros(N), vwap=np.ones(N)), notices=("a row was dropped",))
    kept = FeatureSet(("close",), ("volume", "absent"), ("VWAP",)).of_source(bars)
    assert list(kept.columns) == ["close", "volume", "vwap"] and kept.notices == ()
    assert (kept.ticker, kept.resolution) == (bars.ticker, bars.resolution) and kept.time_N is bars.time_N


def test_an_absent_volume_is_empty_and_one_that_is_left_out_is_announced(caplog: pytest.LogCaptureFixture) -> None:
    bars = replace(Bars("a", "1h", BARS.time_N, dict(BARS.columns)), notices=("before",))
    del bars.columns["trades"]
    with caplog.at_level("WARNING", "nextbar"):
        whole = with_all_columns(bars, ("trades",), {"volume": ["b_1h", "a_1h"], "own": ["a_1h"]})
    assert np.isnan(whole.columns["trades"]).tolist() == [True] * N and "trades" not in bars.columns
    assert whole.notices == ("before", "volume is empty in the training span and left out")
    assert caplog.messages == ["a_1h: volume is empty in the training span and left out"]
    assert [record.name for record in caplog.records] == ["nextbar"]
    same = with_all_columns(bars, ("volume",), {"volume": ["b_1h"]})
    assert same.notices == ("before",) and same.columns["volume"] is bars.columns["volume"]


def test_what_series_lack_is_told_by_column_and_name() -> None:
    config = make_config(Path("runs")).dataset_config
    absent = make_bars("b", n=N, volume=False)
    assert empty_features(config, [BARS, absent], [N, 1]) == {"volume": ["b_1h"], "trades": ["b_1h"]}
    assert empty_features(config, [BARS, absent], [N, 0]) == {}
    assert empty_features(config, [BARS, absent], [0, N]) == {"volume": ["b_1h"], "trades": ["b_1h"]}


def unfinished(config: ExperimentConfig) -> Path:
    """The folder of a run that was interrupted in its first epoch."""
    dataset = build_dataset(config, [BARS])
    run = RunFolder(config, dataset.fingerprint)
    with run.claimed(overwrite=False):
        run.begin(dataset, {})
        run.update(status="interrupted")
    return run.path


def test_an_unfinished_run_goes_on_when_what_it_does_not_use_has_changed(tmp_path: Path) -> None:
    """A file that grew beyond the final date, and has a column more."""
    fields = {"features": "ohlc", "final_date": END}
    config = make_config(tmp_path, num_epochs=1, **fields)
    begun = unfinished(config)
    changed = with_columns(LONGER, sentiment=np.zeros(N + 40))
    result = Trainer(config, [changed], show=False).train_and_evaluate()
    assert (result.run_dir, result.status) == (begun, "finished")


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        (LONGER, "made_up_1h has grown by 40 bars after 2020-01-12T05:00:00Z"),
        (other(BARS, "close", 70), r"made_up_1h: bars were revised from 2020-01-08T16:00:00Z on"),
    ],
)
def test_what_has_changed_is_told(bars: Bars, said: str, tmp_path: Path) -> None:
    config = make_config(tmp_path)
    folder = unfinished(config)
    with pytest.raises(RunError, match=rf"{folder}.*interrupted \({said}.*delete that folder.*--overwrite.*final_date"):
        Trainer(config, [bars], show=False).train_and_evaluate()


def test_an_unfinished_run_of_an_earlier_version_is_told_from_changed_bars(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    path = unfinished(config)
    (path / "bars.json").unlink()
    path.rename(path.with_name(f"{path.name.partition('-')[0]}-0123456789"))
    with pytest.raises(RunError, match="begun by an earlier nextbar"):
        Trainer(config, [BARS], show=False).train_and_evaluate()
