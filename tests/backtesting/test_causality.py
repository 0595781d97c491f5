"""The look for a look-ahead: rare peeks, and how far two forecasts are apart; a whole backtest is in
``test_participants``."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from builders import make_bars

from nextbar.backtesting.causality import _gap, require_causal
from nextbar.backtesting.folds import Fold
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Participant
from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.data.splits import Cuts
from nextbar.errors import DataError
from nextbar.forecasts import Keys
from nextbar.forecasts.mixture import mixture
from nextbar.metrics.task import Task
from nextbar.types import Forecast

ONE = np.ones((1, 1))
KEYS = Keys(np.array(["a"]), None, np.array([0]), np.array([[3600]]), np.array([100.0]))
LAW = Forecast(0.1 * ONE, ONE, 5 * ONE, -0.2 * ONE)


def gap(first: Forecast, second: Forecast) -> float:
    return float(_gap(first, second, KEYS, Task(output_mode="distribution"), direction_only=False)[0, 0])


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("scale_NH", 1.25, 0.2), ("df_NH", 4.0, 0.2), ("skew_NH", 0.0, 0.2), ("skew_NH", -0.2, 0.0)],
)
def test_every_number_of_a_law_counts_by_its_size(field: str, value: float, expected: float) -> None:
    """A skewness by the width of the upper half, 0.8 and 1, for it may be zero itself."""
    other = LAW._replace(**{field: value * ONE})
    assert gap(LAW, other) == pytest.approx(expected)
    assert gap(mixture([LAW, LAW]), mixture([LAW, other])) >= expected - 1e-9


@pytest.mark.parametrize("field", ["df_NH", "skew_NH"])
def test_a_law_of_another_family_is_another_law(field: str) -> None:
    other = LAW._replace(**{field: None})
    assert gap(LAW, other) == np.inf
    assert gap(mixture([LAW, LAW]), mixture([other, other])) == np.inf


class Rare:
    """Forecasts the last close, and knows more at random origins: it moves some way to the close ``bars`` ahead."""

    name = "rare"

    def __init__(self, seed: int, share: float, bars: int, towards: float) -> None:
        self.seed, self.share, self.bars, self.towards = seed, share, bars, towards

    def fit(self, frame: pd.DataFrame) -> None: ...

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        close = frame["close"].to_numpy()
        later = np.r_[close, np.repeat(np.nan, self.bars)][self.bars :]
        peeks = np.random.default_rng(self.seed).random(5000)[: len(close)] < self.share
        known = np.where(peeks & np.isfinite(later), close + self.towards * (later - close), close)
        return pd.DataFrame({"ticker": frame["ticker"], "origin": frame["date"], "step": 1, "close": known})


def caught(predictor: Rare, folds: int = 2) -> bool:
    """Whether any fold of a backtest of 700 origins tells that it looks ahead."""
    made = make_bars(n=1500)
    bars = Bars("aaa", "1h", made.time_N, {"close": made.columns["close"]})
    panel = BacktestPanel((bars,), 1, Naming(implied="1h"))
    participant, task = Participant(predictor, "own"), Task(output_mode="mean")
    edges = np.linspace(800, 1500, folds + 1).astype(int)
    for number, (first, last) in enumerate(pairwise(edges), start=1):
        time_N = bars.close_time_N
        start, end = int(time_N[first]), int(time_N[last - 1]) + 1
        fold = Fold(number, int(time_N[0]), start, end, number, Cuts(start, start))
        row_N = np.arange(first, last - 1)
        forecast = participant.ask(panel.frame(fold.begin, end), panel.keys(row_N), task, fold)
        try:
            require_causal(participant, panel, fold, row_N, forecast, task, folds)
        except DataError as error:
            assert "looks ahead" in str(error)
            return True
    return False


def times_caught(runs: int, share: float, draw: int = 0) -> int:
    """Number of runs in which a predictor is caught that peeks in a share of its origins, one to three bars ahead."""
    rng = np.random.default_rng(draw)
    return sum(
        caught(Rare(seed, share, int(rng.integers(1, 4)), float(rng.choice([-0.1, 0.02, 0.5, 1.0]))))
        for seed in range(runs)
    )


def test_a_predictor_that_peeks_in_two_percent_of_its_origins_is_caught() -> None:
    assert times_caught(8, 0.02) == 8


@pytest.mark.slow
def test_of_200_that_peek_in_two_percent_of_their_origins_198_are_caught() -> None:
    assert times_caught(200, 0.02, draw=1) >= 198


def test_a_predictor_that_never_peeks_passes_every_look() -> None:
    assert not caught(Rare(0, 0.0, 1, 1.0))


def test_a_peek_that_makes_the_best_forecasts_is_caught_however_rare_it_is() -> None:
    """A bar known in 3 of 1,000 origins."""
    assert all(caught(Rare(seed, 0.003, 1, 1.0)) for seed in range(3))
