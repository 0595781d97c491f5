"""A job for cron: forecast the next bar with the newest bars there are, and append it to a file.

    python examples/forecast_every_day.py demo/data forecasts.csv

The first call trains; later ones find the run as it is. A bar that has not closed yet is left out, so the job may come
at any time of the day, and twice: a forecast that stands in the file is not written again. Anything wrong is one
message and exit code 1, which cron mails to you. The folder ``demo/data`` is filled with samples if there is none; any
other is one of your bars.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from nextbar import DatasetConfig, ExperimentConfig, Forecaster, ModelConfig, NextbarError, Trainer
from nextbar.bars.samples import write_samples

DEMO = Path("demo/data")
FILE = Path("1d/spx_1d.csv")


def trained(folder: Path) -> Path:
    """The run folder; trained on the first call."""
    config = ExperimentConfig(
        model_config=ModelConfig(d_model=16, num_layers=1, dim_feedforward=32, output_mode="distribution"),
        dataset_config=DatasetConfig(
            datapath=str(folder),
            tickers=["spx"],
            resolution="1d",
            output_mode="distribution",
            target="log_return",
            final_date="2017-12-31",  # the file may grow: the run stays the same
        ),
        log_dir="runs",
        experiment_name="examples_daily",
        num_epochs=2,
        warmup_epochs=0,
    )
    return Trainer(config, show=False).train_and_evaluate().run_dir


def main(folder: str, out: str) -> None:
    if Path(folder) == DEMO and not DEMO.exists():
        write_samples(DEMO)
    if not (Path(folder) / FILE).is_file():
        raise NextbarError(f"{folder} holds no {FILE}; name a folder of bars, or {DEMO} for samples")
    bars = pd.read_csv(Path(folder) / FILE).assign(ticker="spx")
    forecast = Forecaster.load(trained(Path(folder))).predict(bars, levels=[0.5, 0.9], now="now")
    earlier = pd.read_csv(out, parse_dates=["origin", "date"]) if Path(out).exists() else forecast.head(0)
    new = forecast[~forecast["origin"].isin(earlier["origin"])]
    new.to_csv(out, mode="a", header=not Path(out).exists(), index=False)
    print(f"{len(new)} new forecast{'' if len(new) == 1 else 's'} in {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("error: name a folder of bars and a file for the forecasts: demo/data forecasts.csv")
    try:
        main(*sys.argv[1:])
    except NextbarError as error:
        sys.exit(f"error: {error}")
