"""An ensemble as one run: members trained side by side, chosen, saved, forecast and scored as their mixture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import GRID, leaves, series
from scipy import stats
from trainings import BARS, assert_same_run, interrupt, make_config, train

from nextbar import evaluate, refit, train_population, train_seeds
from nextbar.checksums import write_text
from nextbar.data.dataset import build_dataset
from nextbar.engine.engine import Engine
from nextbar.engine.results import TrainedEpoch
from nextbar.errors import RunError, TrainingInterrupted
from nextbar.forecasts.mixture import mixture
from nextbar.inference.forecaster import Forecaster
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.metrics_csv import read_metrics
from nextbar.train.members import epoch_of, joined, output_of, parted
from nextbar.train.trainer import Result
from nextbar.types import Forecast

LAW: dict[str, Any] = {
    "output_mode": "distribution", "target": "log_return", "tail": "student_t", "num_epochs": 3, "learning_rate": 0.02,
    "horizon": 2, "seed": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tmp_path_factory.mktemp("ensemble"), seeds=3, **LAW)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """The members as runs of their own."""
    config = make_config(tmp_path_factory.mktemp("apart"), **LAW)
    return list(train_seeds(config, 3, BARS, show=False).results)


def last_parameters(run_dir: Path) -> Any:
    checkpoints = Checkpoints(run_dir / "checkpoints")
    try:
        return checkpoints.restore_raw(LAW["num_epochs"])
    finally:
        checkpoints.close()


def test_members_are_the_trainings_of_their_seeds(run: Result, apart: list[Result]) -> None:
    members = parted(last_parameters(run.run_dir), 3)
    for member, alone in zip(members, apart, strict=True):
        for a, b in zip(leaves(member), leaves(last_parameters(alone.run_dir)), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(leaves(members[0])[0], leaves(members[1])[0])


def test_the_run_forecasts_and_is_scored_as_the_mixture_of_its_members(run: Result, apart: list[Result]) -> None:
    epoch = LAW["num_epochs"]
    ensemble, several = Forecaster.load(run.run_dir, epoch), Forecaster.load([r.run_dir for r in apart], epoch)
    tables = [f.predict(BARS, last_only=False, law=True) for f in (ensemble, several)]
    assert {"scale-3", "df-3"} <= set(tables[0]) and list(tables[0]) == list(tables[1])
    for name in tables[0].columns[4:]:
        np.testing.assert_array_equal(tables[0][name], tables[1][name])
    told = evaluate(run.run_dir, BARS)
    for span, recorded in run.metrics.items():
        assert told.metrics[span]["model"] == pytest.approx(recorded["model"], rel=1e-5)


def test_nll_is_that_of_the_averaged_density(run: Result) -> None:
    """Computed by scipy from the laws of the test span's forecasts."""
    span = evaluate(run.run_dir, BARS).spans["test"]
    law, outcomes = span.forecast, span.outcomes
    move_NH1 = np.log(outcomes.close_NH / outcomes.last_close_N[:, None])[..., None]
    unit = law.scales_NHM * np.sqrt((law.dfs_NHM - 2) / law.dfs_NHM)
    density_NH = stats.t.pdf(move_NH1, law.dfs_NHM, law.locations_NHM, unit).mean(axis=-1) / 100
    assert run.metrics["test"]["model"]["nll"] == pytest.approx(-np.log(density_NH).mean(), rel=1e-5)


def test_the_best_epoch_is_that_of_the_mixtures_loss(run: Result) -> None:
    """The loss is the mixture's nll in units of the window, whose logarithms have the same mean in every epoch."""
    rows = read_metrics(run.run_dir)
    losses = [row["validation/loss"] for row in rows]
    assert run.best_epoch == 1 + int(np.argmin(losses))
    apart = [row["validation/loss"] - row["validation/nll"] for row in rows]
    np.testing.assert_allclose(apart, apart[0], atol=2e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {"output_mode": "mean", "horizon": 2},
        {"output_mode": "discrete_grid", "discrete_grid_levels": GRID, "horizon": 2},
        {"output_mode": "distribution", "horizon": 2},
    ],
    ids=lambda fields: fields["output_mode"],
)
def test_the_loss_of_the_mixture(fields: dict[str, Any]) -> None:
    """Of probabilities: the mean likelihood; of points: their mean. From forecasts in user units and labels."""
    config = make_config(Path("runs"), seeds=3, **fields)
    dataset = build_dataset(config, series(config))
    engine = Engine(config.members, dataset, with_outputs=True)
    frequencies = np.full((2, 4), 0.25)
    states = [engine.start(frequencies, m) for m in range(3)]
    state, _ = engine.train_each(engine.join(states), [1, 1, 1])
    rows = dataset.origins["validation"]
    members = engine.evaluate_each(state.params, rows)
    told = output_of(members, engine.program.model.head)
    forecast, label_NH = told.forecast, members[0].label_NH
    assert label_NH is not None
    if forecast.log_probs_NHK is not None:
        loss_NH = -np.take_along_axis(forecast.log_probs_NHK, label_NH[..., None], axis=-1)[..., 0]
    else:
        outcomes = dataset.outcomes_at(rows)
        change_NH = outcomes.close_NH - outcomes.last_close_N[:, None]
        unit_N1 = np.median(change_NH / label_NH, axis=1, keepdims=True)
        if forecast.scale_NH is None:
            loss_NH = ((forecast.location_NH - change_NH) / unit_N1) ** 2
        else:
            density_NHM = stats.norm.pdf(change_NH[..., None], forecast.locations_NHM, forecast.scales_NHM)
            loss_NH = -np.log(density_NHM.mean(axis=-1) * unit_N1)
    np.testing.assert_allclose(told.loss_N, loss_NH.mean(axis=1), rtol=1e-4)
    assert (told.loss_N <= np.mean([m.loss_N for m in members], axis=0) + 1e-6).all()  # by Jensen
    assert not np.allclose(told.loss_N, members[0].loss_N)


