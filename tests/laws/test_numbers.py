"""Markets at the ends of what numbers can hold: everything stays finite, and the metrics are those of float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from builders import make_config, make_frame
from experiments import GRID
from extremes import MARKETS
from scipy import stats
from trainings import parameters
from window_reference import MODES, gather_all

from nextbar.config.choices import NORM_MODES
from nextbar.data.dataset import build_dataset
from nextbar.inference.forecaster import Forecaster
from nextbar.move_bins import bin_index
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.summary import read_summary
from nextbar.train.population import train_population

WINDOWS: dict[str, dict[str, Any]] = {
    "ohlcv, close, from a range HAR": {"output_mode": "distribution", "tail": "skew_t"},
    "returns, log_return": {"features": "returns", "target": "log_return"},
}
MORE: dict[str, Any] = {
    "use_extra_tokens": True, "time_feature": "span", "indicators": ["rsi", "bb_upper", "ema_3"],
    "context_resolutions": ["4h"], "context_len": 3,
}  # fmt: skip
STILL = {"nothing ever moves", "nothing moves until it is scored"}
"""markets without a range HAR"""
ROWS = 300


@pytest.mark.parametrize("given", WINDOWS.values(), ids=WINDOWS)
def test_every_number_of_a_window_is_finite(given: dict[str, Any]) -> None:
    """In all six normalisations: what the model sees, the label, and where an untrained model starts."""
    config, without_start = make_config(**given, **MORE), set()
    for name, bars in MARKETS.items():
        dataset = build_dataset(config, [bars])
        preparation = dataset.preparation
        if "output_mode" in given and preparation.start is None:
            without_start.add(name)  # of another shape, hence another program
            continue
        tape = preparation.tape(dataset.bars, preparation.series)
        rows = np.resize(np.concatenate(list(dataset.origins.values())), ROWS)
        batch = jax.device_get(gather_all(tape, rows, np.ones(ROWS, np.float32), MODES, preparation.spec))
        for path, values in jax.tree.leaves_with_path(batch):
            assert np.isfinite(values).all(), (name, jax.tree_util.keystr(path))
        assert (batch.unit_B > 0).all(), name
    assert without_start == (STILL if "output_mode" in given else set())


OUTPUTS: dict[str, dict[str, Any]] = {
    "mean": {},
    "normal": {"output_mode": "distribution", "features": "returns"},
    "student_t": {"output_mode": "distribution", "tail": "student_t", "target": "log_return", "precision": "bf16"},
    "skew_t": {"output_mode": "distribution", "tail": "skew_t", "target": "log_return", "features": "returns"},
    "bins": {"output_mode": "discrete_grid", "discrete_grid_levels": GRID, "precision": "bf16"},
}


PREDICTED = ("window_minmax", "global_meanstd", "none")
"""normalisations whose forecasts are looked at"""


WITHIN = {"float32": 1e-4, "bf16": 1e-3}
"""of metrics in float64; training and forecast are two programs, which round to bf16 at other places"""


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("output", OUTPUTS)
def test_trainings_stay_finite_and_their_metrics_are_those_of_float64(output: str, tmp_path: Path) -> None:
    """All six normalisations side by side, market by market: losses, metrics, parameters, forecasts.

    Every output has half of the markets, every market two or three outputs.
    """
    given = OUTPUTS[output] | MORE | {"batch_size": 64, "learning_rate": 3e-3}
    within = WITHIN[OUTPUTS[output].get("precision", "float32")]
    first = list(OUTPUTS).index(output) % 2
    for number, (name, bars) in list(enumerate(MARKETS.items()))[first::2]:
        base = make_config(**given, log_dir=str(tmp_path / str(number)))
        configs = [replace(base, dataset_config=replace(base.dataset_config, norm_mode=mode)) for mode in NORM_MODES]
        frame = make_frame(bars)
        results = train_population(configs, frame, show=False)
        scored_N = bars.time_N[build_dataset(base, [bars]).origins["test"]]
        for mode, result in zip(NORM_MODES, results, strict=True):
            where = f"{name}, {mode}"
            summary = read_summary(result.run_dir)
            assert summary["status"] == "finished", where
            assert all(np.isfinite(value) for value in numbers(summary["metrics"])), where
            rows = read_metrics(result.run_dir)
            assert all(np.isfinite(value) for row in rows for value in row.values() if value is not None), where
            assert all(np.isfinite(leaf).all() for leaf in parameters(result.run_dir)), where
            if mode in PREDICTED:
                table = Forecaster.load(result.run_dir).predict(
                    frame, last_only=False, law=base.dataset_config.kind == "distribution"
                )
                assert np.isfinite(table.select_dtypes("number")).all(axis=None), where
                test = table[table["origin"].isin(pd.to_datetime(scored_N, unit="s", utc=True))]
                wanted = metrics_of(test, frame.set_index("date")["close"], base.dataset_config.target)
                found = {metric: summary["metrics"]["test"]["model"][metric] for metric in wanted}
                assert found == pytest.approx(wanted, rel=within, abs=within), where


def numbers(plain: Any) -> Iterator[float]:
    """All numbers of nested values."""
    if isinstance(plain, dict | list):
        for value in plain.values() if isinstance(plain, dict) else plain:
            yield from numbers(value)
    elif isinstance(plain, float):
        yield plain


def metrics_of(test: pd.DataFrame, close_at: pd.Series, target: str) -> dict[str, float]:
    """Metrics of forecasts in float64, from the closes as they came and the laws of scipy."""
    last_N, close_N = (close_at.loc[test[column]].to_numpy() for column in ("origin", "date"))
    if "close" not in test:
        chosen_N = np.take_along_axis(
            test.filter(regex="^p_").to_numpy(), bin_index(last_N, close_N, GRID)[:, None], axis=1
        )
        return {"log_loss": -np.log(chosen_N).mean()}
    price_N = test["close"].to_numpy()
    wanted = {"mape": 100 * np.mean(np.abs(price_N - close_N) / close_N)}
    if "scale" in test:
        if target == "close":
            error_N, slope_N = close_N - price_N, 100 / close_N
        else:
            error_N, slope_N = np.log(close_N / price_N), np.full(len(test), 100.0)
        scale_N = test["scale"].to_numpy()
        shape = [
            test[name].to_numpy() if name in test else default for name, default in (("df", np.inf), ("skew", 0.0))
        ]
        wanted["nll"] = np.mean(np.log(scale_N * slope_N) - log_density(error_N / scale_N, *shape))
    return wanted


def log_density(z_N: np.ndarray, df_N: np.ndarray | float, skew_N: np.ndarray | float) -> np.ndarray:
    """Of Hansen's law: where nothing is skewed the Student-t of variance 1, with df infinite the normal law."""
    if np.isinf(df_N).all():
        return stats.norm.logpdf(z_N)
    narrowing_N = np.sqrt((df_N - 2) / df_N)
    at_zero_N = stats.t.pdf(0, df_N, scale=narrowing_N)
    a_N = 4 * skew_N * at_zero_N * (df_N - 2) / (df_N - 1)
    b_N = np.sqrt(1 + 3 * skew_N**2 - a_N**2)
    y_N = a_N + b_N * z_N
    return np.log(b_N) + stats.t.logpdf(y_N / (1 + skew_N * np.sign(y_N)), df_N, scale=narrowing_N)
