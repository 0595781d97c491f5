"""Who is trained and scored, from when to when, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config

from nextbar.data.roles import Roles, within_dates
from nextbar.data.splits import Cuts, find_cuts
from nextbar.errors import DataError

HOUR = 3600


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        ({"initial_date": "2031-01-01"}, "initial_date 2031-01-01"),
        ({"final_date": "2019-01-01"}, "final_date 2019-01-01"),
        ({"initial_date": "2018-01-01", "final_date": "2019-01-01"},
         "initial_date 2018-01-01 and final_date 2019-01-01"),
    ],
)  # fmt: skip
def test_dates_without_bars_are_refused_with_those_there_are(fields: dict[str, Any], limits: str) -> None:
    config = make_config(**fields).dataset_config
    with pytest.raises(DataError) as error:
        within_dates(make_bars(n=30), config)
    assert str(error.value) == (
        f"made_up_1h: no bars within {limits}; the series runs from 2020-01-06T00:00:00Z to 2020-01-07T05:00:00Z"
    )


def test_the_bars_within_the_dates_are_kept() -> None:
    bars = make_bars(n=72)
    config = make_config(initial_date="2020-01-07", final_date="2020-01-07").dataset_config
    assert within_dates(bars, config).time_N.tolist() == bars.time_N[24:48].tolist()
    assert len(within_dates(bars, make_config().dataset_config)) == 72


def test_roles_follow_the_configuration_and_the_cuts_of_the_scored_series() -> None:
    bars = [make_bars(t, n=n, start=MONDAY + dt.timedelta(hours=h)) for t, n, h in (("a", 90, 10), ("b", 100, 5))]
    bars.append(make_bars("c", n=20))
    config = make_config(tickers=["a", "c"], test_tickers=["b"])
    roles = Roles.of(config, bars)
    assert roles.trained == (True, False, True) and roles.scored == (False, True, False)
    assert roles.cuts == find_cuts([bars[1].close_time_N], 0.2, 0.2)
    assert roles.n_train == tuple(int(np.sum(b.close_time_N < roles.cuts.validation)) for b in bars)
    assert roles.first_time == bars[2].close_time_N[0], "of those that are trained the first"
    assert roles.last_time == bars[0].close_time_N[roles.n_train[0] - 1], "and the last"
    validation, test = (int(bars[0].close_time_N[row]) for row in (50, 70))
    given = Cuts(validation, test, (validation - 3 * HOUR, test - 3 * HOUR))
    roles = Roles.of(config, bars, given)
    assert roles.cuts == given and roles.scored == (False, True, False)
    assert roles.n_train[0] == 47 and roles.last_time == bars[0].close_time_N[46]


def test_nothing_is_scored_where_all_bars_close_before_the_cuts() -> None:
    bars = [make_bars("a", n=50), make_bars("b", n=60)]
    config = make_config(tickers=["a"], test_tickers=["a", "b"])
    last = int(bars[1].close_time_N[-1])
    assert Roles.of(config, bars, Cuts(last, last)).scored == (True, True)
    roles = Roles.of(config, bars, Cuts(last + 1, last + 1))
    assert roles.scored == (False, False) and roles.trained == (True, False)
    assert roles.n_train == (50, 60) and roles.last_time == bars[0].close_time_N[-1]


def test_no_bars_to_train_on_are_refused_with_the_cut() -> None:
    late = [make_bars(t, n=20, start=MONDAY + dt.timedelta(hours=90)) for t in ("x", "y")]
    config = make_config(tickers=["x", "y"], test_tickers=["a"])
    with pytest.raises(DataError) as error:
        Roles.of(config, [make_bars("a", n=100), *late])
    assert str(error.value) == (
        "no bars of x, y close before the validation span (2020-01-08T17:00:00Z); nothing is left to train on: use "
        "earlier bars, other splits, or other tickers"
    )
