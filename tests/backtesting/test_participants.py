"""Predictors of one's own in a backtest: what they are given, and every way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from backtests import Own, instant, make_market, rows_of, run, seconds, untrained
from builders import make_bars
from rivals_of import FakeRival, instants, keys_between, panel
from scipy import stats

from nextbar.backtesting.participants import Participant, participants
from nextbar.backtesting.result import Backtest
from nextbar.bars.bars import Bars
from nextbar.errors import ConfigError, DataError, NextbarError, RunError
from nextbar.forecasts.table import quantile_column
from nextbar.metrics.task import Task
from nextbar.rivals.base import Ahead
from nextbar.rivals.names import LIBRARIES
from nextbar.rivals.scaled_series import ScaledSeries

__all__ = ["untrained"]

pytestmark = pytest.mark.usefixtures("untrained")


class Peeking(Own):
    """Knows the next close; of the last bar it says what it can."""

    def level(self, closes: pd.Series) -> pd.Series:
        return closes.shift(-1).fillna(closes)


class Centred(Own):
    """Takes a little off towards the mean of all closes it was ever shown: a statistic that nobody had."""

    def level(self, closes: pd.Series) -> pd.Series:
        return closes + 1e-3 * (closes.mean() - closes)


class Interpolating(Own):
    """Has no forecast but where the next bar is there."""

    def level(self, closes: pd.Series) -> pd.Series:
        return closes.where(closes.shift(-1).notna())


class Vane(Own):
    """Says nothing but where the price goes."""

    direction_only = True

    def __init__(self, sign: float = 1.0, name: str = "vane") -> None:
        super().__init__(name)
        self.sign = sign

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        close = frame["close"] * (1 + self.sign * 1e-9)
        return pd.DataFrame({"ticker": frame["ticker"], "origin": frame["date"], "step": 1, "close": close})


class PeekingVane(Vane):
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        moves = frame.groupby("ticker")["close"].diff().shift(-1).fillna(0)
        return super().predict(frame).assign(close=frame["close"] * (1 + 1e-9 * np.sign(moves)))


class Returning(Own):
    """Hands in whatever ``change`` makes of a right answer."""

    def __init__(self, change: Any) -> None:
        super().__init__("odd")
        self.change = change

    def predict(self, frame: pd.DataFrame) -> Any:
        return self.change(super().predict(frame))


class Failing(Own):
    def __init__(self, method: str, error: Exception) -> None:
        super().__init__("failing")
        self.method, self.error = method, error

    def fit(self, frame: pd.DataFrame) -> None:
        if self.method == "fit":
            raise self.error
        super().fit(frame)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise self.error


def refused(tmp_path: Path, error: type[NextbarError], **options: Any) -> str:
    with pytest.raises(error) as caught:
        run(tmp_path, **options)
    return str(caught.value)


def test_a_predictor_learns_from_the_bars_known_at_the_cutoff(tmp_path: Path) -> None:
    own = Own()
    result = run(tmp_path, embargo=3, predictors=[own])
    assert len(own.seen) == len(result.folds) == 2
    for frame, fold in zip(own.seen, result.folds, strict=True):
        assert list(frame.columns) == ["ticker", "date", "open", "high", "low", "close", "volume"]
        for bars in make_market():
            part = frame[frame["ticker"] == bars.ticker]
            known = bars.close_time_N < instant(fold["cutoff"])
            np.testing.assert_array_equal(seconds(part["date"]), bars.time_N[known])
            for name, values in bars.columns.items():
                np.testing.assert_array_equal(part[name], values[known])


def test_a_predictor_is_shown_the_bars_to_the_end_of_the_fold_and_no_further(tmp_path: Path) -> None:
    last: list[int] = []

    class Watching(Own):
        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            last.append(seconds(frame["date"]).max() + 3600)
            assert seconds(frame["date"]).min() == make_market()[0].time_N[0]
            return super().predict(frame)

    folds = run(tmp_path, predictors=[Watching()]).folds
    looks = len(last) // 2
    for fold, closes in zip(folds, (last[:looks], last[looks:]), strict=True):
        assert closes[0] == instant(fold["test_until"]) - 3600
        looks_ahead = closes[1:]
        origins_from = instant(fold["test_from"]) - 3600
        assert all(origins_from <= close < closes[0] for close in looks_ahead)


def test_what_a_predictor_does_to_its_frame_is_its_own_affair(tmp_path: Path) -> None:
    class Careless(Own):
        def fit(self, frame: pd.DataFrame) -> None:
            super().fit(frame.copy())
            frame["close"] = 1.0

        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            answer = super().predict(frame)
            frame["close"] = 1.0
            return answer

    result = run(tmp_path, predictors=[Careless("careless"), Own("own")], baselines=False)
    assert result.scores["careless"]["pooled"] == result.scores["own"]["pooled"]


def test_several_resolutions_and_frames_of_another_library(tmp_path: Path) -> None:
    class Polar(Own):
        def predict(self, frame: pd.DataFrame) -> Any:
            return pl.from_pandas(super().predict(frame))

    bars = [make_bars("aaa", "1h", 240), make_bars("aaa", "2h", 120, seed=1)]
    fields = {"tickers": ["aaa"], "resolution": ["1h", "2h"]}
    result = run(tmp_path, bars, fields, predictors=[Polar("polar"), Own("own")])
    assert set(result.scores["polar"]["by_ticker"]) == {"aaa_1h", "aaa_2h"}
    own, polar = (result.scores[name] for name in ("own", "polar"))
    assert polar == own | {key: polar[key] for key in ("verdict", "tested")}
    assert list(result.forecasts.columns[:3]) == ["model", "ticker", "resolution"]
    assert set(result.forecasts["resolution"]) == {"1h", "2h"}


@pytest.mark.parametrize("peeking", [Peeking("x"), Centred("x"), Interpolating("x"), PeekingVane(name="x")])
def test_a_predictor_that_looks_ahead_is_found_out(tmp_path: Path, peeking: Own) -> None:
    message = refused(tmp_path, DataError, predictors=[peeking])
    assert message.startswith("x looks ahead: ") and "origin 2020-" in message


def test_the_message_names_the_row_and_both_values(tmp_path: Path) -> None:
    message = refused(tmp_path, DataError, predictors=[Peeking("x")])
    for word in ("step 1", "of aaa", "with all bars of the fold", "without the later ones", "bars up to its origin"):
        assert word in message


def test_rounding_is_no_look_ahead(tmp_path: Path) -> None:
    class Float32(Own):
        def level(self, closes: pd.Series) -> pd.Series:
            noise = 1e-7 * np.sin(len(closes))
            return super().level(closes).astype("float32") * (1 + noise)

    assert "own" in run(tmp_path, predictors=[Float32()]).scores


def test_a_direction_is_scored_by_nothing_else_and_needs_no_law(tmp_path: Path) -> None:
    fields = {"output_mode": "distribution"}
    result = run(tmp_path, overrides=fields, predictors=[Vane(1.0, "up"), Vane(-1.0, "down")])
    up, down = result.scores["up"], result.scores["down"]
    assert set(up["pooled"]) == {"acc_dir"} == set(up["by_fold"][0]) == set(up["by_ticker"]["aaa"])
    rows = rows_of(result, "up")
    moves = np.sign(rows["actual"] - rows["last_close"])
    shares = [100 * (moves[rows["ticker"] == t] > 0).mean() for t in ("aaa", "bbb")]
    assert up["pooled"]["acc_dir"] == pytest.approx(np.mean(shares))
    assert down["pooled"]["acc_dir"] == pytest.approx(100 - np.mean(shares))
    ours = result.scores["transformer"]["pooled"]["acc_dir"]
    assert up["skill"] == {"acc_dir": pytest.approx(ours - np.mean(shares))}
    assert up["diebold_mariano"] is None and up["verdict"].startswith(f"Right about {ours:.1f} % of the moves, up")


WRONG: dict[str, tuple[Any, str]] = {
    "no frame": (lambda table: None, "a data frame is needed, but a NoneType came"),
    "no step": (lambda table: table.drop(columns="step"), "no column step"),
    "rows missing": (lambda table: table.iloc[:-30], "rows that are needed are not there, first ticker bbb"),
    "rows twice": (lambda table: pd.concat([table, table]), "is there more than once"),
    "not a number": (lambda table: table.assign(close=np.nan), "close is nan for aaa"),
    "origins as numbers": (lambda table: table.assign(origin=1.0), "origin"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_table_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    message = refused(tmp_path, DataError, predictors=[Returning(change)])
    assert message.startswith("odd, fold 1 (") and words in message


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_a_predictor_that_raises_is_named_with_its_error(tmp_path: Path, method: str) -> None:
    error = ZeroDivisionError("by nought")
    with pytest.raises(
        RunError, match=rf"failing\.{method} failed in fold 1 .* with ZeroDivisionError: by nought"
    ) as caught:
        run(tmp_path, predictors=[Failing(method, error)])
    assert caught.value.__cause__ is error


class NoFit:
    def predict(self, frame: pd.DataFrame) -> None: ...


@pytest.mark.parametrize(
    ("predictors", "words"),
    [
        ([NoFit()], "number 1 (NoFit) has no fit"),
        ([Own(), object()], "number 2 (object) has no fit and no predict"),
        ([Own], "number 1 (Own) is a class, make an object of it"),
        ([Own(), Own()], "two are called 'own'"),
        ([Own("transformer")], "two are called 'transformer'"),
        ([Own("persistence")], "two are called 'persistence'"),
        (Own(), "should be a list"),
        ("own", "should be a list"),
    ],
)
def test_what_is_no_predictor_is_refused_before_anything_is_written(
    tmp_path: Path, predictors: Any, words: str
) -> None:
    assert words in refused(tmp_path, ConfigError, predictors=predictors)
    assert not list(tmp_path.iterdir())


def test_a_predictor_without_a_name_has_that_of_its_class(tmp_path: Path) -> None:
    class Nameless(Own):
        def __init__(self) -> None:
            super().__init__("")

    assert "Nameless" in run(tmp_path, predictors=[Nameless()]).scores


def test_baselines_are_chosen_by_name(tmp_path: Path) -> None:
    assert list(run(tmp_path, baselines=["drift", "persistence"]).scores) == ["transformer", "drift", "persistence"]
    assert list(run(tmp_path, baselines=False).scores) == ["transformer"]
    assert "no sunspots for output_mode 'mean'" in refused(tmp_path, ConfigError, baselines=["sunspots"])


def test_a_failure_is_written_down_and_can_be_mended(tmp_path: Path) -> None:
    refused(tmp_path, DataError, predictors=[Peeking("mine")])
    (folder,) = tmp_path.glob("test/backtest-*")
    with pytest.raises(RunError, match=r"is not finished \(status failed\)"):
        Backtest.load(folder)
    mended = run(tmp_path, predictors=[Own("mine")])
    assert mended.path == folder and mended.summary["status"] == "finished" and mended.summary["message"] == ""


def test_baselines_of_ranges_take_part_where_there_are_ranges(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All that apply are asked for: those that do not are left out in words. By its name one is insisted on."""
    bare = [Bars(b.ticker, b.resolution, b.time_N, {"close": b.columns["close"]}) for b in make_market(320)]
    overrides = {"features": "close", "output_mode": "distribution"}
    found = run(tmp_path / "bare", bare, overrides, baselines=True)
    assert {"garch_t", "gjr_garch_t"} < found.scores.keys() and not {"range_har_t", "range_har_normal"} & set(
        found.scores
    )
    assert "left out: range_har_t cannot fit in fold 1" in caplog.text
    assert "it needs open, high and low, which aaa does not have" in caplog.text
    with pytest.raises(RunError, match=r"range_har_t cannot fit in fold 1.*it needs open, high and low"):
        run(tmp_path / "named", bare, overrides, baselines=["range_har_t"])
    whole = run(tmp_path / "whole", make_market(320), {"output_mode": "distribution"}, baselines=["range_har_t"])
    assert whole.scores["range_har_t"]["pooled"]["nll"] < 10


