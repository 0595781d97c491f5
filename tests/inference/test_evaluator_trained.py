"""A run that was really trained scores as its summary says, by evaluation and by predictions alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bar_files import write
from builders import make_bars, make_config, make_frame
from experiments import GRID

from nextbar.config import ExperimentConfig
from nextbar.forecasts import Keys, read
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.task import Task
from nextbar.train.trainer import Trainer

TWO = ["aaa", "bbb"]
RUNS: dict[str, dict[str, Any]] = {
    "mean": {"tickers": TWO, "norm_mode": "global_minmax", "indicators": ["rsi", "ema_3"], "test_tickers": ["bbb"]},
    "distribution": {
        "tickers": TWO, "output_mode": "distribution", "tail": "skew_t", "target": "log_return",
        "features": "returns", "horizon": 3, "final_date": "2020-01-12T00:00:00Z",
    },
    "discrete_grid": {"tickers": TWO, "output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}  # fmt: skip


class Trained:
    """A run that was really trained, from files."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.bars = [make_bars(t, n=170, seed=i, price=100 * 10**i, holes={70 + i}) for i, t in enumerate(TWO)]
        (folder / "bars").mkdir()
        for b in self.bars:
            write(folder / "bars", make_frame(b).drop(columns=["ticker", "resolution"]), "parquet", b.ticker)
        self.config: ExperimentConfig = make_config(
            datapath=str(folder / "bars"), log_dir=str(folder / "runs"), learning_rate=1e-2, **fields
        )
        result = Trainer(self.config, show=False).train_and_evaluate()
        self.run_dir, self.metrics = result.run_dir, result.metrics


@pytest.fixture(scope="module", params=RUNS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("trained"), **RUNS[request.param])


def assert_close(found: Any, wanted: Any, where: str = "") -> None:
    """The same structure, numbers to 1e-6, all else equal; sentences hold rounded numbers."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for name in wanted:
            assert_close(found[name], wanted[name], f"{where}/{name}")
    elif isinstance(wanted, list):
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            assert_close(a, b, f"{where}/{i}")
    elif isinstance(wanted, float):
        tolerance = 1e-4 if "diebold" in where or "/test/" in where else 1e-6  # a ratio of small differences
        assert found == pytest.approx(wanted, rel=tolerance, abs=tolerance), where
    elif "verdict" not in where:
        assert found == wanted, where


def test_a_run_scores_as_its_summary_says(trained: Trained) -> None:
    """On its own files, and moved to another folder with the bars in hand."""
    own = evaluate(trained.run_dir)
    assert list(own.spans) == ["validation", "test"]
    assert_close(json.loads(json.dumps(own.metrics)), trained.metrics)
    assert own.names == tuple(trained.config.scored_tickers)
    final = trained.config.dataset_config.final_date
    given = [b.between(final=final) for b in trained.bars if b.ticker in trained.config.scored_tickers]
    moved = shutil.copytree(trained.run_dir, trained.run_dir.parent.parent / "moved")
    assert evaluate(moved, given).metrics == own.metrics
    assert evaluate(moved, make_frame(*given)).metrics == own.metrics


def test_all_predictions_together_score_as_the_summary_says(trained: Trained) -> None:
    """``predict`` from every test origin, read back from its table and given to the scorer."""
    evaluation = evaluate(trained.run_dir)
    span, task = evaluation.spans["test"], Task.of(trained.config)
    table = Forecaster.load(trained.run_dir).predict(make_frame(*evaluation.bars), last_only=False, law=True)
    assert ("skew" in table) == (task.output_mode == "distribution")
    series_N = span.outcomes.series_N
    origin_N = np.concatenate([b.time_N for b in evaluation.bars])[span.origin_N]
    names = np.array(evaluation.names, object)[series_N]
    keys = Keys(names, None, origin_N, np.zeros((len(origin_N), task.horizon)), span.outcomes.last_close_N)
    report = span.scorer.report(read(table, keys, task))
    assert_close(json.loads(json.dumps(report)), trained.metrics["test"])
