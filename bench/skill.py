"""What a recipe and each of its parts are worth: nll of the test span beside the strongest simple model's.

    python bench/skill.py --data DIR                                    every recipe and row, 3 repetitions: a night
    python bench/skill.py --data DIR --quick                            the recipes as they are, once: minutes
    python bench/skill.py --data DIR --recipes index_1d --rows recipe --repetitions 8

A row is a recipe of ``configs/recipes`` with one thing changed (``ROWS``). Its network is fitted as the recipe says;
the rivals (range HAR and GARCH with a Student-t tail, boosted trees) are fitted on all bars before the test span, the
longest that there is. Repetitions differ in the seed. Choices among rows are validation's (``validation``: nll of the
first fit there); the test column is written once a row. Figures are of percent log returns, in nats; ``t`` is Diebold
and Mariano's, by cosine averages. The last lines pool all series of a row: gains are added up by the day, so that
series that share days do not count as so many. A line of JSON for each series and row goes to ``--out`` as soon as it
is measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import hardware
from skill_rivals import losses

from nextbar import ExperimentConfig
from nextbar.bars.series import series_of
from nextbar.data.dataset import build_dataset
from nextbar.inference.evaluator import evaluate
from nextbar.metrics.significance import diebold_mariano
from nextbar.train.trainer import Trainer

RECIPES = Path(__file__).parent.parent / "configs" / "recipes"

SERIES = {
    "index_1d": ("1d", "spx", "nasdaq_comp"),
    "crypto_1d": ("1d", "btc_usd"),
    "crypto_4h": ("4h", "btc_usdt", "eth_usdt", "sol_usdt"),
    "crypto_1h": ("1h", "btc_usdt", "eth_usdt"),
    "fx_1h": ("1h", "eur_usd"),
    "intraday_5m": ("30m", "btc_usdt"),
}
"""of each recipe: the bar interval and the tickers it is measured on, in the layout of ``datapath``"""

ROWS: dict[str, tuple[str, ...]] = {
    "recipe": (),
    "no final fit": ("final_fit=false",),
    "constant start": ("model_config.start=constant", "range_loss=0"),
    "constant start, no final fit": ("model_config.start=constant", "range_loss=0", "final_fit=false"),
}
"""what is changed of a recipe"""
ALONE, UNSEEN = "alone", "unseen"
"""each of its series is trained by itself; each is scored by a network that was trained on the others"""


def recipes_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of what all measurements of recipes ask for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of bars")
    parser.add_argument("--recipes", nargs="+", default=[*SERIES], choices=[*SERIES])
    return parser


def main() -> None:
    """Measure and print."""
    parser = recipes_parser(__doc__)
    parser.add_argument("--rows", nargs="+", default=[*ROWS, ALONE, UNSEEN], choices=[*ROWS, ALONE, UNSEEN])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the recipes as they are, once")
    parser.add_argument("--set", nargs="*", default=[], help="field=value for every row")
    parser.add_argument("--out", default=None, help="file that lines of JSON are added to")
    options = parser.parse_args()
    rows, repetitions = (["recipe"], 1) if options.quick else (options.rows, options.repetitions)
    print(json.dumps(hardware()))
    gains: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
    for recipe in options.recipes:
        for row in rows:
            for config in experiments(recipe, row, options.data, options.set):
                for cell in measure(config, repetitions):
                    gains[row].append(cell)
                    line = {"recipe": recipe, "row": row, **{k: v for k, v in cell.items() if k != "by_day"}}
                    print(json.dumps(line), flush=True)
                    if options.out:
                        with open(options.out, "a") as file:
                            file.write(json.dumps(line) + "\n")
    for row, cells in gains.items():
        if len(cells) > 1:
            print(json.dumps({"row": row, **{which: pooled(cells, which) for which in ("one", "mixture")}}), flush=True)


def experiments(recipe: str, row: str, data: str, changes: list[str]) -> list[ExperimentConfig]:
    """The experiments of a row on the recipe's series: together, each by itself, or all but one."""
    resolution, *tickers = SERIES[recipe]
    config = ExperimentConfig.load(RECIPES / f"{recipe}.yaml", [*ROWS.get(row, ()), *changes])
    own = replace(config.dataset_config, datapath=data, resolution=resolution)
    if row == UNSEEN:
        others = {ticker: tuple(t for t in tickers if t != ticker) for ticker in tickers if len(tickers) > 1}
        return [
            replace(config, dataset_config=replace(own, tickers=rest), test_tickers=(ticker,))
            for ticker, rest in others.items()
        ]
    parts = [(ticker,) for ticker in tickers] if row == ALONE else [tuple(tickers)]
    return [replace(config, dataset_config=replace(own, tickers=part)) for part in parts]


