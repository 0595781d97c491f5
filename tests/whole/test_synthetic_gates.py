"""Series with a known optimum: the model must come close to it, and must find nothing where there is nothing.

Pass marks: closed forms of each law, or the loss of the true conditional law on the same path ("regret").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from scipy import stats

from nextbar import ExperimentConfig, Trainer

pytestmark = pytest.mark.optimized  # what takes its time here is arithmetic

N = 34_000  # 20,400 training, 3,400 validation, 10,200 test bars
FEW = 4
"""epochs in which what there is to learn is learnt; where there is nothing, more of them find nothing either"""


Train = Callable[..., tuple[dict[str, Any], synthetic.Synthetic]]


@pytest.fixture
def train(tmp_path: Path, request: pytest.FixtureRequest) -> Train:
    """A training, in float32 unless a test is parametrized by ``PRECISIONS``."""
    return partial(train_small, tmp_path, getattr(request, "param", "fp32"))


PRECISIONS = pytest.mark.parametrize("train", ["fp32", "bf16"], indirect=True)
"""the marks are the same in all; for a law, and for what is hardest to tell from noise"""


def train_small(
    log_dir: Path,
    precision: str,
    make: Callable[[int, int], synthetic.Synthetic],
    model: dict[str, Any],
    dataset: dict[str, Any],
    num_epochs: int = 12,
) -> tuple[dict[str, Any], synthetic.Synthetic]:
    """Test report of a small model trained on the series, and the series."""
    series = make(N, 11)
    config = ExperimentConfig.from_dict(
        {
            "model_config": {
                "d_model": 32,
                "dim_feedforward": 64,
                "num_layers": 2,
                "n_heads": 2,
                "dropout": 0.0,
                "head_layers": 1,
                "max_seq_len": 48,
                "precision": precision,
                **model,
            },
            "dataset_config": {
                "datapath": ".",
                "tickers": ["series"],
                "resolution": "1h",
                "features": "returns",
                "target": "log_return",
                "clock": False,
                **dataset,
            },
            "log_dir": str(log_dir),
            "experiment_name": "synthetic",
            "num_epochs": num_epochs,
            "warmup_epochs": 1,
            "batch_size": 128,
            "learning_rate": 2e-3,
            "gradient_clip": 1.0,
            "test_split": 0.3,
            "validation_split": 1 / 7,
            "save_weights": False,
        }
    )
    return Trainer(config, bars=series.frame, show=False).train_and_evaluate().metrics["test"], series


def percent_returns(series: synthetic.Synthetic) -> np.ndarray:
    """Log return into each bar in percent, (N,)."""
    return np.diff(np.log(series.frame["close"].to_numpy()), prepend=np.log(100.0)) * 100


def nll_of(series: synthetic.Synthetic, std_N: np.ndarray, windows: int) -> float:
    """Mean over the last windows of the loss of normal laws of these deviations."""
    test = slice(N - windows, None)
    return float(-stats.norm.logpdf(percent_returns(series)[test], 0, std_N[test]).mean())


def test_n_of_the_test_span() -> None:
    assert int(np.ceil(0.3 * N)) >= 10_000


def test_s1_linear_memory_mean(train: Train) -> None:
    """AR(2): the optimum is 1.000, persistence 1.724, the best single lag 1.5625."""
    data = {"features": "ohlcv", "target": "close", "norm_mode": "global_meanstd"}
    report, _ = train(synthetic.s1, {}, data, num_epochs=FEW)
    assert report["baseline"]["mse"] == pytest.approx(1.724, rel=0.05)
    assert report["model"]["mse"] <= 1.05
    assert report["model"]["acc_dir"] >= 71


@PRECISIONS
def test_s1_linear_memory_distribution(train: Train) -> None:
    """The optimum is 1.4189; at a price near 100 the percent log return is the change itself."""
    mode = {"output_mode": "distribution"}
    report, _ = train(
        synthetic.s1,
        mode,
        {"features": "ohlcv", "target": "close", "norm_mode": "global_meanstd", **mode},
        num_epochs=FEW,
    )
    assert report["model"]["nll"] <= 1.445


@PRECISIONS
def test_s3_weak_direction(train: Train) -> None:
    """The sign stays with probability 0.6: direction 60 %, log loss 0.6730; without it 0.6931."""
    mode = {"output_mode": "discrete_grid"}
    grid = {"discrete_grid_levels": [-np.inf, 0.0, np.inf], "seq_len": 12}
    report, _ = train(synthetic.s3, mode, {**mode, **grid}, num_epochs=FEW)
    assert report["model"]["acc_dir"] == pytest.approx(60, abs=1.5)
    assert report["model"]["log_loss"] <= 0.677
    assert report["baseline"]["log_loss"] == pytest.approx(np.log(2), abs=0.001)


def test_s5_memory_of_scale(train: Train) -> None:
    """GARCH: at least 80 % of the gap between a constant spread and the true law, on the same path."""
    mode = {"output_mode": "distribution"}
    report, series = train(synthetic.s5, mode, {"seq_len": 48, **mode}, num_epochs=FEW)
    true_nll = nll_of(series, series.std_N, report["windows"])
    assert report["model"]["nll"] - true_nll <= 0.028
    assert report["baseline"]["nll"] - true_nll > 0.1


def test_s5b_faint_memory_of_scale(tmp_path: Path) -> None:
    """Weaker clustering: nearer to the true law than an EWMA comes, and within 0.011 of it."""
    mode = {"output_mode": "distribution"}
    make = partial(synthetic.s5, by_square=0.10)
    report, series = train_small(tmp_path, "fp32", make, mode, {"seq_len": 48, **mode}, num_epochs=3)
    ewma_N = np.ones(N)
    for t, change in enumerate(percent_returns(series)[:-1]):
        ewma_N[t + 1] = 0.94 * ewma_N[t] + 0.06 * change**2
    true_nll, ewma_nll = (nll_of(series, std_N, report["windows"]) for std_N in (series.std_N, np.sqrt(ewma_N)))
    assert true_nll < report["model"]["nll"] < min(true_nll + 0.011, ewma_nll)


def test_s7_spread_by_the_hour(tmp_path: Path) -> None:
    """The optimum is 1.2530, a constant spread has 1.4189: four fifths of the way at least, and not beyond its end."""
    mode = {"output_mode": "distribution"}
    report, series = train_small(tmp_path, "fp32", synthetic.s7, mode, {"clock": True, **mode}, num_epochs=3)
    true_nll = nll_of(series, series.std_N, report["windows"])
    assert true_nll < report["model"]["nll"] <= true_nll + 0.033
    assert report["baseline"]["nll"] == pytest.approx(1.4189, abs=0.03)


def test_s9_nothing_to_learn(train: Train) -> None:
    """Random walk: no direction, no R2, no likelihood beyond the true law, honest intervals."""
    mode = {"output_mode": "distribution"}
    # the law's spread is constant, and a window's is a guess at it from 24 bars: the tokens tell how good a guess
    report, series = train(synthetic.s9, mode | {"use_extra_tokens": True}, mode)
    n = report["windows"]
    model = report["model"]
    assert abs(model["acc_dir"] - 50) <= 1.96 * 50 / np.sqrt(n)
    assert model["r2_return"] <= 0
    loss_N = -stats.norm.logpdf(percent_returns(series)[-n:])
    assert model["nll"] >= loss_N.mean() - 3 * loss_N.std() / np.sqrt(n)
    assert 89 <= model["coverage_90"] <= 91
