"""The censored logarithmic score: by its definition with scipy's laws, proper, and a test of it that holds its size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from made_up_spans import make_scorer, random_forecast
from scipy import integrate, optimize, stats

from nextbar.metrics.censored import Region, tail_of
from nextbar.metrics.scorer import FreeForecast
from nextbar.metrics.significance import diebold_mariano
from nextbar.types import Forecast

DF = 4.0
UNIT = np.sqrt((DF - 2) / DF)  # of a Student-t law with variance 1
TAIL = 0.05


def law(scale: float, df: float | None, shape: tuple[int, int]) -> Forecast:
    df_NH = None if df is None else np.full(shape, df)
    return Forecast(location_NH=np.zeros(shape), scale_NH=np.full(shape, scale), df_NH=df_NH)


def by_scipy(frozen: stats.rv_continuous, low: float, high: float) -> Callable[[float], float]:
    return lambda y: -(
        frozen.logcdf(low) if y <= low else frozen.logsf(high) if y >= high else frozen.logpdf(y)
    )  # fmt: skip


def losses(forecast: Forecast, region: Region, y_NH: np.ndarray) -> np.ndarray:
    frozen = (
        stats.norm(0, forecast.scale_NH)
        if forecast.df_NH is None
        else stats.t(forecast.df_NH, 0, forecast.scale_NH * np.sqrt((forecast.df_NH - 2) / forecast.df_NH))
    )
    return region.nll(forecast, y_NH, -frozen.logpdf(y_NH))


@pytest.mark.parametrize("df", [None, 3.0, 9.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_it_is_the_density_inside_and_the_probability_of_the_side_outside(df: float | None, scale: float) -> None:
    y_NH = np.linspace(-9, 9, 301)[:, None]
    region = Region.of(law(1.0, DF, y_NH.shape), TAIL)
    low, high = stats.t(DF, 0, UNIT).ppf([TAIL, 1 - TAIL])
    np.testing.assert_allclose(region.low_NH, low, rtol=1e-9)
    np.testing.assert_allclose(region.high_NH, high, rtol=1e-9)
    frozen = stats.norm(0, scale) if df is None else stats.t(df, 0, scale * np.sqrt((df - 2) / df))
    expected = [by_scipy(frozen, low, high)(y) for y in y_NH[:, 0]]
    np.testing.assert_allclose(losses(law(scale, df, y_NH.shape), region, y_NH)[:, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("interval_of", [(0.4, None), (1.0, DF), (3.0, 3.0)])
def test_the_true_law_has_the_lowest_expected_loss_whatever_the_region(interval_of: tuple[float, float | None]) -> None:
    low, high = (float(bound[0, 0]) for bound in Region.of(law(*interval_of, (1, 1)), TAIL))
    truth = stats.t(DF, 0, UNIT)

    def expected(frozen: stats.rv_continuous) -> float:
        inside, _ = integrate.quad(lambda y: -truth.pdf(y) * frozen.logpdf(y), low, high)
        return inside - truth.cdf(low) * frozen.logcdf(low) - truth.sf(high) * frozen.logsf(high)

    others = [stats.norm(0, s) for s in (0.5, 0.8, 1.0)] + [
        stats.t(v, 0, s) for v in (3, 4, 8) for s in (0.5, 0.9, 1.3)
    ]
    assert all(expected(truth) < expected(other) for other in others)


def test_a_normal_and_a_student_t_of_equal_expected_loss_are_called_different_in_about_five_percent() -> None:
    """By the logarithmic score itself a quarter of these draws err: its differences have no variance."""
    n, draws = 300, 1_500
    truth, normal = stats.t(DF, 0, UNIT), stats.norm()
    y_RN = truth.rvs((draws, n), random_state=np.random.default_rng(1))
    region = Region.of(law(1.0, None, (n, 1)), tail_of(n, 1))
    low, high = float(region.low_NH[0, 0]), float(region.high_NH[0, 0])

    def expected(frozen: stats.rv_continuous, censored: bool) -> float:
        if not censored:
            return -integrate.quad(lambda y: truth.pdf(y) * frozen.logpdf(y), -np.inf, np.inf, limit=200)[0]
        inside, _ = integrate.quad(lambda y: -truth.pdf(y) * frozen.logpdf(y), low, high)
        return inside - truth.cdf(low) * frozen.logcdf(low) - truth.sf(high) * frozen.logsf(high)

    shares = {}
    for censored in (True, False):
        scale = optimize.brentq(
            lambda s, censored=censored: (
                expected(stats.t(DF, 0, s * UNIT), censored) - expected(normal, censored)
            ),
            1.02, 4.0,
        )  # fmt: skip
        wrong = 0
        wide = law(scale, DF, (n, 1))
        for y_N in y_RN:
            y_NH = y_N[:, None]
            if censored:
                model, rival = (losses(f, region, y_NH)[:, 0] for f in (wide, law(1.0, None, (n, 1))))
            else:
                model, rival = -stats.t(DF, 0, scale * UNIT).logpdf(y_N), -normal.logpdf(y_N)
            test = diebold_mariano(model, rival, 1)
            assert test is not None
            wrong += test["p_value"] < 0.05
        shares[censored] = wrong / draws
    assert 0.03 < shares[True] < 0.07  # three standard errors of 5 % are 1.7 points
    assert shares[False] > 0.15


def test_probabilities_that_are_no_float_leave_a_finite_loss() -> None:
    y_NH = np.array([[80.0], [-80.0]])
    region = Region.of(law(1.0, None, (2, 1)), TAIL)
    assert np.isfinite(losses(law(1e-3, None, (2, 1)), region, y_NH)).all()


@pytest.mark.parametrize("members", [None, 3])
def test_a_scorer_compares_laws_by_it_within_the_interval_of_the_strongest(members: int | None) -> None:
    scorer = make_scorer(2, output_mode="distribution", target="log_return")
    strongest = random_forecast(scorer, df=True)
    forecast = random_forecast(scorer)
    if members:  # a mixture
        shape = (*forecast.location_NH.shape, members)
        locations = np.repeat(forecast.location_NH[..., None], members, axis=-1) * [0.5, 1.0, 1.5]
        scales = np.broadcast_to(forecast.scale_NH[..., None], shape) * [0.7, 1.0, 1.4]
        forecast = forecast._replace(locations_NHM=locations, scales_NHM=scales)
    beside = scorer.beside(FreeForecast("rival", "the rival", strongest))
    y_NH = np.log(scorer.outcomes.close_NH / scorer.outcomes.last_close_N[:, None])
    unit_NH = strongest.scale_NH * np.sqrt((strongest.df_NH - 2) / strongest.df_NH)
    low_NH, high_NH = (stats.t(strongest.df_NH, strongest.location_NH, unit_NH).ppf(q) for q in (TAIL, 1 - TAIL))
    parts = (
        [stats.norm(locations[..., m], scales[..., m]) for m in range(members)]
        if members
        else [stats.norm(forecast.location_NH, forecast.scale_NH)]
    )
    density, below, above = (
        np.mean([f(part) for part in parts], axis=0)
        for f in (lambda p: p.pdf(y_NH), lambda p: p.cdf(low_NH), lambda p: p.sf(high_NH))
    )
    expected = np.where(y_NH <= low_NH, below, np.where(y_NH >= high_NH, above, density / 100))
    expected = -np.log(expected).mean(axis=1)
    np.testing.assert_allclose(beside.score(forecast).loss_N, expected, rtol=1e-6)
    assert beside.report(forecast)["tested"]["loss"] == "censored nll"
    other = beside.beside(None)  # the plain baseline's interval again, and its loss with it
    np.testing.assert_array_equal(other.baseline.loss_N, scorer.baseline.loss_N)
    assert not np.allclose(beside.baseline.loss_N, scorer.baseline.loss_N)


def test_a_dozen_outcomes_are_expected_on_each_side_as_far_as_one_in_two_hundred_and_one_in_twenty_allow() -> None:
    assert [tail_of(n, 1) for n in (60, 240, 600, 2_400, 100_000)] == [0.05, 0.05, 0.02, 0.005, 0.005]
    assert tail_of(2_400, 4) == 0.02
