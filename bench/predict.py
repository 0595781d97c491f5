"""A trained model in use: one forecast, and very many, against the evaluation of a training.

    python bench/predict.py                  default model, three tickers of 20,000 origins, 5 rounds
    python bench/predict.py --shape B --origins 2000

One forecast is ``Forecaster.predict`` for the last bar of one ticker, from a frame to a frame, after a first call that
compiles. In every round all origins are forecast once by the evaluation of the compiled epoch, whose bars lie on the
device already, and once by ``predict(last_only=False)``, which reads and checks a frame and writes one; the ratio is
taken round by round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

from common import TICKERS, experiment, hardware, random_bars, show, spread

ORIGINS = 20_000
SINGLE = 200
HISTORIES = (24, 3_000)


def measure(shape: str, origins: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of one forecast; windows per second of evaluation and of prediction."""
    import jax
    import numpy as np

    from nextbar import Forecaster, Trainer
    from nextbar.bars.bars import frame_bars
    from nextbar.data.dataset import build_dataset
    from nextbar.engine.engine import Engine

    with tempfile.TemporaryDirectory() as folder:
        config = experiment(shape, TICKERS, folder, save_weights=True, test_split=0.5, validation_split=0.2)
        few = random_bars(TICKERS, 1_500)
        forecaster = Forecaster.load(Trainer(config, few, show=False).train_and_evaluate().run_dir)
    seq_len = config.dataset_config.seq_len
    each = origins + seq_len - 1
    bars = random_bars(TICKERS, each)
    dataset = build_dataset(config, frame_bars(bars, "1h", tickers=config.dataset_config.tickers))
    engine = Engine(config, dataset)
    params = jax.device_put(forecaster.params)
    rows = np.concatenate([i * each + np.arange(seq_len - 1, each) for i in range(TICKERS)])

    one = bars[bars["ticker"] == "walk_0"]
    single = {f"{n}_bars": spread(_milliseconds(forecaster, one.tail(max(n, seq_len)))) for n in HISTORIES}
    engine.evaluate(params, rows)
    evaluated, predicted = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        engine.evaluate(params, rows)
        evaluated.append(len(rows) / (time.perf_counter() - began))
        began = time.perf_counter()
        made = forecaster.predict(bars, last_only=False)
        predicted.append(len(made) / (time.perf_counter() - began))
    return {
        "shape": shape,
        "one_forecast_milliseconds": single,
        "forecasts": len(made),
        "evaluation_windows_per_second": spread(evaluated),
        "prediction_windows_per_second": spread(predicted),
        "ratio": spread([p / e for p, e in zip(predicted, evaluated, strict=True)]),
    }


def _milliseconds(forecaster: Any, frame: Any) -> list[float]:
    forecaster.predict(frame)
    taken = []
    for _ in range(SINGLE):
        began = time.perf_counter()
        forecaster.predict(frame)
        taken.append(1e3 * (time.perf_counter() - began))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="A", choices="ABC")
    parser.add_argument("--origins", type=int, default=ORIGINS, help="of each of the three tickers")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    show({**measure(args.shape, args.origins, args.rounds), **hardware()})


if __name__ == "__main__":
    main()
