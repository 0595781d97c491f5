"""The start that models add to, recorded for ``forecast.run``.

Given is what ``windows`` says, and ``counted``, 1 to N.
"""

from __future__ import annotations

import numpy as np

from nextbar.bars.columns import PRICES
from nextbar.data.range_har.level import LARGEST_SCORE
from nextbar.data.range_har.ranges import RANGE
from nextbar.data.window_spec import WindowSpec
from nextbar.exporting.program import Recording, float32, join, stack
from nextbar.types import Array


def record_start(p: Recording, spec: WindowSpec, trail: int) -> None:
    """Names the law of the log return by a range HAR as the head has it, ``start_law`` (H, X), and ``behind``, the
    numbers that it comes from.

    Args:
        p: gets the steps.
        spec: the windows.
        trail: bars of the trailing level; 0: there is none.
    """
    o, high, low, c = (np.log(p.given(f"bars/{name}")) for name in PRICES)
    gap_N = p.call("gap", join([np.zeros(1), o[1:] - c[:-1]]))
    variance_N = gap_N**2 + 0.5 * (high - low) ** 2 - (2 * float(np.log(2)) - 1) * (c - o) ** 2
    p.call("variance", variance_N)
    count_N1 = p.given("counted")[:, None]
    mean_N1 = np.cumsum(variance_N)[:, None] / count_N1
    # of a series that was not trained the mean variance so far, at least the floor; else that of training
    log_unit_N1 = 0.5 * np.log(np.maximum(p.given("follows") * mean_N1, p.given("least_variance")))
    p.call("log_unit", log_unit_N1)
    floor, factor_M, slots = p.given("floor"), p.given("factor"), p.given("slots")
    scaled_N = np.clip(variance_N / factor_M[slots[:, 0]] ** 2, floor, floor * 2.0**RANGE)
    sum_N = np.cumsum(join([np.zeros(1), scaled_N]))
    begin_NK = np.maximum(count_N1 - p.given("lags"), 0)
    log_mean_NK = np.log((sum_N[count_N1] - sum_N[begin_NK]) / (count_N1 - begin_NK))
    p.call("log_means", log_mean_NK)
    shift_NH = 0.5 * np.log(np.cumsum(factor_M[slots[:, 1:]] ** 2, 1)) + log_unit_N1
    log_variance_NH = p.given("constant") + (log_mean_NK - 2.0 * log_unit_N1) @ p.given("coefficients")
    log_scale_NH = p.call("log_scales", 0.5 * np.clip(log_variance_NH, -20.0, 20.0) + shift_NH)
    location_NH = p.call("locations", p.given("location") * np.exp(shift_NH))
    location_H, log_scale_H, log_unit_1 = location_NH[-1], log_scale_NH[-1], log_unit_N1[-1]
    longest = log_mean_NK[-1, -1]
    behind = [log_mean_NK[-1] - longest, longest - 2.0 * log_unit_1]
    if trail:
        level = _level(p, np.diff(c), location_NH[:-1, 0], log_scale_NH[:-1, 0], trail)
        log_scale_H = log_scale_H + level
        behind.append(level[None])
    if spec.edges is not None:
        behind.append(log_scale_H - log_unit_1)
    p.call("behind", join(behind)[p.given("regressor_places")])
    if spec.edges is None:
        shape = [p.given(name) for name in ("raw_df", "raw_skew")]
        p.call("start_law", stack([location_H, log_scale_H, *shape][: spec.start_width], axis=1))
        return
    edges = p.constant("edges", np.log1p(np.maximum(spec.edges[1:-1], -100.0) / 100.0)[:, None])
    below_KH = p.step("below", edges, location_H, np.exp(log_scale_H), p.given("df"), p.given("skew"))
    ends = np.zeros((1, spec.horizon)), np.ones((1, spec.horizon))
    mass_KH = np.maximum(np.diff(join([ends[0], below_KH, ends[1]]), 1, 0), 1e-12)
    p.call("start_law", np.transpose(np.log(mass_KH / np.sum(mass_KH, 0))))


def _level(p: Recording, return_N: Array, location_N: Array, log_scale_N: Array, trail: int) -> Array:
    """The trailing level, from the last returns under their laws; see ``nextbar.data.range_har.level``."""
    df, skew, mean, spread = (p.given("first_shape")[i] for i in range(4))
    z = (return_N - location_N) * np.exp(-log_scale_N)
    y = mean + spread * z
    width = np.where(y < 0.0, 1.0 - skew, 1.0 + skew)
    score_N = (df + 1.0) * spread * z * y / ((df - 2.0) * width**2 + y * y) - 1.0
    count = np.minimum(p.given("counted")[-1] - 1, trail)
    return np.sum(np.clip(score_N, -LARGEST_SCORE, LARGEST_SCORE)[-trail:]) / p.given("information") / (count + trail)


def record_start_in_units(p: Recording, spec: WindowSpec) -> None:
    """Names ``start`` (H, X) in units of the label and ``regressors``, see ``nextbar.data.start.start_in_units``."""
    start, behind = p.given("start_law"), p.given("behind")
    if spec.edges is None:
        unit, last = p.given("unit"), p.given("bars/close")[-1]
        location, log_scale = start[:, 0] / unit, start[:, 1] - np.log(unit)
        if spec.target == "close":
            location, log_scale = np.expm1(start[:, 0]) * last / unit, start[:, 1] - np.log(unit / last)
        start = stack([location, log_scale, *(start[:, i] for i in range(2, spec.start_width))], axis=1)
        behind = join([log_scale, behind])
    p.call("start", start)
    p.call("regressors", float32(behind))
