"""The sequential test gives false alarms as seldom as it says, notices a broken model, and never looks ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from nextbar.metrics.betting import ALPHA, LARGEST_BET, LATER, BettingTest


def play(pairs: Iterable[tuple[float, float]], horizon: int = 1) -> list[float]:
    """Evidence after each of some (difference, bound), one origin a second."""
    test = BettingTest(horizon)
    return [test.settle(["a"], i, i + horizon, float(d), float(c)).evidence for i, (d, c) in enumerate(pairs)]


def errors(a_T: np.ndarray, b_T: np.ndarray, y_T: np.ndarray) -> list[tuple[float, float]]:
    """Differences of absolute errors, and their bounds."""
    return list(zip(np.abs(a_T - y_T) - np.abs(b_T - y_T), np.abs(a_T - b_T), strict=True))


def share_of_alarms(draw, runs: int, horizon: int = 1) -> float:
    return float(np.mean([max(play(draw(), horizon)) >= 1 / ALPHA for _ in range(runs)]))


@pytest.mark.parametrize("tail", [3, 100])
def test_false_alarms_are_as_rare_as_it_says(tail: int) -> None:
    """Two forecasts that lie as far above as below the middle, volatility in clusters, heavy tails, looked at 400
    times: 5 % plus three standard errors of 300 runs is 8.8 %."""
    rng = np.random.default_rng(tail)

    def draw() -> list[tuple[float, float]]:
        volatility = np.exp(0.1 * np.cumsum(rng.normal(size=400)))
        a_T = 0.5 * volatility * rng.normal(size=400)
        return errors(a_T, -a_T, volatility * rng.standard_t(tail, size=400))

    assert share_of_alarms(draw, 300) <= 0.088


def test_overlapping_outcomes_are_no_false_alarm() -> None:
    """Sums of five changes overlap: the forecast that is on the right side once is so for five origins. Bets that
    ignored it would be alarmed in every third run."""
    rng = np.random.default_rng(1)

    def draw() -> list[tuple[float, float]]:
        y_T = np.convolve(rng.normal(size=304), np.ones(5), "valid")
        a_T = np.repeat(rng.normal(size=60), 5)
        return errors(a_T, -a_T, y_T)

    assert share_of_alarms(draw, 150, horizon=5) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert share_of_alarms(draw, 150, horizon=1) > 0.15, "as it would be without the wealths of their own"


def test_a_broken_model_is_noticed_soon() -> None:
    """A forecast of the right size for 500 outcomes, of the wrong sign from then on."""
    rng, first = np.random.default_rng(2), []
    for _ in range(20):
        signal = 0.5 * rng.normal(size=800)
        a_T = np.where(np.arange(800) < 500, signal, -signal)
        evidence = np.array(play(errors(a_T, np.zeros(800), signal + rng.normal(size=800))))
        assert evidence[:500].max() < 1 / ALPHA
        first.append(int(np.argmax(evidence >= 1 / ALPHA)))
    assert 500 < np.median(first) < 620 and min(first) > 0


def test_a_bet_knows_nothing_of_its_outcome_nor_of_any_that_came_later() -> None:
    """Other differences from the 30th on: the same bets up to there, and for H = 4 three further."""
    rng = np.random.default_rng(3)
    difference_T, other_T = rng.uniform(-0.9, 1, (2, 60))
    other_T[:30] = difference_T[:30]
    for horizon in (1, 4):
        bets = []
        for d_T in (difference_T, other_T):
            test = BettingTest(horizon)
            bets.append([test.settle(["a"], i, i + horizon, d, 1.0).bet for i, d in enumerate(d_T)])
        same = [a == b for a, b in zip(*bets, strict=True)]
        assert same[: 30 + horizon] == [True] * (30 + horizon) and not any(same[30 + horizon :])
        assert 0 < bets[0][30 + horizon - 1] < LARGEST_BET, "where it is not at a limit"


def test_a_bet_is_the_mean_over_the_mean_square_within_its_limits() -> None:
    test = BettingTest(1)
    assert [test.settle(["a"], i, i + 1, d, 0.5).bet for i, d in enumerate([0.1, 0.1, -0.9])] == [
        0.0,
        pytest.approx(0.1 / (0.01 + 0.25)),
        pytest.approx(0.2 / (0.02 + 0.25)),
    ]
    assert test.settle(["a"], 3, 4, 0.1, 0.5).bet == 0, "no bet on a forecast that has been the better one"
    test = BettingTest(1)
    for i in range(50):
        test.settle(["a"], i, i + 1, 1.0, 1.0)
    assert test.settle(["a"], 50, 51, 1.0, 1.0).bet == LARGEST_BET
    assert test.settle(["a"], 51, 52, 0.0, 0.0).bet == 0, "the forecasts were the same"


def test_wealth_is_the_product_of_what_was_won() -> None:
    rng = np.random.default_rng(4)
    test, wealth = BettingTest(1), 1.0
    for i, d in enumerate(rng.uniform(-0.4, 0.8, 100)):
        settled = test.settle(["a"], i, i + 1, float(d), 1.0)
        wealth *= 1 + settled.bet * d
        assert settled.evidence == pytest.approx((1 - LATER) * wealth) == test.evidence and wealth > 0


def test_leaders_that_are_foreseen_share_the_chance_of_an_alarm() -> None:
    """One that has not begun counts, with a wealth of 1."""
    test = BettingTest(3, groups=2)
    assert test.evidence == pytest.approx((1 - LATER) / 6)
    test.settle(["a"], 0, 3, 1.0, 1.0)
    for i in range(40):
        test.settle(["a"], 3 * i + 3, 3 * i + 6, 1.0, 1.0)
    one = BettingTest(1)
    for i in range(41):
        one.settle(["a"], i, i + 1, 1.0, 1.0)
    assert test.evidence == pytest.approx(one.evidence / 6)


def test_an_origin_whose_wealths_are_all_waiting_is_not_bet_on() -> None:
    """As none of a series is whose outcomes come in order."""
    test = BettingTest(1)
    test.settle(["a"], 0, 1, 1.0, 1.0)
    test.settle(["a"], 1, 2, 1.0, 1.0)
    before = test.evidence
    late = test.settle(["a"], 1, 2, 1.0, 1.0)
    assert late.wealth is None and late.bet == 0 and test.evidence == before
    assert test.settle(["a"], 2, 3, 1.0, 1.0).wealth == 0


@pytest.mark.parametrize("minute", [30, 0])
def test_a_series_is_heard_beside_others_of_another_clock_or_another_day(minute: int) -> None:
    """Hourly bars, the first series at par: the second opens half an hour later, or becomes known after the first has
    moved on. Both have the wealth that each would have alone."""
    alone, both, rng = BettingTest(1), BettingTest(1), np.random.default_rng(5)
    par = rng.choice([-0.5, 0.5], 60)
    for hour in range(60):
        both.settle(["a"], 60 * hour, 60 * hour + 60, par[hour], 1.0)
        if hour and not minute:
            both.settle(["b"], 60 * hour - 60, 60 * hour, 0.8, 1.0)
        elif minute:
            both.settle(["b"], 60 * hour + 30, 60 * hour + 90, 0.8, 1.0)
    for hour in range(60 if minute else 59):
        alone.settle(["b"], 60 * hour, 60 * hour + 60, 0.8, 1.0)
    assert both.evidence == pytest.approx(alone.evidence / (1 - LATER) * LATER / 2)
    assert both.evidence > 1 / ALPHA


def test_the_series_that_led_first_goes_on_leading() -> None:
    """One that comes first by name later on, or is there alone, begins nothing anew."""
    test, one = BettingTest(1), BettingTest(1)
    for i, names in enumerate([["b"], ["a", "b"], ["b", "c"], ["b"], ["a", "b", "c"]]):
        settled = test.settle(names, i, i + 1, 0.5, 1.0)
        assert settled == one.settle(["b"], i, i + 1, 0.5, 1.0)


def test_shares_of_the_chance_add_up_to_one() -> None:
    """However many leaders begin: each alone at a wealth that is known."""
    for horizon, groups in ((1, 1), (3, 2)):
        test, shares = BettingTest(horizon, groups), []
        for k in range(200):
            test._log_wealth = {str(i): [0.0] * horizon for i in range(k)} | {str(k): [500.0] * horizon}
            shares.append(horizon * math.exp(math.log(test.evidence) - 500))
        assert shares == sorted(shares, reverse=True) and 0.999 < sum(shares) < 1


def test_weighing_changes_nothing() -> None:
    test = BettingTest(1)
    test.settle(["a"], 0, 1, 1.0, 1.0)
    weighed = test.weigh(["a"], 1, 0.7, 1.0)
    assert test.evidence == 1 - LATER
    assert test.settle(["a"], 1, 2, 0.7, 1.0) == weighed and test.evidence == weighed.evidence


def test_endless_evidence_is_a_number() -> None:
    assert math.isfinite(play([(1.0, 1.0)] * 3000)[-1])