class Deciles(Own):
    """Quantiles about the mean of the last closes, as of a normal law."""

    shares = (0.1, 0.25, 0.5, 0.75, 0.9)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        table = super().predict(frame)
        for share in self.shares:
            table[quantile_column(share)] = table["close"] + self.scale * float(stats.norm.ppf(share))
        return table.drop(columns="scale")


class ClosesAlone(Own):
    closes_only = True

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return super().predict(frame).drop(columns="scale")


LAW = {"output_mode": "distribution", "target": "close"}


def test_quantiles_are_scored_by_the_quantile_score_and_the_model_by_the_same(tmp_path: Path) -> None:
    result = run(tmp_path, overrides=LAW, predictors=[Deciles("deciles")])
    node, model = result.scores["deciles"], result.scores["transformer"]
    assert node["leading"] == "crps" and node["shares"] == list(Deciles.shares)
    assert {"crps", "mae", "coverage_50", "coverage_80"} <= node["pooled"].keys() and "nll" not in node["pooled"]
    rows = rows_of(result, "deciles")
    losses = []
    for _, own in rows.groupby("ticker"):
        slope = 100 / own["actual"]
        gaps = {share: own["actual"] - own[quantile_column(share)] for share in Deciles.shares}
        widths = [0.125, 0.2, 0.25, 0.2, 0.125]
        pinball = [np.maximum(share * gap, (share - 1) * gap) for share, gap in gaps.items()]
        losses.append(float((2 * slope * sum(w * p for w, p in zip(widths, pinball, strict=True))).mean()))
    assert node["pooled"]["crps"] == pytest.approx(np.mean(losses))
    # the model, whose law is the same but for its mean's three bars, is held against it by its own quantiles
    assert node["skill"]["crps"] == pytest.approx(0.0, abs=1e-9) and node["verdict"].startswith("Does not beat deciles")
    assert model["pooled"]["crps"] != pytest.approx(node["pooled"]["crps"], rel=1e-3)
    assert "scale" in result.forecasts and rows["scale"].isna().all() and rows["close-q-25"].notna().all()
    assert "deciles" in model["overall"] and "on crps" in model["overall"]
    assert not any("deciles" in finding["sentence"] for finding in result.tests.values())


