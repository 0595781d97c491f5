"""What a column of time and the spread tokens are worth: nll of the test span, with and without, over several seeds.

    python bench/features.py --data DIR
    python bench/features.py --data DIR --series spx:1d --times none --tokens off on --seeds 8

One recipe on each series alone: Student-t law of the log return, features ``returns``, ``window_meanstd``, d_model 64,
two blocks, four heads, feed-forward 128, 48 bars of context, dropout 0.1, learning rate 1e-3 with one epoch of warm-up
and cosine, batches of 256, 12 epochs. The epoch is chosen by validation; the figures are of percent log returns, in
nats. A line of JSON for each cell goes to stderr as soon as it is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from typing import Any

from common import hardware, show

from nextbar import ExperimentConfig
from nextbar.train.seeds import train_seeds

SERIES = ("btc_usdt:4h", "eth_usdt:4h", "spx:1d")
SEQ_LEN = 48


def experiment(data: str, series: str, time: str, tokens: str, epochs: int, log_dir: str) -> ExperimentConfig:
    """The recipe on one series, with a column of time (``time_feature``) and spread tokens (``on`` or ``off``)."""
    ticker, _, resolution = series.partition(":")
    return ExperimentConfig.from_dict(
        {
            "model_config": {
                "d_model": 64,
                "head_layers": 1,
                "dim_feedforward": 128,
                "dropout": 0.1,
                "max_seq_len": SEQ_LEN,
                "output_mode": "distribution",
                "tail": "student_t",
                "use_extra_tokens": tokens == "on",
            },
            "dataset_config": {
                "datapath": data,
                "tickers": [ticker],
                "resolution": resolution,
                "seq_len": SEQ_LEN,
                "norm_mode": "window_meanstd",
                "output_mode": "distribution",
                "target": "log_return",
                "features": "returns",
                "time_feature": time,
            },
            "log_dir": log_dir,
            "experiment_name": f"{ticker}_{resolution}_{time}_{tokens}",
            "num_epochs": epochs,
            "batch_size": 256,
            "learning_rate": 1e-3,
            "warmup_epochs": 1,
            "gradient_clip": 1.0,
        }
    )


def measure(config: ExperimentConfig, seeds: int) -> dict[str, Any]:
    """Mean and deviation of the nll over the seeds, by span, and the best epochs."""
    made = train_seeds(config, seeds, show=False)
    nll = {span: report["model"]["nll"] for span, report in made.metrics.items()}
    return {
        "nll": {span: {name: values[name] for name in ("mean", "std")} for span, values in nll.items()},
        "by_seed": [result.metrics["test"]["model"]["nll"] for result in made.results],
        "best_epochs": [result.best_epoch for result in made.results],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the bars, as datapath")
    parser.add_argument("--series", nargs="+", default=list(SERIES), help="TICKER:RESOLUTION")
    parser.add_argument("--times", nargs="+", default=["none", "position", "span"])
    parser.add_argument("--tokens", nargs="+", default=["off", "on"], choices=["off", "on"])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        for time in options.times:
            for tokens in options.tokens:
                for series in options.series:
                    config = experiment(options.data, series, time, tokens, options.epochs, folder)
                    cells.append({"series": series, "time_feature": time, "tokens": tokens})
                    cells[-1] |= measure(config, options.seeds)
                    print(json.dumps(cells[-1]), file=sys.stderr, flush=True)
    show({"seeds": options.seeds, "epochs": options.epochs, "cells": cells, **hardware()})


if __name__ == "__main__":
    main()
