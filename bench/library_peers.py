"""The nearest models of two forecasting libraries, fitted as their users fit them.

``neuralforecast.models.VanillaTransformer``: an encoder of the same sizes, its feed-forward as convolutions of width
one, and a decoder of one layer, the least it takes, over the second half of the context; closes alone (no other
columns of the past can be given), scaled by window; absolute error; Adam.

``darts.models.TransformerModel``: ``nn.Transformer`` with an encoder of the same sizes and a decoder of one layer over
one step; closes, and open, high, low and volume as past covariates, all scaled once; squared error; Adam.

Both predict the next close, draw windows while they train, and run on PyTorch Lightning. What is timed lies between
the end of the first batch and the end of the training, without the set-up of a fit. Both compute all positions of the
last block, which their decoder reads.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
from common import DROPOUT, SHAPES, TICKERS, random_bars


def neuralforecast_epoch(shape: str, bars: int, precision: str) -> Callable[[], float]:
    """A function that trains about one epoch and says how many windows a second."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import VanillaTransformer

    _quiet()
    sizes = SHAPES[shape]
    steps = max(2, TICKERS * bars // sizes["batch_size"])
    frame = random_bars(TICKERS, bars).rename(columns={"ticker": "unique_id", "date": "ds", "close": "y"})
    frame = frame[["unique_id", "ds", "y"]].assign(ds=frame["ds"].dt.tz_localize(None))

    def epoch() -> float:
        watch = _watch()
        model = VanillaTransformer(
            h=1,
            input_size=sizes["seq_len"],
            hidden_size=sizes["d_model"],
            conv_hidden_size=sizes["dim_feedforward"],
            n_head=sizes["n_heads"],
            encoder_layers=sizes["num_layers"],
            decoder_layers=1,
            dropout=DROPOUT,
            batch_size=TICKERS,
            windows_batch_size=sizes["batch_size"],
            scaler_type="standard",
            max_steps=steps,
            **_lightning(watch, precision),
        )
        NeuralForecast(models=[model], freq="h").fit(frame)
        return watch.pace * sizes["batch_size"]

    return epoch


def darts_epoch(shape: str, bars: int, precision: str) -> Callable[[], float]:
    """A function that trains one epoch and says how many windows a second."""
    import numpy as np
    from darts import TimeSeries
    from darts.models import TransformerModel

    _quiet()
    sizes = SHAPES[shape]
    closes, others = [], []
    for _, one in random_bars(TICKERS, bars).groupby("ticker"):
        values = one.set_index(pd.DatetimeIndex(one["date"]).tz_localize(None)).drop(columns=["ticker", "date"])
        values = ((values - values.mean()) / values.std()).astype(np.float32)
        closes.append(TimeSeries.from_dataframe(values[["close"]]))
        others.append(TimeSeries.from_dataframe(values.drop(columns="close")))

    def epoch() -> float:
        watch = _watch()
        model = TransformerModel(
            input_chunk_length=sizes["seq_len"],
            output_chunk_length=1,
            d_model=sizes["d_model"],
            nhead=sizes["n_heads"],
            num_encoder_layers=sizes["num_layers"],
            num_decoder_layers=1,
            dim_feedforward=sizes["dim_feedforward"],
            dropout=DROPOUT,
            activation="gelu",
            batch_size=sizes["batch_size"],
            n_epochs=1,
            pl_trainer_kwargs=_lightning(watch, precision),
        )
        model.fit(closes, past_covariates=others, verbose=False)
        return watch.pace * sizes["batch_size"]

    return epoch


def _lightning(watch: Any, precision: str) -> dict[str, Any]:
    """Nothing but the training."""
    return {
        "precision": "bf16-mixed" if precision == "bf16" else "32-true",
        "callbacks": [watch],
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }


def _watch() -> Any:
    """A callback that measures the training's pace, batches a second."""
    import torch
    from pytorch_lightning import Callback

    class Watch(Callback):
        pace = 0.0

        def __deepcopy__(self, _: Any) -> Watch:
            return self  # neuralforecast fits a copy of the model

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 1:
                self.began = _now()

        def on_train_end(self, trainer: Any, *_: Any) -> None:
            self.pace = (trainer.global_step - 1) / (_now() - self.began)

    def _now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    return Watch()


def _quiet() -> None:
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "darts", "neuralforecast"):
        logging.getLogger(name).setLevel(logging.ERROR)
