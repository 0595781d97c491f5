"""Mixtures: the mean of points and probabilities, and a law with the mixture's mean and variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nextbar.forecasts.mixture import mixture
from nextbar.types import Forecast


def test_a_law_has_the_mean_and_the_variance_of_the_mixture() -> None:
    rng = np.random.default_rng(0)
    location, scale = rng.normal(size=(3, 5, 2)), rng.uniform(0.5, 2, size=(3, 5, 2))
    told = mixture([Forecast(m, s) for m, s in zip(location, scale, strict=True)])
    assert told.location_NH is not None and told.scale_NH is not None and told.df_NH is None
    drawn = (
        rng.normal(location[..., None], scale[..., None], (3, 5, 2, 400_000)).transpose(1, 2, 0, 3).reshape(5, 2, -1)
    )
    np.testing.assert_allclose(told.location_NH, drawn.mean(axis=-1), atol=0.01)
    np.testing.assert_allclose(told.scale_NH, drawn.std(axis=-1), rtol=0.01)
    assert (told.scale_NH > scale.mean(axis=0)).all()  # disagreement widens it


def test_quantiles_of_members_that_nearly_agree_are_those_of_the_mixture() -> None:
    """The law stands in for the mixture; where members agree as seeds do, quantiles are within 0.02 deviations."""
    location, scale = np.array([[[0.0]], [[0.1]], [[-0.1]]]), np.array([[[1.0]], [[1.05]], [[0.95]]])
    told = mixture([Forecast(m, s) for m, s in zip(location, scale, strict=True)])
    assert told.location_NH is not None and told.scale_NH is not None
    grid = np.linspace(-6, 6, 200_001)
    share = np.mean([stats.norm.cdf(grid, m, s) for m, s in zip(location.ravel(), scale.ravel(), strict=True)], axis=0)
    for level in (0.05, 0.25, 0.9, 0.975):
        exact = np.interp(level, share, grid)
        assert stats.norm.ppf(level, told.location_NH.item(), told.scale_NH.item()) == pytest.approx(exact, abs=0.02)


def test_tails_and_probabilities_are_averaged() -> None:
    one, two = np.ones((1, 1)), np.full((1, 1), 2.0)
    told = mixture([Forecast(one, one, 3 * one), Forecast(one, one, 6 * one)])
    assert told.df_NH == pytest.approx(4.0) and told.scale_NH == pytest.approx(1.0)
    log = [np.log(np.array([[[0.1, 0.9]]])), np.log(np.array([[[0.5, 0.5]]]))]
    bins = mixture([Forecast(log_probs_NHK=a) for a in log]).log_probs_NHK
    np.testing.assert_allclose(np.exp(bins), [[[0.3, 0.7]]])
    assert mixture([Forecast(one), Forecast(two)]).location_NH == pytest.approx(1.5)
    for wrong in ([], [Forecast(one), Forecast(one, one)]):
        with pytest.raises(ValueError, match="one kind"):
            mixture(wrong)
