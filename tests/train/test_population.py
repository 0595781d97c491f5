"""A population: every member as it would be alone, whatever becomes of the others, by one compiled program."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from builders import MONDAY, make_bars, make_frame
from experiments import GRID, compilations, make_cohort, series
from filelock import FileLock
from trainings import BARS, assert_same_run, interrupt, make_config, parameters

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.engine import program
from nextbar.engine.functions import functions_of
from nextbar.errors import ConfigError, DataError, RunError, TrainingInterrupted
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.comparison import ranking_score
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.summary import read_summary
from nextbar.train import loop
from nextbar.train.cohort import Cohort
from nextbar.train.population import population_key, train_population
from nextbar.train.trainer import Result, Trainer

RELATIVE = 1e-5

DIFFERENT: list[dict[str, Any]] = [
    {},
    {"learning_rate": 4e-3, "lr_mode": "linear", "seed": 3},
    {"lr_mode": "constant", "dropout": 0.3, "norm_mode": "global_meanstd", "weight_decay": 0.1},
    {"warmup_epochs": 0, "dropout": 0.02, "norm_mode": "window_meanstd", "seed": 2**32 - 1},
]
"""every kind of difference that members may have"""


def config_of(log_dir: Path, **overrides: Any) -> ExperimentConfig:
    dropout = overrides.pop("dropout", 0.1)
    config = make_config(log_dir, **overrides)
    return ExperimentConfig.from_dict(
        {**config.to_dict(), "model_config": {**config.model_config.to_dict(), "dropout": dropout}}
    )


def configs_of(log_dir: Path, members: Sequence[dict[str, Any]], **common: Any) -> list[ExperimentConfig]:
    return [config_of(log_dir, **{**common, **member}) for member in members]


def together(configs: Sequence[ExperimentConfig], bars: Any = BARS, **options: Any) -> list[Result]:
    return train_population(configs, bars, show=False, **options)


def alone(log_dir: Path, members: Sequence[dict[str, Any]], bars: Any = BARS, **common: Any) -> list[Result]:
    configs = configs_of(log_dir, members, **common)
    return [Trainer(config, bars, show=False).train_and_evaluate() for config in configs]


def assert_like(member: Result, single: Result, relative: float = RELATIVE) -> None:
    """Same run, same end, same parameters and metrics up to rounding."""
    assert (member.run_dir.name, member.status, member.best_epoch) == (
        single.run_dir.name,
        single.status,
        single.best_epoch,
    )
    for a, b in zip(parameters(member.run_dir), parameters(single.run_dir), strict=True):
        assert np.linalg.norm(a - b) <= relative * np.linalg.norm(b)
    rows, wanted = read_metrics(member.run_dir), read_metrics(single.run_dir)
    assert [row.keys() for row in rows] == [row.keys() for row in wanted]
    for row, other in zip(rows, wanted, strict=True):
        assert row == pytest.approx(other, rel=relative, abs=relative)
    for span, report in single.metrics.items():
        assert member.metrics[span]["model"] == pytest.approx(report["model"], rel=relative, abs=relative)
        assert member.metrics[span]["baseline"] == report["baseline"]


@pytest.fixture(params=["side by side", "one after another"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device with room for all members, and for one at a time."""
    if request.param == "one after another":
        monkeypatch.setitem(program.ACTIVATIONS, jax.default_backend(), 1)
    functions_of.cache_clear()  # equal programs share what was compiled
    yield
    functions_of.cache_clear()


