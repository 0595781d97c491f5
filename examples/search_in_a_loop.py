"""Search in a plain loop of your own: draw, train, remember the best.

    python examples/search_in_a_loop.py

``nextbar search`` does this with samplers, pruners, several processes and restarts; a loop is enough where you want to
see every step. Give it again and nothing is trained twice: a configuration that has ended is reported as it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nextbar import DatasetConfig, ExperimentConfig, ModelConfig, Trainer, best_run
from nextbar.bars.samples import write_samples

TRIALS = 3
EPOCHS = 2


def draw(rng: np.random.Generator) -> ExperimentConfig:
    """One combination; NumPy's own numbers and booleans are fine."""
    seq_len = rng.choice([16, 24])
    return ExperimentConfig(
        model_config=ModelConfig(
            d_model=rng.choice([16, 32]),
            n_heads=rng.choice([2, 4]),
            num_layers=1,
            dim_feedforward=64,
            dropout=rng.choice([0.0, 0.1]),
            max_seq_len=seq_len,
        ),
        dataset_config=DatasetConfig(datapath="demo/data", tickers=["spx"], resolution="1d", seq_len=seq_len),
        log_dir="runs",
        experiment_name="examples_loop",
        num_epochs=EPOCHS,
        learning_rate=rng.choice([3e-4, 1e-3]),
        warmup_epochs=0,
    )


def main() -> None:
    write_samples(Path("demo/data"))
    rng = np.random.default_rng(7)
    for trial in range(TRIALS):
        result = Trainer(draw(rng), show=False).train_and_evaluate()
        validation = result.metrics["validation"]
        print(f"{trial}  {result.run_dir.name}  validation mae skill {validation['skill']['mae']:+.4f}")
    # by validation; the test span has chosen nothing
    print(f"best: {best_run('runs/examples_loop')}")


if __name__ == "__main__":
    main()
