"""Runs a model over windows, always in batches of one shape, and each window always at the same place of its batch.

The last bits of what XLA computes depend on the shape of a batch, and those of a window on its place there. So there is
one shape, and one compiled program, for any number of windows; a batch is a tape of its own that holds its windows and
nothing else; and the caller gives every window a place that follows from the window alone. The forecast of a window
then depends neither on the number of windows, nor on which others there are, nor on a bar outside of it.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from nextbar.config import ExperimentConfig
from nextbar.data.contexts import ContextTape
from nextbar.data.excerpt import excerpt, origins_in
from nextbar.data.scaling import NormMode, mode_number, modes
from nextbar.data.spreads import SpreadScale
from nextbar.data.statistics import GlobalScale, Pair
from nextbar.data.window_spec import WindowSpec
from nextbar.data.windows import Tape, gather
from nextbar.errors import RunError
from nextbar.inference.kept_program import kept_program
from nextbar.machine.interruptible import hear
from nextbar.types import Array, Batch, Forecast

if TYPE_CHECKING:
    from nextbar.model.transformer import Transformer

BATCH = {"cpu": 16, "gpu": 256}
"""windows of a batch: the fewest that keep the device busy, since a single forecast takes as long as a batch"""

AHEAD = 4
"""batches the host prepares while the device works"""

KEPT_PROGRAMS = 4
"""compiled programs, of as many architectures, that a process keeps"""


class Forward:
    """The forecasts of a model with given parameters.

    Args:
        config: the experiment it was trained in.
        spec: its windows.
        params: its parameters, nested dicts of arrays.

    Raises:
        RunError: the parameters are those of another architecture.
    """

    def __init__(self, config: ExperimentConfig, spec: WindowSpec, params: Any) -> None:
        self._config = config
        self.spec = spec
        self.batch = _batch()
        self._norm_mode = np.int32(mode_number(config.dataset_config.norm_mode))
        # all that a model and its head read of an experiment; nothing is dropped in a forecast
        identity = [config.model_config.to_dict() | {"dropout": 0}, config.dataset_config.output_mode, spec.to_dict()]
        self.params = jax.device_put(params)
        arguments = self.params, _blank(spec), self._norm_mode
        shapes = jax.tree.map(np.shape, params)
        self._call = kept_program(identity, arguments, lambda: _traced(config, spec, shapes))

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickles and copies: made anew, since compiled code and batches are those of a process and its device."""
        return Forward, (self._config, self.spec, jax.device_get(self.params))

    def digest(self) -> str:
        """Checksum of the experiment and the parameters, hexadecimal."""
        checksum = hashlib.sha256(json.dumps(self._config.to_dict(), sort_keys=True).encode())
        for leaf in jax.tree.leaves(jax.device_get(self.params)):
            checksum.update(np.asarray(leaf).tobytes())
        return checksum.hexdigest()

    def __call__(self, tape: Tape, origin_N: np.ndarray, place_N: np.ndarray) -> Forecast:
        """Forecasts of one or more windows; a few batches of them are in memory at a time.

        Args:
            tape: bars on the host.
            origin_N: rows of the last known bars.
            place_N: any whole number for each window, always the same for the same one, and evenly spread.
        """
        place_N = place_N % self.batch
        turn_N = _turns(place_N)  # windows of one place go to one batch after the other
        origin_TB = np.full((turn_N.max() + 1, self.batch), origin_N[0])  # places left over repeat some window
        origin_TB[turn_N, place_N] = origin_N
        batches = list(self._batches(tape, origin_TB))
        return Forecast(**{name: np.stack([b[name] for b in batches])[turn_N, place_N] for name in batches[0]})

    def _batches(self, tape: Tape, origin_TB: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """Forecasts of one batch after the other, fields by name."""
        pending: deque[Any] = deque()
        for origin_B in origin_TB:
            hear()
            pending.append(self._call(self.params, _cut(tape, origin_B, self.spec), self._norm_mode))
            if len(pending) > AHEAD:
                yield jax.device_get(pending.popleft())
        yield from (jax.device_get(outputs) for outputs in pending)


def _batch() -> int:
    return BATCH.get(jax.default_backend(), BATCH["gpu"])


def expected_shapes(config: ExperimentConfig, spec: WindowSpec) -> Any:
    """Shapes of an experiment's parameters, as nested dicts."""
    from nextbar.model.transformer import model_of

    return _shapes(model_of(config, spec), spec)


def _traced(config: ExperimentConfig, spec: WindowSpec, shapes: Any) -> Any:
    """The jitted forecast of a batch by a model whose parameters have these shapes.

    Raises:
        RunError: the parameters are those of another architecture.
    """
    from nextbar.model.transformer import model_of

    if shapes != expected_shapes(config, spec):
        raise RunError(
            "the parameters are not those of a model of this configuration; was config.yaml or a checkpoint "
            "changed, or copied from another run? Restore the run folder"
        )
    return _compiled(model_of(config, spec), spec, modes())


def _turns(place_N: np.ndarray) -> np.ndarray:
    """How many windows before each have the same place."""
    order_N = np.argsort(place_N, kind="stable")
    ordered_N = place_N[order_N]
    turn_N = np.empty(len(place_N), np.int64)
    turn_N[order_N] = np.arange(len(place_N)) - np.searchsorted(ordered_N, ordered_N)
    return turn_N


def _cut(tape: Tape, origin_B: np.ndarray, spec: WindowSpec) -> Tape:
    """The windows that end at the origins, and no bar after them; ``gather`` needs room for these."""
    size = len(origin_B)
    return excerpt(tape, origin_B, spec, ahead=0)._replace(
        close_R2=np.zeros((size * spec.seq_len + spec.horizon, 2), np.float32), bin_RH=_no_bins(size, spec)
    )


def _no_bins(rows: int, spec: WindowSpec) -> np.ndarray:
    """Labels of bins as a tape has them; a forecast needs none."""
    return np.zeros((rows, spec.horizon if spec.edges is not None else 0), np.int32)


def _uncut(tape: Tape, norm_mode: Array, spec: WindowSpec) -> Batch:
    """The batch of a tape that ``_cut`` made."""
    size = len(tape.series_R)
    return gather(tape, origins_in(size, spec, ahead=0), jax.numpy.ones(size), norm_mode, spec)


@lru_cache(maxsize=KEPT_PROGRAMS)
def _compiled(model: Transformer, spec: WindowSpec, modes: tuple[NormMode, ...]) -> Any:
    """The jitted forecast of a batch; forecasters of the same architecture, and modes, share it."""

    def forecast(params: Any, tape: Tape, norm_mode: Array) -> dict[str, Array]:
        batch = _uncut(tape, norm_mode, spec)
        outputs: Any = model.apply({"params": params}, batch)
        return model.head.read(outputs, batch.unit_B)

    return jax.jit(forecast)


@lru_cache(maxsize=KEPT_PROGRAMS)
def _shapes(model: Transformer, spec: WindowSpec) -> Any:
    """Shapes of a model's parameters, by tracing its initialisation with a batch as a forecast has it, so that what
    both begin with is traced once."""

    def parameters(tape: Tape, norm_mode: Array) -> Any:
        return model.init(jax.random.key(0), _uncut(tape, norm_mode, spec))["params"]

    return jax.tree.map(np.shape, jax.eval_shape(parameters, _blank(spec), np.int32(0)))


def _blank(spec: WindowSpec) -> Tape:
    """The tape of a batch whose windows are empty."""
    groups = len(spec.groups)
    nothing_1G = np.zeros((1, groups), np.float32)
    pair = Pair(nothing_1G, nothing_1G)
    tape = Tape(
        stride=np.int32(1),
        rows_RX=np.zeros((spec.seq_len, spec.row_width), np.float32),
        close_R2=np.zeros((spec.seq_len, 2), np.float32),
        bin_RH=_no_bins(spec.seq_len, spec),
        series_R=np.zeros(spec.seq_len, np.int32),
        rank_R=np.zeros(spec.seq_len, np.int32),
        chain_SZ=np.zeros((1, spec.seq_len + spec.horizon), np.int32),
        clock_SMC=np.zeros((1, 1, spec.clock), np.float32),
        fitted=GlobalScale(pair, pair, nothing_1G, nothing_1G),
        return_std_S=np.zeros(1, np.float32),
        spreads=SpreadScale(nothing_1G + 1, np.zeros((groups, spec.tokens - 1), np.float32)),
        start_RHX=np.zeros((spec.seq_len, spec.horizon, spec.start_width), np.float32),
        regressors_RK=np.zeros((spec.seq_len, spec.regressors), np.float32),
        ahead_RHA=np.zeros((spec.seq_len, spec.horizon, spec.ahead_width), np.float32),
        range_RH=np.zeros((spec.seq_len, 0), np.float32),
        contexts=(ContextTape.blank(spec.seq_len, spec),) * len(spec.contexts),
    )
    return _cut(tape, np.full(_batch(), spec.seq_len - 1), spec)
