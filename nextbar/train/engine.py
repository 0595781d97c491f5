"""Runs compiled epochs from the host: what is on the device, what is compiled, and what comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.training.train_state import TrainState

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.train import epoch as compiled
from nextbar.train.epoch import Program
from nextbar.train.order import Layout, collect, lay_out, shuffled
from nextbar.train.state import HyperParameters
from nextbar.types import Forecast

KEPT_PROGRAMS = 2
"""compiled programs kept in a process; a search over many shapes would otherwise grow without end"""

EVALUATION_STEPS = 64
"""evaluation steps of one call"""


class Cancelled(Exception):
    """The host asked to stop; the epoch's work is void."""


class Evaluation(NamedTuple):
    """Losses and forecasts of a span's windows, in the order of its origins."""

    loss_N: np.ndarray
    forecast: Forecast


class TrainedEpoch(NamedTuple):
    """What one epoch left behind, beside the state."""

    loss_T: np.ndarray
    learning_rate_T: np.ndarray
    forecast: Forecast

    def mean_loss(self, n_windows: int, batch_size: int) -> float:
        """Mean over all windows; the last step may have had fewer."""
        weight_T = np.full(len(self.loss_T), batch_size)
        weight_T[-1] -= batch_size * len(self.loss_T) - n_windows
        return float(np.average(self.loss_T.astype(np.float64), weights=weight_T))

    @property
    def first_bad_step(self) -> int | None:
        """Step of the epoch, from 0, whose loss is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.loss_T))
        return int(bad[0]) if bad.size else None


class _Functions:
    """The jitted functions of one program; they and their executables die together."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.initialise = jax.jit(partial(compiled.initial_state, program))
        self.train = jax.jit(partial(compiled.train_call, program), donate_argnums=0)
        self.evaluate = jax.jit(partial(compiled.evaluate_call, program))
        self.label = jax.jit(partial(compiled.label_call, program))
        self.shuffle = jax.jit(partial(shuffled, batch_size=program.batch_size))


@lru_cache(maxsize=KEPT_PROGRAMS)
def _functions(program: Program) -> _Functions:
    return _Functions(program)


class Engine:
    """One experiment on the device.

    Args:
        config: the experiment.
        dataset: its windows.
    """

    def __init__(self, config: ExperimentConfig, dataset: Dataset) -> None:
        self.dataset = dataset
        self.hyper: HyperParameters = jax.device_put(HyperParameters.from_config(config))
        self.n_windows = len(dataset.origins["training"])
        self.functions = _functions(Program.of(config, dataset.preparation.spec, self.n_windows))
        # the very object: a state carries its model's apply, which jit compares by identity
        self.program = self.functions.program
        self.steps_per_epoch = -(-self.n_windows // self.program.batch_size)
        self.tape = jax.device_put(dataset.tape())
        self._training_rows = jax.device_put(dataset.origins["training"].astype(np.int32))
        self.cancelled = threading.Event()

    def start(self, frequencies_HK: np.ndarray | None) -> TrainState:
        """The untrained state: random inside, a baseline at its output (spec of the head)."""
        head = self.program.model.head
        labels_NH = self.labels() if head.starts_from_labels else np.empty((0, head.horizon))
        biases = {k: v.astype(np.float32) for k, v in head.start(labels_NH, frequencies_HK).items()}
        rows = self.dataset.origins["training"][: self.program.batch_size].astype(np.int32)
        return self.functions.initialise(self.tape, self.hyper, rows, biases)

    def labels(self) -> np.ndarray:
        """Labels of all training windows, (N, H)."""
        return self._by_parts(
            self.dataset.origins["training"],
            lambda part: self.functions.label(self.tape, self.hyper.norm_mode, part),
        )

    def train(
        self, state: TrainState, epoch: int, progress: Callable[[int], None] = lambda step: None
    ) -> tuple[TrainState, TrainedEpoch]:
        """One epoch; the state handed in is consumed.

        Args:
            state: state after ``epoch - 1`` epochs.
            epoch: number of the epoch, from 1.
            progress: called with the steps done.

        Raises:
            Cancelled: ``cancelled`` was set meanwhile.
        """
        order = self.functions.shuffle(self._training_rows, self.hyper.seed, jax.device_put(np.int32(epoch)))
        parts: list[Any] = []
        pending: Any = None
        for first in range(0, self.steps_per_epoch, self.program.steps_a_call):
            if self.cancelled.is_set():
                raise Cancelled
            state, made = self.functions.train(state, self.tape, self.hyper, order, jax.device_put(np.int32(first)))
            done, pending = pending, made
            if done is not None:  # one call ahead, so that the device never waits for the host
                parts.append(jax.device_get(done))
                progress(first)
                if not np.isfinite(parts[-1]["loss"]).all():
                    break
        parts.append(jax.device_get(pending))
        progress(min(len(parts) * self.program.steps_a_call, self.steps_per_epoch))
        position_TB, weight_TB = jax.device_get((order.position_TB, order.weight_TB))
        loss_T, rate_T = (
            np.concatenate([p[k] for p in parts])[: self.steps_per_epoch] for k in ("loss", "learning_rate")
        )
        if not np.isfinite(loss_T).all():
            return state, TrainedEpoch(loss_T, rate_T, Forecast())
        forecast = collect([p["forecast"] for p in parts], position_TB, weight_TB)
        return state, TrainedEpoch(loss_T, rate_T, Forecast(**forecast))

    def evaluate(self, params: Any, origin_N: np.ndarray) -> Evaluation:
        """Losses and forecasts at the given rows."""
        made = self._by_parts(
            origin_N, lambda part: self.functions.evaluate(params, self.tape, self.hyper.norm_mode, part)
        )
        return Evaluation(made["loss"], Forecast(**made["forecast"]))

    def _by_parts(self, origin_N: np.ndarray, call: Callable[[Layout], Any]) -> Any:
        """Lay rows out in steps, call the device for equal parts of them, and put the answers in order."""
        n = len(origin_N)
        batch = min(self.program.evaluation_batch, n)
        layout = lay_out(origin_N.astype(np.int32), np.arange(n, dtype=np.int32), batch)
        steps = len(layout.row_TB)
        part = -(-steps // -(-steps // EVALUATION_STEPS))
        parts = []
        for first in range(0, steps, part):
            if self.cancelled.is_set():
                raise Cancelled
            rows = [min(first + i, steps - 1) for i in range(part)]  # the last part repeats its last step
            parts.append(call(jax.device_put(Layout(*(a[rows] for a in layout)))))
        return collect(jax.device_get(parts), layout.position_TB, layout.weight_TB)
