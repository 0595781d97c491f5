"""Out of sample means out of sample: bars after a fold, whatever they are, leave its forecasts bit-equal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from backtests import NAMES, instant, make_market, rows_of, run_whole, seconds, whole
from builders import make_bars, with_columns

from nextbar.backtesting import Backtest
from nextbar.bars.bars import Bars
from nextbar.runs.records import NORMALISATION

__all__ = ["whole"]  # a fixture


def changed_from(bars: Bars, moment: int) -> Bars:
    """The same times, and from the moment on another market altogether."""
    late = bars.close_time_N >= moment
    other = make_bars(n=len(bars), seed=99, price=3.0, move=0.1)
    assert late.any() and not late.all()
    return with_columns(bars, **{n: np.where(late, other.columns[n], v) for n, v in bars.columns.items()})


def rows_before(result: Backtest, name: str, moment: int) -> pd.DataFrame:
    rows = rows_of(result, name)
    return rows[seconds(rows["date"]) + 3600 < moment]


@pytest.fixture(scope="module")
def other(whole: Backtest, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    """The same backtest on bars that are others after the first fold."""
    end = instant(whole.folds[0]["test_until"])
    return run_whole(tmp_path_factory.mktemp("other"), [changed_from(b, end) for b in make_market()])


@pytest.mark.parametrize("name", NAMES)
def test_a_fold_knows_nothing_of_what_comes_after_it(whole: Backtest, other: Backtest, name: str) -> None:
    end = instant(whole.folds[0]["test_until"])
    first, second = (rows_before(result, name, end) for result in (whole, other))
    assert len(first) == 2 * whole.folds[0]["windows"] > 0
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert whole.scores[name]["by_fold"][0] == other.scores[name]["by_fold"][0]
    assert whole.scores[name]["by_fold"][1] != other.scores[name]["by_fold"][1]  # there the change is seen


def test_what_the_first_model_has_learnt_is_the_same(whole: Backtest, other: Backtest) -> None:
    a, b = (result.path / result.folds[0]["run"] for result in (whole, other))
    assert a.name == b.name  # the run is named after the bars it was trained on
    assert (a / NORMALISATION).read_bytes() == (b / NORMALISATION).read_bytes()
    assert (a / "metrics.csv").read_bytes() == (b / "metrics.csv").read_bytes()


@pytest.fixture(scope="module")
def midway(whole: Backtest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Backtest, int]:
    """The same backtest on bars that are others from the middle of the first fold on, and that moment."""
    rows = rows_before(whole, "persistence", instant(whole.folds[0]["test_until"]))
    middle = int(np.median(seconds(rows["origin"])))
    return run_whole(tmp_path_factory.mktemp("midway"), [changed_from(b, middle) for b in make_market()]), middle


@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_knows_nothing_of_later_bars(whole: Backtest, midway: tuple[Backtest, int], name: str) -> None:
    result, middle = midway
    first, second = (rows_of(r, name) for r in (whole, result))
    early = seconds(first["origin"]) + 3600 < middle
    said = [column for column in first if column != "actual"]
    assert early.any() and not early.all()
    pd.testing.assert_frame_equal(first.loc[early, said], second.loc[early, said], check_exact=True)
    assert not first.loc[~early, "close"].equals(second.loc[~early, "close"])


@pytest.mark.parametrize("name", NAMES)
def test_a_position_knows_nothing_of_later_bars(whole: Backtest, midway: tuple[Backtest, int], name: str) -> None:
    """One that is decided before the bars change is the same; so is all that was made before the next open."""
    result, middle = midway
    first, second = (r.accounts[r.accounts["model"] == name].reset_index(drop=True) for r in (whole, result))
    early = seconds(first["origin"]) + 3600 < middle
    assert early.any() and not early.all()
    decided = ["ticker", "origin", "entry", "exit", "position"]
    pd.testing.assert_frame_equal(first.loc[early, decided], second.loc[early, decided], check_exact=True)
    made = seconds(first["exit"]) + 3600 < middle
    pd.testing.assert_frame_equal(first[made], second[made], check_exact=True)
    if first["position"].any():
        assert not first.loc[~early, "return"].equals(second.loc[~early, "return"])
