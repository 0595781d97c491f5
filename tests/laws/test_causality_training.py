"""Nothing is known too early: bars after a cut, whatever they are, leave everything before it bit-equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from builders import make_bars, make_config, with_columns
from experiments import GRID, leaves, make_cohort
from trainings import parameters

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.runs.summary import read_summary
from nextbar.train.loop import run_epoch
from nextbar.train.trainer import Trainer
from nextbar.types import Forecast

CONFIGS: dict[str, dict[str, Any]] = {
    "global, indicators, two tickers": {
        "tickers": ["aaa", "bbb"], "norm_mode": "global_minmax", "indicators": ["rsi", "ema_3", "bb_upper"],
    },
    "returns, student_t, horizon 3": {
        "features": "returns", "target": "log_return", "norm_mode": "global_meanstd", "output_mode": "distribution",
        "tail": "student_t", "horizon": 3, "use_extra_tokens": True,
    },
    "grid, scored but not trained": {
        "output_mode": "discrete_grid", "discrete_grid_levels": GRID, "test_tickers": ["bbb"], "tickers": ["aaa"],
    },
    "start at a range HAR, pooled for one": {
        "output_mode": "distribution", "tail": "student_t", "target": "log_return", "norm_mode": "window_meanstd",
        "start": "range_har_trailing", "resolution": "1d", "tickers": ["aaa"], "test_tickers": ["aaa", "bbb"],
        "range_loss": 1.0,
    },
}  # fmt: skip


def make_series(config: ExperimentConfig) -> list[Bars]:
    tickers = dict.fromkeys((*config.dataset_config.tickers, *config.scored_tickers))
    resolution = config.dataset_config.resolutions[0]
    n = 320 if resolution == "1d" else 150
    return [make_bars(ticker, resolution, n - 10 * i, seed=i, trades=True) for i, ticker in enumerate(tickers)]


def changed_after(bars: Bars, cut: int) -> Bars:
    """The same times, and from the cut on another market altogether."""
    late = bars.close_time_N >= cut
    other = make_bars(n=len(bars), seed=99, price=7.0, move=0.2, trades=True)
    columns = {name: np.where(late, other.columns[name], values) for name, values in bars.columns.items()}
    assert late.any() and not late.all()
    return with_columns(bars, **columns)


@dataclass
class Recorder:
    """Stands in for the tracker and keeps the rows of ``metrics.csv``."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def epoch(self, epoch: int, step: int, row: dict[str, float], extra: dict[str, float]) -> None:
        self.rows.append({"epoch": epoch, "step": step, **row})


@dataclass
class Outcome:
    dataset: Dataset
    rows: list[dict[str, float]]
    params: list[np.ndarray]
    best: int
    forecasts: dict[str, Forecast]


def train(config: ExperimentConfig, series: list[Bars], folder: Path) -> Outcome:
    dataset = build_dataset(config, series)
    cohort = make_cohort([config], dataset, folder)
    (training,) = cohort.trainings
    training.tracker = recorder = Recorder()  # type: ignore[assignment]
    while not training.complete:
        run_epoch(cohort)
    assert training.best is not None
    (evaluation,) = cohort.evaluate()
    assert evaluation is not None
    forecasts = cohort.spans.forecasts(evaluation)
    params = cohort.state.params
    forecasts["training"] = cohort.engine.evaluate(params, dataset.origins["training"]).forecast
    return Outcome(dataset, recorder.rows, leaves(params), training.best.epoch, forecasts)


def assert_same_rows(first: Outcome, second: Outcome, spans: tuple[str, ...]) -> None:
    """The columns of these spans, and all that is of no span."""
    for a, b in zip(first.rows, second.rows, strict=True):
        names = [name for name in a if "/" not in name or name.split("/")[0] in spans]
        assert len(names) > 3
        assert {name: a[name] for name in names} == {name: b[name] for name in names}


def assert_same_forecasts(first: Outcome, second: Outcome, span: str) -> None:
    jax.tree.map(np.testing.assert_array_equal, first.forecasts[span], second.forecasts[span])


