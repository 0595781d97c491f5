"""Host side of the compiled epoch: hands it its bars, calls it, fetches the results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.training.train_state import TrainState

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.data.windows import Tape
from nextbar.engine.devices import Devices
from nextbar.engine.functions import functions_of
from nextbar.engine.order import Order, Steps, stacked
from nextbar.engine.program import Program, counts_steps
from nextbar.engine.results import SpanOutput, TrainedEpoch
from nextbar.engine.state import HyperParameters
from nextbar.engine.tapes import Tapes, tapes_of
from nextbar.machine.long_arrays import in_threads
from nextbar.types import Array

COMPILING = "nextbar-compile"
"""beginning of the names of threads that compile the calls of training"""

EVALUATION_STEPS = 64
"""evaluation steps of one call"""


class Cancelled(Exception):
    """The host asked to stop; the epoch's work is void."""


class Engine:
    """One experiment on the device, or a population: several that share a program.

    A population's state and parameters have a leading axis P; a single experiment's have none.

    Args:
        config: the experiment; or those of a population, at least one, which differ in ``HyperParameters`` alone.
        dataset: its windows, shared by all.
        tapes: its bars, where an engine on the same dataset has them already.
        with_outputs: evaluations hand back the head's outputs and the labels too.
    """

    def __init__(
        self,
        config: ExperimentConfig | Sequence[ExperimentConfig],
        dataset: Dataset,
        tapes: Tapes | None = None,
        with_outputs: bool = False,
    ) -> None:
        self.configs = (config,) if isinstance(config, ExperimentConfig) else tuple(config)
        self.dataset = dataset
        self._hyper_P = [HyperParameters.of(config) for config in self.configs]
        self.population = len(self.configs) > 1
        self.devices = Devices.of(len(self.configs))
        self.hyper: HyperParameters = self.devices.place(
            jax.tree.map(lambda *values: np.stack(values), *self._hyper_P) if self.population else self._hyper_P[0],
            each=self.population,
        )
        self.n_windows = len(dataset.origins["training"])
        spec = dataset.preparation.spec
        if tapes is None:
            tapes = tapes_of(dataset.tape(), self.devices, spec, self.configs[0].max_device_bytes)
        self.tapes = tapes.on(self.devices)
        program = Program.of(self.configs[0], spec, self.n_windows, self.devices)
        self.steps_per_epoch = -(-self.n_windows // program.batch_size)
        program = self.tapes.fit(program, len(self.configs), self.steps_per_epoch)
        self.functions = functions_of(program, len(self.configs) if self.population else None, with_outputs)
        self.program = self.functions.program
        self._compiled: Future[None] | None = None
        self.cancelled = threading.Event()

    @cached_property
    def rows(self) -> np.ndarray:
        """int32 (N,): rows of the last known bars of the training windows."""
        return self.dataset.origins["training"].astype(np.int32)

    def start(self, frequencies_HK: np.ndarray | None, member: int = 0, *, then_train: bool = False) -> TrainState:
        """The untrained state of a member: random inside, a baseline at its output (spec of the head).

        Args:
            frequencies_HK: see ``Head.start``.
            member: its number.
            then_train: begin to compile the calls of training in a thread meanwhile, which takes the longest.
        """
        biases = {k: v.astype(np.float32) for k, v in self._biases(frequencies_HK, member).items()}
        place = self.devices.place
        tape, rows = self.tapes.of_rows(self.rows[: self.program.batch_size])
        arguments = tape, place(self._hyper_P[member]), rows, place(biases)
        if then_train and self.devices.mesh is None:
            self._compile_ahead(self.functions.initialise.lower(*arguments).out_info)
        return self.functions.initialise(*arguments)

    def _compile_ahead(self, start: Any) -> None:
        """Begin to compile the calls of training in a thread.

        Args:
            start: shapes of the untrained state of one member.
        """
        members = (len(self.configs),) if self.population else ()
        state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*members, *leaf.shape), leaf.dtype), start)

        def compile_calls() -> None:
            some = [Order.shuffled(self.rows, self.program.batch_size, seed=0, epoch=1)] * len(self.configs)
            self.functions.train.lower(state, *next(self.calls(some))).compile()

        pool = ThreadPoolExecutor(1, thread_name_prefix=COMPILING)
        self._compiled = pool.submit(compile_calls)
        pool.shutdown(wait=False)

    def _biases(self, frequencies_HK: np.ndarray | None, member: int) -> dict[str, np.ndarray]:
        """Of the output layers that begin at a constant; none where windows bring a start of their own."""
        if self.program.spec.start_width:
            return {}
        head = self.program.model.head
        labels_NH = self.labels(member) if head.starts_from_labels else np.empty((0, head.horizon))
        return head.start(labels_NH, frequencies_HK)

    def labels(self, member: int = 0) -> np.ndarray:
        """Labels of all training windows as a member sees them, (N, H)."""
        norm_mode = self.devices.place(self._hyper_P[member].norm_mode)
        order, parts = self._evaluate(self.rows, lambda tape, *call: self.functions.label(tape, norm_mode, *call))
        return order.collect(parts)

    def join(self, trees: Sequence[Any]) -> Any:
        """One tree on the device for the members' trees (states, parameters), in their order."""
        if self.devices.mesh is not None:
            trees = self.devices.fetch(list(trees))  # they may lie anywhere
        joined = jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees) if self.population else trees[0]
        joined = self.devices.place(joined, each=self.population)
        if isinstance(joined, TrainState):
            joined = joined.replace(apply_fn=self.program.model.apply)
        return joined

    def split(self, joined: Any) -> list[Any]:
        """The members' trees; a population's are on the host."""
        return list(_members(self.devices.fetch(joined), len(self.configs))) if self.population else [joined]

    @property
    def tape(self) -> Tape:
        """The bars, wherever they are."""
        return self.tapes.tape

    def orders(self, epochs: Sequence[int]) -> list[Order]:
        """Each member's windows in its epoch."""
        seeds = [config.seed for config in self.configs]
        shuffled = partial(Order.shuffled, self.rows, self.program.batch_size)
        return in_threads(shuffled, seeds, epochs)

    def calls(self, orders: Sequence[Order]) -> Iterator[tuple[Any, ...]]:
        """What each call of an epoch takes beside the state: bars, hyper-parameters, steps, their count, and how many
        the epoch has."""
        for tape, *call in self._calls(orders, self.program.steps_a_call, each=self.population):
            yield tape, self.hyper, *call, self._an_epoch

    @cached_property
    def _an_epoch(self) -> Array:
        return self.devices.place(np.int32(self.steps_per_epoch))

    def _calls(self, orders: Sequence[Order], length: int, each: bool = False) -> Iterator[tuple[Tape, Steps, Array]]:
        """The bars, the steps and their count of each call of so many steps; ``each``: of members with orders of their
        own."""
        for first in range(0, len(orders[0]), length):
            parts = [order.steps(first, length) for order in orders]
            row_TB, weight_TB = stacked(parts) if each else parts[0]
            tape, row_TB = self.tapes.of_rows(row_TB, each)
            count = np.int32(min(length, len(orders[0]) - first))
            yield tape, Steps(row_TB, self.devices.place(weight_TB, each)), self.devices.place(count)

    def train(
        self, state: TrainState, epoch: int, progress: Callable[[int], None] = lambda step: None
    ) -> tuple[TrainState, TrainedEpoch]:
        """``train_each`` for a single experiment."""
        state, (trained,) = self.train_each(state, [epoch], progress)
        return state, trained

    def train_each(
        self, state: TrainState, epochs: Sequence[int], progress: Callable[[int], None] = lambda step: None
    ) -> tuple[TrainState, list[TrainedEpoch]]:
        """One epoch of every member; the state handed in is consumed.

        Args:
            state: the joined state, each member's after one epoch less than ``epochs`` says.
            epochs: number of each member's epoch, from 1.
            progress: called with the steps done.

        Raises:
            Cancelled: ``cancelled`` was set meanwhile.
        """
        if self._compiled is not None:
            self._compiled.result()  # two that compile the same would do it twice
        orders = self.orders(epochs)
        parts: list[Any] = []
        pending: Any = None
        for call in self.calls(orders):
            if self.cancelled.is_set():
                raise Cancelled
            state, results = self.functions.train(state, *call)
            done, pending = pending, results
            if done is not None:  # one call ahead, so that the device never waits for the host
                parts.append(self.devices.fetch(done))
                progress(len(parts) * self.program.steps_a_call)
                if not np.isfinite(parts[-1]["loss"]).all(axis=-1).any():  # of no member
                    break
        parts.append(self.devices.fetch(pending))
        progress(min(len(parts) * self.program.steps_a_call, self.steps_per_epoch))
        each = _members(parts, len(self.configs)) if self.population else [parts]
        return state, [TrainedEpoch.of(*own) for own in zip(each, orders, strict=True)]

    def evaluate(self, params: Any, origin_N: np.ndarray) -> SpanOutput:
        """``evaluate_each`` for a single experiment."""
        (evaluation,) = self.evaluate_each(params, origin_N)
        return evaluation

    def evaluate_each(self, params: Any, origin_N: np.ndarray) -> list[SpanOutput]:
        """Every member's losses and forecasts at the given rows, with its joined parameters."""
        order, parts = self._evaluate(
            origin_N, lambda tape, *call: self.functions.evaluate(params, tape, self.hyper.norm_mode, *call)
        )
        members = _members(parts, len(self.configs)) if self.population else [parts]
        return [SpanOutput.of(own_parts, order) for own_parts in members]

    def _evaluate(self, origin_N: np.ndarray, function: Callable[..., Any]) -> tuple[Order, list[Any]]:
        """Call the device for parts of some rows; returns their order and the results."""
        order = Order.straight(origin_N.astype(np.int32), min(self.program.evaluation_batch, len(origin_N)))
        length = min(EVALUATION_STEPS, self.tapes.most_steps(order.batch_size))
        if not counts_steps():
            length = -(-len(order) // -(-len(order) // length))  # all alike, as far as that goes
        parts: list[Any] = []
        pending: Any = None
        for call in self._calls([order], length):
            if self.cancelled.is_set():
                raise Cancelled
            done, pending = pending, function(*call)
            if done is not None:
                parts.append(self.devices.fetch(done))
        parts.append(self.devices.fetch(pending))
        return order, parts


def _members(tree: Any, count: int) -> Iterator[Any]:
    """The tree of each member, as views."""
    for i in range(count):
        yield jax.tree.map(lambda leaf, i=i: leaf[i], tree)
