"""What a trailing level is worth to a range HAR: gain in nll on what comes after the fit, by the bars it is taken from.

    python bench/trailing_level.py --data DIR

Each series of ``bench/skill.py`` ends at its last bar, at the beginning of its test span, and at the beginning of the
test span that it then has: three periods, each fitted on the bars before its own test span. Gains are those over the
same range HAR without the level, in nats a bar; ``t`` is Diebold and Mariano's. The last lines are over all cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from common import hardware
from skill import experiments, recipes_parser

from nextbar.bars.series import series_of
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.range_har import RangeHar, fit_range_har
from nextbar.metrics.density import elements
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth

TRAILS = (100, 200, 300, 500, 1000)
PERIODS = 3


def main() -> None:
    """Measure and print."""
    options = recipes_parser(__doc__).parse_args()
    print(json.dumps(hardware()))
    gains: dict[int, list[float]] = {trail: [] for trail in TRAILS}
    for recipe in options.recipes:
        for period, dataset in enumerate(_periods(recipe, options.data)):
            for s, name in enumerate(dataset.names):
                cell = measure(dataset, s)
                for trail, (gain, _) in cell.items():
                    gains[trail].append(gain)
                print(json.dumps({"recipe": recipe, "series": name, "period": period, "gain, t": cell}), flush=True)
    for trail, values in gains.items():
        worst, positive = round(min(values), 5), int(np.sum(np.array(values) > 0))
        mean = round(float(np.mean(values)), 5)
        print(json.dumps({"trail": trail, "mean": mean, "worst": worst, "positive": positive, "cells": len(values)}))


def _periods(recipe: str, data: str) -> Iterator[Dataset]:
    (config,) = experiments(recipe, "recipe", data, [])
    bars = series_of(config)
    for _ in range(PERIODS):
        dataset = build_dataset(config, bars)
        yield dataset
        bars = [b.first(int(np.searchsorted(b.close_time_N, dataset.cuts.test))) for b in bars]


def measure(dataset: Dataset, s: int) -> dict[int, tuple[float, float | None]]:
    """Gain and t of each trail on the test windows of a series."""
    bars, calendar = dataset.bars[s], dataset.calendars[s]
    known = int(np.searchsorted(bars.close_time_N, dataset.cuts.test))
    (fit,), _ = fit_range_har([bars], [known], [calendar], 1, "student_t")
    assert fit is not None
    row_N = dataset.panel.within(dataset.origins["test"], s)

    def losses(har: RangeHar) -> np.ndarray:
        forecast = har.law(bars, calendar).forecast.rows(row_N)
        close_N = bars.columns["close"]
        truth = Truth.of(close_N[row_N], close_N[row_N + 1, None], True, float(close_N.mean()))
        return elements(forecast, truth, Task(output_mode="distribution", target="log_return"))["nll"][:, 0]

    plain_N = losses(fit)
    cells = {}
    for trail in TRAILS:
        trailing_N = losses(replace(fit, trail=trail))
        test = diebold_mariano(trailing_N, plain_N, 1)
        t = None if test is None else round(test["statistic"], 1)
        cells[trail] = (round(float((plain_N - trailing_N).mean()), 5), t)
    return cells


if __name__ == "__main__":
    main()
