"""Mixtures: the mean of points and probabilities, and all laws beside their mean and deviation."""

from __future__ import annotations

import numpy as np
import pytest

from nextbar.forecasts.mixture import mixture
from nextbar.types import Forecast


def test_laws_are_kept_beside_the_mean_and_the_deviation_of_the_mixture() -> None:
    rng = np.random.default_rng(0)
    location, scale, df = rng.normal(size=(3, 5, 2)), rng.uniform(0.5, 2, size=(3, 5, 2)), rng.uniform(3, 9, (3, 5, 2))
    told = mixture([Forecast(*law) for law in zip(location, scale, df, strict=True)])
    assert told.location_NH is not None and told.scale_NH is not None and told.df_NH is None
    drawn = (
        rng.normal(location[..., None], scale[..., None], (3, 5, 2, 400_000)).transpose(1, 2, 0, 3).reshape(5, 2, -1)
    )
    np.testing.assert_allclose(told.location_NH, drawn.mean(axis=-1), atol=0.01)
    np.testing.assert_allclose(told.scale_NH, drawn.std(axis=-1), rtol=0.01)
    for kept, given in ((told.locations_NHM, location), (told.scales_NHM, scale), (told.dfs_NHM, df)):
        np.testing.assert_array_equal(kept, np.moveaxis(given, 0, -1))
    rows = told.rows(slice(1, 3))
    assert rows.scales_NHM is not None and rows.scales_NHM.shape == (2, 2, 3)


def test_skewness_is_kept_and_tells_kinds_apart() -> None:
    one = np.ones((1, 1))
    laws = [Forecast(one, one, 4 * one, skew * one) for skew in (-0.2, 0.1)]
    told = mixture(laws)
    assert told.skews_NHM is not None and told.skews_NHM.ravel().tolist() == [-0.2, 0.1] and told.skew_NH is None
    assert mixture([told, laws[0]]).law.skew.ravel().tolist() == [-0.2, 0.1, -0.2]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="one kind"):
        mixture([laws[0], Forecast(one, one, 4 * one)])


def test_laws_of_mixtures_count_one_by_one() -> None:
    one = np.ones((1, 1))
    pair = mixture([Forecast(one, one), Forecast(2 * one, one)])
    three = mixture([pair, Forecast(6 * one, 2 * one)])
    assert three.locations_NHM is not None and three.scales_NHM is not None
    assert three.locations_NHM.ravel().tolist() == [1, 2, 6] and three.scales_NHM.ravel().tolist() == [1, 1, 2]
    assert three.location_NH == pytest.approx(3.0)


def test_points_and_probabilities_are_averaged() -> None:
    one, two = np.ones((1, 1)), np.full((1, 1), 2.0)
    log = [np.log(np.array([[[0.1, 0.9]]])), np.log(np.array([[[0.5, 0.5]]]))]
    bins = mixture([Forecast(log_probs_NHK=a) for a in log]).log_probs_NHK
    np.testing.assert_allclose(np.exp(bins), [[[0.3, 0.7]]])
    assert mixture([Forecast(one), Forecast(two)]).location_NH == pytest.approx(1.5)


def test_one_forecast_stays_as_it_is() -> None:
    alone = Forecast(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))
    assert mixture([alone]) is alone


def test_forecasts_of_different_kinds_are_refused() -> None:
    one = np.ones((1, 1))
    for wrong in ([], [Forecast(one), Forecast(one, one)], [Forecast(one, one), Forecast(one, one, one * 3)]):
        with pytest.raises(ValueError, match="one kind"):
            mixture(wrong)
