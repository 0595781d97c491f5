"""Sentences of an outlook: the figures in them are those of the law, rounded, and of nothing else."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outlooks import LAST, made, past_errors
from scipy import stats

from nextbar.forecasts.in_words import amount, chances, in_words, move_range, narrowest
from nextbar.metrics.task import Task
from nextbar.types import Forecast

INF = np.inf


def test_a_law_is_told_by_its_reach_its_wide_band_and_its_chance_to_rise() -> None:
    location_H, scale_H = np.array([0.003, -0.01]), np.array([0.02, 0.05])
    task = Task(output_mode="distribution", horizon=2, target="log_return")
    opening, *told = in_words(made(Forecast(location_H[None], scale_H[None]), task))
    assert opening == "a stood at 50.000 after the bar of 2020-01-14 07:00 UTC; the next one opens 2020-01-14 08:00."
    rng = np.random.default_rng(0)
    for h, which in enumerate(("the next close", "the close after 2 bars")):
        close_N = LAST * np.exp(rng.normal(location_H[h], scale_H[h], 400_000))
        near, wide = told[2 * h : 2 * h + 2]
        percent = re.fullmatch(rf"Two times in three {which} lies within ±([\d.]+) % of 50\.000\.", near)
        assert np.mean(np.abs(close_N / LAST - 1) <= float(percent[1]) / 100) == pytest.approx(2 / 3, abs=0.012)
        low, high, up = re.fullmatch(
            r"Nineteen times in twenty it lies between ([\d.]+) and ([\d.]+), and it is higher than now (\d+) times in "
            r"100\.", wide
        ).groups()  # fmt: skip
        law = stats.norm(location_H[h], scale_H[h])
        assert (float(low), float(high)) == pytest.approx(LAST * np.exp(law.ppf([0.025, 0.975])), abs=6e-4)
        assert int(up) == round(100 * law.sf(0)) == pytest.approx(100 * np.mean(close_N > LAST), abs=0.7)


def test_where_percents_say_nothing_distances_are_prices() -> None:
    forecast = Forecast(np.array([[0.0]]), np.array([[2.0]]))
    _, near, _ = in_words(made(forecast, Task(output_mode="distribution"), last=-3.0))
    assert near == f"Two times in three the next close lies within ±{2 * stats.norm.ppf(5 / 6):.1f} of −3.0000."


def test_a_point_is_told_without_a_range_and_how_far_such_forecasts_were_off() -> None:
    task, point = Task(output_mode="mean"), Forecast(np.array([[-1.0]]))
    assert in_words(made(point, task))[1:] == (
        "The next close is expected at 49.000 (−2.0 %).", "The model says one number and no range."
    )  # fmt: skip
    _, expected, off = in_words(made(point, task, errors=past_errors()))
    assert expected == "The next close is expected at 49.000 (−2.0 %)."
    assert off == (
        "The model says no range; on the test span two times in three it came within ±2.7 % of such a forecast "
        "(400 forecasts)."
    )


@pytest.mark.parametrize(
    ("probs", "edges", "said"),
    [
        ((0.1, 0.2, 0.3, 0.4), (-INF, -1.0, 0.0, 1.0, INF),
         "a rise of 1 % or more, 40 times in 100; no fall, 70 times in 100."),
        ((0.35, 0.3, 0.05, 0.3), (-INF, -1.0, 0.0, 1.0, INF),
         "a fall of more than 1 %, 35 times in 100; a move below 1 %, 70 times in 100; no fall, 35 times in 100."),
        ((0.1, 0.2, 0.5, 0.2), (-INF, -1.0, -0.5, 1.0, INF),
         "a move from −0.5 to 1 %, 50 times in 100; a move from −1 to 1 %, 70 times in 100."),
        ((0.001, 0.004, 0.995), (-9.0, -1.0, 1.0, 9.0), "a rise of 1 % or more, more than 99 times in 100."),
        ((0.4, 0.2, 0.4), (-INF, -1.0, 0.5, INF), "a fall of more than 1 %, 40 times in 100."),
    ],
)  # fmt: skip
def test_bins_are_told_by_the_likeliest_and_the_fewest_that_hold_two_thirds(
    probs: tuple[float, ...], edges: tuple[float, ...], said: str
) -> None:
    forecast = Forecast(log_probs_NHK=np.log(probs)[None, None])
    found = in_words(made(forecast, Task(output_mode="discrete_grid", edges=edges)))[1]
    assert found == f"Likeliest for the next close: {said}"


@given(st.lists(st.integers(1, 50), min_size=2, max_size=9), st.floats(0.05, 0.95))
def test_no_fewer_neighbouring_bins_hold_the_share_and_none_as_few_hold_more(weights: list[int], share: float) -> None:
    probs_K = np.array(weights) / sum(weights)
    a, b = narrowest(probs_K, share)
    ranges = [(i, j) for i in range(len(weights)) for j in range(i, len(weights))]
    mass = {(i, j): sum(probs_K[i : j + 1]) for i, j in ranges}
    assert mass[a, b] >= share - 1e-12
    for (i, j), of in mass.items():
        assert j - i >= b - a or of < share + 1e-12
        assert j - i != b - a or of <= mass[a, b] + 1e-12


def test_a_range_of_bins_is_named_by_its_edges() -> None:
    edges = (-INF, -1.0, 0.0, 0.5, INF)
    assert [move_range(edges, k, k) for k in range(4)] == [
        "a fall of more than 1 %", "a move from −1 to 0 %", "a move from 0 to 0.5 %", "a rise of 0.5 % or more"
    ]  # fmt: skip
    assert [move_range(edges, *ends) for ends in ((0, 1), (0, 2), (2, 3), (1, 3), (0, 3))] == [
        "a fall", "a move below 0.5 %", "no fall", "a move from −1 % up", "any move"
    ]  # fmt: skip


def test_chances_are_never_none_and_never_all() -> None:
    said = [chances(share) for share in (0.0, 0.004, 0.01, 0.5, 0.994, 0.996, 1.0)]
    assert said == ["less than once in 100", "less than once in 100", "once in 100", "50 times in 100",
                    "99 times in 100", "more than 99 times in 100", "more than 99 times in 100"]  # fmt: skip


def test_amounts_keep_their_whole_part_and_have_no_exponent() -> None:
    values = {123456.7: "123,457", 5123.41: "5,123.4", 86.3741: "86.374", 0.0123456: "0.012346", -2.0: "−2.0000",
              0.0: "0.0000", 3e-9: "0.000000003000", np.inf: "beyond all numbers"}  # fmt: skip
    assert {value: amount(value) for value in values} == values
    assert [amount(value, 2) for value in (12.34, 1.234, 0.01234, 123.4)] == ["12", "1.2", "0.012", "123"]