@pytest.mark.parametrize(
    ("common", "room"),
    [
        ({}, "side by side"),
        pytest.param({}, "one after another", marks=pytest.mark.slow),
        ({"output_mode": "distribution", "tail": "student_t", "horizon": 2, "gradient_clip": 0.5}, "side by side"),
        pytest.param(
            {"output_mode": "discrete_grid", "discrete_grid_levels": GRID, "features": "returns"},
            "side by side",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["mean", "mean, one after another", "distribution", "discrete_grid"],
    indirect=["room"],
)
@pytest.mark.usefixtures("room")
def test_each_member_is_as_it_would_be_alone(common: dict[str, Any], tmp_path: Path) -> None:
    members = together(configs_of(tmp_path / "together", DIFFERENT, num_epochs=1, **common))
    singles = alone(tmp_path / "alone", DIFFERENT, num_epochs=1, **common)
    for member, single in zip(members, singles, strict=True):
        assert_like(member, single)
    # members do differ: one in the place of another would be noticed
    for i, member in enumerate(members):
        for other in singles[:i]:
            pairs = zip(parameters(member.run_dir), parameters(other.run_dir), strict=True)
            assert max(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1) for a, b in pairs) > 1_000 * RELATIVE


def test_the_start_is_the_same_bit_by_bit(tmp_path: Path) -> None:
    configs = configs_of(tmp_path, DIFFERENT)
    dataset = build_dataset(configs[2], series(configs[2]))

    def begun(*some: ExperimentConfig) -> Cohort:
        return make_cohort(some, dataset, tmp_path)

    cohort = begun(*configs)
    for config, state in zip(configs, cohort.engine.split(cohort.state), strict=True):
        jax.tree.map(np.testing.assert_array_equal, state.params, begun(config).state.params)


def test_one_program_serves_a_population_and_the_next_of_its_size(tmp_path: Path) -> None:
    shape = {"num_epochs": 3, "batch_size": 14}
    with compilations() as first:
        together(configs_of(tmp_path / "first", DIFFERENT, **shape))
    for name in ("train_call", "evaluate_call", "initial_state"):
        assert sum(name in one for one in first) == 1, (name, first)
    others = [{**member, "learning_rate": 2e-3 / i, "seed": 40 + i} for i, member in enumerate(DIFFERENT, 1)]
    with compilations() as second:
        together(configs_of(tmp_path / "second", others, **shape))
    assert second == []


def test_a_member_folder_is_that_of_a_training_alone(tmp_path: Path) -> None:
    (member, _), (single,) = (
        together(configs_of(tmp_path / "together", DIFFERENT[:2])),
        alone(tmp_path / "alone", DIFFERENT[:1]),
    )
    files = [sorted(p.name.partition(".out")[0] for p in run.run_dir.iterdir()) for run in (member, single)]
    assert files[0] == files[1]
    told, wanted = read_summary(member.run_dir), read_summary(single.run_dir)
    assert told.keys() == wanted.keys()
    for name in ("run", "fingerprint", "data", "scored_bars", "status", "epochs", "best_epoch"):
        assert told[name] == wanted[name]
    assert told["validation_loss"] == pytest.approx(wanted["validation_loss"], rel=RELATIVE)
    answers = [Forecaster.load(run.run_dir).predict(BARS)["close"].item() for run in (member, single)]
    assert answers[0] == pytest.approx(answers[1], rel=RELATIVE)


STOPPING: list[dict[str, Any]] = [
    {"num_epochs": 12, "early_stopper": 2, "learning_rate": 0.05, "lr_mode": "constant"},
    {"num_epochs": 8},
    {"num_epochs": 3},
    {"num_epochs": 8, "early_stopper": 1, "learning_rate": 0.05, "lr_mode": "constant", "seed": 1},
]


def test_members_end_each_in_its_own_time(tmp_path: Path) -> None:
    """Early stopping and fewer epochs end one; half of them gone, the others go on in a smaller program."""
    sizes: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        real = loop.run_epoch

        def counted(cohort: Cohort, *rest: Any) -> None:
            sizes.append(len(cohort.trainings))
            real(cohort, *rest)

        patch.setattr(loop, "run_epoch", counted)
        members = together(configs_of(tmp_path / "together", STOPPING))
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 4
    assert set(sizes) <= {4, 2, 1} and len(set(sizes)) > 1
    singles = alone(tmp_path / "alone", STOPPING)
    assert {"stopped_early", "finished"} == {single.status for single in singles}
    for member, single in zip(members, singles, strict=True):
        # rounding grows with the epochs; another epoch would differ by far more
        assert_like(member, single, relative=2e-3)


def ends_at(epoch: int) -> Callable[[int, float | None], str]:
    return lambda done, _: "hopeless" if done == epoch else ""


def test_a_pruned_member_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    seen: list[tuple[int, float | None]] = []

    def look(epoch: int, ranking: float | None) -> str:
        seen.append((epoch, ranking))
        return ""

    three = DIFFERENT[:3]
    calm = together(configs_of(tmp_path / "calm", three, num_epochs=4))
    pruned = together(configs_of(tmp_path / "pruned", three, num_epochs=4), watches=[None, ends_at(2), look])
    assert (pruned[1].status, pruned[1].message, pruned[1].metrics) == ("pruned", "hopeless", {})
    assert [row["epoch"] for row in read_metrics(pruned[1].run_dir)] == [1, 2]
    for i in (0, 2):
        assert_same_run(pruned[i].run_dir, calm[i].run_dir)  # two of three: the program stays, and so does every bit
        assert pruned[i].metrics == calm[i].metrics
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4]
    ranking = ranking_score(calm[2].metrics["validation"], "mean")
    assert dict(seen)[calm[2].best_epoch or 0] == pytest.approx(ranking, abs=1e-6)
    # a pruned one can be gone on with
    (again,) = together(configs_of(tmp_path / "pruned", three[1:2], num_epochs=4))
    assert again.status == "finished"
    assert_like(again, calm[1], relative=1e-3)


