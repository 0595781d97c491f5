"""Bars on the device, and how compiled code cuts, normalises and labels a batch of their windows."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.columns import PRICES
from nextbar.data import spreads
from nextbar.data.contexts import ContextTape, Terms, context_of
from nextbar.data.scaling import NormMode, Scale, deviation, fit_windows, modes, return_unit, standardising
from nextbar.data.spreads import SpreadScale
from nextbar.data.start import start_in_units
from nextbar.data.statistics import GlobalScale, Pair
from nextbar.data.targets import label
from nextbar.data.window_spec import WindowSpec
from nextbar.types import Array, Batch

KEPT = 8
"""traces of ``gather`` that a process keeps, each of another specification"""


class Tape(NamedTuple):
    """All bars of all series, end to end, on the device; or an excerpt, see ``excerpt``."""

    stride: Array
    """rows from one origin to the next, int32: 1 where each row may be one. Of what is asked at origins alone
    (bins, series, starts, ...) there is an entry for each of those"""
    rows_RX: Array
    """high parts of the columns, low parts, the share of the training span (``time_feature`` span), other
    indicators, ages of covariates; float32"""
    close_R2: Array
    """high and low part of the close"""
    bin_RH: Array
    """bins of the next H moves, int32; (R, 0) without bins"""
    series_R: Array
    rank_R: Array
    """position of the next open slot in the series' chain, int32"""
    chain_SZ: Array
    """open slots one after the other, int32, padded to the longest chain"""
    clock_SMC: Array
    """clock of each open slot of the week, padded to the longest week"""
    fitted: GlobalScale
    """training statistics, (S, G)"""
    return_std_S: Array
    """standard deviation of one-bar log returns in training"""
    spreads: SpreadScale
    start_RHX: Array
    """what an untrained model forecasts after each bar, of the log return, see ``RangeStart.columns``; X may be 0"""
    regressors_RK: Array
    """what that is made from"""
    ahead_RHA: Array
    """covariates known ahead, of the H bars after each; A may be 0"""
    range_RH: Array
    """log range variance of the next h bars over that of the start, where training looks at it; else (R, 0)"""
    contexts: tuple[ContextTape, ...]
    """closed bars of each context resolution"""


def gather(tape: Tape, origin_B: Array, weight_B: Array, norm_mode: Array, spec: WindowSpec) -> Batch:
    """Cut, normalise and label the windows that end at the origins.

    Args:
        tape: bars on the device.
        origin_B: row of the last known bar of each window, int32.
        weight_B: 0 for windows that only fill the batch.
        norm_mode: see ``scaling.mode_number``; traced.
        spec: what a window consists of.
    """
    return _jitted(spec, modes())(tape, origin_B, weight_B, norm_mode)


@lru_cache(maxsize=KEPT)
def _jitted(spec: WindowSpec, modes: tuple[NormMode, ...]) -> Any:
    """``_gather``, traced once for all programs with batches of one size, in each of which it takes the longest."""
    import jax

    return jax.jit(partial(_gather, spec=spec, modes=modes), inline=True)


