"""Trained models whose forecasts are mixed: a single one, the members of a run, or those of several runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

import jax
import numpy as np

from nextbar import checksums
from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import RunError
from nextbar.forecasts.mixture import mixture
from nextbar.inference.forward import Forward
from nextbar.types import Forecast


class Models(NamedTuple):
    """Models of the same windows, and where they were loaded from."""

    forwards: tuple[Forward, ...]
    preparation: Preparation
    """what was learnt from the training span"""
    source: tuple[tuple[str, int], ...] = ()
    """absolute paths of their runs and the epoch of each, by which another process can load them; empty: they have been
    made of parameters"""

    def forecast(self, bars: Sequence[Bars], fits: Sequence[SeriesFit], origin_N: np.ndarray) -> Forecast:
        """The mixture of their forecasts; nothing is checked.

        Args:
            bars: series with their indicators.
            fits: calendar and statistics of each of them.
            origin_N: rows of the series end to end with a whole context.
        """
        tape = self.preparation.tape(bars, fits)
        # a window's place in its batch follows from its ticker and time, as ``Forward`` needs it
        place_R = self.preparation.panel(bars).per_bar(lambda b: b.time_N // b.step + crc32(b.name.encode()))
        return mixture([forward(tape, origin_N, place_R[origin_N]) for forward in self.forwards])

    def digest(self) -> str:
        """Checksum of all that forecasts follow from beside the bars."""
        parts = [
            *(forward.digest() for forward in self.forwards),
            json.dumps(self.preparation.to_dict(), sort_keys=True),
        ]
        return checksums.digest("\n".join(parts).encode())


def forwards_of(config: ExperimentConfig, spec: WindowSpec, params: Any) -> list[Forward]:
    """The models of an experiment's members; ``params`` of several with an axis M in front.

    Raises:
        RunError: the parameters are those of another architecture, or of another number of members.
    """
    if config.seeds == 1:
        return [Forward(config, spec, params)]
    members = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(params)}
    if members != {(config.seeds,)}:
        raise RunError(
            f"the parameters are not those of {config.seeds} members (seeds: {config.seeds}); was config.yaml or a "
            "checkpoint changed, or copied from another run? Restore the run folder"
        )
    return [Forward(config, spec, jax.tree.map(lambda leaf, m=m: leaf[m], params)) for m in range(config.seeds)]
