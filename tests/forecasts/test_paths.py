"""Paths: every step has its law, increments are those of a walk, and nothing else moves a path."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_forecasts import TASKS, keys, made_up
from scipy import stats

from nextbar.errors import ConfigError
from nextbar.forecasts import Keys
from nextbar.forecasts.mixture import mixture
from nextbar.forecasts.paths import path_changes
from nextbar.metrics.density import mass_below
from nextbar.types import Forecast

LAWS = [name for name, task in TASKS.items() if task.output_mode == "distribution"]
J = 4000


def some_keys(count: int) -> Keys:
    return Keys(np.full(count, "a"), None, np.arange(count) * 3600, np.zeros((count, 1)), np.full(count, 100.0))


@pytest.mark.parametrize("kind", LAWS)
def test_each_step_has_the_law_that_was_forecast(kind: str) -> None:
    law = made_up(kind)
    paths_JNH = path_changes(law, keys(), J, seed=0)
    shares = np.stack([mass_below(law, change_NH) for change_NH in paths_JNH]).reshape(J, -1)
    for share_J in shares.T:  # uniform where the draws are the law's
        assert stats.kstest(share_J, "uniform").pvalue > 1e-4
    spread = paths_JNH.std(axis=0) / law.scale_NH
    if kind in ("normal", "mixture"):
        np.testing.assert_allclose(spread, 1, atol=0.05)
        np.testing.assert_allclose((paths_JNH.mean(axis=0) - law.location_NH) / law.scale_NH, 0, atol=0.07)


def test_normal_laws_that_widen_have_independent_increments() -> None:
    """Covariance of steps h and k: the smaller of their variances; of the increments a diagonal of differences."""
    scale_NH = np.array([[1.0, 1.5, 1.7, 3.0]])
    law = Forecast(np.array([[0.1, 0.3, 0.2, -1.0]]), scale_NH)
    paths_JH = path_changes(law, some_keys(1), 20 * J, seed=3)[:, 0]
    np.testing.assert_allclose(np.cov(paths_JH.T) / np.minimum.outer(scale_NH[0], scale_NH[0]) ** 2, 1, atol=0.03)
    increments = np.cov(np.diff(paths_JH, axis=1, prepend=0).T)
    np.testing.assert_allclose(np.diag(increments), np.diff(scale_NH[0] ** 2, prepend=0), rtol=0.03)
    np.testing.assert_allclose(increments - np.diag(np.diag(increments)), 0, atol=0.05)


def test_where_a_law_is_no_wider_the_path_keeps_its_share() -> None:
    law = Forecast(np.zeros((1, 3)), np.array([[2.0, 1.0, 2.0]]))
    paths_JH = path_changes(law, some_keys(1), 50, seed=0)[:, 0]
    np.testing.assert_allclose(paths_JH[:, 1], paths_JH[:, 0] / 2)
    np.testing.assert_allclose(paths_JH[:, 2], paths_JH[:, 0])


def test_a_path_of_an_ensemble_follows_one_member() -> None:
    far = [Forecast(np.full((1, 3), place), np.array([[1.0, 1.5, 2.0]])) for place in (-1000.0, 0.0, 1000.0)]
    member_JH = np.round(path_changes(mixture(far), some_keys(1), J, seed=0)[:, 0] / 1000)
    assert (member_JH == member_JH[:, :1]).all()
    np.testing.assert_allclose([(member_JH[:, 0] == m).mean() for m in (-1, 0, 1)], 1 / 3, atol=0.04)


@pytest.mark.parametrize("kind", ["skew_t", "student_t mixture"])
def test_neither_other_forecasts_nor_more_paths_change_a_path(kind: str) -> None:
    law = made_up(kind)
    paths = path_changes(law, keys(True), 20, seed=1)
    alone = keys(True)._replace(**{n: getattr(keys(True), n)[3:4] for n in keys()._fields})
    np.testing.assert_array_equal(path_changes(law.rows(slice(3, 4)), alone, 20, seed=1), paths[:, 3:4])
    np.testing.assert_array_equal(path_changes(law, keys(True), 7, seed=1), paths[:7])
    assert not (path_changes(law, keys(True), 20, seed=2) == paths).any()
    other = keys(True)._replace(resolution_N=np.full(5, "1d"), origin_N=keys().origin_N)
    assert not (path_changes(law, other, 20, seed=1) == paths).any()


def test_a_date_before_1970_is_a_seed_like_others() -> None:
    law = Forecast(np.zeros((1, 1)), np.ones((1, 1)))
    early = some_keys(1)._replace(origin_N=np.array([-86400]))
    assert (path_changes(law, early, 5, seed=0) != path_changes(law, some_keys(1), 5, seed=0)).all()


def test_more_than_can_be_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbar.forecasts.paths.MOST", 99)
    with pytest.raises(ConfigError, match="10 paths of 5 forecasts over 2 steps are 100 closes; at most 99"):
        path_changes(made_up("normal"), keys(), 10, seed=0)
