"""Findings of a span: what is tested of whom, in words that its figures bear out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_spans import EDGES, make_scorer, random_bins, random_forecast

from nextbar.metrics import coverage_tests, decomposition, pit_tests
from nextbar.metrics.calibration import pit
from nextbar.metrics.contests import contest as contest_of
from nextbar.metrics.examined import Examined, Finding
from nextbar.metrics.findings import TESTS, findings
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.task import Task
from nextbar.metrics.timeline import per_timestamp
from nextbar.types import Forecast, Outcomes

TASK = Task(output_mode="distribution", target="log_return")
PLAIN = "the plain one"


def span(n: int = 600, wrong: float = 1.0, horizon: int = 1, seed: int = 0) -> tuple[Scorer, dict[str, Forecast]]:
    """Two series whose log returns are drawn from the first forecast's law, times ``wrong``."""
    rng = np.random.default_rng(seed)
    volatility_N = 0.01 * np.exp(np.repeat(rng.normal(size=n // 20), 20) * 0.6)
    step_NH = volatility_N[:, None] * rng.normal(size=(n, horizon)) * wrong
    outcomes = Outcomes(np.arange(n) % 2, ("abc", "xyz"), np.arange(n) // 2, np.full(n, 50.0),
                        50 * np.exp(step_NH.cumsum(axis=1)))  # fmt: skip
    task = replace(TASK, horizon=horizon)
    closes = [50 * np.exp(0.01 * rng.normal(size=300).cumsum()) for _ in range(2)]
    scorer = Scorer(outcomes, fit_reference(outcomes, closes, task), task)
    scale_NH = volatility_N[:, None] * np.sqrt(np.arange(1, horizon + 1))
    zero_NH = np.zeros_like(scale_NH)
    forecasts = {
        "ours": Forecast(zero_NH, scale_NH), PLAIN: scorer.baseline_forecast,
        "vague": Forecast(zero_NH, scale_NH * np.exp(0.5 * rng.normal(size=scale_NH.shape))),
    }  # fmt: skip
    return scorer, forecasts


def examine(scorer: Scorer, forecasts: dict[str, Forecast], range_NH: np.ndarray | None = None) -> dict[str, Finding]:
    return findings(Examined(scorer, forecasts, PLAIN, range_NH))


def test_a_right_law_passes_and_beats_the_benchmark() -> None:
    scorer, forecasts = span()
    result = examine(scorer, forecasts)
    assert list(result) == list(TESTS)
    says = {key: finding["sentence"] for key, finding in result.items()}
    assert says["contest"].startswith("ours is the best of 3 by more than luck; ours")
    assert says["contest"].partition(" (")[0].endswith(f" {PLAIN} by more than luck")
    assert "is nearer to what came" in says["variance"] and "by more than luck" in says["variance"]
    assert says["variance"].endswith("realised variance is that of squared changes.")
    assert says["coverage"].startswith(
        "Outcomes fall outside as often as they should, and not in clusters, as far as 12"
    )
    assert says["pit"].startswith("The law is right, and nothing is left to foretell, as far as 6 tests")
    assert says["parts"].startswith("Telling windows apart takes") and f"({PLAIN}: 0.0 % and" in says["parts"]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_narrow_law_fails_and_says_where() -> None:
    result = examine(*span(wrong=1.5))
    assert result["coverage"]["sentence"].startswith("Outcomes fall outside too often, too seldom, or in clusters, by")
    assert "outside the 90 % interval" in result["coverage"]["sentence"]
    assert result["pit"]["sentence"].startswith("The law is not quite right, or something is left to foretell, by")
    assert all(row["deviation"] > 1.3 for row in result["pit"]["figures"])


def test_figures_are_those_of_the_tests_series_by_series() -> None:
    scorer, forecasts = span()
    result = examine(scorer, forecasts)
    pit_NH = pit(scorer.outcomes, forecasts["ours"], scorer.task)
    for s, name in enumerate(("abc", "xyz")):
        row = scorer.outcomes.series_N == s
        expected = pit_tests.pit_test(pit_NH[row, 0])
        figures = next(r for r in result["pit"]["figures"] if r["series"] == name)
        assert expected is not None and figures["Berkowitz, p"] == expected.berkowitz
        assert (figures["direction, p"], figures["size, p"]) == (expected.direction, expected.size)
        sides = [r for r in result["coverage"]["figures"] if r["series"] == name]
        assert [r["should be, %"] for r in sides] == [5, 5, 10]
        below, above, outside = (r["share, %"] for r in sides)
        assert below == 100 * np.mean(pit_NH[row] < 0.05) and above == 100 * np.mean(pit_NH[row] > 0.95)
        assert outside == pytest.approx(below + above)
        assert forecasts["ours"].scale_NH is not None
        quantile_M = -1.6448536269514722 * forecasts["ours"].scale_NH[row, 0]
        lower = coverage_tests.coverage_test(pit_NH[row, 0] < 0.05, 0.05, quantile_M)
        assert lower is not None and sides[0]["dynamic quantile, p"] == lower.dynamic
        assert sides[0]["Christoffersen, p"] == lower.conditional


def test_the_contest_is_of_the_losses_that_are_examine() -> None:
    scorer, forecasts = span()
    losses = {name: per_timestamp(scorer.outcomes, scorer.score(f).loss_N) for name, f in forecasts.items()}
    expected = contest_of(losses, PLAIN, 1)
    figures = examine(scorer, forecasts)["contest"]["figures"]
    assert not isinstance(expected, str)
    assert [row["forecast"] for row in figures] == [contestant.name for contestant in expected.contestants]
    assert [row["loss"] for row in figures] == [contestant.loss for contestant in expected.contestants]
    ours, plain = losses["ours"], losses[PLAIN]
    test = diebold_mariano(ours, plain, 1)
    assert test is not None and test["p_value"] < 0.05


def test_variances_are_judged_by_ranges_where_there_are_any() -> None:
    scorer, forecasts = span()
    assert forecasts["ours"].scale_NH is not None
    finding = examine(scorer, forecasts, forecasts["ours"].scale_NH ** 2)["variance"]
    assert finding["sentence"].endswith("realised variance is that of ranges and opening gaps.")
    by_name = {row["forecast"]: row for row in finding["figures"]}
    assert by_name["ours"]["p"] is None and by_name[PLAIN]["p"] < 1e-4 and by_name["vague"]["Diebold-Mariano"] > 0
    assert min(row["QLIKE"] for row in finding["figures"]) == by_name["ours"]["QLIKE"]


def test_of_several_steps_every_hth_origin_is_asked() -> None:
    result = examine(*span(1200, horizon=3))
    windows = {row["step"]: row["windows"] for row in result["pit"]["figures"] if row["series"] == "abc"}
    assert windows == {1: 600, 2: 300, 3: 200}
    assert {row["step"]: row["windows"] for row in result["coverage"]["figures"]} == windows


def test_short_series_are_named_as_too_short() -> None:
    result = examine(*span(80))
    assert result["contest"]["sentence"] == "No contest: too few origins to say: 40, and a contest takes 45."
    assert result["coverage"]["sentence"].startswith("Not tested: 6 sequences are too short to be tested: 40 windows")
    assert result["pit"] == {"title": result["pit"]["title"], "figures": [], "sentence": (
        "Not tested: 2 sequences are too short to be tested: 40 windows that share no bar, and it takes 50."
    )}  # fmt: skip


def test_parts_are_those_of_the_decomposition() -> None:
    scorer, forecasts = span()
    parts = decomposition.decompositions(scorer.outcomes, forecasts["ours"], scorer.task)
    rows = [row for row in examine(scorer, forecasts)["parts"]["figures"] if row["forecast"] == "ours"]
    assert {row["score"]: row["value"] for row in rows} == {name: part.score for name, part in parts.items()}


@pytest.mark.parametrize("mode", ["mean", "discrete_grid"])
def test_without_a_law_there_is_the_contest_alone_and_without_a_third_nothing(mode: str) -> None:
    question = {"edges": EDGES} if mode == "discrete_grid" else {}
    scorer = make_scorer(1, output_mode=mode, **question)
    model = random_bins(scorer) if mode == "discrete_grid" else random_forecast(scorer)
    baseline = scorer.baseline_forecast
    third = Forecast(log_probs_NHK=model.log_probs_NHK[::-1]) if model.log_probs_NHK is not None else Forecast(
        location_NH=2 * model.location_NH, scale_NH=model.scale_NH)  # fmt: skip
    if mode == "mean":
        model, third = (Forecast(location_NH=f.location_NH) for f in (model, third))
    assert list(findings(Examined(scorer, {"ours": model, PLAIN: baseline, "third": third}, PLAIN))) == ["contest"]
    assert findings(Examined(scorer, {"ours": model, PLAIN: baseline}, PLAIN)) == {}


def test_a_law_that_is_not_finite_is_not_examine() -> None:
    scorer, forecasts = span()
    assert forecasts["ours"].scale_NH is not None
    forecasts["ours"].scale_NH[5] = np.nan
    result = examine(scorer, forecasts)
    assert list(result) == ["contest"] and result["contest"]["sentence"] == "No contest: a loss of ours is not finite."