class Training(NamedTuple):
    """An experiment, its bars, and what comes of them."""

    config: ExperimentConfig
    series: list[Bars]
    outcome: Outcome


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS)
def training(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Training:
    config = make_config(num_epochs=3, dropout=0.1, learning_rate=5e-3, **request.param)
    series = make_series(config)
    return Training(config, series, train(config, series, tmp_path_factory.mktemp("training")))


def test_what_comes_after_a_cut_changes_nothing_before_it(training: Training, tmp_path: Path) -> None:
    config, series, plain = training
    cuts = plain.dataset.cuts

    after_test = train(config, [changed_after(b, cuts.test) for b in series], tmp_path)
    assert after_test.dataset.cuts == cuts
    assert_same_rows(plain, after_test, ("train", "validation"))
    assert after_test.best == plain.best
    for span in ("training", "validation"):
        assert_same_forecasts(plain, after_test, span)

    after_validation = train(config, [changed_after(b, cuts.validation) for b in series], tmp_path)
    assert_same_rows(plain, after_validation, ("train",))
    assert_same_forecasts(plain, after_validation, "training")

    for other in (after_test, after_validation):
        for a, b in zip(plain.params, other.params, strict=True):
            np.testing.assert_array_equal(a, b)
        assert plain.rows[-1]["test/loss"] != other.rows[-1]["test/loss"]  # the change was seen where it may be
    assert plain.rows[-1]["validation/loss"] != after_validation.rows[-1]["validation/loss"]


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(overrides, marks=[] if "start" in name or "horizon" in name else [pytest.mark.slow], id=name)
        for name, overrides in CONFIGS.items()
    ],
)
def test_the_final_fit_knows_validation_and_nothing_of_test(overrides: dict[str, Any], tmp_path: Path) -> None:
    config = make_config(
        num_epochs=2, dropout=0.1, learning_rate=5e-3, final_fit=True, log_dir=str(tmp_path), **overrides
    )
    series = make_series(config)
    cuts = build_dataset(config, series).cuts

    def final(bars: list[Bars]) -> tuple[list[np.ndarray], str, dict[str, Any], dict[str, Any]]:
        result = Trainer(config, bars, show=False).train_and_evaluate()
        folder = result.run_dir / "final"
        summary = read_summary(folder)
        texts = (folder / "normalisation.json").read_text() + (folder / "reference.json").read_text()
        return parameters(folder), texts, summary["data"]["windows"], result.metrics["test"]["model"]

    plain = final(series)
    after_test = final([changed_after(b, cuts.test) for b in series])
    # within validation, so that the best epoch is known to be chosen otherwise or not: the lengths must agree
    middle = (cuts.validation + cuts.test) // 2
    in_validation = final([changed_after(b, middle) for b in series])
    # the record of a series that is only scored goes up to the first origin in test
    if config.scored_tickers == config.dataset_config.tickers:
        assert plain[1] == after_test[1] != in_validation[1]
    assert plain[2] == after_test[2]
    assert plain[3] != after_test[3]  # the change was seen where it may be
    for a, b in zip(plain[0], after_test[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(plain[0], in_validation[0], strict=True))


def test_a_forecast_does_not_know_later_bars(training: Training, tmp_path: Path) -> None:
    """From the middle of the test span on, all bars are others; forecasts of the origins before stay, bit by bit."""
    config, series, plain = training
    times = plain.dataset.panel.close_time_R[plain.dataset.origins["test"]]
    cut = int(np.median(times))
    other = train(config, [changed_after(b, cut) for b in series], tmp_path)
    early = times < cut
    assert early.any() and not early.all()
    for a, b in zip(plain.forecasts["test"], other.forecasts["test"], strict=True):
        if a is not None:
            np.testing.assert_array_equal(a[early], b[early])
            assert not np.array_equal(a[~early], b[~early]) or config.model_config.tail == "student_t"


@pytest.mark.parametrize("overrides", CONFIGS.values(), ids=CONFIGS)
def test_what_is_fitted_before_training_does_not_know_later_bars(overrides: dict[str, Any]) -> None:
    config = make_config(**overrides)
    series = make_series(config)
    plain = build_dataset(config, series)
    other = build_dataset(config, [changed_after(b, plain.cuts.validation) for b in series])
    assert plain.preparation.to_dict() == other.preparation.to_dict()
    for span in SPANS:
        np.testing.assert_array_equal(plain.origins[span], other.origins[span])


AMOUNTS = {
    "single": {},
    "two trained": {"tickers": ["aaa", "bbb"]},
    "scored only": {"tickers": ["aaa"], "test_tickers": ["aaa", "bbb"]},
    "global returns": {"features": "returns", "target": "log_return", "norm_mode": "global_meanstd"},
}


@pytest.mark.parametrize("has", [True, False], ids=["vanishes", "appears"])
@pytest.mark.parametrize("overrides", AMOUNTS.values(), ids=AMOUNTS)
def test_the_choice_of_features_does_not_know_whether_there_is_volume_later(
    overrides: dict[str, Any], has: bool
) -> None:
    """Where the training span of the last series has volume and trades, or has none, later values change nothing."""
    config = make_config(**overrides)
    series = make_series(config)
    cuts = build_dataset(config, series).cuts

    def facts(later: bool) -> tuple[Any, ...]:
        *others, last = series
        time_N = last.close_time_N
        # each scored span needs a window: where volume vanishes, ten bars are left of each
        left_N = np.any([(time_N >= cut) & (time_N < cut + 10 * last.step) for cut in (cuts.validation, cuts.test)], 0)
        kept_N = np.where(time_N < cuts.validation, has, later | (has & left_N))
        amounts = {name: np.where(kept_N, last.columns[name], np.nan) for name in ("volume", "trades")}
        dataset = build_dataset(config, [*others, with_columns(last, **amounts)])
        return dataset.preparation.to_dict(), dataset.origins["training"].tolist(), dataset.dropped

    assert facts(True) == facts(False)
    assert facts(True)[0]["spec"]["volumes"] == (("volume", "trades") if has else ())
