"""The forecast table: what goes in comes out, intervals are the law's, and wrong tables are refused in words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from made_up_forecasts import TASKS, H, N, keys, made_up, table
from scipy import stats
from skewed import SkewedLaw

from nextbar import forecasts
from nextbar.errors import ConfigError, DataError
from nextbar.metrics.task import Task
from nextbar.types import Forecast


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("resolutions", [False, True])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_table_is_read_back_whatever_its_order(kind: str, resolutions: bool, library: str) -> None:
    frame = table(kind, resolutions, levels=(0.5,), law=True)
    more = frame.assign(origin=frame["origin"] + pd.Timedelta("9D"))  # other bars, which nobody asked about
    shuffled = pd.concat([frame, more]).sample(frac=1, random_state=1)
    given = pl.from_pandas(shuffled) if library == "polars" else shuffled
    found = forecasts.read(given, keys(resolutions), TASKS[kind])
    for name, wanted in made_up(kind)._asdict().items():
        if wanted is None:
            assert getattr(found, name) is None
        else:
            np.testing.assert_allclose(getattr(found, name), wanted, rtol=1e-9, atol=1e-11)


def test_rows_go_by_origin_and_then_by_step() -> None:
    frame = table("mean")
    assert list(frame.columns) == ["ticker", "origin", "step", "date", "close"]
    assert frame["step"].tolist() == [1, 2] * N
    ahead = (frame["date"] - frame["origin"]) / pd.Timedelta("1h")
    np.testing.assert_array_equal(ahead, frame["step"])
    expected = keys().last_close_N[:, None] + np.asarray(made_up("mean").location_NH)
    np.testing.assert_allclose(frame["close"], expected.ravel(), rtol=1e-14)


@pytest.mark.filterwarnings("error")
def test_an_absurd_law_has_finite_prices() -> None:
    forecast = Forecast(np.full((N, H), 0.1), np.array([[1e30], [3000.0], [1.0], [1e-30], [0.0]]) * np.ones(H))
    columns = forecasts.columns(
        keys(), forecast, Task(output_mode="distribution", target="log_return", horizon=H), (0.8,)
    )
    assert all(np.isfinite(columns[name]).all() for name in columns if name.startswith("close"))
    np.testing.assert_allclose(columns["close-hi-80"][4:6], np.exp(0.1 + stats.norm.ppf(0.9)) * 0.01)


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("kind", ["normal", "student_t"])
def test_intervals_hold_their_share_of_the_law(kind: str, level: float) -> None:
    law = made_up(kind)
    frame = table(kind, levels=(level,))
    lo, hi = (frame[f"close-{side}-{level * 100:g}"].to_numpy().reshape(N, H) for side in ("lo", "hi"))
    last_N1 = keys().last_close_N[:, None]
    if kind == "normal":
        share = stats.norm.cdf(hi - last_N1, law.location_NH, law.scale_NH) - stats.norm.cdf(
            lo - last_N1, law.location_NH, law.scale_NH
        )
    else:
        unit = law.scale_NH * np.sqrt((law.df_NH - 2) / law.df_NH)
        upper, lower = (stats.t.cdf(np.log(end / last_N1), law.df_NH, law.location_NH, unit) for end in (hi, lo))
        share = upper - lower
    np.testing.assert_allclose(share, level, rtol=1e-9)


def test_an_interval_of_a_skewed_law_leaves_as_much_below_as_above() -> None:
    law, last_N1 = made_up("skew_t"), keys().last_close_N[:, None]
    frame = table("skew_t", levels=(0.8,))
    for side, share in (("lo", 0.1), ("hi", 0.9)):
        end_NH = np.log(frame[f"close-{side}-80"].to_numpy().reshape(N, H) / last_N1)
        numbers = zip(*(a.ravel() for a in (law.df_NH, law.skew_NH, law.location_NH, law.scale_NH)), strict=True)
        for end, own in zip(end_NH.ravel(), numbers, strict=True):
            assert float(SkewedLaw(*own).cdf(end)) == pytest.approx(share, rel=1e-6)


def test_intervals_of_a_mixture_are_quantiles_of_all_its_laws() -> None:
    law = made_up("mixture")
    ends = [table("mixture", levels=(0.8,))[f"close-{side}-80"].to_numpy().reshape(N, H, 1) for side in ("lo", "hi")]
    for end, share in zip(ends, (0.1, 0.9), strict=True):
        below = stats.norm.cdf(end - keys().last_close_N[:, None, None], law.locations_NHM, law.scales_NHM)
        np.testing.assert_allclose(below.mean(axis=-1), share, rtol=1e-7)


def test_a_mixture_with_a_law_that_lacks_a_column_is_refused() -> None:
    frame = table("student_t mixture", law=True).drop(columns="df-2")
    with pytest.raises(DataError, match=r"no column df-2; each law of a mixture has close, scale, df"):
        forecasts.read(frame, keys(), TASKS["student_t mixture"])


def test_a_skewed_law_needs_its_degrees_of_freedom_and_a_skewness_between_the_ends() -> None:
    frame = table("skew_t", law=True)
    for change, said in (
        (lambda f: f.drop(columns="df"), "there is a column skew and none df"),
        (lambda f: f.assign(skew=-1.0), "skew -1, but it must be above -1"),
        (lambda f: f.assign(skew=1.5), "skew 1.5, but it must be below 1"),
    ):
        with pytest.raises(DataError, match=re.escape(said)):
            forecasts.read(change(frame), keys(), TASKS["skew_t"])
    with pytest.raises(DataError, match=r"no column skew-2; each law of a mixture has close, scale, df, skew"):
        forecasts.read(table("skew_t mixture", law=True).drop(columns="skew-2"), keys(), TASKS["skew_t mixture"])


def test_other_intervals_can_be_given() -> None:
    frame = table("normal", levels=(0.8,), interval=lambda level: (np.full((N, H), -level), np.full((N, H), 3.0)))
    last = np.repeat(keys().last_close_N, H)
    np.testing.assert_allclose(frame["close-lo-80"], last - 0.8)
    np.testing.assert_allclose(frame["close-hi-80"], last + 3)


def test_bins_are_named_by_their_edges() -> None:
    frame = table("bins")
    assert list(frame.columns[4:]) == ["p_-inf_-1", "p_-1_0.25", "p_0.25_inf"]
    np.testing.assert_allclose(frame.iloc[:, 4:].sum(axis=1), 1)


WRONG = {
    "a close is missing": (lambda f: f.drop(columns="close"), "no column close"),
    "rows are missing": (lambda f: f.iloc[2:], "2 of 10 rows"),
    "a row comes twice": (lambda f: pd.concat([f, f.iloc[:1]]), "more than once"),
    "a close is NaN": (lambda f: f.assign(close=f["close"].where(f["step"] == 1)), "close is nan"),
    "a close is text": (lambda f: f.assign(close="high"), "must hold numbers"),
    "a spread is zero": (lambda f: f.assign(scale=0.0), "scale 0"),
    "a tail has no spread": (lambda f: f.assign(df=2.0), "df 2"),
    "a step is text": (lambda f: f.assign(step="next"), "step whole numbers"),
    "an origin is text": (lambda f: f.assign(origin="soon"), "origin must hold dates"),
    "an origin is a number": (lambda f: f.assign(origin=1_600_000_000), "not numbers like 1600000000"),
    "no frame": (lambda f: 3, "a data frame is needed"),
    "nothing": (lambda f: None, "a data frame is needed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_refused_in_words(what: str) -> None:
    change, said = WRONG[what]
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        forecasts.read(change(table("student_t", law=True)), keys(), TASKS["student_t"], source="my model")
    assert str(caught.value).startswith("my model: ")
    assert "\n" not in str(caught.value)


def test_probabilities_must_sum_to_one() -> None:
    frame = table("bins")
    with pytest.raises(DataError, match="sum to 1"):
        forecasts.read(frame.assign(**{"p_-1_0.25": 0.9}), keys(), TASKS["bins"])


def test_a_certain_bin_is_allowed() -> None:
    frame = table("bins").assign(**{"p_-inf_-1": 0.0, "p_-1_0.25": 1.0, "p_0.25_inf": 0.0})
    found = forecasts.read(frame, keys(), TASKS["bins"])
    np.testing.assert_array_equal(found.log_probs_NHK, np.broadcast_to([-np.inf, 0.0, -np.inf], (N, H, 3)))


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([80], "write 0.8"),
        ([0.0], "above 0"),
        ([0.5, 0.5], "twice"),
        (["x"], "'x'"),
        ([True], "True"),
        ([0.9999999, 0.99999999], "both would be called close-lo-100"),
        (None, "found None"),
    ],
)
def test_levels_are_shares(levels: list[Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        forecasts.check_levels(levels)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Task(output_mode="mean"), "a close and no law"),
        (Task(output_mode="discrete_grid", edges=(-np.inf, 0.0, np.inf)), "bins, which have no intervals"),
    ],
    ids=["mean", "bins"],
)
def test_levels_are_those_of_laws(task: Task, said: str) -> None:
    """They are refused where they would say nothing; nobody asks for those that are given anyway."""
    with pytest.raises(DataError, match=f"levels: the model forecasts {said}"):
        forecasts.levels_of(task, [0.9])
    assert forecasts.levels_of(task, None) == forecasts.LEVELS and forecasts.levels_of(task, ()) == ()
    assert forecasts.levels_of(Task(output_mode="distribution"), [0.9]) == (0.9,)


def test_one_level_needs_no_list() -> None:
    assert forecasts.check_levels(0.9) == (0.9,)  # type: ignore[arg-type]
    assert forecasts.check_levels(np.array([0.5, 0.9])) == (0.5, 0.9)
