"""A dataset in plain values, and what empty values cost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import make_bars, make_config, with_columns

from nextbar.bars.calendar import Calendar
from nextbar.data.dataset import build_dataset
from nextbar.data.description import lost_windows
from nextbar.data.indicators import add_indicators
from nextbar.data.window_spec import WindowSpec

SOUND = {"empty_bars": {}, "filled": [], "windows_lost": 0}


def test_a_whole_description() -> None:
    bars = [make_bars("a", n=200, holes=[30]), make_bars("b", n=190, volume=False, seed=1)]
    bars[0] = with_columns(bars[0], own=np.where(np.arange(199) == 60, np.nan, 1.0))
    bars[1] = with_columns(bars[1], own=np.ones(190))
    config = make_config(tickers="a", test_tickers=["a", "b"], indicators=["rsi", "own"], calendar="24/7")
    dataset = build_dataset(config, bars)
    found = json.loads(json.dumps(dataset.describe(), allow_nan=False))
    windows = {span: len(rows) for span, rows in dataset.origins.items()}
    shared = {"calendar": "24/7", "timezone": "UTC", "outside": 0, "scored": True}
    assert found == {
        "series": [
            {
                "name": "a", "bars": 199, "first": "2020-01-06T00:00:00Z", "last": "2020-01-14T07:00:00Z", **shared,
                "holes": 1, "trained": True, "training_windows": windows["training"],
                "notices": [], "empty_bars": {"own": 1}, "filled": ["own"], "windows_lost": 0,
            },
            {
                "name": "b", "bars": 190, "first": "2020-01-06T00:00:00Z", "last": "2020-01-13T21:00:00Z", **shared,
                "holes": 0, "trained": False, "training_windows": 0, "notices": [], "empty_bars": {},
                "filled": [], "windows_lost": 0,
            },
        ],
        "features": ["open", "high", "low", "close"],
        "indicators": ["rsi", "own"],
        "dropped_features": {"volume": ["b_1h"]},
        "empty_values": "last",
        "context_len": 0,
        "contexts_short": {},
        "until": "2020-01-14T08:00:00Z",
        "validation_from": "2020-01-11T05:00:00Z",
        "test_from": "2020-01-12T13:00:00Z",
        "windows": windows,
        "scored_late": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("empty", "lost"),
    [([], 0), ([50], 6), ([50, 51], 7), ([50, 99], 6 + 1), ([0], 1), ([3, 40], 4 + 6), (range(100), 93)],
)
def test_an_empty_bar_costs_the_windows_that_hold_it(empty: list[int], lost: int) -> None:
    """Six bars of context, two of labels: origins 5 to 97, of 100 bars; the labels may be empty."""
    bars = make_bars(n=100)
    bars.columns["volume"][list(empty)] = np.nan
    spec = WindowSpec.of(make_config(horizon=2).dataset_config, [bars], {"trades": []})
    found = lost_windows(bars, Calendar.always(3600), spec)
    wanted = [row for row in range(5, 98) if set(range(row - 5, row + 1)) & set(empty)]
    assert found["windows_lost"] == len(wanted)
    assert found["empty_bars"] == ({"volume": len(empty)} if empty else {})


def test_the_first_bars_of_a_computed_indicator_are_no_loss_but_gaps_of_it_are() -> None:
    bars = add_indicators(make_bars(n=100), ["rsi"])
    spec = WindowSpec.of(make_config(indicators=["rsi"]).dataset_config, [bars], {"trades": []})
    assert lost_windows(bars, Calendar.always(3600), spec) == SOUND
    bars.columns["rsi"][50] = np.nan
    assert lost_windows(bars, Calendar.always(3600), spec) == SOUND | {"empty_bars": {"rsi": 1}, "windows_lost": 6}
    late = with_columns(bars, own=np.where(np.arange(100) < 10, np.nan, 1.0))
    for policy, filled, lost in (("last", ["own"], 0), ("mean", ["own"], 0), ("drop", [], 10)):
        config = make_config(indicators=["own"], empty_values=policy).dataset_config
        found = lost_windows(late, Calendar.always(3600), WindowSpec.of(config, [late], {"trades": []}))
        assert found == {"empty_bars": {"own": 10}, "filled": filled, "windows_lost": lost}


def test_a_value_that_is_not_known_ahead_costs_the_windows_that_predict_its_bar() -> None:
    """Empty values are dropped: six bars of context and one or two predicted ones hold none."""
    bars = with_columns(make_bars(n=100), own=np.where(np.arange(100) == 50, np.nan, 1.0))
    for horizon in (1, 2):
        config = make_config(indicators=["own"], known_ahead=["own"], empty_values="drop", horizon=horizon)
        spec = WindowSpec.of(config.dataset_config, [bars], {"trades": []})
        assert lost_windows(bars, Calendar.always(3600), spec)["windows_lost"] == 6 + horizon
    for n_train in (40, 60):  # where nothing is dropped none is lost, whether training has such a bar or not
        config = make_config(indicators=["own"], known_ahead=["own"])
        spec = WindowSpec.of(config.dataset_config, [bars], {"trades": []}, n_train=[n_train])
        assert spec.ages == (n_train > 50) and lost_windows(bars, Calendar.always(3600), spec)["windows_lost"] == 0
