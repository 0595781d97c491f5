"""What a library's answer becomes in the terms of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from rivals_of import CUT, FakeRival, instants, keys_between, obeys, options, panel
from scipy import stats

from nextbar.errors import ConfigError, DataError
from nextbar.forecasts import bin_columns, read
from nextbar.metrics.task import Task
from nextbar.rivals.base import Ahead
from nextbar.rivals.scaled_series import ScaledSeries


class Law(FakeRival):
    """The same as a normal law."""

    is_law = True
    shares = ()

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        ahead = FakeRival()._forecast(contexts, horizon)
        return Ahead(ahead.location_NH, np.full(ahead.location_NH.shape, 2.0))


class Closes(FakeRival):
    """The same without quantiles."""

    shares = ()

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        return Ahead(FakeRival()._forecast(contexts, horizon).location_NH)


@pytest.mark.parametrize("kind", [FakeRival, Law, Closes])
@pytest.mark.parametrize("target", ["log_return", "close"])
def test_the_laws_of_a_rival(kind: type[FakeRival], target: str) -> None:
    obeys(kind, options(target=target))


@pytest.mark.parametrize("target", ["log_return", "close"])
def test_the_answer_is_carried_over_to_prices(target: str) -> None:
    whole, task = panel(2), options(target=target)
    cutoff, end = instants(whole)
    keys = keys_between(whole, cutoff, end)
    tables = {}
    for kind in (FakeRival, Law):
        rival = kind().for_task(task)
        rival.fit(whole.frame(0, cutoff))
        tables[kind] = rival.predict(whole.frame(0, end), keys)
    close_N = whole.bars[0].columns["close"]
    unit = np.diff(np.log(close_N[:CUT])).std()
    own = tables[FakeRival][tables[FakeRival]["ticker"] == "aaa"].iloc[:2]
    origin = np.flatnonzero(whole.bars[0].close_time_N >= cutoff)[0]
    move = (np.log(close_N[origin]) - np.log(close_N[origin - 3])) / 3
    middle = close_N[origin] * np.exp(move * np.array([1, 2]))
    np.testing.assert_allclose(own["close"], middle, rtol=1e-10)
    np.testing.assert_allclose(own["close-q-10"], middle * np.exp(-unit), rtol=1e-10)
    np.testing.assert_allclose(own["close-q-90"], middle * np.exp(unit), rtol=1e-10)
    law = tables[Law].iloc[:2]
    expected = 2 * unit * (close_N[origin] if target == "close" else 1.0)
    np.testing.assert_allclose(law["scale"], expected, rtol=1e-10)


def test_without_origins_it_answers_from_the_cutoff_on() -> None:
    whole, rival = panel(2), FakeRival().for_task(options())
    cutoff, end = instants(whole)
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, end))
    for bars in whole.between(0, end):
        origins = table[(table["ticker"] == bars.ticker) & (table["step"] == 1)]["origin"]
        known = bars.time_N[bars.close_time_N < cutoff][-1]
        np.testing.assert_array_equal(
            origins.astype("datetime64[s, UTC]").astype("int64"), bars.time_N[bars.time_N >= known]
        )


def test_it_is_fitted_on_the_bars_it_is_shown() -> None:
    whole, rival = panel(1), FakeRival().for_task(options(horizon=1))
    cutoff, _ = instants(whole)
    rival.fit(whole.frame(0, cutoff))
    ((values, _),) = rival.fitted
    log_N = np.log(whole.bars[0].columns["close"][:CUT])
    np.testing.assert_allclose(np.diff(values), np.diff(log_N) / np.diff(log_N).std())


def test_a_law_gives_bins_their_probabilities_and_quantiles_do_not() -> None:
    task = options(output_mode="discrete_grid", edges=(-np.inf, -0.5, 0.0, 0.5, np.inf))
    assert not Law().for_task(task).direction_only and FakeRival().for_task(task).direction_only
    whole, rival = panel(2), Law().for_task(task)
    cutoff, end = instants(whole)
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, end), keys_between(whole, cutoff, end))
    same = Law().for_task(options())
    same.fit(whole.frame(0, cutoff))
    law = same.predict(whole.frame(0, end), keys_between(whole, cutoff, end))
    last = whole.bars[0].columns["close"][np.flatnonzero(whole.bars[0].close_time_N >= cutoff)[0]]
    below = stats.norm.cdf(np.log1p(-0.005), np.log(law["close"][0] / last), law["scale"][0])
    assert table[bin_columns(task.edges)[0]][0] == pytest.approx(below, rel=1e-6)


def test_what_it_hands_in_can_be_read() -> None:
    whole, task = panel(2), options()
    cutoff, end = instants(whole)
    keys, rival = keys_between(whole, cutoff, end), FakeRival().for_task(task)
    rival.fit(whole.frame(0, cutoff))
    question = options(output_mode="quantiles", shares=rival.shares)
    forecast = read(rival.predict(whole.frame(0, end), keys), keys, question)
    assert forecast.quantiles_NHQ is not None and forecast.location_NH is not None
    np.testing.assert_allclose(forecast.quantiles_NHQ[..., 1], forecast.location_NH, atol=1e-12)


def test_a_library_that_is_not_there_is_named_with_what_installs_it() -> None:
    class Absent(FakeRival):
        library = "no_such_library"
        extra = "absent"

    with pytest.raises(ConfigError, match=r"need the package no_such_library: pip install 'nextbar\[absent\]'"):
        Absent().for_task(options())


def test_what_a_library_raises_when_it_is_opened_is_told_in_a_sentence() -> None:
    class Damaged(FakeRival):
        def _prepare(self, task: Task) -> None:
            raise RuntimeError("header too large\nand more")

    with pytest.raises(ConfigError, match=r": it cannot be opened: RuntimeError: header too large$"):
        Damaged().for_task(options())
    short = FakeRival()
    short.context = 0  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="context: found 0"):
        short.for_task(options())


def test_what_cannot_be_forecast_is_said() -> None:
    whole = panel(1)
    cutoff, end = instants(whole)
    rival = FakeRival().for_task(options(horizon=1))
    with pytest.raises(DataError, match="call them first"):
        rival.predict(whole.frame(0, end))
    frame = whole.frame(0, cutoff)
    rival.fit(frame[frame["ticker"] == "aaa"])
    with pytest.raises(DataError, match="bbb has no bars before the cutoff"):
        rival.predict(whole.frame(0, end), keys_between(whole, cutoff, end))
    rival.fit(frame)
    fallen = whole.frame(0, end)
    fallen.loc[fallen.index[-1], "close"] = -1.0
    with pytest.raises(DataError, match="bbb: a close of -1"):
        rival.predict(fallen, keys_between(whole, cutoff, end))
    first = whole.keys(np.array([1]))
    with pytest.raises(DataError, match=r"aaa: fake:Mean needs 4 bars up to an origin, and the first has 2"):
        rival.predict(whole.frame(0, end), first)


def test_prices_that_are_not_above_zero_are_given_as_they_are() -> None:
    whole = panel(1)
    cutoff, end = instants(whole)
    shift = 2 * float(whole.bars[0].columns["close"].max())
    lower = [whole.frame(0, until) for until in (cutoff, end)]
    for frame in lower:
        frame["close"] -= shift
    rival = Law().for_task(options(horizon=1, target="close"))
    rival.fit(lower[0])
    table = rival.predict(lower[1], keys_between(whole, cutoff, end))
    unit = np.diff(whole.bars[0].columns["close"][:CUT]).std()
    np.testing.assert_allclose(table[table["ticker"] == "aaa"]["scale"], 2 * unit, rtol=1e-9)
    assert (table["close"] < 0).all()
    returns = Law().for_task(options(horizon=1))
    returns.fit(lower[0])
    with pytest.raises(DataError, match="no log return"):
        returns.predict(lower[1], keys_between(whole, cutoff, end))


def test_what_a_library_prints_is_no_answer_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    class Chatty(FakeRival):
        def _prepare(self, task: Task) -> None:
            print("prepared")

        def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
            print("fitted")

        def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
            print("asked")
            return super()._forecast(contexts, horizon)

    whole = panel(1)
    cutoff, end = instants(whole)
    rival = Chatty().for_task(options(horizon=1))
    rival.fit(whole.frame(0, cutoff))
    rival.predict(whole.frame(0, end))
    out, err = capsys.readouterr()
    assert out == "" and err.split() == ["prepared", "fitted", "asked", "asked"]