def test_a_diverging_member_ends_alone(tmp_path: Path) -> None:
    bars = make_frame(make_bars(n=150, price=60_000))
    wild = {"norm_mode": "none", "learning_rate": 1e30, "lr_mode": "constant"}
    members = [{}, wild, {"seed": 1}]
    results = together(configs_of(tmp_path / "together", members, num_epochs=3), bars)
    assert [result.status for result in results] == ["finished", "diverged", "finished"]
    assert "learning rate 1e+30" in results[1].message and results[1].metrics == {}
    assert read_summary(results[1].run_dir)["status"] == "diverged"
    singles = alone(tmp_path / "alone", members, bars, num_epochs=3)
    assert results[1].message == singles[1].message
    for i in (0, 2):
        assert_like(results[i], singles[i], relative=1e-4)
    assert together(configs_of(tmp_path / "together", members, num_epochs=3), bars) == results


@pytest.mark.parametrize("after", ["training", "evaluation"])
def test_an_interrupted_population_ends_like_an_undisturbed_one(after: str, tmp_path: Path) -> None:
    calm = together(configs_of(tmp_path / "calm", DIFFERENT, num_epochs=3))
    configs = configs_of(tmp_path / "cut", DIFFERENT, num_epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 2, after)
        with pytest.raises(TrainingInterrupted, match=r"after 1 whole epochs of 4 trainings, states saved.*goes on"):
            together(configs)
    for path in (tmp_path / "cut" / "test").glob("*-*/"):
        assert read_summary(path)["status"] == "interrupted" and len(read_metrics(path)) == 1
    for result, undisturbed in zip(together(configs), calm, strict=True):
        assert result.metrics == undisturbed.metrics
        assert_same_run(result.run_dir, undisturbed.run_dir)


def test_members_at_different_epochs_go_on_together(tmp_path: Path) -> None:
    """One untouched, one killed after its second epoch alone, one that has ended: the kill, then a mixed population."""
    members = DIFFERENT[:3]
    calm = together(configs_of(tmp_path / "calm", members, num_epochs=4))
    configs = configs_of(tmp_path / "mixed", members, num_epochs=4)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 3)
        with pytest.raises(TrainingInterrupted):
            Trainer(configs[1], BARS, show=False).train_and_evaluate()
    ended = Trainer(configs[2], BARS, show=False).train_and_evaluate()
    mixed = together(configs)
    assert mixed[2] == ended
    for result, undisturbed in zip(mixed, calm, strict=True):
        assert_like(result, undisturbed, relative=1e-3)