def test_closes_alone_are_scored_by_their_errors(tmp_path: Path) -> None:
    result = run(tmp_path, overrides=LAW, predictors=[ClosesAlone("closes")])
    node = result.scores["closes"]
    assert node["leading"] == "mae" and "crps" not in node["pooled"]
    rows = rows_of(result, "closes")
    errors = (rows["close"] - rows["actual"]).abs().groupby(rows["ticker"]).mean()
    assert node["pooled"]["mae"] == pytest.approx(errors.mean()) and node["skill"]["mae"] == pytest.approx(0.0)
    assert node["verdict"].startswith("Does not beat closes: it forecasts the same")


def test_quantiles_that_look_ahead_or_descend_are_refused(tmp_path: Path) -> None:
    class PeekingDeciles(Deciles):
        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            table = super().predict(frame)
            table["close-q-90"] += 1e-3 * frame["close"].iloc[-1]
            return table

    class Falling(Deciles):
        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            return super().predict(frame).assign(**{"close-q-10": 1e6})

    assert refused(tmp_path / "a", DataError, overrides=LAW, predictors=[PeekingDeciles("x")]).startswith(
        "x looks ahead"
    )
    message = refused(tmp_path / "b", DataError, overrides=LAW, predictors=[Falling("x")])
    assert "a quantile lies below one of a smaller share" in message
    none = Deciles("x")
    none.predict = ClosesAlone("x").predict  # type: ignore[method-assign]
    none.fit = lambda frame: None  # type: ignore[assignment,method-assign]
    with pytest.raises(RunError, match="has no attribute 'scale'"):
        run(tmp_path / "c", overrides=LAW, predictors=[none])


