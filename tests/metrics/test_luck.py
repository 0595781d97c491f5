"""Luck of a winner: against the contest's test, against the union bound, and how often it cries wolf."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nextbar.metrics.contests import least_origins, superior_ability
from nextbar.metrics.luck import Luck, luck
from nextbar.metrics.null_draws import NullDraws
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.timeline import Timeline

NAMES = ("model", "the plain one")


def tried(k: int, n: int = 400, gain: float = 0.0, seed: int = 0, alike: float = 0.0) -> list[Timeline]:
    """k configurations beside a benchmark; the first is better by ``gain``."""
    rng = np.random.default_rng(seed)
    common_T, benchmark_T = rng.exponential(size=n), 0.5 * rng.normal(size=n)
    shared_T = rng.normal(size=n)
    own = [alike * shared_T + np.sqrt(1 - alike**2) * rng.normal(size=n) for _ in range(k)]
    return [
        Timeline(
            np.arange(n) * 60, {"model": common_T + 0.5 * loss_T - gain * (i == 0), NAMES[1]: common_T + benchmark_T}
        )
        for i, loss_T in enumerate(own)
    ]


def best(timelines: list[Timeline]) -> int:
    return int(np.argmin([timeline.losses["model"].mean() for timeline in timelines]))


def judge(timelines: list[Timeline], unknown: int = 0, horizon: int = 1) -> Luck:
    result = luck(timelines, best(timelines), unknown, NAMES, horizon)
    assert isinstance(result, Luck), result
    return result


def test_of_one_try_it_is_the_one_sided_diebold_mariano_test() -> None:
    timelines = tried(1, gain=0.05)
    losses = timelines[0].losses
    test = diebold_mariano(losses["model"], losses[NAMES[1]], 1)
    result = judge(timelines)
    assert test is not None and result.statistic == pytest.approx(test["statistic"])
    assert result.p_value == pytest.approx(stats.t(test["df"]).sf(test["statistic"]), abs=0.03)
    assert (result.tried, result.unknown, result.origins) == (1, 0, 400)
    assert result.gain == pytest.approx((losses[NAMES[1]] - losses["model"]).mean())


def test_of_many_it_is_the_test_of_superior_ability_for_the_winner() -> None:
    timelines = tried(8, gain=0.1)
    loss_TK = np.column_stack([timelines[0].losses[NAMES[1]], *(t.losses["model"] for t in timelines)])
    t_K, t_RK = (values[..., 1:] for values in NullDraws.of(loss_TK, 1, 4000, seed=1).gains(0))
    winner = best(timelines)
    expected = superior_ability(t_K, t_RK, 400, float(t_K[winner]))
    result = judge(timelines)
    assert result.p_value == pytest.approx(expected, abs=0.03) and result.statistic == pytest.approx(t_K[winner])


def test_more_tries_make_luck_likelier_but_not_those_that_forecast_alike() -> None:
    few, many, alike = (judge(tried(k, alike=a, gain=0.1)).p_value for k, a in ((1, 0.0), (40, 0.0), (40, 0.99999)))
    assert few < 0.5 * many and alike < 1.6 * few


def test_those_without_losses_count_as_tries_of_their_own() -> None:
    timelines = tried(5, gain=0.12)
    known, with_unknown = judge(timelines), judge(timelines, unknown=10)
    alone = stats.t(diebold_mariano(*(timelines[0].losses[name] for name in NAMES), 1)["df"]).sf(known.statistic)  # type: ignore[index]
    assert with_unknown.p_value == pytest.approx(known.p_value + 10 * alone)
    assert (with_unknown.tried, with_unknown.unknown) == (15, 10)
    assert "(10 that kept no losses count as tries of their own)" in with_unknown.in_words()
    assert judge(timelines, unknown=10**9).p_value == 1
    timelines[2].losses["model"][7] = np.inf
    broken = judge(timelines)
    assert (broken.tried, broken.unknown) == (5, 1) and broken.p_value > known.p_value


def test_only_common_timestamps_count() -> None:
    timelines = tried(3, gain=0.2)
    begin = (0, 200, 100)
    cut = [Timeline(t.time_T[first:], {name: loss_T[first:] for name, loss_T in t.losses.items()})
           for t, first in zip(timelines, begin, strict=True)]  # fmt: skip
    end = [Timeline(t.time_T[200:], {name: loss_T[200:] for name, loss_T in t.losses.items()}) for t in timelines]
    assert judge(cut) == judge(end) and judge(cut).origins == 200


def test_a_configuration_twice_is_one_try_for_luck() -> None:
    timelines = tried(4, gain=0.1)
    assert judge([*timelines, timelines[0], timelines[3]]).p_value == judge(timelines).p_value


def test_why_nothing_can_be_said() -> None:
    n = least_origins(1)
    assert isinstance(luck(tried(2, n=n), 0, 0, NAMES, 1), Luck)
    assert luck(tried(2, n=n - 1), 0, 0, NAMES, 1) == f"too few validation origins to say: {n - 1}, and it takes {n}"
    same = tried(2)
    same[0].losses["model"] = same[0].losses[NAMES[1]]
    assert luck(same, 0, 0, NAMES, 1) == "the winner forecasts the same as the plain one"
    same[0].losses["model"] = same[0].losses["model"] + np.inf
    assert luck(same, 0, 0, NAMES, 1) == "a loss of the winner or of the plain one is not finite"


def test_one_sentence_says_it() -> None:
    result = Luck(20, 0, "the plain one", 0.0123456, 2.5, 0.0314, 500)
    assert result.in_words() == (
        "On validation the best of 20 configurations is better than the plain one by 0.01235; under pure luck such a "
        "winner appears with probability 0.031."
    )
    assert "is worse than the plain one by 0.5;" in result._replace(gain=-0.5).in_words()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k", "alike"), [(45, 8, 0.0), (300, 8, 0.0), (300, 30, 0.8)])
def test_a_winner_by_luck_is_called_skilled_about_five_times_in_a_hundred(n: int, k: int, alike: float) -> None:
    """600 draws, a standard error of 0.9 points; the winner's gain may be less standardised than the greatest."""
    p_values = [judge(tried(k, n, seed=seed, alike=alike)).p_value for seed in range(600)]
    assert 0.015 < np.mean(np.array(p_values) < 0.05) < 0.08
