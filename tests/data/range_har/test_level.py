"""The trailing level against sums written out, and what a market that has changed makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from arch.univariate import SkewStudent
from builders import make_bars, with_columns
from scipy import stats

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.range_har import TRAIL, RangeHar, RangeLaw, fit_range_har
from nextbar.data.range_har.level import LARGEST_SCORE, trailing_level
from nextbar.data.range_har.likelihood import HarLaw


def test_it_is_the_sum_of_the_last_scores_over_their_number_and_the_trail() -> None:
    score = np.random.default_rng(0).standard_normal(40)
    score[0] = 0
    found = trailing_level(score, 1.5, 10)
    for i in range(40):
        last = score[max(i - 9, 0) : i + 1]
        assert found[i] == pytest.approx(last.sum() / 1.5 / (min(i, 10) + 10), abs=1e-6)


def test_bars_before_the_trail_change_no_bit() -> None:
    score = 1e3 * np.random.default_rng(1).standard_normal(3000)
    whole, recent = (trailing_level(values, 1.7, 300) for values in (score, score[-400:]))
    np.testing.assert_array_equal(whole[-100:], recent[-100:])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_return_that_is_no_number_weighs_no_more_than_the_largest(value: float) -> None:
    score = np.zeros(50)
    score[20] = value
    found = trailing_level(score, 2.0, 10)
    assert np.isfinite(found).all() and np.abs(found).max() <= LARGEST_SCORE / 2 / 20


@pytest.mark.parametrize(
    ("df", "skew"), [(None, None), (3.0, None), (8.0, None), (250.0, None), (5.0, 0.0), (5.0, -0.15), (8.0, 0.15)]
)
def test_the_score_is_the_slope_of_the_log_density_and_has_that_variance(df: float | None, skew: float | None) -> None:
    law = HarLaw((0.0,), 0.0, df, skew)
    if df is None:
        logpdf, ppf = stats.norm.logpdf, stats.norm.ppf
    else:
        shape = [df, skew or 0.0]  # arch's skewed Student-t is that of Hansen, and the Student-t of variance 1
        logpdf = lambda z: SkewStudent().loglikelihood(shape, z, np.ones(len(z)), individual=True)  # noqa: E731
        ppf = lambda p: SkewStudent().ppf(p, shape)  # noqa: E731
    z, step = np.linspace(-6, 6, 41), 1e-5
    density = [logpdf(z * np.exp(-s)) - s for s in (step, -step)]
    np.testing.assert_allclose(law.scale_score(z), (density[0] - density[1]) / (2 * step), atol=1e-6)
    middle = ppf((np.arange(200_000) + 0.5) / 200_000)
    assert law.scale_score(middle).mean() == pytest.approx(0, abs=2e-3)
    assert law.scale_score(middle).var() == pytest.approx(law.scale_information, rel=0.05 if skew else 5e-3)


def _market(n: int, changed: int, by: float) -> Bars:
    """Bars whose close moves ``by`` times as far from bar ``changed`` on, and whose ranges stay as they were."""
    rng = np.random.default_rng(7)
    close = np.cumsum(0.01 * rng.standard_normal(n) * np.where(np.arange(n) < changed, 1.0, by))
    high, low = close + 0.02, close - 0.02  # a range that tells nothing of the level
    columns = {"open": close, "high": high, "low": low, "close": close}
    return with_columns(make_bars("m", "4h", n, volume=False), **{k: 100 * np.exp(v) for k, v in columns.items()})


def _fitted(bars: Bars, n_train: int, trail: int) -> tuple[RangeHar, RangeLaw]:
    calendar = Calendar.always(bars.step)
    (fit,), _ = fit_range_har([bars], [n_train], [calendar], 2, "student_t", trail)
    assert fit is not None
    return fit, fit.law(bars, calendar)


def test_it_follows_a_market_whose_returns_have_left_their_ranges() -> None:
    """The gap of this market is its return, so its range variance doubles less than its variance does."""
    bars = _market(6000, 3000, 1.0)
    plain, trailing = (_fitted(bars, 2500, trail)[1] for trail in (0, TRAIL))
    np.testing.assert_allclose(trailing.log_scale_NH - trailing.level_N[:, None], plain.log_scale_NH, atol=1e-12)
    assert np.abs(trailing.level_N[600:]).max() < 0.12  # nothing changed: two or three standard errors, and half of it
    moved = _market(6000, 3000, 1.5)
    before, after = (_fitted(moved, 2500, trail)[1] for trail in (0, TRAIL))
    actual = np.diff(np.log(moved.columns["close"]))[4000:]
    z_plain, z_trailing = (actual / np.exp(law.log_scale_NH[4000:-1, 0]) for law in (before, after))
    assert abs(np.std(z_trailing) - 1) < 0.7 * abs(np.std(z_plain) - 1)


def test_without_it_nothing_is_added_and_the_fit_is_the_same() -> None:
    bars = _market(900, 900, 1.0)
    plain, law = _fitted(bars, 600, 0)
    trailing, _ = _fitted(bars, 600, TRAIL)
    assert plain.laws == trailing.laws and not law.level_N.any()
    assert trailing.history == plain.history + TRAIL


def test_later_bars_change_no_level() -> None:
    bars = _market(1500, 1500, 1.0)
    later = {k: np.where(np.arange(1500) > 1200, 3 * v, v) for k, v in bars.columns.items()}
    (_, law), (_, again) = _fitted(bars, 900, TRAIL), _fitted(with_columns(bars, **later), 900, TRAIL)
    np.testing.assert_array_equal(law.level_N[:1201], again.level_N[:1201])


def test_a_law_is_the_same_with_all_bars_and_with_those_it_looks_back_on() -> None:
    bars = _market(2000, 1000, 1.4)
    fit, law = _fitted(bars, 900, 100)
    recent = fit.law(bars.last(fit.history), Calendar.always(bars.step))
    assert recent.log_scale_NH[-1, 0] == law.log_scale_NH[-1, 0]
    fewer = fit.law(bars.last(fit.history - 60), Calendar.always(bars.step))
    assert fewer.log_scale_NH[-1, 0] != law.log_scale_NH[-1, 0]


def test_it_survives_a_file_and_files_from_before_have_none() -> None:
    fit, _ = _fitted(_market(900, 900, 1.0), 600, TRAIL)
    plain = fit.to_dict()
    assert RangeHar.from_dict(plain).trail == TRAIL
    del plain["trail"]
    assert RangeHar.from_dict(plain).trail == 0
