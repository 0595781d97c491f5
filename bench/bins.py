"""Recipes that foretell bins: log loss of the fifth that the next move falls into, beside range HAR-t's.

    python bench/bins.py --data DIR --recipes index_1d fx_1h --repetitions 3

A line of JSON for each series. The recipe is trained as it is, but that it foretells five bins whose edges are the
quintiles of the moves before the validation span, of all of its series together. ``range_har_t`` is fitted on all bars
before the test span, as the network's final fit is; ``frequencies`` are those of the run's plain baseline. ``t`` is
Diebold and Mariano's of the mean over seeds against range HAR-t, by cosine averages.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from common import hardware
from skill import experiments, recipes_parser
from skill_rivals import laws

from nextbar import ExperimentConfig
from nextbar.bars.bars import Bars
from nextbar.bars.series import series_of
from nextbar.data.dataset import build_dataset
from nextbar.inference.evaluator import evaluate
from nextbar.metrics.bins import law_log_probs
from nextbar.metrics.significance import diebold_mariano
from nextbar.train.trainer import Trainer
from nextbar.types import Forecast


def main() -> None:
    """Measure and print."""
    parser = recipes_parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(hardware()))
    for recipe in options.recipes:
        (config,) = experiments(recipe, "recipe", options.data, [])
        for line in measure(config, options.repetitions):
            print(json.dumps({"recipe": recipe, **line}), flush=True)


def measure(config: ExperimentConfig, repetitions: int) -> Iterator[dict[str, Any]]:
    """Log losses of each series on the test span."""
    bars = series_of(config)
    config = of_bins(config, bars)
    losses, spans = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(repetitions):
            run = Trainer(replace(config, seed=seed, log_dir=folder), bars, show=False).train_and_evaluate().run_dir
            spans = evaluate(run, bars).spans
            losses.append(spans["test"].scorer.leading_errors(spans["test"].forecast))
    test = spans["test"]
    dataset, grid = build_dataset(config, bars), config.dataset_config.discrete_grid_levels
    assert grid is not None
    law = laws("range_har_t", dataset, dataset.origins["test"])
    rival_N = test.scorer.leading_errors(Forecast(log_probs_NHK=law_log_probs(law, grid)))
    for s, (name, node) in enumerate(test.report["by_ticker"].items()):
        row_N = np.flatnonzero(test.outcomes.series_N == s)
        own_RN = np.stack(losses)[:, row_N]
        better = diebold_mariano(own_RN.mean(axis=0), rival_N[row_N], 1)
        yield {
            "series": f"{name}_{config.dataset_config.resolution}",
            "log_loss": [round(float(own_N.mean()), 4) for own_N in own_RN],
            "range_har_t": round(float(rival_N[row_N].mean()), 4),
            "frequencies": round(node["baseline"]["log_loss"], 4),
            "gain": round(float((rival_N[row_N] - own_RN.mean(axis=0)).mean()), 4),
            "t": None if better is None else round(better["statistic"], 2),
        }


def of_bins(config: ExperimentConfig, bars: list[Bars]) -> ExperimentConfig:
    """The experiment, foretelling the fifth of the moves of its training windows."""
    dataset = build_dataset(config, bars)
    seen = dataset.outcomes("training")
    edges = np.quantile(100 * (seen.close_NH[:, 0] / seen.last_close_N - 1), [0.2, 0.4, 0.6, 0.8])
    grid = (-np.inf, *np.round(edges, 3).tolist(), np.inf)
    model = replace(config.model_config, output_mode="discrete_grid")
    return replace(
        config,
        model_config=model,
        range_loss=0.0,  # of distributions alone
        dataset_config=replace(config.dataset_config, output_mode="discrete_grid", discrete_grid_levels=grid),
    )


if __name__ == "__main__":
    main()
