"""Every metric against scikit-learn, scipy or numerical integration."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from made_up_spans import (
    EDGES,
    NAMES,
    direction,
    make_scorer,
    prices,
    random_bins,
    random_forecast,
)
from scipy import integrate, stats
from skewed import SkewedLaw
from sklearn import metrics as sk

from nextbar.metrics.bins import elements, law_log_probs, side
from nextbar.metrics.calibration import pit
from nextbar.metrics.density import quantile
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.standard_laws import Normal, SkewT, StudentT
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.move_bins import bin_index
from nextbar.types import Forecast, Outcomes, Reference


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("target", ["close", "log_return"])
def test_point_metrics_equal_scikit_learn(horizon: int, target: str) -> None:
    scorer = make_scorer(horizon, output_mode="mean", target=target)
    forecast = random_forecast(scorer)
    scores = scorer.score(forecast)
    expected: dict[str, list[float]] = {}
    for s, name in enumerate(NAMES):
        last, true, predicted = prices(scorer, forecast, scorer.outcomes.series_N == s)
        log_error, log_return = np.log(predicted / true), np.log(true / last)
        center, spread = scorer.reference.center_S[s], scorer.reference.spread_S[s]
        mse = sk.mean_squared_error(true.ravel(), predicted.ravel())
        reference = {
            "mae": sk.mean_absolute_error(true.ravel(), predicted.ravel()),
            "mse": mse,
            "rmse": np.sqrt(mse),
            "mape": 100 * sk.mean_absolute_percentage_error(true.ravel(), predicted.ravel()),
            "r2": sk.r2_score(true.ravel(), predicted.ravel()),
            "r2_return": 1 - (log_error**2).sum() / (log_return**2).sum(),
            "mse_scaled": np.mean(((true - center) / spread - (predicted - center) / spread) ** 2),
            "mae_scaled": np.mean(np.abs((true - center) / spread - (predicted - center) / spread)),
            "acc_dir": direction(np.sign(forecast.location_NH[scorer.outcomes.series_N == s]), true - last),
        }
        assert scores.by_ticker[name].pooled == pytest.approx(reference, rel=1e-9)
        for h in range(horizon):
            step = {key: values[h] for key, values in scores.by_ticker[name].by_step.items()}
            assert step["mae"] == pytest.approx(np.abs(true - predicted)[:, h].mean(), rel=1e-9)
            assert step["r2"] == pytest.approx(sk.r2_score(true[:, h], predicted[:, h]), rel=1e-9)
            assert step["mape"] == pytest.approx(
                100 * sk.mean_absolute_percentage_error(true[:, h], predicted[:, h]), rel=1e-9
            )
        for key, value in reference.items():
            expected.setdefault(key, []).append(value)
    assert scores.mean.pooled == pytest.approx({k: np.mean(v) for k, v in expected.items()}, rel=1e-9)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("df", [False, True], ids=["normal", "student_t"])
@pytest.mark.parametrize("target", ["close", "log_return"])
def test_density_metrics_equal_scipy(horizon: int, df: bool, target: str) -> None:
    scorer = make_scorer(horizon, output_mode="distribution", target=target)
    forecast = random_forecast(scorer, df)
    scores = scorer.score(forecast)
    for s, name in enumerate(NAMES):
        row = scorer.outcomes.series_N == s
        last, true, _ = prices(scorer, forecast, row)
        location, scale = forecast.location_NH[row], forecast.scale_NH[row]
        actual = true - last if target == "close" else np.log(true / last)
        slope = 100 / true if target == "close" else 100.0
        if df:
            nu = forecast.df_NH[row]
            law = stats.t(nu, location, scale * np.sqrt((nu - 2) / nu))
        else:
            law = stats.norm(location, scale)
        np.testing.assert_allclose(law.std(), scale, rtol=1e-12)  # scale is the standard deviation
        expected = {"nll": np.mean(-law.logpdf(actual) + np.log(slope))}
        for level in (50, 80, 90, 95):
            low, high = law.interval(level / 100)
            expected[f"coverage_{level}"] = 100 * np.mean((actual >= low) & (actual <= high))
        found = scores.by_ticker[name].pooled
        assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-9)
        steps = np.mean(-law.logpdf(actual) + np.log(slope), axis=0)
        assert scores.by_ticker[name].by_step["nll"] == pytest.approx(steps.tolist(), rel=1e-9)
        assert (
            found["mae"]
            == make_scorer(horizon, output_mode="mean", target=target).score(forecast).by_ticker[name].pooled["mae"]
        )


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_density_metrics_of_a_skewed_law_equal_archs(target: str) -> None:
    """Its central intervals leave as much below as above, so that they do not lie around its mean."""
    scorer = make_scorer(1, output_mode="distribution", target=target)
    forecast = random_forecast(scorer, skew=-0.5)._replace(df_NH=np.full(scorer.outcomes.close_NH.shape, 3.0))
    row, law = scorer.outcomes.series_N == 0, SkewedLaw(3.0, -0.5)
    last, true, _ = prices(scorer, forecast, row)
    actual = true - last if target == "close" else np.log(true / last)
    slope = 100 / true if target == "close" else 100.0
    z = (actual - forecast.location_NH[row]) / forecast.scale_NH[row]
    found = scorer.score(forecast).by_ticker[NAMES[0]].pooled
    assert found["nll"] == pytest.approx(np.mean(-law.logpdf(z) + np.log(forecast.scale_NH[row] * slope)), rel=1e-9)
    for level in (50, 80, 90, 95):
        low, high = (law.ppf(0.5 + side * level / 200) for side in (-1, 1))
        assert found[f"coverage_{level}"] == pytest.approx(100 * np.mean((low <= z) & (z <= high)))
    np.testing.assert_allclose(pit(scorer.outcomes, forecast, scorer.task)[row], law.cdf(z), rtol=1e-9)
    low_NH, high_NH = (quantile(forecast, share)[row] for share in (0.1, 0.9))
    assert (high_NH - forecast.location_NH[row] < forecast.location_NH[row] - low_NH).all()


@pytest.mark.parametrize("z", [-7.0, -1.3, 0.0, 0.4, 2.5])
@pytest.mark.parametrize("df", [None, 2.2, 4.5, 30.0])
def test_crps_is_the_integral_of_the_squared_distance_to_the_step(z: float, df: float | None) -> None:
    """CRPS(F, z) = integral of (F(x) - 1{x >= z})^2, Gneiting and Raftery 2007, equation 20."""
    law = stats.norm() if df is None else stats.t(df)
    options = {"epsabs": 1e-12, "epsrel": 1e-11, "limit": 400}
    below = integrate.quad(lambda x: law.cdf(x) ** 2, -np.inf, z, **options)[0]
    above = integrate.quad(lambda x: law.sf(x) ** 2, z, np.inf, **options)[0]
    _, crps, _ = (Normal() if df is None else StudentT(np.array(df))).losses(np.array(z))
    assert float(crps) == pytest.approx(below + above, rel=1e-8)


@pytest.mark.parametrize("z", [-7.0, -0.2, 0.1, 2.5])
@pytest.mark.parametrize(("df", "skew"), [(2.2, -0.6), (4.5, -0.12), (30.0, 0.95)])
def test_crps_of_a_skewed_law_is_the_integral_of_the_squared_distance_to_the_step(
    z: float, df: float, skew: float
) -> None:
    law = SkewT(np.array(df), np.array(skew))
    mode = -float(law._mean() / law._spread())
    options = {"epsabs": 1e-13, "epsrel": 1e-12, "limit": 400}
    ends = [-np.inf, *sorted([z, mode]), np.inf]
    parts = [
        integrate.quad(lambda x, f=law.cdf if b <= z else law.sf: float(f(np.array(x))) ** 2, a, b, **options)[0]
        for a, b in pairwise(ends)
    ]
    assert float(law.losses(np.array(z))[1]) == pytest.approx(sum(parts), rel=1e-9)


def test_crps_carries_the_unit_of_the_percent_log_return() -> None:
    """Exact for log returns; for prices within the linearisation's error of the exact law's."""
    for target, tolerance in (("log_return", 1e-12), ("close", 0.02)):
        scorer = make_scorer(1, output_mode="distribution", target=target)
        forecast = random_forecast(scorer)
        log_scorer = make_scorer(1, output_mode="distribution", target="log_return")
        log_forecast = random_forecast(log_scorer)
        row = scorer.outcomes.series_N == 0
        z = 100 * np.log(scorer.outcomes.close_NH / scorer.outcomes.last_close_N[:, None])[row]
        law_location, law_scale = 100 * log_forecast.location_NH[row], 100 * log_forecast.scale_NH[row]
        exact = np.mean(Normal().losses((z - law_location) / law_scale)[1] * law_scale)
        assert scorer.score(forecast).by_ticker["dear"].pooled["crps"] == pytest.approx(exact, rel=tolerance)


def test_a_student_t_with_many_degrees_of_freedom_is_normal() -> None:
    z = np.linspace(-6, 6, 101)
    for heavy, light in zip(StudentT(np.full_like(z, 1e9)).losses(z), Normal().losses(z), strict=True):
        np.testing.assert_allclose(heavy, light, rtol=1e-6)


def test_density_of_the_percent_log_return_integrates_to_one() -> None:
    """The change of variable at the observed close is a density: exp(-nll) over all outcomes sums to one."""
    z = np.linspace(-12, 12, 4001)
    close_NH = 60_000 * np.exp(z / 100)[:, None]
    n = len(z)
    outcomes = Outcomes(np.zeros(n, int), ("a",), np.arange(n), np.full(n, 60_000.0), close_NH)
    reference = Reference(np.array([6e4]), np.array([1e4]), np.array([[0.01]]), np.array([True]))
    scorer = Scorer(outcomes, reference, Task(output_mode="distribution"))
    forecast = Forecast(location_NH=np.full((n, 1), 50.0), scale_NH=np.full((n, 1), 900.0))
    assert integrate.trapezoid(np.exp(-scorer.leading_errors(forecast)), z) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("horizon", [1, 3])
def test_bin_metrics_equal_scikit_learn(horizon: int) -> None:
    scorer = make_scorer(horizon, output_mode="discrete_grid", edges=EDGES)
    forecast = random_bins(scorer)
    scores = scorer.score(forecast)
    for s, name in enumerate(NAMES):
        row = scorer.outcomes.series_N == s
        last_N1, close_NH = scorer.outcomes.last_close_N[row, None], scorer.outcomes.close_NH[row]
        probs = np.exp(forecast.log_probs_NHK[row])
        move = 100 * (close_NH / last_N1 - 1)
        true = sum((move >= edge).astype(int) for edge in EDGES[1:-1])
        flat_probs = probs.reshape(-1, 5)
        expected = {
            "acc": 100 * sk.accuracy_score(true.ravel(), flat_probs.argmax(1)),
            "log_loss": sk.log_loss(true.ravel(), flat_probs, labels=range(5)),
            "brier": np.mean(((flat_probs - np.eye(5)[true.ravel()]) ** 2).sum(1)),
            "acc_dir": direction(np.sign(probs[..., 3:].sum(-1) - probs[..., :2].sum(-1)), close_NH - last_N1),
        }
        assert scores.by_ticker[name].pooled == pytest.approx(expected, rel=1e-9)
        steps = [sk.log_loss(true[:, h], probs[:, h], labels=range(5)) for h in range(horizon)]
        assert scores.by_ticker[name].by_step["log_loss"] == pytest.approx(steps, rel=1e-9)


def test_bins_own_their_lower_edge_and_the_outermost_take_the_rest() -> None:
    closes = 100 + np.array([-50.0, -1.0, -0.2500001, -0.25, 0.0, 0.25, 0.999, 1.0, 50.0])
    assert bin_index(100.0, closes, EDGES).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert bin_index(100.0, closes, (-2.0, -1.0, 1.0, 2.0)).tolist() == [0, 1, 1, 1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("edges", "sides"),
    [
        (EDGES, [-1, -1, 0, 1, 1]),
        ((-1.0, 0.0, 1.0), [-1, 1]),
        ((-np.inf, 1.0, np.inf), [0, 1]),
        ((0.5, 1.0, 2.0), [0, 1]),  # the first bin takes every fall as well
    ],
)
def test_side_of_zero(edges: tuple[float, ...], sides: list[int]) -> None:
    assert side(edges).tolist() == sides


def test_direction_of_bins_halves_a_straddling_bin_and_equal_masses() -> None:
    last_N, close_NH = np.full(4, 100.0), np.array([[102.0], [102.0], [102.0], [100.0]])
    outcomes = Outcomes(np.zeros(4, int), ("a",), np.arange(4), last_N, close_NH)
    probs = np.array([[0.1, 0.1, 0.5, 0.2, 0.1], [0.2, 0.1, 0.5, 0.1, 0.1], [0.2, 0.1, 0.4, 0.1, 0.2], [0.2] * 5])
    task = Task(output_mode="discrete_grid", edges=EDGES)
    reference = Reference(
        np.array([100.0]), np.array([1.0]), np.array([[0.01]]), np.array([True]), np.full((1, 5), 0.2)
    )
    probs[2, 0] += 3e-8  # float32 rounding leads nowhere
    score = Scorer(outcomes, reference, task).score(Forecast(log_probs_NHK=np.log(probs)[:, None, :]))
    assert score.mean.pooled["acc_dir"] == pytest.approx(100 * (1 + 0 + 0.5) / 3)  # right, wrong, flat; tie out


def test_only_the_window_and_step_with_a_broken_probability_is_invalid() -> None:
    log_probs_NHK = np.full((4, 3, 5), np.log(0.2))
    log_probs_NHK[1, 2, 4], log_probs_NHK[3, 0, 0] = np.nan, np.inf
    truth = Truth.of(np.full(4, 100.0), np.full((4, 3), 101.0), True, 100.0)
    invalid_NH = elements(log_probs_NHK, truth, EDGES)["invalid"]
    assert invalid_NH.shape == (4, 3) and np.argwhere(invalid_NH).tolist() == [[1, 2], [3, 0]]


@pytest.mark.parametrize("df", [None, 3.5])
def test_a_law_gives_each_bin_its_probability(df: float | None) -> None:
    """Of the percentage move, by scipy's distribution functions; nothing is lost far out."""
    rng = np.random.default_rng(0)
    edges = (-100.0, -2.0, -0.5, 0.0, 0.5, 30.0, 1000.0)
    location_NH, scale_NH = 0.01 * rng.normal(size=(40, 2)), 0.01 * rng.uniform(0.5, 2, (40, 2))
    df_NH = None if df is None else np.full((40, 2), df)
    found = law_log_probs(Forecast(location_NH, scale_NH, df_NH), edges)
    inner = np.log1p(np.array(edges[1:-1]) / 100)[:, None, None]
    law = stats.norm() if df is None else stats.t(df)
    z = (inner - location_NH) / (scale_NH if df is None else scale_NH * np.sqrt((df - 2) / df))
    expected = np.diff(np.concatenate([np.zeros((1, 40, 2)), law.cdf(z), np.ones((1, 40, 2))]), axis=0)
    np.testing.assert_allclose(np.exp(found), np.maximum(expected, 1e-12).transpose(1, 2, 0), rtol=1e-6, atol=2e-12)
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1, rtol=1e-12)
    skewed = law_log_probs(Forecast(location_NH, scale_NH, np.full((40, 2), 3.5), np.full((40, 2), -0.3)), edges)
    of_arch = SkewedLaw(3.5, -0.3)
    below = of_arch.cdf((inner - location_NH) / scale_NH)
    expected = np.diff(np.concatenate([np.zeros((1, 40, 2)), below, np.ones((1, 40, 2))]), axis=0)
    np.testing.assert_allclose(np.exp(skewed), np.maximum(expected, 1e-12).transpose(1, 2, 0), rtol=1e-6, atol=2e-12)
    if df is not None:  # 26 log units up: 1 - cdf has no digits left, the upper tail has all of them
        np.testing.assert_allclose(np.exp(found[..., -1]), law.sf(z[-1]), rtol=1e-9)
    assert (found >= np.log(1e-12) - 1e-9).all()


def test_the_upper_tail_keeps_its_digits_as_the_lower_does() -> None:
    """Mirrored edges in log returns have mirrored probabilities, to the last of them."""
    up = np.exp(np.array([0.0, 0.05, 0.06, 0.0625]))
    rising = (-50.0, *(100 * (up - 1)), 900.0)
    falling = (-90.0, *(100 * (1 / up[::-1] - 1)), 50.0)
    one = np.full((1, 1), 0.01)
    found = [law_log_probs(Forecast(0 * one, one), edges)[0, 0] for edges in (rising, falling)]
    np.testing.assert_allclose(found[0], found[1][::-1], rtol=1e-6)
    assert found[0][2] == pytest.approx(np.log(stats.norm.sf(5) - stats.norm.sf(6)), rel=1e-9)


def test_a_fall_by_everything_is_no_move_of_a_law() -> None:
    """No price falls to zero or below by a log return: bins down there keep the least probability."""
    one = np.ones((1, 1))
    found = np.exp(law_log_probs(Forecast(0 * one, 0.01 * one), (-300.0, -200.0, -100.0, 0.0, 50.0))[0, 0])
    np.testing.assert_allclose(found, [1e-12, 1e-12, 0.5, 0.5], rtol=1e-9)
