"""Main scores in plain words: no name of a metric but behind a click, and each figure recomputed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from made_up_spans import make_scorer, random_bins, random_forecast
from page_text import Text

from nextbar.report.tiles import scores_of, tiles
from nextbar.types import Forecast

JARGON = re.compile(r"nll|log.loss|crps|coverage|acc_dir|Diebold|p-value|skill|baseline|quantile|density|_")


def of_mode(mode: str) -> tuple[Any, Any, str]:
    scorer = make_scorer(1, output_mode=mode, **({} if mode != "discrete_grid" else {"edges": EDGES}))
    forecast = random_bins(scorer) if mode == "discrete_grid" else random_forecast(scorer)
    forecast = Forecast(forecast.location_NH) if mode == "mean" else forecast
    return scorer, forecast, scorer.task.leading


EDGES = (-np.inf, -1.0, -0.25, 0.25, 1.0, np.inf)


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_tiles_have_no_jargon_but_behind_a_click(mode: str) -> None:
    scorer, forecast, leading = of_mode(mode)
    report = scorer.report(forecast)
    named = report | {"strongest_name": "garch_t", "strongest": report["baseline"] | {"acc_dir": 51.2}}
    for told in (report, named):
        found = list(scores_of(told, leading))
        assert len(found) >= 4 and found[-1].value == f"{report['windows']:,}"
        for tile in found:
            assert not JARGON.search(f"{tile.value} {tile.words}".replace("the plain baseline", ""))
        page = Text(tiles(told, leading))
        assert page.tags.count("details") == len(found) and leading in page.said
    assert any(tile.value == "51 of 100" and "always saying up" in tile.words for tile in found)


def test_the_share_of_probability_is_the_geometric_mean_of_the_ratio_of_densities() -> None:
    scorer, forecast, leading = of_mode("distribution")
    report = scorer.report(forecast)
    first = next(iter(scores_of(report, leading)))
    gains = [node["baseline"]["nll"] - node["model"]["nll"] for node in report["by_ticker"].values()]
    ratio = np.exp(np.mean(gains))
    said = float(first.value.replace("−", "-").replace("× ", "").replace(" %", ""))
    assert said == pytest.approx(ratio if "×" in first.value else 100 * (ratio - 1), rel=0.05)


def test_the_chance_of_what_came_is_the_geometric_mean_of_its_probability() -> None:
    scorer, forecast, leading = of_mode("discrete_grid")
    report = scorer.report(forecast)
    chance = float(next(iter(scores_of(report, leading))).value.removesuffix(" of 100"))
    losses = [node["model"]["log_loss"] for node in report["by_ticker"].values()]
    assert chance == pytest.approx(100 * np.exp(-np.mean(losses)), rel=0.01)


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.11, "11 in 100"), (0.5, "50 in 100"), (0.034, "34 in 1,000"), (0.0006, "1 in 1,000"),
     (0.0001, "under 1 in 1,000"), (0.0996, "10 in 100")],
)  # fmt: skip
def test_a_small_probability_is_told_in_thousands(p: float, said: str) -> None:
    report = {"model": {"nll": 1.0}, "baseline": {"nll": 1.2}, "skill": {"nll": 0.2}, "windows": 9,
              "diebold_mariano": {"p_value": p, "statistic": 1.0}}  # fmt: skip
    assert [tile.value for tile in scores_of(report, "nll")] == ["+22 %", said, "9"]


@pytest.mark.parametrize(
    ("leading", "gain", "value"),
    [
        ("nll", 0.02, "+2.0 %"), ("nll", np.log(1.996), "+100 %"), ("nll", np.log(150), "× 150"),
        ("mae", -1.0, "100 %"), ("mae", -2.5, "250 %"), ("mae", 0.0, "0.0 %"),
    ],
)  # fmt: skip
def test_a_figure_has_no_exponent(leading: str, gain: float, value: str) -> None:
    first = next(iter(scores_of(of_gain(leading, gain), leading)))
    assert first.value == value


def test_no_gain_is_too_large_to_be_shown() -> None:
    first = next(iter(scores_of(of_gain("nll", 1000.0), "nll")))
    assert first.value.startswith("× 1") and "e" not in first.value


def of_gain(leading: str, gain: float) -> dict[str, Any]:
    """A report of one score alone."""
    model = {leading: 1.0}
    return {
        "model": model,
        "baseline": {leading: 1.0 + gain},
        "skill": {leading: gain},
        "diebold_mariano": None,
        "windows": 9,
    }
