"""Forecasts as plain values for the log, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.types import Forecast

_FIELDS = {name.rpartition("_")[0]: name for name in Forecast._fields}
"""fields of a forecast by their names without axes"""
PROBABILITIES = "p"
"""instead of ``log_probs``: a probability of zero has no logarithm that JSON can hold"""


def plain_law(forecast: Forecast, row: int) -> dict[str, Any]:
    """The numbers of one window's forecast: ``location``, ``scale``, ``df`` ..., each a list over steps, or ``p``."""
    values = {}
    for name, field in _FIELDS.items():
        array = getattr(forecast, field)
        if array is not None:
            is_log = name == "log_probs"
            numbers = np.asarray(array[row], np.float64)
            values[PROBABILITIES if is_log else name] = (np.exp(numbers) if is_log else numbers).tolist()
    return values


def forecast_of(laws: Sequence[Mapping[str, Any]]) -> Forecast:
    """The forecast of N windows from their numbers, which are of one kind; float64."""
    fields = {}
    for name in laws[0]:
        array = np.array([law[name] for law in laws], np.float64)
        if name == PROBABILITIES:
            with np.errstate(divide="ignore"):
                array = np.log(array)
        fields[_FIELDS["log_probs" if name == PROBABILITIES else name]] = array
    return Forecast(**fields)


def is_finite(forecast: Forecast) -> np.ndarray:
    """bool (N,): all numbers of a window's forecast can be written down."""
    arrays = [np.exp(a) if name.startswith("log_") else a for name, a in forecast._asdict().items() if a is not None]
    return np.all([np.isfinite(a).reshape(len(a), -1).all(axis=1) for a in arrays], axis=0)
