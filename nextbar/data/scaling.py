"""Normalisations: the modes, and their affine maps of windows on the device.

Every mode is one affine map, ``x = (p - offset) / scale + shift``, whose offset and scale come from the window, from
the training span, or from nowhere (``none``). Prices are kept as a high and a low float32 part and only differences to
the window's last close are ever formed, so that a price of 60,000 that moves within 5 keeps all its digits.

A further mode is one :class:`NormMode`, at the end of this module, and its line in ``config.choices.NORM_MODES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nextbar.config.choices import NORM_MODES
from nextbar.data.statistics import GlobalScale, Pair
from nextbar.types import Array


class Scale(NamedTuple):
    """One affine map for each window, relative to a reference price of that window; (B,) each."""

    offset: Array
    """offset minus reference, in price units"""
    scale: Array
    """price units per normalised unit; never 0"""
    shift: Array

    def apply(self, difference_BLC: Array) -> Array:
        """Normalise prices given as differences to the reference."""
        offset, scale, shift = (a[:, None, None] for a in self)
        return (difference_BLC - offset) / scale + shift

    def invert(self, x_BLC: Array) -> Array:
        """Differences to the reference, in price units."""
        offset, scale, shift = (a[:, None, None] for a in self)
        return (x_BLC - shift) * scale + offset


def deviation(value_BLC: Array) -> Array:
    """(B,): population standard deviation of each window, all columns together."""
    import jax.numpy as jnp

    # in units of the range, since float32 has no room for the squares of very large and very small numbers
    range_B = jnp.max(value_BLC, axis=(1, 2)) - jnp.min(value_BLC, axis=(1, 2))
    unit_B = jnp.where(range_B == 0, 1.0, range_B)
    return unit_B * jnp.std(value_BLC / unit_B[:, None, None], axis=(1, 2))


class WindowFigures(NamedTuple):
    """Figures that a mode may fit its map from: of one group of columns of each window, (B,) each."""

    low: Array
    """least value minus the reference"""
    spread: Array
    """largest value minus least"""
    mean: Array
    """mean minus the reference"""
    std: Array
    """population standard deviation, all columns together"""
    level: Array
    """mean"""
    reference: Pair
    """value that differences are formed to: that of the window's last bar"""
    fitted: GlobalScale
    """training statistics of the window's series"""
    zero: Array
    one: Array


@dataclass(frozen=True)
class NormMode:
    """Definition of a normalisation."""

    fit: Callable[[WindowFigures], Scale]
    """the map of each window; a scale of 0 is mended by :func:`fit_windows`"""
    return_unit: Callable[[Array, Array], Array]
    """(B,) unit of log returns, from the standard deviation of each window's own and that of training; 0 is mended"""
    needs_training: bool = False
    """whether it fits nothing without the training statistics of a series"""
    standardised: str | None = None
    """name of the mode that standardises with statistics of the same kind; None: this one"""


def mode_number(name: str) -> int:
    """Number by which compiled code selects a mode: its place in ``NORM_MODES``."""
    return list(NORM_MODES).index(name)


def needs_training(name: str) -> bool:
    """Whether a mode normalises with statistics of the training span."""
    mode: NormMode = NORM_MODES.load(name)
    return mode.needs_training


def modes() -> tuple[NormMode, ...]:
    """All modes by their numbers; compiled code depends on them."""
    return tuple(map(NORM_MODES.load, NORM_MODES))


def fit_windows(difference_BLC: Array, reference: Pair, fitted: GlobalScale, norm_mode: Array) -> Scale:
    """The map of each window under the mode of number ``norm_mode`` (traced: changing it compiles nothing).

    Args:
        difference_BLC: columns of one group minus the reference, float32.
        reference: the windows' reference value, (B,).
        fitted: training statistics of each window's series for this group, (B,).
        norm_mode: see :func:`mode_number`.
    """
    import jax.numpy as jnp

    low = jnp.min(difference_BLC, axis=(1, 2))
    spread = jnp.max(difference_BLC, axis=(1, 2)) - low
    mean = jnp.mean(difference_BLC, axis=(1, 2))
    std = deviation(difference_BLC)
    level = reference.high + mean
    zero, one = jnp.zeros_like(low), jnp.ones_like(low)
    figures = WindowFigures(low, spread, mean, std, level, reference, fitted, zero, one)
    maps = [mode.fit(figures) for mode in modes()]
    chosen = [jnp.stack(jnp.broadcast_arrays(*group))[norm_mode] for group in zip(*maps, strict=True)]
    # A group without any spread says nothing: its numbers become 0 and changes are told relative to its level.
    level = jnp.where(level == 0, 1.0, jnp.abs(level))
    flat = chosen[1] == 0
    return Scale(chosen[0], jnp.where(flat, level, chosen[1]), jnp.where(flat, 0.0, chosen[2]))


def return_unit(window_B: Array, training_B: Array, norm_mode: Array) -> Array:
    """Unit of log returns under the mode of number ``norm_mode``, (B,); 1 where nothing moved.

    Args:
        window_B: standard deviation of each window's one-bar log returns.
        training_B: that of the training span of its series.
        norm_mode: see :func:`mode_number`; traced.
    """
    import jax.numpy as jnp

    chosen = jnp.stack([mode.return_unit(window_B, training_B) for mode in modes()])[norm_mode]
    return jnp.where(chosen == 0, 1.0, chosen)


def standardising(norm_mode: Array) -> Array:
    """Number of the mode that standardises with statistics of the same kind as the mode of number ``norm_mode``."""
    import jax.numpy as jnp

    numbers = [mode_number(mode.standardised or name) for name, mode in zip(NORM_MODES, modes(), strict=True)]
    return jnp.asarray(numbers)[norm_mode]


def _of_window(window_B: Array, training_B: Array) -> Array:
    return window_B


def _of_training(window_B: Array, training_B: Array) -> Array:
    return training_B


def _no_unit(window_B: Array, training_B: Array) -> Array:
    import jax.numpy as jnp

    return jnp.ones_like(window_B)


WINDOW_MINMAX = NormMode(lambda w: Scale(w.low, w.spread, w.zero), _of_window, standardised="window_meanstd")
"""0 to 1 between the window's least and largest value"""
WINDOW_MEANSTD = NormMode(lambda w: Scale(w.mean, w.std, w.zero), _of_window)
"""mean 0 and standard deviation 1 in the window"""
WINDOW_MEAN = NormMode(lambda w: Scale(w.mean, w.level, w.one), _of_window, standardised="window_meanstd")
"""over the window's mean"""
GLOBAL_MINMAX = NormMode(
    lambda w: Scale(w.fitted.minimum.minus(w.reference), w.fitted.range, w.zero),
    _of_training,
    needs_training=True,
    standardised="global_meanstd",
)
"""0 to 1 between the least and largest value of the training span"""
GLOBAL_MEANSTD = NormMode(
    lambda w: Scale(w.fitted.mean.minus(w.reference), w.fitted.std, w.zero), _of_training, needs_training=True
)
"""mean 0 and standard deviation 1 in the training span"""
NONE = NormMode(lambda w: Scale(-w.reference.high, w.one, w.zero), _no_unit)
"""values as they are"""