def test_a_predictor_that_wants_the_question_gets_it_before_anything_is_trained(tmp_path: Path) -> None:
    asked = []

    class Asking(Own):
        def for_task(self, task: Task) -> Own:
            asked.append(task)
            return Own("another")

    result = run(tmp_path, overrides=LAW | {"horizon": 1}, predictors=[Asking()])
    assert "another" in result.scores and asked == [Task(output_mode="distribution", horizon=1, target="close")]


def test_rivals_of_other_libraries_take_part_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FakeRival] = []

    def called(model: str, parameters: dict[str, Any]) -> FakeRival:
        made.append(FakeRival())
        return made[-1]

    monkeypatch.setitem(LIBRARIES, "fake", called)
    result = run(tmp_path, overrides=LAW, rivals=["fake:Mean"])
    assert result.scores["fake:Mean"]["leading"] == "crps" and result.summary["options"]["rivals"] == ["fake:Mean"]
    assert result.seconds["fake:Mean"].keys() == {"fit", "predict"}
    (rival,) = made
    scored = [fold["windows"] for fold in result.folds]
    looks = sum(rival.asked)  # only origins that are scored are asked for, and early ones again, for the look-ahead
    assert sum(scored) < looks < 2.7 * sum(scored)
    again = run(tmp_path, overrides=LAW, rivals=["fake:Mean"])
    assert again.scores == result.scores and not made[-1].asked  # reported, not done anew
    for message in (refused(tmp_path, ConfigError, rivals="fake:Mean"), refused(tmp_path, ConfigError, rivals=[1])):
        assert "should be a list of names, such as [statsforecast:AutoETS, chronos:FOLDER]" in message