def measure(config: ExperimentConfig, repetitions: int) -> list[dict[str, Any]]:
    """Figures of an experiment's series on the test span."""
    bars = series_of(config)
    dataset = build_dataset(config, bars)
    model, validation, seconds, coverage = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for repetition in range(repetitions):
            own = replace(config, seed=repetition, log_dir=folder)
            began = time.perf_counter()
            result = Trainer(own, bars, show=False).train_and_evaluate()
            seconds.append(time.perf_counter() - began)
            spans = evaluate(result.run_dir, bars, tickers=config.scored_tickers).spans
            model.append(spans["test"].scorer.leading_errors(spans["test"].forecast))
            coverage.append(
                {name: node["model"]["coverage_90"] for name, node in spans["test"].report["by_ticker"].items()}
            )
            validation.append(
                {name: node["model"]["nll"] for name, node in result.metrics["validation"]["by_ticker"].items()}
            )
        scorer, outcomes = spans["test"].scorer, spans["test"].outcomes
    rivals = losses(dataset, scorer, dataset.origins["test"])
    loss_RN = np.stack(model)
    mixture_N = -np.log(np.mean(np.exp(-loss_RN), axis=0))  # the density of the equal-weight mixture
    cells = []
    scored = [s for s, one in enumerate(dataset.bars) if one.ticker in config.scored_tickers]
    for place, s in enumerate(scored):  # those that were evaluated, which the network may not have been trained on
        name, row_N = dataset.names[s], np.flatnonzero(outcomes.series_N == place)
        rival = rivals["range_har_t"][0][row_N]
        cells.append(
            {
                "series": f"{name}_{dataset.bars[s].resolution}",
                "windows": len(row_N),
                "validation": _mean([v[name] for v in validation]),
                "nll": [round(float(loss_N[row_N].mean()), 5) for loss_N in loss_RN],
                "mixture": round(float(mixture_N[row_N].mean()), 5),
                "rivals": {key: round(float(loss_N[row_N].mean()), 5) for key, (loss_N, _) in rivals.items()},
                "gain": round(float((rival - loss_RN[:, row_N].mean(axis=0)).mean()), 5),
                "t": _t(loss_RN[:, row_N].mean(axis=0), rival),
                "gain_mixture": round(float((rival - mixture_N[row_N]).mean()), 5),
                "t_mixture": _t(mixture_N[row_N], rival),
                "coverage_90": _mean([c[name] for c in coverage]),
                "seconds": round(float(np.mean(seconds)), 1),
                "rival_seconds": {key: round(took, 2) for key, (_, took) in rivals.items()},
                "by_day": {
                    "day": outcomes.origin_time_N[row_N] // 86_400,
                    "one": (rival - loss_RN[:, row_N].mean(axis=0)) / len(row_N),
                    "mixture": (rival - mixture_N[row_N]) / len(row_N),
                },
            }
        )
    return cells


def pooled(cells: list[dict[str, Any]], which: str) -> dict[str, float]:
    """Mean gain over the series, and its t over days: what all series gained on a day is one observation."""
    day = np.concatenate([cell["by_day"]["day"] for cell in cells])
    gain = np.concatenate([cell["by_day"][which] for cell in cells]) / len(cells)
    _, number = np.unique(day, return_inverse=True)
    gain_T = np.bincount(number, gain)
    test = diebold_mariano(np.zeros(len(gain_T)), gain_T, 1)
    assert test is not None
    return {
        "series": len(cells),
        "gain": round(float(gain_T.sum()), 5),
        "t": round(test["statistic"], 2),
        "p": test["p_value"],
    }


def _t(model_N: np.ndarray, rival_N: np.ndarray) -> float | None:
    test = diebold_mariano(model_N, rival_N, 1)
    return None if test is None else round(test["statistic"], 2)


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 5)


if __name__ == "__main__":
    main()
