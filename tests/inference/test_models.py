"""Models whose forecasts are mixed."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from made_runs import MadeRun, make_run, random_parameters

from nextbar.errors import RunError
from nextbar.forecasts.mixture import mixture
from nextbar.inference.models import Models, forwards_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("run"), seeds=2, losses=(0.1,))


def models_of(run: MadeRun, seed: int) -> Models:
    preparation, params = run.dataset.preparation, random_parameters(run.config, run.dataset, seed)
    return Models(tuple(forwards_of(run.config, preparation.spec, params)), preparation)


def test_their_forecast_is_the_mixture_of_their_own(run: MadeRun) -> None:
    both, rows = models_of(run, 1), run.dataset.origins["test"][:3]
    bars, fits = run.dataset.bars, run.dataset.preparation.series
    alone = [both._replace(forwards=(forward,)).forecast(bars, fits, rows) for forward in both.forwards]
    assert len(alone) == 2 and (alone[0].location_NH != alone[1].location_NH).all()
    for ours, expected in zip(both.forecast(bars, fits, rows), mixture(alone), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_digest_is_that_of_all_that_forecasts_follow_from(run: MadeRun) -> None:
    models = models_of(run, 1)
    assert models_of(run, 1)._replace(source=(("elsewhere", 1),)).digest() == models.digest()
    moved = models.preparation.to_dict() | {"first_time": models.preparation.first_time + 1}
    others = [
        models_of(run, 2),
        models._replace(forwards=models.forwards[::-1]),
        models._replace(preparation=type(models.preparation).from_dict(moved)),
    ]
    assert len({models.digest(), *(other.digest() for other in others)}) == 4


def test_parameters_of_another_number_of_members_are_refused(run: MadeRun) -> None:
    params = jax.tree.map(lambda leaf: leaf[:1], random_parameters(run.config, run.dataset))
    with pytest.raises(RunError, match=r"are not those of 2 members \(seeds: 2\)"):
        forwards_of(run.config, run.dataset.preparation.spec, params)
