"""Put a forecaster of your own beside the model, on the same folds and windows.

    python examples/rival_in_a_backtest.py

A rival has two methods. ``fit`` gets the bars that had closed before the fold; ``predict`` all bars up to the
fold's end, and answers with a row for every origin. A rival that looks ahead is found out and refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nextbar import DatasetConfig, ExperimentConfig, ModelConfig, backtest
from nextbar.bars.samples import write_samples


class RollingVolatility:
    """The next return is normal around zero, as wide as the last 20 were."""

    name = "rolling_20"

    def fit(self, frame: pd.DataFrame) -> None:
        """Keep what stands in where 20 returns are not there yet."""
        self.typical = float(np.log(frame["close"]).diff().std())

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Close and scale (standard deviation of the log return) of the bar after each origin."""
        spread = np.log(frame["close"]).diff().rolling(20).std().fillna(self.typical)
        return pd.DataFrame(
            {
                "ticker": frame["ticker"],
                "origin": frame["date"],
                "step": 1,
                "close": frame["close"],
                "scale": spread,
            }
        )


def main() -> None:
    write_samples(Path("demo/data"))
    config = ExperimentConfig(
        model_config=ModelConfig(d_model=16, num_layers=1, dim_feedforward=32, output_mode="distribution"),
        dataset_config=DatasetConfig(
            datapath="demo/data", tickers=["spx"], resolution="1d", output_mode="distribution", target="log_return"
        ),
        log_dir="runs",
        experiment_name="examples_rival",
        num_epochs=2,
        warmup_epochs=0,
    )
    result = backtest(
        config, predictors=[RollingVolatility()], baselines=["persistence", "ewma_normal"], folds=2, show=False
    )
    for name, scores in result.scores.items():
        print(f"{name:20} nll {scores['pooled']['nll']:8.4f}")
    print(result.scores["rolling_20"]["verdict"])


if __name__ == "__main__":
    main()
