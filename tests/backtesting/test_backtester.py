"""A whole backtest: its forecasts, and its scores against independent ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from backtests import (
    NAMES,
    fold_rows,
    instant,
    make_market,
    rows_of,
    run,
    run_dirs,
    seconds,
    whole,
)
from builders import make_bars, make_frame
from experiments import GRID, compilations
from page_text import Text
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error, mean_squared_error

from nextbar.backtesting import Backtest
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.superiority import beats
from nextbar.runs.records import read_conformal, read_cuts, read_rival
from nextbar.runs.summary import read_summary

__all__ = ["whole"]  # a fixture


def by_ticker(rows: pd.DataFrame, metric: Any) -> float:
    return float(np.mean([metric(part) for _, part in rows.groupby("ticker")]))


def nll(rows: pd.DataFrame) -> np.ndarray:
    """Of the percent log return: the density of the price, times how much the price changes with it."""
    density = norm.logpdf(rows["actual"], rows["close"], rows["scale"])
    return -density - np.log(rows["actual"] / 100)


def censored(backtest: Backtest, name: str) -> np.ndarray:
    """The nll within the 90 % interval of the strongest, else that of the side; mean of each origin."""
    rows, strongest = rows_of(backtest, name), rows_of(backtest, backtest.strongest)
    assert backtest.strongest == "persistence"  # whose law is normal
    low, high = (strongest["close"] + norm.ppf(q) * strongest["scale"] for q in (0.05, 0.95))
    law, actual = norm(rows["close"].to_numpy(), rows["scale"].to_numpy()), rows["actual"].to_numpy()
    loss = np.where(actual <= low, -law.logcdf(low), np.where(actual >= high, -law.logsf(high), nll(rows)))
    return rows.assign(loss=loss).groupby("origin")["loss"].mean().to_numpy()


def test_a_backtest_shows_itself_and_can_be_pickled(whole: Backtest) -> None:
    line, headline = repr(whole).splitlines()
    nll = whole.scores["transformer"]["pooled"]["nll"]
    assert line.startswith(f"Backtest: {whole.path}, 2 folds, ")
    assert headline.startswith(f"  transformer: nll {nll:.5g} beside ") and f"of {whole.strongest}, skill " in headline
    html = Text(whole._repr_html_())
    assert all(name in html.said for name in NAMES) and "svg" in html.tags and html.tags.count("tr") == 1 + len(NAMES)
    history = whole.history
    assert len(history) == 2 * len(NAMES) and set(history["predictor"]) == set(NAMES)
    own = history[history["predictor"] == "transformer"]["nll"]
    np.testing.assert_array_equal(own, [fold["nll"] for fold in whole.scores["transformer"]["by_fold"]])
    np.testing.assert_array_equal(whole.plot().data[0].y, own)
    again = pickle.loads(pickle.dumps(whole))
    assert again.path == whole.path and again.summary == whole.summary and repr(again) == repr(whole)


def test_everybody_forecasts_the_same_windows_once(whole: Backtest) -> None:
    forecasts = whole.forecasts
    assert list(forecasts["model"].unique()) == NAMES == list(whole.scores)
    assert list(forecasts.columns) == [
        "model", "ticker", "cutoff", "origin", "step", "date", "last_close", "actual", "close", "scale", "df",
        "close-lo-50", "close-hi-50", "close-lo-80", "close-hi-80",
    ]  # fmt: skip
    keys = ["ticker", "cutoff", "origin", "step", "date", "last_close", "actual"]
    first = rows_of(whole, "transformer")
    for name in NAMES:
        pd.testing.assert_frame_equal(rows_of(whole, name)[keys], first[keys])
    assert not first.duplicated(["ticker", "origin", "step"]).any()
    assert len(first) == 2 * sum(fold["windows"] for fold in whole.folds)
    assert rows_of(whole, "persistence")["close"].equals(first["last_close"])
    assert first[["close", "scale"]].notna().all(axis=None) and rows_of(whole, "garch_t")["df"].notna().all()
    assert first["df"].isna().all()


def test_actual_and_last_closes_are_those_of_the_bars(whole: Backtest) -> None:
    close = {(b.ticker, t): c for b in make_market() for t, c in zip(b.time_N, b.columns["close"], strict=True)}
    rows = rows_of(whole, "transformer")
    for column, at in (("actual", "date"), ("last_close", "origin")):
        expected = [close[key] for key in zip(rows["ticker"], seconds(rows[at]), strict=True)]
        assert rows[column].tolist() == expected
    assert ((seconds(rows["date"]) - seconds(rows["origin"])) // 3600 == rows["step"]).all()


def test_the_model_knows_nothing_from_the_cutoff_on(whole: Backtest) -> None:
    for k, (path, fold) in enumerate(zip(run_dirs(whole), whole.folds, strict=True)):
        cuts, data = read_cuts(path), read_summary(path)["data"]
        assert cuts.validation_end == instant(fold["cutoff"]) == instant(fold["test_from"]) - 3600
        assert all(instant(series["last"]) + 3600 < instant(fold["cutoff"]) for series in data["series"])
        assert data["windows"]["test"] == 0 and data["windows"]["validation"] > 0
        rows = fold_rows(whole, rows_of(whole, "transformer"), k)
        assert (seconds(rows["cutoff"]) == instant(fold["cutoff"])).all() and len(rows) == 2 * fold["windows"]


def test_the_model_says_what_a_forecaster_of_its_run_says(whole: Backtest) -> None:
    bars = make_frame(*make_market())
    for k, path in enumerate(run_dirs(whole)):
        rows = fold_rows(whole, rows_of(whole, "transformer"), k)
        said = Forecaster.load(path).predict(bars, levels=[0.5, 0.8], last_only=False, law=True, conformal=True)
        both = rows.merge(said, on=["ticker", "origin", "step"], suffixes=("", " said"))
        assert len(both) == len(rows)
        for column in ("close", "scale", "close-lo-50", "close-hi-50", "close-lo-80", "close-hi-80"):
            np.testing.assert_allclose(both[column], both[f"{column} said"], rtol=1e-6)


def test_conformal_intervals_are_those_of_each_fit(whole: Backtest) -> None:
    for k, path in enumerate(run_dirs(whole)):
        _, conformal = read_conformal(path)  # type: ignore[misc]
        rows = fold_rows(whole, rows_of(whole, "transformer"), k)
        for ticker, part in rows.groupby("ticker"):
            factor = conformal.factor(0.8, [str(ticker)])[0][part["step"] - 1]
            np.testing.assert_allclose(part["close-hi-80"] - part["close"], factor * part["scale"], rtol=1e-9)
    effect = whole.calibration["conformal"]["80"]
    rows = rows_of(whole, "transformer")
    inside = rows["actual"].between(rows["close-lo-80"], rows["close-hi-80"])
    assert effect["after"] == pytest.approx(by_ticker(rows.assign(inside=100 * inside), lambda p: p["inside"].mean()))
    law = np.abs(rows["actual"] - rows["close"]) / rows["scale"] <= norm.ppf(0.9)
    assert effect["before"] == pytest.approx(by_ticker(rows.assign(inside=100 * law), lambda p: p["inside"].mean()))
    assert whole.summary["options"]["conformal"] is True


@pytest.mark.parametrize("name", ["transformer", "persistence", "own"])
def test_scores_are_those_of_all_windows_together(whole: Backtest, name: str) -> None:
    scores, rows = whole.scores[name], rows_of(whole, name)
    wanted = {
        "mae": lambda p: mean_absolute_error(p["actual"], p["close"]),
        "mse": lambda p: mean_squared_error(p["actual"], p["close"]),
        "nll": lambda p: nll(p).mean(),
    }
    for metric, of in wanted.items():
        assert scores["pooled"][metric] == pytest.approx(by_ticker(rows, of), rel=1e-9)
        for ticker, part in rows.groupby("ticker"):
            assert scores["by_ticker"][ticker][metric] == pytest.approx(of(part), rel=1e-9)
        for k, found in enumerate(scores["by_fold"]):
            assert found[metric] == pytest.approx(by_ticker(fold_rows(whole, rows, k), of), rel=1e-9)


@pytest.mark.slow
def test_an_ensemble_with_final_fits_is_scored_by_the_mixture_of_its_laws(tmp_path: Path) -> None:
    result = run(tmp_path, None, {"output_mode": "distribution", "seeds": 2, "final_fit": True}, folds=1)
    rows = rows_of(result, "transformer")
    laws = [norm.pdf(rows["actual"], rows[f"close-{m}"], rows[f"scale-{m}"]) for m in (1, 2)]
    losses = rows.assign(nll=-np.log(np.mean(laws, axis=0)) - np.log(rows["actual"] / 100))
    wanted = by_ticker(losses, lambda part: part["nll"].mean())
    assert result.scores["transformer"]["pooled"]["nll"] == pytest.approx(wanted, rel=1e-9)
    (path,) = run_dirs(result)
    assert len(Forecaster.load(path).params) == 2 and (path / "final").is_dir()
    assert result.scores["persistence"]["pooled"]["nll"] != pytest.approx(wanted, rel=1e-3)


def test_scaled_errors_are_in_units_of_the_first_training_span(whole: Backtest) -> None:
    cuts = read_cuts(run_dirs(whole)[0])
    rows = rows_of(whole, "persistence")
    spread = {b.ticker: b.columns["close"][b.close_time_N < cuts.training_end].std() for b in make_market()}
    expected = by_ticker(rows, lambda p: ((p["actual"] - p["close"]) / spread[p["ticker"].iloc[0]]).pow(2).mean())
    assert whole.scores["persistence"]["pooled"]["mse_scaled"] == pytest.approx(expected, rel=1e-9)


def test_the_model_is_tested_against_each_on_the_pooled_losses(whole: Backtest) -> None:
    ours = censored(whole, "transformer")
    for name in ("persistence", "own"):
        node = whole.scores[name]
        assert node["diebold_mariano"] == pytest.approx(diebold_mariano(ours, censored(whole, name), 2), rel=1e-6)
        gain = whole.scores[name]["pooled"]["nll"] - whole.scores["transformer"]["pooled"]["nll"]
        assert node["skill"]["nll"] == pytest.approx(gain)
        assert name in node["verdict"] and node["beaten"] is node["verdict"].startswith(f"Beats {name}")
    assert whole.scores["transformer"]["diebold_mariano"] is None
    assert whole.scores["reversal"]["diebold_mariano"] is None and set(whole.scores["reversal"]["pooled"]) == {
        "acc_dir"
    }


def test_the_overall_verdict_names_whom_the_model_beats(whole: Backtest) -> None:
    verdict = whole.scores["transformer"]["overall"]
    beaten = [name for name, node in whole.scores.items() if node["beaten"]]
    others = [name for name, node in whole.scores.items() if node["beaten"] is False]
    assert {*beaten, *others} == {"persistence", "garch_t", "own"}
    missed, _, rest = verdict.partition(" by more than luck")
    assert all(name in missed for name in others) and all(name in rest for name in beaten)
    lowest = min(["transformer", *others, *beaten], key=lambda name: whole.scores[name]["pooled"]["nll"])
    assert f"Best on nll: {lowest}" in verdict


def test_the_verdict_is_against_the_baseline_that_was_best_on_validation_before_the_first_fold(whole: Backtest) -> None:
    """Of those that take part; nothing that any fold forecasts chose it."""
    scores = read_rival(whole.path / whole.folds[0]["run"])["validation"]
    taking_part = {name: score["ranking_score"] for name, score in scores.items() if name in whole.scores}
    assert set(taking_part) == {"persistence", "garch_t"} and len(scores) > 8
    assert whole.strongest == min(taking_part, key=taking_part.get)
    record = whole.scores["transformer"]["tested"]
    assert list(record["against"]) == [whole.strongest, *({"persistence", "garch_t"} - {whole.strongest}), "start"]
    for name in ("persistence", "garch_t"):
        assert record["against"][name]["test"] == whole.scores[name]["diebold_mariano"]
    assert whole.scores[whole.strongest]["verdict"].split(":")[0] == whole.summary["verdict"].split(":")[0]
    assert whole.scores["transformer"]["verdict"] == whole.summary["verdict"]


@pytest.mark.parametrize(
    ("gain", "statistic", "p_value", "expected"),
    [(0.1, 3.0, 0.001, True), (0.1, 1.0, 0.3, False), (0.1, -3.0, 0.001, False), (-0.1, 3.0, 0.001, False)],
)
def test_to_beat_takes_a_lower_error_and_more_than_luck(
    gain: float, statistic: float, p_value: float, expected: bool
) -> None:
    test = {"statistic": statistic, "p_value": p_value, "df": 8, "n": 100}
    assert beats({"skill": {"mae": gain}, "diebold_mariano": test}, "mae") is expected
    assert not beats({"skill": {"mae": gain}, "diebold_mariano": None}, "mae")


COMBINATIONS: dict[str, dict[str, Any]] = {
    "bins, two resolutions": {
        "output_mode": "discrete_grid", "discrete_grid_levels": GRID, "tickers": ["aaa"], "resolution": ["1h", "2h"],
    },
    "global statistics, indicators, scored but not trained": {
        "norm_mode": "global_meanstd", "indicators": ["ema_3", "rsi"], "tickers": ["aaa"], "test_tickers": ["bbb"],
    },
    "returns, student_t": {
        "features": "returns", "target": "log_return", "output_mode": "distribution", "tail": "student_t",
        "horizon": 3, "norm_mode": "global_meanstd",
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "window"), [*((name, "expanding") for name in COMBINATIONS), ("returns, student_t", "sliding")]
)
def test_every_kind_of_experiment(tmp_path: Path, name: str, window: str) -> None:
    overrides, bars = COMBINATIONS[name], make_market(400)
    if "resolution" in overrides:
        bars = [make_bars("aaa", "1h", 400), make_bars("aaa", "2h", 200, seed=1)]
    result = run(tmp_path, bars, overrides, window=window, baselines=True)
    scored = {"aaa_1h", "aaa_2h"} if "resolution" in overrides else set(overrides.get("test_tickers", ["aaa", "bbb"]))
    for node in result.scores.values():
        assert set(node["by_ticker"]) == scored
        assert all(value is not None for value in node["pooled"].values())
    path = run_dirs(result)[0]
    said = Forecaster.load(path).predict(make_frame(*bars), last_only=False)
    rows = fold_rows(result, rows_of(result, "transformer"), 0)
    keys = [key for key in ("ticker", "resolution", "origin", "step") if key in rows]
    both = rows.merge(said, on=keys, suffixes=("", " said"))
    assert len(both) == len(rows) > 0
    told = [name for name in said if name == "close" or name.startswith("p_")]
    for name in told:
        np.testing.assert_allclose(both[name], both[f"{name} said"], rtol=1e-6)


@pytest.mark.compiled
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere the compiler knows how many steps there are")
def test_what_is_compiled_for_the_first_fold_serves_the_others(tmp_path: Path) -> None:
    """Whose training spans are longer, and on more bars; and the final fits, which have more windows."""
    shape = {"d_model": 12, "n_heads": 3, "num_epochs": 1, "final_fit": True}
    with compilations() as names:
        result = run(tmp_path, make_market(400), shape, folds=3, baselines=False)
    assert len(run_dirs(result)) == 3
    for name in ("train_call", "evaluate_call", "initial_state"):
        assert sum(name in compiled for compiled in names) == 1, (name, names)


def test_those_that_forecast_a_law_are_put_to_a_contest(whole: Backtest) -> None:
    """Losses from the table of forecasts: persistence has the constant spread, a direction is no law."""
    contest, variance = whole.tests["contest"], whole.tests["variance"]
    by_name = {row["forecast"]: row for row in contest["figures"]}
    assert set(by_name) == set(NAMES) - {"reversal"} == {row["forecast"] for row in variance["figures"]}
    for name in ("transformer", "persistence", "own"):
        assert by_name[name]["loss"] == pytest.approx(censored(whole, name).mean(), rel=1e-9)
    assert whole.strongest in {"persistence", "garch_t"}
    assert f"beats {whole.strongest}" in contest["figures"][0] and whole.strongest in variance["sentence"]
    assert variance["sentence"].endswith("ranges and opening gaps.")
    assert {row["forecast"] for row in whole.tests["parts"]["figures"]} == {"transformer", whole.strongest}


def test_the_sentences_of_the_tests_are_shown(whole: Backtest, capsys: pytest.CaptureFixture[str]) -> None:
    whole.show()
    shown = " ".join(capsys.readouterr().err.split())
    assert whole.tests and all(finding["sentence"] in shown for finding in whole.tests.values())
    assert Backtest(whole.path, {name: v for name, v in whole.summary.items() if name != "tests"}).tests == {}