def test_a_member_can_be_gone_on_with_alone(tmp_path: Path) -> None:
    configs = configs_of(tmp_path / "cut", DIFFERENT, num_epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 3)
        with pytest.raises(TrainingInterrupted):
            together(configs)
    result = Trainer(configs[1], BARS, show=False).train_and_evaluate()
    (single,) = alone(tmp_path / "alone", DIFFERENT[1:2], num_epochs=3)
    assert_like(result, single, relative=1e-3)


def test_ended_members_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = configs_of(tmp_path, DIFFERENT[:2])
    first = together(configs)
    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "__init__", lambda *_: pytest.fail("trained again"))
        assert together(configs) == first
    mark = first[1].run_dir / "mark"
    mark.touch()
    assert together(configs, overwrite=True) == first
    assert not mark.exists()


def test_a_population_claims_all_its_folders(tmp_path: Path) -> None:
    configs = configs_of(tmp_path, DIFFERENT[:2])
    second = together(configs_of(tmp_path / "other", DIFFERENT[1:2]))[0].run_dir.name
    lock = FileLock(tmp_path / "test" / f".{second}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True)
    with lock, pytest.raises(RunError, match=f"{second} is being trained by another process"):
        together(configs)
    assert [result.status for result in together(configs)] == ["finished"] * 2


def test_a_failure_is_noted_in_every_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = configs_of(tmp_path, DIFFERENT[:2])
    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_epoch", lambda *_: (_ for _ in ()).throw(MemoryError("too big")))
        with pytest.raises(RunError, match=r"not enough memory.*fewer than 2 trainings"):
            together(configs)
    assert [read_summary(p)["status"] for p in (tmp_path / "test").glob("*-*/")] == ["failed"] * 2


@pytest.mark.parametrize(
    ("field", "value", "joins"),
    [
        ("learning_rate", 0.5, True),
        ("lr_mode", "linear", True),
        ("warmup_epochs", 3, True),
        ("num_epochs", 9, True),
        ("weight_decay", 0.5, True),
        ("seed", 9, True),
        ("early_stopper", 4, True),
        ("save_weights", False, True),
        ("norm_mode", "none", True),
        ("dropout", 0.4, True),
        ("dropout", 0.0, False),
        ("gradient_clip", 1.0, False),
        ("batch_size", 17, False),
        ("d_model", 16, False),
        ("seq_len", 5, False),
        ("features", "ohlc", False),
        ("target", "log_return", False),
        ("validation_split", 0.3, False),
        ("datapath", "elsewhere", False),
        ("calendar", "24/7", False),
    ],
)
def test_who_can_join(field: str, value: Any, joins: bool, tmp_path: Path) -> None:
    first, other = config_of(tmp_path), config_of(tmp_path, **{field: value})
    assert (population_key(first) == population_key(other)) == joins
    assert hash(population_key(first)) == hash(population_key(config_of(tmp_path)))
    if not joins:
        with pytest.raises(ConfigError, match=rf"must agree in .*{field}.*train the others apart"):
            together([first, other])
        assert not (tmp_path / "test").exists()


def test_what_is_no_population_is_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    with pytest.raises(ConfigError, match="found 0 experiments"):
        together([])
    with pytest.raises(ConfigError, match="found 1 experiments and 2 watches"):
        together([config], watches=[None, None])
    with pytest.raises(ConfigError, match=r"2 of 2 experiments are the same, run .*give each of them once"):
        together([config, config])


def test_a_global_normalisation_asks_for_training_bars_whichever_member_wants_it(tmp_path: Path) -> None:
    late = make_bars("late", n=20, start=MONDAY + dt.timedelta(hours=130), seed=1)
    two = {"tickers": ["made_up", "late"], "num_epochs": 1}
    members = [{}, {"norm_mode": "global_minmax"}]
    bars = [make_bars("made_up", n=150), late]
    assert together(configs_of(tmp_path, members[:1], **two), bars)[0].status == "finished"
    with pytest.raises(DataError, match=r"late_1h.*norm_mode global"):
        together(configs_of(tmp_path, members, **two), bars)
