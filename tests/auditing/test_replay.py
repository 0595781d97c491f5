"""What is made to look ahead inside nextbar moves before the cut, and the stage says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, with_columns

from nextbar.auditing.episodes import Episode, draw_episodes
from nextbar.auditing.replay import replay, replay_own_columns
from nextbar.bars.bars import Bars
from nextbar.data import contexts, origins
from nextbar.data import dataset as datasets
from nextbar.data.closed_bars import ClosedBars
from nextbar.data.indicators import FORMULAS, Formula
from nextbar.data.splits import spans

CONFIG = make_config(tickers=["a", "b"], indicators=["rsi"], norm_mode="global_meanstd", horizon=2)
SERIES = [make_bars(ticker, n=500, seed=seed) for seed, ticker in enumerate("ab")]


def episode(config: Any = CONFIG) -> Episode:
    return next(draw_episodes(config, SERIES, 1, np.random.default_rng(0)))


def stages(config: Any = CONFIG) -> set[str]:
    return {leak.stage for leak in replay(episode(config))}


def test_nextbar_itself_moves_nothing() -> None:
    assert stages() == set()


def test_a_registered_indicator_that_looks_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    def centred(close_N: np.ndarray) -> np.ndarray:
        return pd.Series(close_N).rolling(9, center=True).mean().to_numpy()

    monkeypatch.setitem(FORMULAS, "centred", Formula(centred))
    leaks = list(
        replay(episode(replace(CONFIG, dataset_config=replace(CONFIG.dataset_config, indicators=["centred"]))))
    )
    (first, *_) = [leak for leak in leaks if leak.stage == "indicators"]
    assert first.column == "centred" and first.series == "a_1h" and "4 bars before" in first.text
    assert first.amount is not None and first.amount > 0 and "features" in {leak.stage for leak in leaks}


def test_longer_bars_that_count_before_they_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, dataset_config=replace(CONFIG.dataset_config, context_resolutions=["12h"]))
    assert stages(config) == set()

    def early(*arguments: Any) -> ClosedBars:
        found = closed_bars(*arguments)
        until_N = np.append(found.until_N[6:], found.until_N[-6:])
        return found._replace(until_N=until_N)

    closed_bars = contexts.closed_bars
    monkeypatch.setattr(contexts, "closed_bars", early)
    (first, *_) = replay(episode(config))
    assert (first.stage, first.series) == ("features", "a_1h") and "context 1 of a_1h differs" in first.text


def test_statistics_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = datasets.fit_series
    monkeypatch.setattr(datasets, "fit_series", lambda bars, n, *rest: fit(bars, [len(b) for b in bars], *rest))
    assert stages() == {"normalisation"}


def test_labels_that_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpurged(close_time_N: np.ndarray, usable_N: np.ndarray, horizon: int, cuts: Any) -> dict[str, np.ndarray]:
        by_span = spans(close_time_N, usable_N, horizon, cuts)
        last = by_span["training"][-1]
        return by_span | {"training": np.r_[by_span["training"], last + 1]}

    monkeypatch.setattr(origins, "spans", unpurged)
    leaks = list(replay(episode()))
    assert leaks[0].stage == "splits" and "training windows have labels outside their span" in leaks[0].text


def test_shuffled_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffled(*arguments: Any) -> dict[str, np.ndarray]:
        by_span = spans(*arguments)
        rows = np.random.default_rng(0).permutation(np.concatenate(list(by_span.values())))
        ends = np.cumsum([len(part) for part in by_span.values()])[:-1]
        return {span: np.sort(part) for span, part in zip(by_span, np.split(rows, ends), strict=True)}

    monkeypatch.setattr(origins, "spans", shuffled)
    assert "splits" in stages()


def _with(column: Callable[[pd.Series], pd.Series]) -> Callable[..., list[Bars]]:
    return lambda series: [with_columns(b, x=column(pd.Series(b.columns["close"])).to_numpy()) for b in series]


@pytest.mark.parametrize(
    ("column", "first"),
    [
        (lambda close: close.rolling(5).mean(), None),
        (lambda close: close.ewm(span=9).mean(), None),
        (lambda close: close.rolling(5, center=True).mean(), 298),
        (lambda close: close.shift(-1), 299),
        (lambda close: (close - close.mean()) / close.std(), 0),
        (lambda close: close.rolling(20).mean().bfill(), None),  # of the first rows, long before the cut
    ],
)
def test_code_that_makes_own_columns_is_found_out_for_certain(column: Any, first: int | None) -> None:
    cut = int(SERIES[0].close_time_N[300])
    leaks = list(replay_own_columns(SERIES, _with(column), cut, np.random.default_rng(0)))
    if first is None:
        assert leaks == []
    else:
        assert {leak.column for leak in leaks} == {"x"} and {leak.series for leak in leaks} == {"a_1h", "b_1h"}
        assert leaks[0].time == SERIES[0].close_time_N[first]
