"""``audit`` as a whole: a clean experiment passes, and what is planted is named at its stage."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, make_frame, with_columns

from nextbar import audit
from nextbar.auditing import auditor, retraining
from nextbar.auditing.episodes import Episode, draw_episodes
from nextbar.auditing.result import STAGES
from nextbar.auditing.retraining import retrain
from nextbar.baselines import BASELINES
from nextbar.baselines.point import Persistence
from nextbar.errors import ConfigError, DataError
from nextbar.train import loop
from nextbar.train.cohort import Cohort

BARS = make_bars(n=500, seed=3)


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages that compile nothing."""
    monkeypatch.setattr(auditor, "retrain", lambda *_, **__: [])


@pytest.fixture(scope="module")
def episode() -> Episode:
    return next(draw_episodes(make_config(), [BARS], 1, np.random.default_rng(0)))


def test_a_clean_experiment_passes() -> None:
    found = audit(make_config(), [BARS], cuts=1)
    assert found.clean and set(found.verdicts.values()) == {"clean"} and list(found.verdicts) == list(STAGES)
    assert found.series == ("made_up_1h",) and found.to_dict()["leaks"] == []


class Clairvoyant(Persistence):
    """Says the last close of the frame."""

    name = "clairvoyant"

    def predict(self, frame: Any) -> Any:
        return super().predict(frame).assign(close=frame["close"].iloc[-1])


def test_a_baseline_that_looks_ahead(episode: Episode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASELINES, "mean", (*BASELINES["mean"], Clairvoyant))
    leaks = list(retrain(episode, own_baselines=["clairvoyant"]))
    assert "clairvoyant looks ahead" in next(leak.text for leak in leaks if leak.stage == "prediction")


def test_an_epoch_chosen_on_test(episode: Episode, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_test(*arguments: Any, **options: Any) -> Any:
        figures = honest(*arguments, **options)
        return figures._replace(validation_loss=figures.row["test/loss"])

    honest = loop.figures_of
    monkeypatch.setattr(loop, "figures_of", by_test)
    assert [leak.stage for leak in retrain(episode)] == ["selection"]


def test_parameters_and_forecasts_that_know_later_bars(episode: Episode, monkeypatch: pytest.MonkeyPatch) -> None:
    class Peeking(retraining.Engine):
        """Hands out forecasts that end with the last close on the tape."""

        def evaluate_each(self, params: Any, origin_N: np.ndarray) -> Any:
            (output,) = super().evaluate_each(params, origin_N)
            forecast = output.forecast
            moved = forecast._replace(location_NH=forecast.location_NH + self.dataset.panel.close_R[-1])
            return [output._replace(forecast=moved)]

    monkeypatch.setattr(retraining, "Engine", Peeking)
    assert [leak.stage for leak in retrain(episode)] == ["prediction"]


def test_parameters_that_were_trained_with_later_bars(episode: Episode, monkeypatch: pytest.MonkeyPatch) -> None:
    def peeking(cohort: Cohort) -> None:
        honest(cohort)
        known = 1e-3 * cohort.engine.dataset.panel.close_R[-1]
        cohort.state = cohort.state.replace(params=jax.tree.map(lambda leaf: leaf + known, cohort.state.params))

    honest = retraining.run_epoch
    monkeypatch.setattr(retraining, "run_epoch", peeking)
    leaks = list(retrain(episode))
    assert leaks[0].stage == "training" and "train/loss is" in leaks[0].text


def test_what_is_too_much_to_search_is_told(no_training: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "MOST_COLUMNS", 7)
    monkeypatch.setattr(auditor, "MOST_PAIRS", 1)
    rng = np.random.default_rng(0)
    series = [with_columns(make_bars(t, n=300, seed=i), x=rng.standard_normal(300)) for i, t in enumerate("ab")]
    found = audit(make_config(tickers=["a", "b"], indicators=["x"]), series, cuts=1)
    own = [f"{name} of {t}_1h" for t in "ab" for name in ("open", "high", "low", "volume", "x")]
    assert found.columns == tuple(own[:7])
    assert found.left_out == tuple(f"{one}: its values were not searched" for one in own[7:])
    monkeypatch.setattr(auditor, "MOST_COLUMNS", 100)
    left_out = audit(make_config(tickers=["a", "b"], indicators=["x"]), series, cuts=1).left_out
    assert left_out == ("1 of 2 pairs of an own column and another ticker's bars",)


def test_a_leaking_column_is_named_by_its_values_and_for_certain_by_its_code(no_training: None) -> None:
    config = make_config(indicators=["x"])

    def smooth(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(x=frame["close"].rolling(7, center=True).mean())

    (leak,) = audit(config, smooth(make_frame(BARS)), cuts=1).of("bars")
    assert (leak.verdict, leak.column, leak.series) == ("suspicious", "x", "made_up_1h")
    found = audit(config, make_frame(BARS), cuts=1, columns=smooth)
    assert found.verdicts["bars"] == "moved"
    honest = audit(config, make_frame(BARS), cuts=1, columns=lambda f: f.assign(x=f["close"].rolling(7).mean()))
    assert honest.clean


def test_a_column_that_knows_another_ticker_is_named(no_training: None) -> None:
    other = make_bars("other", n=500, seed=4)
    known = with_columns(BARS, x=np.r_[other.columns["close"][1:], other.columns["close"][-1:]])
    other.columns["x"] = np.random.default_rng(0).standard_normal(500)
    (leak,) = audit(make_config(tickers=["made_up", "other"], indicators=["x"]), [known, other], cuts=1).leaks
    assert "knows later bars: of other_1h" in leak.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cuts": 0}, "cuts: found 0, should be a whole number from 1 to 20"),
        ({"seed": -1}, "seed: found -1"),
        ({"columns": "mine"}, "columns: found 'mine', should be a function"),
        ({"cut": 3}, "no argument 'cut'; did you mean cuts"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        audit(make_config(), [BARS], **arguments)


def test_too_few_bars_are_refused() -> None:
    with pytest.raises(DataError, match="bars"):
        audit(make_config(), [BARS.first(9)])
