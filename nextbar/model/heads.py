"""One head for each output mode: output layers, their start, elementwise loss, and read-out as a forecast.

Output layers have zero kernels, so an untrained model says the same of every window: what its biases were started at.
"""

from __future__ import annotations

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nextbar.config import ExperimentConfig
from nextbar.config.choices import OUTPUT_MODES, defined
from nextbar.data.range_har.likelihood import MAX_SKEW, MIN_DF
from nextbar.types import Array, Batch

START_DF = 6.0
SMALLEST_SPREAD = 1e-6
LOG_SCALES = (-40.0, 80.0)
"""of a law, in units of the label: where nothing ever moves the likeliest has no width, which has no logarithm"""


class Head(nn.Module):
    """What all heads share: output layers started at zero kernels."""

    horizon: int

    starts_from_labels: ClassVar[bool] = False
    """whether ``start`` looks at the labels, which the device must then compute first"""

    @classmethod
    def of(cls, config: ExperimentConfig) -> Head:
        """The head of an experiment."""
        return cls(config.dataset_config.horizon)

    def output(self, name: str, vector_BD: Array, width: int) -> Array:
        """A dense output layer with zero kernel and zero bias, float32."""
        return nn.Dense(width, kernel_init=nn.initializers.zeros, name=name)(vector_BD)

    def loss(self, outputs: dict[str, Array], y_BH: Array) -> Array:
        """Elementwise loss, (B, H)."""
        raise NotImplementedError

    def training_loss(self, outputs: dict[str, Array], batch: Batch) -> Array:
        """What training descends, (B, H): the loss, and what is asked beside it."""
        return self.loss(outputs, batch.y_BH)

    def mixture_loss(self, outputs_M: dict[str, Array], y_BH: Array) -> Array:
        """Elementwise loss (B, H) of the mixture of M members, whose outputs have an axis M in front.

        That of their mean, unless the loss is a negative log-likelihood: then of the mean of their likelihoods.
        """
        return self.loss({name: jnp.mean(jnp.asarray(a), axis=0) for name, a in outputs_M.items()}, y_BH)

    def start(self, y_NH: np.ndarray, frequencies_HK: np.ndarray | None) -> dict[str, np.ndarray]:
        """Biases of the output layers by name, from the labels of the training windows."""
        raise NotImplementedError

    def begin(self, outputs: dict[str, Array], start_BHX: Array) -> dict[str, Array]:
        """Outputs added to where the windows start: a law in units of the label, or log probabilities of bins."""
        raise NotImplementedError

    def read(self, outputs: dict[str, Array], unit_B: Array) -> dict[str, Array]:
        """Outputs in units a user knows: the fields of a ``Forecast``."""
        raise NotImplementedError


class _LikelihoodHead(Head):
    """What heads share whose loss is a negative log-likelihood."""

    def mixture_loss(self, outputs_M: dict[str, Array], y_BH: Array) -> Array:
        loss_MBH = jax.vmap(self.loss, in_axes=(0, None))(outputs_M, jnp.asarray(y_BH))
        return jnp.log(len(loss_MBH)) - jax.nn.logsumexp(-loss_MBH, axis=0)


class MeanHead(Head):
    """The expected change; squared error."""

    @nn.compact
    def __call__(self, vector_BD: Array) -> dict[str, Array]:
        return {"location": self.output("location", vector_BD, self.horizon)}

    def loss(self, outputs: dict[str, Array], y_BH: Array) -> Array:
        return (outputs["location"] - y_BH) ** 2

    def start(self, y_NH: np.ndarray, frequencies_HK: np.ndarray | None) -> dict[str, np.ndarray]:
        return {"location": np.zeros(self.horizon)}

    def read(self, outputs: dict[str, Array], unit_B: Array) -> dict[str, Array]:
        return {"location_NH": outputs["location"] * unit_B[:, None]}