def _gather(
    tape: Tape, origin_B: Array, weight_B: Array, norm_mode: Array, spec: WindowSpec, modes: tuple[NormMode, ...]
) -> Batch:
    """``gather`` with the normalisations there are, which its trace depends on."""
    import jax.numpy as jnp

    n = len(spec.columns)
    entry_B = origin_B // tape.stride
    rows_BLX = _slices(tape.rows_RX, origin_B - spec.seq_len + 1, spec.seq_len)
    pair = Pair(rows_BLX[..., :n], rows_BLX[..., n : 2 * n])
    single_BLE = rows_BLX[..., 2 * n + spec.spans_time :]
    time_BL = rows_BLX[..., 2 * n] if spec.spans_time else _positions(rows_BLX)
    series_B = tape.series_R[entry_B]

    scaled, scales, references, deviation_BG = _normalise(tape, pair, series_B, norm_mode, spec)
    close = spec.own_prices - 1
    last = Pair(pair.high[:, -1, close], pair.low[:, -1, close])
    change_BL = Pair(pair.high[..., close], pair.low[..., close]).minus(Pair(last.high[:, None], last.low[:, None]))
    log_BL = jnp.log1p(change_BL / last.high[:, None]) if spec.log_prices else change_BL
    moved_B = jnp.std(log_BL[:, 1:] - log_BL[:, :-1], axis=1)
    deviation_B = return_unit(moved_B, tape.return_std_S[series_B], norm_mode)

    own_BLF = _returns(pair, last, log_BL, deviation_B, spec) if spec.returns else scaled[0][..., : spec.own_prices]
    groups = [own_BLF, *scaled[1:]]
    indicators = [
        _column(single_BLE, spec.singles.index(name))
        if name in spec.singles
        else _column(scaled[0], spec.prices.index(name))
        for name in spec.indicators
    ]
    indicators.append(single_BLE[..., len(spec.singles) :])
    times = [] if spec.time_feature == "none" else [time_BL[..., None]]
    if spec.log_prices:
        deviation_BG = [moved_B, *deviation_BG[1:]]
    tokens_BG, spread_BG = _spreads(tape.spreads, groups, deviation_BG, series_B, spec)
    unit_B = deviation_B if spec.target == "log_return" else jnp.abs(scales[0].scale)
    start_BHX, regressors_BK = _start(tape, entry_B, unit_B, last, spec)
    terms = Terms(scales, references, deviation_B)
    return Batch(
        x_BLF=jnp.concatenate([*groups, *times, *indicators], axis=-1),
        time_BL=time_BL if spec.layout == 1 else _positions(rows_BLX),
        clock_BLC=_own_clock(tape, origin_B, series_B, spec),
        tokens_BG=tokens_BG,
        spread_BG=spread_BG,
        clock_BHC=_clock(tape, origin_B, series_B, spec),
        ahead_BHA=tape.ahead_RHA[entry_B],
        start_BHX=start_BHX,
        regressors_BK=regressors_BK,
        range_BH=tape.range_RH[entry_B],
        y_BH=_labels(tape, origin_B, entry_B, last, unit_B, spec),
        unit_B=unit_B,
        weight_B=weight_B,
        contexts=tuple(context_of(context, origin_B, entry_B, terms, spec) for context in tape.contexts),
    )


def _labels(tape: Tape, origin_B: Array, entry_B: Array, last: Pair, unit_B: Array, spec: WindowSpec) -> Array:
    """Labels of the batch: bins, or changes in units."""
    if spec.edges is not None:
        return tape.bin_RH[entry_B]
    future = _slices(tape.close_R2, origin_B + 1, spec.horizon)
    return label(last, Pair(future[..., 0], future[..., 1]), unit_B, spec.target)


def _start(tape: Tape, entry_B: Array, unit_B: Array, last: Pair, spec: WindowSpec) -> tuple[Array, Array]:
    """(B, H, X): where an untrained model starts, in units of the label; (B, K): what that comes from, for the head.

    A law's log scale in those units is among the latter.
    """
    import jax.numpy as jnp

    start_BHX, regressors_BK = tape.start_RHX[entry_B], tape.regressors_RK[entry_B]
    if not spec.start_width or spec.edges is not None:
        return start_BHX, regressors_BK
    start_BHX = start_in_units(start_BHX, unit_B, last.high, spec)
    return start_BHX, jnp.concatenate([start_BHX[..., 1], regressors_BK], axis=-1)


def _column(array_BLX: Array, i: int) -> Array:
    return array_BLX[..., i : i + 1]


def _slices(array_RX: Array, start_B: Array, length: int) -> Array:
    """(B, length, X): contiguous rows copied in one gather."""
    import jax

    return jax.vmap(lambda start: jax.lax.dynamic_slice_in_dim(array_RX, start, length))(start_B)


def _positions(rows_BLX: Array) -> Array:
    """(B, L): each bar's place in its window, 0 to 1."""
    import jax.numpy as jnp

    size, length = rows_BLX.shape[:2]
    return jnp.broadcast_to(jnp.linspace(0, 1, length, dtype=jnp.float32)[None], (size, length))


