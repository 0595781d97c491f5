"""A user's own search loop: NumPy draws from lists of choices, one process, several trainings."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import synthetic

from nextbar import DatasetConfig, ExperimentConfig, ModelConfig, Trainer

BARS = 400
RUNS = 9
EARLY = 4


def write_json_layout(folder: Path) -> None:
    """Two tickers as arrays of objects, dates as text, capital letters as some exports have them."""
    (folder / "1h").mkdir(parents=True)
    for i, ticker in enumerate(("btc_usd", "eth_usd")):
        frame = synthetic.s9(BARS, seed=i).frame
        frame["date"] = frame["date"].dt.strftime("%Y-%m-%dT%H:%M:%S.000Z").str.replace("2010", "2018")
        frame["tradesDone"] = np.arange(BARS) % 7 + 1.0
        frame["volumeNotional"] = frame["volume"] * frame["close"]
        (folder / "1h" / f"{ticker}_1h.json").write_text(json.dumps(frame.to_dict("records")))


def draw(rng: np.random.Generator, datapath: str, log_dir: str) -> ExperimentConfig:
    """One experiment; every field is drawn or given by keyword, as NumPy hands it out."""
    d_model = rng.choice([32, 64, 128])
    seq_len = rng.choice([12, 24, 36, 48])
    model_config = ModelConfig(
        d_model=d_model,
        num_layers=rng.choice([1, 2, 3]),
        head_layers=rng.choice([1, 2, 3]),
        n_heads=rng.choice([1, 2, 4]),
        dim_feedforward=rng.choice([2, 4]) * d_model,
        dropout=rng.choice([0, 0.05, 0.1]),
        max_seq_len=seq_len,
        flatten_encoder_output=False,
        fe_blocks=rng.choice([1, 2]),
        use_time2vec=rng.choice([False, True]),
        output_mode="mean",
        use_resblocks_in_head=rng.choice([False, True]),
        use_resblocks_in_fe=rng.choice([False, True]),
        average_encoder_output=rng.choice([False, True]),
        norm_encoder_prev=rng.choice([False, True]),
    )
    dataset_config = DatasetConfig(
        datapath=datapath,
        output_mode="mean",
        discrete_grid_levels=[],
        initial_date="2018-01-01",
        norm_mode=rng.choice(["global_minmax", "global_meanstd", "window_meanstd", "window_minmax"]),
        resolution="1h",
        tickers=[rng.choice(["btc_usd", "eth_usd"])],
        indicators=None,
        seq_len=seq_len,
    )
    return ExperimentConfig(
        model_config=model_config,
        dataset_config=dataset_config,
        log_dir=log_dir,
        experiment_name="search",
        num_epochs=1,
        learning_rate=rng.choice([1e-4, 1e-5]),
        lr_mode=rng.choice(["linear", "cosine"]),
        warmup_epochs=rng.choice([5, 10, 20]),
        batch_size=rng.choice([64, 128]),
        early_stopper=10000,
        test_split=0.15,
        test_tickers=["btc_usd"],
        save_weights=True,
    )


def search(folder: Path) -> None:
    """Train ``RUNS`` experiments; print each resident size in MB."""
    rng = np.random.default_rng(3)
    for _ in range(RUNS):
        config = draw(rng, str(folder / "data"), str(folder / "logs"))
        result = Trainer(config=config).train_and_evaluate()
        assert result.status == "finished"
        assert np.isfinite(result.metrics["test"]["model"]["mae"])
        gc.collect()
        print(psutil.Process().memory_info().rss / 2**20, flush=True)


@pytest.mark.optimized  # it is the compiler that leaves memory behind
def test_trainings_in_one_process_keep_their_memory(tmp_path: Path) -> None:
    write_json_layout(tmp_path / "data")
    path = os.environ | {"PYTHONPATH": str(Path(synthetic.__file__).parent)}
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)], check=True, capture_output=True, text=True, env=path
    )
    resident = [float(line) for line in done.stdout.split()]
    assert len(resident) == RUNS
    assert resident[-1] <= 1.15 * resident[EARLY - 1], resident
    assert len(list((tmp_path / "logs" / "search").glob("*/summary.json"))) == RUNS


if __name__ == "__main__":
    search(Path(sys.argv[1]))