SHAPES = {"normal": (), "student_t": ("df",), "skew_t": ("df", "skew")}
"""output layers of a law's shape, beside those of location and scale, by its tail"""


class DistributionHead(_LikelihoodHead):
    """Location and standard deviation of a normal law, or of a Student-t, symmetrical or skewed, of that deviation.

    Negative log-likelihood. The spread starts at the root mean square of persistence's training residuals.
    """

    tail: str = "normal"
    range_loss: float = 0.0
    """see the configuration"""

    starts_from_labels: ClassVar[bool] = True

    @classmethod
    def of(cls, config: ExperimentConfig) -> Head:
        return cls(config.dataset_config.horizon, config.model_config.tail, config.range_loss)

    @nn.compact
    def __call__(self, vector_BD: Array) -> dict[str, Array]:
        names = ("location", "log_scale", *SHAPES[self.tail])
        return {name: self.output(name, vector_BD, self.horizon) for name in names}

    def loss(self, outputs: dict[str, Array], y_BH: Array) -> Array:
        log_scale = _log_scale(outputs["log_scale"])
        z = (y_BH - outputs["location"]) * jnp.exp(-log_scale)
        if self.tail == "normal":
            return 0.5 * z**2 + log_scale + 0.5 * np.log(2 * np.pi)
        # Student-t with variance 1: t_df(z / s) / s, s^2 = (df - 2) / df
        df = _df(outputs["df"])
        half = (df + 1) / 2
        constant, room = _constant(df), jnp.sqrt(df - 2)
        if self.tail == "student_t":
            return constant + log_scale + half * _log1p_square(z / room)
        # Hansen's law: a + b z has a width of its own on either side of zero, see nextbar.metrics.standard_laws
        skew = _skew(outputs["skew"])
        a = 4 * skew * (df - 2) / (df - 1) * jnp.exp(-constant)
        b = jnp.sqrt(1 + 3 * skew**2 - a**2)
        y = a + b * z
        width = jnp.where(y < 0, 1 - skew, 1 + skew)
        return constant + log_scale - jnp.log(b) + half * _log1p_square(y / (width * room))

    def training_loss(self, outputs: dict[str, Array], batch: Batch) -> Array:
        """With the squared error of the log variance, as far as it has moved away from the start, against the range's.

        The measurement equation of realised GARCH (Hansen, Huang and Shek 2012): the log of a range variance is that of
        the variance, a constant, and noise.
        """
        loss_BH = self.loss(outputs, batch.y_BH)
        if not self.range_loss:
            return loss_BH
        moved_BH = 2 * (outputs["log_scale"] - batch.start_BHX[..., 1])
        return loss_BH + 0.5 * self.range_loss * (batch.range_BH - moved_BH) ** 2

    def start(self, y_NH: np.ndarray, frequencies_HK: np.ndarray | None) -> dict[str, np.ndarray]:
        spread_H = np.sqrt(np.mean(np.asarray(y_NH, np.float64) ** 2, axis=0))
        biases = {
            "location": np.zeros(self.horizon),
            "log_scale": np.log(np.maximum(spread_H, SMALLEST_SPREAD)),
        }
        shape = {"df": np.full(self.horizon, np.log(np.expm1(START_DF - MIN_DF))), "skew": np.zeros(self.horizon)}
        return biases | {name: shape[name] for name in SHAPES[self.tail]}

    def begin(self, outputs: dict[str, Array], start_BHX: Array) -> dict[str, Array]:
        return {name: value + start_BHX[..., i] for i, (name, value) in enumerate(outputs.items())}

    def read(self, outputs: dict[str, Array], unit_B: Array) -> dict[str, Array]:
        read = {
            "location_NH": outputs["location"] * unit_B[:, None],
            "scale_NH": jnp.exp(_log_scale(outputs["log_scale"])) * unit_B[:, None],
        }
        shape = {"df": _df, "skew": _skew}
        return read | {f"{name}_NH": shape[name](outputs[name]) for name in SHAPES[self.tail]}