def _normalise(
    tape: Tape, pair: Pair, series_B: Array, norm_mode: Array, spec: WindowSpec
) -> tuple[list[Array], list[Scale], list[Pair], list[Array]]:
    """Normalised columns, scale, reference and deviation of each group; the reference is its last bar's last own
    column."""
    import jax

    scaled, scales, references, deviations = [], [], [], []
    start = 0
    for g, name in enumerate(spec.groups):
        width, own = (len(spec.prices), spec.own_prices) if name == "price" else (1, 1)
        group = Pair(*(part[..., start : start + width] for part in pair))
        start += width
        reference = Pair(*(part[:, -1, own - 1] for part in group))
        difference_BLC = group.minus(Pair(*(part[:, None, None] for part in reference)))
        fitted = jax.tree.map(lambda a_SG, g=g: a_SG[series_B, g], tape.fitted)
        mode = norm_mode
        if spec.returns and name != "price":  # logs of volume are standardised, whatever is done to prices
            mode = standardising(norm_mode)
        scale = fit_windows(difference_BLC[..., :own], reference, fitted, mode)
        scaled.append(scale.apply(difference_BLC))
        scales.append(scale)
        references.append(reference)
        deviations.append(deviation(difference_BLC[..., :own]))
    return scaled, scales, references, deviations


def _spreads(
    scale: SpreadScale, groups: list[Array], deviation_BG: list[Array], series_B: Array, spec: WindowSpec
) -> tuple[Array, Array]:
    """Spread tokens, int32 (B, G), and the numbers behind them, float32 (B, G); in layout 1 there are none of these."""
    import jax.numpy as jnp

    if spec.layout == 1:
        tokens_BG = jnp.stack([spreads.former_token(group) for group in groups], axis=-1)
        return tokens_BG, jnp.zeros((len(series_B), 0), jnp.float32)
    number_BG = spreads.numbers(jnp.stack(deviation_BG, axis=-1), scale.typical_SG[series_B], jnp)
    return spreads.tokens(number_BG, scale.edges_GT), number_BG


def _returns(pair: Pair, last: Pair, log_BL: Array, deviation_B: Array, spec: WindowSpec) -> Array:
    """Log of close, high, low and open over the previous close, and the bar's log range, in units of the deviation.

    The close before the first bar lies outside the window; that bar's open stands in for it. The path is the log of
    each close over the last one, in units of what a random walk of L bars goes: whether a market fell or rose into its
    last bar says how far it will move (Guyon and Lekeufack 2023, "Volatility is (mostly) path-dependent").
    """
    import jax.numpy as jnp

    own = Pair(*(part[..., : spec.own_prices] for part in pair))
    change = own.minus(Pair(*(part[:, None, None] for part in last)))
    log_BLC = jnp.log1p(change / last.high[:, None, None])
    open_, high, low, close = (log_BLC[..., spec.prices.index(name)] for name in PRICES)
    previous = jnp.concatenate([open_[:, :1], log_BL[:, :-1]], axis=1)
    columns = (close - previous, high - previous, low - previous, open_ - previous, high - low)
    path = [log_BL / np.sqrt(spec.seq_len)] if spec.has_path else []
    return jnp.stack([*columns, *path], axis=-1) / deviation_B[:, None, None]


def _own_clock(tape: Tape, origin_B: Array, series_B: Array, spec: WindowSpec) -> Array:
    """(B, L, C) clock of the context's bars; in a closed slot that of the open one before. Layout 1: none."""
    import jax.numpy as jnp

    if spec.layout == 1:
        return jnp.zeros((len(origin_B), spec.seq_len, 0), jnp.float32)
    rank_BL = tape.rank_R[origin_B[:, None] + jnp.arange(1 - spec.seq_len, 1)[None]]
    slot_BL = tape.chain_SZ[series_B[:, None], rank_BL - 1]
    return tape.clock_SMC[series_B[:, None], slot_BL]


def _clock(tape: Tape, origin_B: Array, series_B: Array, spec: WindowSpec) -> Array:
    """(B, H, C) clock of the next H open slots, from the calendar alone."""
    import jax.numpy as jnp

    rank_BH = tape.rank_R[origin_B][:, None] + jnp.arange(spec.horizon)[None]
    slot_BH = tape.chain_SZ[series_B[:, None], rank_BH]
    return tape.clock_SMC[series_B[:, None], slot_BH]
