"""Makes the reports of the gallery, of a run, a study and a backtest; what has been trained is not trained again.

python docs/site/gallery.py build/gallery
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nextbar import Trainer, backtest, search, write_report
from nextbar.bars.samples import write_samples


def experiment(folder: Path, name: str) -> dict[str, Any]:
    """The law of the next day's return of the S&P 500, by a small model in a few epochs."""
    return {
        "model_config": {
            "d_model": 16,
            "num_layers": 1,
            "dim_feedforward": 32,
            "max_seq_len": 16,
            "output_mode": "distribution",
            "tail": "student_t",
        },
        "dataset_config": {
            "datapath": str(folder / "data"),
            "tickers": ["spx"],
            "resolution": "1d",
            "seq_len": 16,
            "norm_mode": "window_meanstd",
            "output_mode": "distribution",
            "target": "log_return",
            "initial_date": "2009-01-01",
        },
        "log_dir": str(folder / "runs"),
        "experiment_name": name,
        "num_epochs": 4,
        "warmup_epochs": 1,
    }


def make(folder: Path) -> list[Path]:
    """Train what is not there yet, and write the pages."""
    write_samples(folder / "data")
    run = Trainer(experiment(folder, "run"), show=False).train_and_evaluate()
    varied = {"learning_rate": [3e-4, 1e-3, 3e-3], "model_config.dropout": [0.0, 0.1]}
    space = {"base": experiment(folder, "study") | {"num_epochs": 2}, "search": varied}
    study = search(space, n_trials=5, sampler="random", show=False)
    folds = backtest(experiment(folder, "backtest") | {"num_epochs": 2}, folds=2, show=False)
    sources = {"run": run.run_dir, "study": study.path, "backtest": folds.path}
    return [write_report(source, folder / f"{name}.html") for name, source in sources.items()]


if __name__ == "__main__":
    print(*make(Path(sys.argv[1])), sep="\n")
