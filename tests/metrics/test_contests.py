"""Contests against arch's, on the resamples of its bootstrap, and how often they cry wolf."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from arch.bootstrap import MCS, SPA, StationaryBootstrap, StepM
from scipy.signal import lfilter

from nextbar.metrics.contests import (
    Contest,
    confidence_set,
    contest,
    drawn_p,
    first_alike,
    least_origins,
    recentred,
    step_m,
    superior_ability,
)
from nextbar.metrics.null_draws import NullDraws
from nextbar.metrics.significance import cosine_averages, diebold_mariano

REPS = 500


def losses(n: int = 400, seed: int = 0, skills: tuple[float, ...] = (0, 0, 0.05, 0.3, -0.4)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.exponential(size=(n, 1))
    return 2 + common - np.array(skills) + 0.8 * rng.normal(size=(n, len(skills)))


def bootstrapped(loss_TK: np.ndarray, block: int) -> np.ndarray:
    bootstrap = StationaryBootstrap(block, loss_TK, seed=3)
    return np.array([args[0].mean(axis=0) for args, _ in bootstrap.bootstrap(REPS)])


def counted(p_value: float) -> float:
    """A share of the resamples, the sample itself counted among them."""
    return (1 + round(p_value * REPS)) / (1 + REPS)


@pytest.mark.parametrize("seed", range(4))
def test_the_confidence_set_is_archs_on_the_same_resamples(seed: int) -> None:
    loss_TK = losses(seed=seed)
    reference = MCS(loss_TK, 0.05, reps=REPS, block_size=5, method="R", seed=3)
    reference.compute()
    mean_K, mean_RK = loss_TK.mean(axis=0), bootstrapped(loss_TK, 5)
    gap_KK = mean_K[:, None] - mean_K
    gap_RKK = mean_RK[:, :, None] - mean_RK[:, None] - gap_KK
    error_KK = np.sqrt((gap_RKK**2).mean(axis=0) + np.eye(5))
    p_value_K = confidence_set(gap_KK / error_KK, gap_RKK / error_KK)
    expected = reference.pvalues["Pvalue"].sort_index().to_numpy()
    assert p_value_K.tolist() == pytest.approx([1.0 if p == 1 else counted(p) for p in expected])


def test_a_p_value_of_the_confidence_set_is_no_less_than_those_before_it() -> None:
    """The first to go is drawn widely, so it may be luck; what is left after it varies little, but cannot be surer."""
    t_KK = np.array([[0, 1.0, 2.0], [-1.0, 0, 1.9], [-2.0, -1.9, 0]])
    wide_R, narrow_R = np.linspace(-4, 4, 99), np.linspace(-1, 1, 99)
    t_RKK = np.zeros((99, 3, 3))
    t_RKK[:, 0, 2], t_RKK[:, 2, 0] = wide_R, -wide_R
    t_RKK[:, 1, 2], t_RKK[:, 2, 1] = narrow_R, -narrow_R
    first = drawn_p(np.abs(wide_R), 2.0)
    assert confidence_set(t_KK, t_RKK).tolist() == [first, first, 1.0] and first == pytest.approx(0.5, abs=0.02)


def test_step_m_judges_the_rest_anew() -> None:
    """One that varies widely hides another until it is out."""
    rng = np.random.default_rng(0)
    t_RK = rng.normal(size=(4000, 3)) * [3.0, 1.0, 1.0]
    assert step_m(np.array([10.0, 2.5, 0.0]), t_RK, 500).tolist() == [True, True, False]
    assert step_m(np.array([3.0, 2.5, 0.0]), t_RK, 500).tolist() == [False] * 3
    assert step_m(np.array([10.0, 9.0, 8.0]), t_RK, 500).all()


@pytest.mark.parametrize("seed", range(4))
def test_superior_ability_and_step_m_are_archs_on_the_same_resamples(seed: int) -> None:
    """arch divides nothing by standard errors, so it is given gains that are divided already."""
    loss_TK = losses(seed=seed, skills=(0, 0, 0.05, 0.09, -0.4))
    gain_TK = loss_TK[:, :1] - loss_TK[:, 1:]
    error_K = bootstrapped(gain_TK, 5).std(axis=0) * np.sqrt(400)
    gain_TK = gain_TK / error_K
    options = {"block_size": 5, "reps": REPS, "nested": True, "seed": 3}
    reference = SPA(np.zeros(400), -gain_TK, **options)
    reference.compute()
    stepwise = StepM(np.zeros(400), -gain_TK, size=0.05, **options)
    stepwise.compute()
    t_K = gain_TK.mean(axis=0) * np.sqrt(400)
    t_RK = bootstrapped(gain_TK, 5) * np.sqrt(400) - t_K
    assert superior_ability(t_K, t_RK, 400) == pytest.approx(counted(reference.pvalues["consistent"]))
    assert np.flatnonzero(step_m(t_K, t_RK, 400)).tolist() == stepwise.superior_models
    assert recentred(t_K, t_RK, 400)[:, t_K < -2].max() < t_RK.max(), "the hopeless one is not drawn to zero"


def run(loss_TK: np.ndarray, horizon: int = 1, benchmark: str = "0") -> Contest | str:
    return contest({str(k): loss_TK[:, k] for k in range(loss_TK.shape[1])}, benchmark, horizon)


def test_of_many_independent_origins_it_says_what_archs_bootstrap_says() -> None:
    """Both laws of luck are then the normal one; the p-values agree to the draws."""
    loss_TK = losses(4000, seed=5, skills=(0, 0.0, 0.01, 0.02, -0.4))
    result = run(loss_TK)
    assert isinstance(result, Contest)
    reference = MCS(loss_TK, 0.05, reps=2000, block_size=1, method="R", seed=1)
    reference.compute()
    expected = reference.pvalues["Pvalue"]
    for contestant in result.contestants:
        assert contestant.confidence == pytest.approx(expected[int(contestant.name)], abs=0.06)
    assert sorted(map(int, result.best)) == reference.included


def test_it_finds_the_best_and_those_that_beat_the_benchmark() -> None:
    result = run(losses(1000, skills=(0, 0.0, 0.5, 1.0, -1.0)))
    assert isinstance(result, Contest)
    assert result.best == ["3"] and result.superior == ["3", "2"]
    assert result.p_value == pytest.approx(1e-4, rel=1e-3), "none of 10,000 draws is greater"
    assert [contestant.loss for contestant in result.contestants] == sorted(c.loss for c in result.contestants)
    assert (result.origins, result.averages) == (1000, cosine_averages(1000, 1))
    worst = run(losses(1000, skills=(0, 0.0, 0.5, 1.0, -1.0)), benchmark="3")
    assert isinstance(worst, Contest) and worst.superior == [] and worst.p_value > 0.4


def test_with_one_rival_left_it_is_one_sided_diebold_mariano() -> None:
    """Two of three are hopeless, and only the last counts."""
    loss_TK = losses(300, seed=8, skills=(0, 0.08, -9, -9))
    result = run(loss_TK)
    test = diebold_mariano(loss_TK[:, 1], loss_TK[:, 0], 1)
    assert isinstance(result, Contest) and test is not None and test["statistic"] > 0
    assert result.p_value == pytest.approx(test["p_value"] / 2, abs=0.015)


def test_the_same_forecast_twice_is_one_contestant() -> None:
    loss_TK = losses(300, skills=(0, 0.0, 0.5, 1.0, -1.0))
    alone, twice = run(loss_TK), run(loss_TK[:, [0, 1, 2, 3, 4, 3, 0]])
    assert isinstance(alone, Contest) and isinstance(twice, Contest)
    assert twice.p_value == alone.p_value and twice.best == ["3", "5"]
    assert first_alike(loss_TK[:, [2, 2, 1]].astype(np.float32)).tolist() == [0, 0, 2]


@pytest.mark.parametrize(("horizon", "least"), [(1, 45), (3, 45), (6, 90), (24, 360)])
def test_too_few_origins_are_not_judged(horizon: int, least: int) -> None:
    assert least_origins(horizon) == least
    assert cosine_averages(least, horizon) == 5 > cosine_averages(least - 1, horizon)
    assert isinstance(run(losses(least), horizon), Contest)
    assert run(losses(least - 1), horizon) == f"too few origins to say: {least - 1}, and a contest takes {least}"


def test_no_contest_of_two_or_of_losses_that_are_not_finite() -> None:
    loss_TK = losses(100)
    assert run(loss_TK[:, [0, 1, 0]]) == "there are 2 different forecasts, and a contest takes 3"
    loss_TK[3, 2] = np.inf
    assert run(loss_TK) == "a loss of 2 is not finite"


def test_a_share_of_draws_counts_what_was_observed() -> None:
    assert drawn_p(np.array([1.0, 2.0, 3.0]), 2.0) == 0.5
    assert drawn_p(np.zeros(9), 1.0) == 0.1


def equal_squares(rng: np.random.Generator, n: int, horizon: int, k: int) -> np.ndarray:
    """Squared errors of forecasts over H bars that are equally good, and overlap."""
    path = np.cumsum(rng.standard_normal((n + horizon, k)), axis=0)
    return (path[horizon:] - path[:-horizon]) ** 2 / horizon


def equal_scores(rng: np.random.Generator, n: int, horizon: int, k: int) -> np.ndarray:
    """Log scores of spreads that follow volatility with noise of their own, as autocorrelated as they."""

    def autoregressive(memory: float, size: tuple[int, ...]) -> np.ndarray:
        shock = rng.standard_normal((n + horizon + 200, *size)) * np.sqrt(1 - memory**2)
        return lfilter([1.0], [1.0, -memory], shock, axis=0)[200:]

    volatility, noise = 0.39 * autoregressive(0.95, (1,)), 0.3 * autoregressive(0.9, (k,))
    square = rng.standard_normal((n + horizon, 1)) ** 2
    path = np.cumsum(volatility + noise + 0.5 * square * np.exp(-2 * noise), axis=0)
    return (path[horizon:] - path[:-horizon]) / horizon


@pytest.mark.slow
@pytest.mark.parametrize("process", [equal_squares, equal_scores])
@pytest.mark.parametrize(("n", "horizon"), [(45, 1), (300, 1), (90, 6), (360, 24), (1000, 6)])
def test_equal_forecasts_are_told_apart_about_five_times_in_a_hundred(
    process: Callable[[np.random.Generator, int, int, int], np.ndarray],
    n: int,
    horizon: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the fewest origins and above; 800 draws, a standard error of 0.8 points."""
    monkeypatch.setattr(NullDraws, "of", staticmethod(partial(NullDraws.of, draws=500)))
    rng = np.random.default_rng([n, horizon])
    wrong = np.zeros(3)
    for _ in range(800):
        result = run(process(rng, n, horizon, 6), horizon)
        assert isinstance(result, Contest)
        wrong += result.p_value < 0.05, len(result.best) < 6, bool(result.superior)
    assert (wrong / 800 < 0.085).all() and (wrong / 800 > 0.02).all(), wrong / 8