def test_a_rival_that_looks_ahead_is_found_out(tmp_path: Path) -> None:
    class PeekingRival(FakeRival):
        def _ahead(self, series: ScaledSeries, row_M: np.ndarray, horizon: int) -> Ahead:
            ahead = super()._ahead(series, row_M, horizon)
            return ahead._replace(location_NH=ahead.location_NH + 1e-3 * series.value_N[-1])

    message = refused(tmp_path, DataError, overrides=LAW, predictors=[PeekingRival()])
    assert message.startswith("fake:Mean looks ahead")


def test_quantiles_are_asked_for_their_direction_where_bins_are_forecast() -> None:
    task = Task(output_mode="discrete_grid", target="close", edges=(-np.inf, 0.0, np.inf))
    whole = panel(1)
    cutoff, end = instants(whole)
    member = Participant(FakeRival().for_task(task), "own")
    member.fit(whole.frame(0, cutoff), "here")
    forecast = member.ask(whole.frame(0, end), keys_between(whole, cutoff, end), task, "here")
    assert forecast.location_NH is not None and forecast.quantiles_NHQ is None and member.direction_only
    assert member.question(forecast, task).output_mode == "mean"


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.5, 2.0), "own.shares: 2.0 is no share"),
        (object(), "own.shares: found "),
        (("x",), "own.shares: 'x' is no share"),
    ],
)
def test_shares_that_are_none_are_told_before_anything_is_trained(shares: Any, told: str) -> None:
    own = Own()
    own.shares = shares  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=f"predictors: {told}"):
        participants(Task(output_mode="distribution"), False, [own], "transformer")


def test_shares_are_numbers_in_order() -> None:
    own = Own()
    own.shares = np.array([0.75, 0.25], np.float32)  # type: ignore[attr-defined]
    assert Participant(own, "own").shares == (0.25, 0.75)
    assert all(type(share) is float for share in Participant(own, "own").shares)
