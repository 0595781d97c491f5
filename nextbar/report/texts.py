"""Texts that are the same on every page: names and units of metrics, advice on reading."""

from __future__ import annotations

from collections.abc import Mapping

from nextbar.display.markup import element
from nextbar.report.page import Section

METRICS = {
    "mae": "mean absolute error, price",
    "mse": "mean squared error, price²",
    "rmse": "root mean squared error, price",
    "mape": "mean absolute error, % of the close",
    "r2": "R² of the closes (near 1 for any forecast)",
    "r2_return": "R² of the returns against persistence",
    "mse_scaled": "mean squared error, training units",
    "mae_scaled": "mean absolute error, training units",
    "acc_dir": "moves whose direction was right, %",
    "nll": "negative log-likelihood, nats",
    "crps": "continuous ranked probability score",
    "coverage_50": "outcomes inside the 50 % interval, %",
    "coverage_80": "outcomes inside the 80 % interval, %",
    "coverage_90": "outcomes inside the 90 % interval, %",
    "coverage_95": "outcomes inside the 95 % interval, %",
    "acc": "windows whose likeliest bin came, %",
    "log_loss": "log loss, nats",
    "brier": "Brier score",
}
"""a metric's name in words; units as in docs/metrics.md"""

UNITS = {
    "mape": "mean absolute error, %",
    "mae_scaled": "mean absolute error, training units",
    "nll": "nll, nats",
    "log_loss": "log loss, nats",
}
"""axis titles of metrics; others go by their name"""

_ADVICE = {
    "The verdict first.": "It compares the model with the strongest simple forecaster, which validation chose, on bars "
    "neither has learnt from. Lower error is not enough: the p-value says how often luck alone would make a difference "
    "as large.",
    "Then the rivals, then the model.": "A number on its own says little. Errors follow the market's volatility, and "
    "R² of closes is near 1 for the plainest forecast. Skill is what counts: above 0 is better than the strongest "
    "rival. The plain baseline knows no more than the spread of training; beating it alone means little.",
    "Expect little of direction and price.": "The next close is the last one plus a move that can hardly be known. A "
    "forecast line that hugs the last close is what an honest model looks like. What can be learnt is the size of the "
    "next move: the width of the band.",
    "Validation chose, test reports.": "The best epoch was picked by validation, so its numbers flatter a little.",
    "Parts are small samples.": "An hour or a weekday in which the model loses may be luck; look for a pattern.",
    "Count your tries.": "The p-value knows nothing of the models tried before this one. After twenty, one is below "
    "0.05 by luck. Costs of trading are in none of the scores.",
}


def how_to_read(advice: Mapping[str, str] = _ADVICE) -> Section:
    """The section with advice, each a short rule and its reason; by default on reading the scores of a model."""
    rules = (element("li", element("strong", rule), " ", reason) for rule, reason in advice.items())
    return Section("reading", "How to read this page", [element("ul", *rules)], folded=True)
