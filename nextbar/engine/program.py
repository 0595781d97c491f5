"""``Program``: all that compiled code depends on, and how this device divides its work: calls, slices, members."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace

import jax

from nextbar.config import ExperimentConfig, ModelConfig
from nextbar.data.scaling import NormMode, modes
from nextbar.data.window_spec import WindowSpec
from nextbar.engine.devices import SINGLE_DEVICE, Devices
from nextbar.model.transformer import Transformer, model_of

CHUNK_FLOPS = {"cpu": 5e10, "gpu": 5e12}
"""arithmetic of one call of the compiled code: long enough to hide the call, short enough to show progress"""

COUNTED = {"cpu"}
"""devices whose loops are told when they run how many steps there are, so that no program depends on the number of
windows; others would wait for the host before each step of such a loop"""

MOST_STEPS = 256
"""steps that a counted call has room for, at most: beside so many, calling costs nothing"""

FEW_STEPS = 64
"""steps that it has room for even where an epoch has fewer, so that short epochs share a program"""

MOST_WINDOWS = 2**18
"""windows of a call, at most: those of the next are found meanwhile"""

SCORE_FLOPS = 500
"""what one attention score costs beside the matrix products, in softmax, dropout and their gradients"""

STEP_FLOPS = 5e6
"""what the smallest step costs"""

SLICE_TOKENS = {"cpu": 1200}
"""positions whose gradients are computed at once, where that is limited: what they need then stays in the cache"""

ACTIVATIONS = {"cpu": 500_000}
"""widest activations of a population's members, side by side, where that is limited; likewise"""

EVALUATION_SLICES = {"cpu": 2}
"""slices that an evaluation takes at once, where that is limited; likewise"""

SMALLEST_SLICE = 4
"""a batch is not cut where slices would be smaller than this part of what is allowed"""


@dataclass(frozen=True)
class Program:
    """All that compiled code depends on."""

    model: Transformer
    spec: WindowSpec
    batch_size: int
    clip: bool
    steps_a_call: int
    """steps that one call of the training code has room for"""
    counted: bool
    """whether some calls make fewer; else the compiler knows how many there are"""
    slices: int = 1
    """parts of a batch whose gradients are computed one after the other and added up"""
    devices: Devices = SINGLE_DEVICE
    """what its batches are spread over"""
    modes: tuple[NormMode, ...] = field(default_factory=modes)
    """normalisations that its batches are made by, selected by a traced number"""

    @classmethod
    def of(
        cls, config: ExperimentConfig, spec: WindowSpec, n_windows: int, devices: Devices = SINGLE_DEVICE
    ) -> Program:
        """The program that trains an experiment whose epoch has so many windows; no batch holds more than there are."""
        model = model_of(config, spec)
        batch_size = min(config.batch_size, n_windows)
        calls = _calls(-(-n_windows // batch_size), _step_flops(config, spec, batch_size), batch_size)
        slices = _slices(batch_size, _positions(model.config, spec))
        return cls(model, spec, batch_size, config.gradient_clip is not None, *calls, slices, devices)

    def in_shorter_calls(self, most: int, steps: int) -> Program:
        """The same in calls of at most ``most`` steps, where its own are longer.

        Args:
            most: steps of a call, at least 1.
            steps: of an epoch; unless they are counted, a divisor of them is taken if there is one within a factor of
                two.
        """
        if self.steps_a_call <= most:
            return self
        exact = [n for n in range(most // 2 + 1, most + 1) if steps % n == 0 and not counts_steps()]
        steps_a_call = max(exact, default=most)
        return replace(self, steps_a_call=steps_a_call, counted=_is_counted(steps_a_call, steps))

    @property
    def evaluation_batch(self) -> int:
        """Windows of one evaluation step; without gradients there is room for more."""
        at_once = self.batch_size // self.slices
        return max(at_once, min(EVALUATION_SLICES.get(jax.default_backend(), 4) * at_once, 1024))

    @property
    def members_at_once(self) -> int:
        """Members of a population that are computed side by side, at most."""
        c, windows = self.model.config, self.batch_size // self.slices
        each = windows * _positions(c, self.spec) * max(c.d_model, c.dim_feedforward)
        return max(1, ACTIVATIONS.get(jax.default_backend(), sys.maxsize) // each)


def _step_flops(config: ExperimentConfig, spec: WindowSpec, batch_size: int) -> float:
    """Rough count of operations of one training step; backward is twice forward."""
    c = config.model_config
    tokens = _positions(c, spec)
    weights = 4 * c.d_model**2 + 2 * c.d_model * c.dim_feedforward
    scores = tokens * (12 * c.d_model + SCORE_FLOPS * c.n_heads)
    return STEP_FLOPS + c.num_layers * batch_size * tokens * (6 * weights + scores)


def _positions(c: ModelConfig, spec: WindowSpec) -> int:
    """Positions that the encoder sees of a window, spread tokens and longer bars included."""
    return spec.seq_len + len(spec.contexts) * spec.context_len + (len(spec.groups) if c.use_extra_tokens else 0)


def _slices(batch_size: int, tokens: int) -> int:
    """Number of equal parts a batch is cut into; 1 where its size has no fitting divisor, or nothing is gained."""
    most = SLICE_TOKENS.get(jax.default_backend(), batch_size * tokens) // tokens
    fitting = [n for n in range(1, batch_size + 1) if batch_size % n == 0 and batch_size // n <= max(most, 1)]
    return fitting[0] if batch_size // fitting[0] * SMALLEST_SLICE >= most else 1


def _calls(steps: int, step_flops: float, batch_size: int) -> tuple[int, bool]:
    """Steps of one call, about ``CHUNK_FLOPS`` of them, and whether they are counted.

    Unless all are, a divisor of the epoch's steps is taken if there is one within a factor of two, for then every call
    has as many.
    """
    budget = CHUNK_FLOPS.get(jax.default_backend(), CHUNK_FLOPS["gpu"]) / step_flops
    budget = max(1.0, min(budget, MOST_WINDOWS / batch_size))
    if counts_steps():
        return round(min(budget, MOST_STEPS, max(FEW_STEPS, 2 ** (steps - 1).bit_length()))), True
    fitting = min(steps, budget)
    near = range(math.ceil(fitting / 2), min(steps, int(2 * fitting)) + 1)
    exact = [n for n in near if steps % n == 0]
    steps_a_call = min(exact, key=lambda n: abs(math.log(n / fitting)), default=round(fitting))
    return steps_a_call, _is_counted(steps_a_call, steps)


def _is_counted(steps_a_call: int, steps: int) -> bool:
    """Whether a call has to be told how many steps it makes, of an epoch of so many."""
    # XLA would unroll a loop of which it knows that it has one step, and that rounds otherwise
    return counts_steps() or steps % steps_a_call > 0 or steps_a_call == 1


def counts_steps() -> bool:
    """Whether loops here are told how many steps there are."""
    return jax.default_backend() in COUNTED
