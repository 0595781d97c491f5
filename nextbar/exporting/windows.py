"""Windows: a model's input from the last bars, recorded for ``forecast.run``.

Given are the columns of all bars, ``bars/<name>`` (N,); ``slots`` (N, 1 + H), the time of the week of each bar and of
those after it, as rows of ``clocks``; and the numbers of the series, see ``numbers.series_numbers``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nextbar.bars.columns import PRICES
from nextbar.data.scaling import needs_training
from nextbar.data.spreads import LIMIT
from nextbar.data.window_spec import WindowSpec
from nextbar.exporting.program import Recording, float32, join, stack
from nextbar.inference.loading import LoadedRun
from nextbar.types import Array

NORMS: dict[str, Callable[[Array, Array], tuple[Any, Any]]] = {
    "window_minmax": lambda own, fitted: (np.min(own), np.ptp(own)),
    "window_meanstd": lambda own, fitted: (np.mean(own), _deviation(own)),
    "window_mean": lambda own, fitted: (0.0, np.mean(own)),
    "global_minmax": lambda own, fitted: (fitted[0], fitted[1] - fitted[0]),
    "global_meanstd": lambda own, fitted: (fitted[2], fitted[3]),
    "none": lambda own, fitted: (0.0, 1.0),
}
"""what each normalisation takes from the values of a group, and what it divides them by; ``fitted`` are least and
largest value, mean and standard deviation of the training span"""

STANDARDISED = {"window_minmax": "window_meanstd", "window_mean": "window_meanstd", "global_minmax": "global_meanstd"}
"""what is done with the logs of volume and trades where prices enter as returns"""


def looks_at_spreads(runs: Sequence[LoadedRun]) -> bool:
    """Whether any model of these runs knows how widely its windows vary."""
    return any(loaded.config.model_config.use_extra_tokens for loaded in runs)


def record_window(p: Recording, mode: str, spec: WindowSpec, with_spreads: bool) -> None:
    """Names ``x`` (L, F), ``clock`` (L, C), ``clock_ahead`` (H, C), ``unit`` of the label; ``spread``, ``tokens`` (G,).

    Args:
        p: gets the steps.
        mode: normalisation.
        spec: the windows.
        with_spreads: whether the last two are wanted.
    """
    recent = slice(-spec.seq_len, None)
    columns = {name: p.given(f"bars/{name.lower()}")[None, recent] for name in (*spec.columns, *spec.singles)}
    prices = p.call("prices", join([columns[name] for name in spec.prices[: spec.own_prices]]))
    amounts = [np.log1p(columns[name]) if spec.returns else columns[name] for name in spec.volumes]
    price_map = _map(prices, mode, p.given("statistics")[0])
    if spec.log_prices:
        logs = p.call("logs", np.log(prices / prices[-1, -1]))
    spreads = [p.call("moved", np.std(np.diff(logs[-1])) if spec.log_prices else _deviation(prices))]
    moved = p.given("return_unit") if needs_training(mode) else 1.0 if mode == "none" else spreads[0]
    return_unit = p.step("first_not_0", moved)
    rows = [_returns(logs, spec) / return_unit if spec.returns else _mapped(prices, *price_map)]
    for g, values in enumerate(amounts, start=1):
        own_mode = STANDARDISED.get(mode, mode) if spec.returns else mode
        rows.append(_mapped(values, *_map(values, own_mode, p.given("statistics")[g])))
    if spec.time_feature == "span":
        rows.append((p.given("bars/time")[None, recent] - p.given("first_time")) / p.given("time_span"))
    if spec.time_feature == "position":
        rows.append(p.constant("position", np.linspace(0, 1, spec.seq_len)[None]))
    for name in spec.indicators:
        if name in spec.singles:
            offset, scale = (p.given("singles")[spec.singles.index(name), i] for i in range(2))
            rows.append(_mapped(columns[name], offset, scale))
        else:
            rows.append(_mapped(columns[name], *price_map))
    p.call("x", float32(np.transpose(join(rows))))
    p.call("clock", p.given("clocks")[p.given("slots")[recent, 0]])
    p.call("clock_ahead", p.given("clocks")[p.given("slots")[-1, 1:]])
    p.call("unit", return_unit if spec.target == "log_return" else np.absolute(price_map[1]))
    if with_spreads:
        spreads += map(_deviation, amounts)
        ratio = np.maximum(stack(spreads) / p.given("spreads"), float(np.exp(-LIMIT)))
        spread = p.call("spread", float32(np.clip(np.log(ratio), -LIMIT, LIMIT)))
        p.call("tokens", np.sum(spread[:, None] > p.given("token_edges"), 1))


def _deviation(values: Array) -> Array:
    """Standard deviation, exactly 0 where all values are equal."""
    return np.std(values - values[-1, -1])


def _map(values: Array, mode: str, fitted: Array) -> tuple[Any, Array]:
    """Offset and scale of a group of columns (C, L); where it does not vary at all, its level is the scale."""
    offset, scale = NORMS[mode](values, fitted)
    return offset, values.program.step("first_not_0", scale, np.absolute(np.mean(values)))


def _mapped(values: Array, offset: Any, scale: Any) -> Array:
    return (values - offset) / scale


def _returns(logs: Array, spec: WindowSpec) -> Array:
    """See ``nextbar.data.windows``: logs over the previous close, the range, and the way that the close has gone."""
    o, high, low, c = (logs[PRICES.index(name)] for name in PRICES)
    before = join([o[:1], c[:-1]])
    path = [c / float(np.sqrt(spec.seq_len))] if spec.has_path else []
    return stack([c - before, high - before, low - before, o - before, high - low, *path])


def record_indicator(p: Recording, kind: str, bars: int, width: float) -> None:
    """Names ``result`` (N,) what an indicator is at each bar, from ``close``; see ``nextbar.data.indicators``."""
    close_N = p.given("close")
    if kind == "ema":
        result = p.step("smoothed", close_N, bars, 2 / (bars + 1))
    elif kind == "rsi":
        change_N = np.diff(close_N)
        ups_and_all = np.maximum(change_N, 0.0), np.absolute(change_N)
        rise, move = (p.step("smoothed", a, bars, 1 / bars) for a in ups_and_all)
        share = np.where(move == 0.0, 0.5, rise / np.where(move == 0.0, 1.0, move))
        result = join([p.step("unknown", 1), share])
    else:
        window_NL = p.step("windows", join([p.step("unknown", bars - 1), close_N]), bars)
        result = np.mean(window_NL, 1) + width * np.std(window_NL, 1)
    p.call("result", result)
