"""Train on a frame that you already hold in memory, and read what was learnt.

    python examples/train_on_a_frame.py

Daily bars of the S&P 500 (they come with the package arch) become a pandas frame with the columns ticker, date, open,
high, low, close, volume; yours may come from anywhere. The run folder lies in ``runs/examples_frame``.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from nextbar import DatasetConfig, ExperimentConfig, Forecaster, ModelConfig, Trainer
from nextbar.bars.samples import write_samples

EPOCHS = 4


def daily_bars() -> pd.DataFrame:
    """S&P 500 from 1999 to 2018, one row a day."""
    with TemporaryDirectory() as folder:
        write_samples(folder)
        return pd.read_csv(Path(folder) / "1d" / "spx_1d.csv").assign(ticker="spx")


def main() -> None:
    frame = daily_bars()
    config = ExperimentConfig(
        model_config=ModelConfig(
            d_model=32, num_layers=1, dim_feedforward=64, output_mode="distribution", tail="student_t"
        ),
        dataset_config=DatasetConfig(
            datapath=".",  # not read: the bars are the frame
            tickers=["spx"],
            resolution="1d",
            output_mode="distribution",
            target="log_return",
        ),
        log_dir="runs",
        experiment_name="examples_frame",
        num_epochs=EPOCHS,
        warmup_epochs=1,
    )
    result = Trainer(config, bars=frame).train_and_evaluate()

    test = result.metrics["test"]
    print(f"run folder   {result.run_dir}, best epoch {result.best_epoch}")
    print(f"nll          {test['model']['nll']:.3f}, baseline {test['baseline']['nll']:.3f}")
    print(test["verdict"])
    print(Forecaster.load(result.run_dir).predict(frame).T)


if __name__ == "__main__":
    main()