@pytest.mark.parametrize(("epoch", "after"), [(1, "training"), (3, "evaluation")])
def test_an_interruption_changes_nothing(
    epoch: int, after: str, run: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, after)
        with pytest.raises(TrainingInterrupted):
            train(tmp_path, seeds=3, **LAW)
    again = train(tmp_path, seeds=3, **LAW)
    assert again.metrics == run.metrics and again.best_epoch == run.best_epoch
    assert_same_run(again.run_dir, run.run_dir)


@pytest.mark.slow
def test_ensembles_are_trained_side_by_side_as_each_alone(run: Result, tmp_path: Path) -> None:
    configs = [
        make_config(tmp_path, seeds=3, **(LAW | more)) for more in ({}, {"learning_rate": 1e-3, "num_epochs": 1})
    ]
    first, second = train_population(configs, BARS, show=False)
    assert len(read_metrics(second.run_dir)) == 1
    for row, wanted in zip(read_metrics(first.run_dir), read_metrics(run.run_dir), strict=True):
        assert row["validation/nll"] == pytest.approx(wanted["validation/nll"], rel=1e-4)


def test_intervals_can_be_conformal_and_the_run_refitted(run: Result) -> None:
    forecaster = Forecaster.load(run.run_dir)
    assert len(forecaster.predict(BARS, conformal=True)) == LAW["horizon"]
    again = refit(run.run_dir, BARS, show=False)
    assert len(Forecaster.load(again.run_dir).params) == 3


@pytest.mark.slow
def test_a_final_fit_is_an_ensemble_too(tmp_path: Path) -> None:
    result = train(tmp_path, seeds=2, final_fit=True, **(LAW | {"num_epochs": 1}))
    assert len(Forecaster.load(result.run_dir).params) == 2
    assert result.metrics.keys() == {"validation", "test"}


def test_ensembles_of_train_seeds_have_no_member_in_common(tmp_path: Path) -> None:
    config = make_config(tmp_path, seeds=2, num_epochs=1, seed=5)
    assert train_seeds(config, 2, BARS, show=False).seeds == (5, 7)
    assert [member.seed for member in replace(config, seed=7).members] == [7, 8]


def test_another_number_of_members_than_the_checkpoint_has_is_refused(tmp_path: Path) -> None:
    result = train(tmp_path, seeds=2, num_epochs=1)
    path = result.run_dir / "config.yaml"
    write_text(path, path.read_text().replace("seeds: 2", "seeds: 3"))
    with pytest.raises(RunError, match="not those of 3 members"):
        Forecaster.load(result.run_dir)


def test_trees_are_joined_and_parted() -> None:
    trees = [{"a": np.full((2, 3), m), "b": np.float32(m)} for m in range(3)]
    stacked = joined(trees)
    assert stacked["a"].shape == (3, 2, 3)
    for tree, member in zip(trees, parted(stacked, 3), strict=True):
        np.testing.assert_array_equal(tree["a"], member["a"])
    assert joined(trees[:1]) is trees[0] and parted(trees[0], 1)[0] is trees[0]


def test_one_member_that_diverges_is_an_epoch_that_does() -> None:
    point = Forecast(np.ones((4, 1)))
    sound = TrainedEpoch(np.array([1.0, 3.0]), np.full(2, 1e-3), point)
    broken = TrainedEpoch(np.array([1.0, np.nan]), np.full(2, 1e-3), Forecast())
    both = epoch_of([sound, sound])
    assert both.loss_T.tolist() == [1.0, 3.0] and both.forecast.location_NH is not None
    assert epoch_of([sound, broken]).first_bad_step == 1
    np.testing.assert_array_equal(both.forecast.location_NH, mixture([point, point]).location_NH)