class GridHead(_LikelihoodHead):
    """Logits of K bins; cross-entropy. They start at the log of the training frequencies."""

    bins: int = 2

    @classmethod
    def of(cls, config: ExperimentConfig) -> Head:
        levels = config.dataset_config.discrete_grid_levels
        assert levels is not None  # the configuration sees to it
        return cls(config.dataset_config.horizon, len(levels) - 1)

    @nn.compact
    def __call__(self, vector_BD: Array) -> dict[str, Array]:
        logits = self.output("logits", vector_BD, self.horizon * self.bins)
        return {"logits": logits.reshape(-1, self.horizon, self.bins)}

    def loss(self, outputs: dict[str, Array], y_BH: Array) -> Array:
        log_probs = jax.nn.log_softmax(outputs["logits"])
        return -jnp.take_along_axis(log_probs, y_BH[..., None], axis=-1)[..., 0]

    def start(self, y_NH: np.ndarray, frequencies_HK: np.ndarray | None) -> dict[str, np.ndarray]:
        assert frequencies_HK is not None
        return {"logits": np.log(frequencies_HK).reshape(-1)}

    def begin(self, outputs: dict[str, Array], start_BHX: Array) -> dict[str, Array]:
        return {"logits": outputs["logits"] + start_BHX}

    def read(self, outputs: dict[str, Array], unit_B: Array) -> dict[str, Array]:
        return {"log_probs_NHK": jax.nn.log_softmax(outputs["logits"])}


def head_for(config: ExperimentConfig) -> Head:
    """The head of an experiment's output mode."""
    head: type[Head] = defined(OUTPUT_MODES[config.dataset_config.output_mode].head)
    return head.of(config)


def with_start(params: Any, biases: dict[str, np.ndarray]) -> Any:
    """Parameters whose output layers begin at the given biases; those without one stay at zero."""
    head = {
        name: layer | {"bias": jnp.asarray(biases[name], layer["bias"].dtype)} if name in biases else layer
        for name, layer in params["head"].items()
    }
    return params | {"head": head}


def output_biases(params: Any) -> dict[str, np.ndarray]:
    """Biases of the output layers by name; of untrained parameters they say all that the network forecasts."""
    return {name: np.asarray(layer["bias"]) for name, layer in params["head"].items()}


def at_start(params: Any, biases: dict[str, Any]) -> Any:
    """Parameters of a network that forecasts what the untrained one did: all zero but for the output layers' biases."""
    return with_start(jax.tree.map(lambda leaf: jnp.zeros(jnp.shape(leaf), leaf.dtype), params), biases)


def _log_scale(raw: Array) -> Array:
    return jnp.clip(raw, *LOG_SCALES)


def _constant(df: Array) -> Array:
    """-ln of the density at 0 of the Student-t with variance 1."""
    exact = jax.lax.lgamma(df / 2) - jax.lax.lgamma((df + 1) / 2) + 0.5 * jnp.log(np.pi * (df - 2))
    # of many degrees of freedom float32 loses the difference of the two, but has the series in 1 / df to all its digits
    series = 0.5 * np.log(2 * np.pi) + 0.5 * jnp.log1p(-2 / df) + 1 / (4 * df) - 1 / (24 * df**3)
    return jnp.where(df < 30, exact, series)


def _log1p_square(x: Array) -> Array:
    """ln(1 + x^2), also where the square is larger than float32 can be; so are its slopes."""
    large = jnp.abs(x) > 1e6
    far = 2 * jnp.log(jnp.where(large, jnp.abs(x), 1.0))
    return jnp.where(large, far, jnp.log1p(jnp.where(large, 0.0, x) ** 2))


def _df(raw: Array) -> Array:
    return MIN_DF + jax.nn.softplus(raw)


def _skew(raw: Array) -> Array:
    return MAX_SKEW * jnp.tanh(raw)
