"""A network, from what it sees of a window to its forecast, recorded for ``forecast.run``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nextbar.config import ModelConfig
from nextbar.data.range_har.likelihood import MAX_SKEW, MIN_DF
from nextbar.data.window_spec import WindowSpec
from nextbar.exporting.program import Recording, join, stack
from nextbar.model.heads import LOG_SCALES
from nextbar.model.layers import sinusoidal_encoding
from nextbar.types import Array

NORMAL = 1e7
"""degrees of freedom from which a Student-t is normal, to seven digits"""

LAW: dict[str, Callable[[Array, Array], Array]] = {
    "location": lambda raw, unit: raw * unit,
    "log_scale": lambda raw, unit: np.exp(np.clip(raw, *LOG_SCALES)) * unit,
    "df": lambda raw, unit: MIN_DF + np.logaddexp(0.0, raw),
    "skew": lambda raw, unit: MAX_SKEW * np.tanh(raw),
}
"""output layers of a law, and what is read off them, in the order of their numbers in a start"""
ABSENT = {"log_scale": 1.0, "df": NORMAL, "skew": 0.0}
"""what is read where a head has no such layer"""


def record_model(p: Recording, config: ModelConfig, spec: WindowSpec, params: Any) -> None:
    """The model of a window that ``windows.record_window`` has recorded.

    Args:
        p: gets the steps; what comes out is ``law`` (4, H): location, scale, degrees of freedom and skewness of the
            change, or ``shares`` (H, K) of bins.
        config: architecture of the model.
        spec: its windows.
        params: its parameters, nested dicts of arrays.
    """
    layers = p.layers({name: layer for name, layer in params.items() if name != "head"})
    x = p.given("x")
    if config.fe_blocks == 0:
        x = _dense(x, layers["extract"])
    for i in range(config.fe_blocks):
        x = _block(x, layers[f"extract_{i}"])
    x = _placed(p, x, config, spec, layers)
    if config.use_extra_tokens:
        embedding = stack([layers[f"token_{g}"]["embedding"] for g in range(len(spec.groups))])
        x = join([embedding[np.arange(len(spec.groups)), p.given("tokens")], x])
    pooled = config.flatten_encoder_output or config.average_encoder_output
    for i in range(config.num_layers):
        x = _encoder(x, layers[f"encoder_{i}"], config, not pooled and i == config.num_layers - 1)
    if config.norm_encoder_prev:
        x = _norm(x, layers["norm_output"])
    if config.flatten_encoder_output:
        vector = x.reshape(-1)
    else:
        vector = np.mean(x, 0) if config.average_encoder_output else x[-1]
    joined = [p.given("clock_ahead").reshape(-1)]
    if config.use_extra_tokens:
        joined.append(p.given("spread"))
    if spec.start_width:
        joined.append(p.given("regressors"))
    vector = join([vector, *joined])
    for i in range(config.head_layers):
        vector = _block(vector, layers[f"head_{i}"])
    _read(p, vector, spec, params["head"])


def _dense(x: Any, layer: Any) -> Any:
    return x @ layer["kernel"] + layer["bias"] if "bias" in layer else x @ layer["kernel"]


def _norm(x: Array, layer: Any) -> Array:
    return x.program.step("scaled", x.program.step("centered", x)) * layer["scale"] + layer["bias"]


def _softmax(x: Array) -> Array:
    return x.program.step("shares", x.program.step("exp_below_max", x))


def _gelu(x: Array) -> Array:
    return x.program.step("gelu", x)


def _block(x: Array, layer: Any) -> Array:
    """A dense block, or a residual one where it has a norm."""
    if "LayerNorm_0" not in layer:
        return _gelu(_dense(x, layer["Dense_0"]))
    inner = _dense(_gelu(_dense(x, layer["DenseBlock_0"]["Dense_0"])), layer["Dense_0"])
    skip = _dense(x, layer["Dense_1"]) if "Dense_1" in layer else x
    return _norm(skip + inner, layer["LayerNorm_0"])


def _placed(p: Recording, x: Array, config: ModelConfig, spec: WindowSpec, layers: Any) -> Array:
    """With the encoding of each bar's place: a table, or the angles of Time2Vec, which its clock shifts."""
    if not config.use_time2vec:
        return x + p.constant("place", sinusoidal_encoding(spec.seq_len, config.d_model))
    layer, time_L = layers["time2vec"], np.linspace(0, 1, spec.seq_len, dtype=np.float32)
    angle = p.constant("time", time_L[:, None]) * layer["frequency"] + layer["phase"]
    if "clock" in layer:
        angle = angle + p.given("clock") @ layer["clock"]
    return x + np.where(p.constant("is_wave", np.arange(config.d_model) > 0), np.sin(angle), angle)


def _encoder(x: Array, layer: Any, config: ModelConfig, last_only: bool) -> Array:
    """An encoder block, see ``EncoderBlock``."""
    before = config.norm_encoder_prev
    inner = _attention(_norm(x, layer["norm_attention"]) if before else x, layer["attention"], config, last_only)
    x = (x[-1:] if last_only else x) + inner
    if not before:
        x = _norm(x, layer["norm_attention"])
    inner = _block(_norm(x, layer["norm_feedforward"]) if before else x, layer["feedforward"])
    x = x + _dense(inner, layer["project"])
    return x if before else _norm(x, layer["norm_feedforward"])


def _attention(x: Array, layer: Any, config: ModelConfig, last_only: bool) -> Array:
    """Attention of all positions, or of the last one alone, to all."""
    width = config.d_model // config.n_heads

    def heads(positions: Array, name: str) -> Array:
        return np.swapaxes((positions @ layer[name]["kernel"]).reshape(-1, config.n_heads, width), 0, 1)

    query, key, value = heads(x[-1:] if last_only else x, "query"), heads(x, "key"), heads(x, "value")
    weights = _softmax(query @ np.swapaxes(key, 1, 2) / float(np.sqrt(width)))
    mixed = np.swapaxes(weights @ value, 0, 1).reshape(-1, config.d_model)
    return mixed @ layer["output"]["kernel"]


def _read(p: Recording, vector: Array, spec: WindowSpec, head: Any) -> None:
    """The output layers as one, and the forecast that their numbers, added to the start, are."""
    names = [name for name in LAW if name in head] or ["logits"]
    width = np.shape(head[names[0]]["kernel"])[0]
    kernel = np.stack([head[name]["kernel"] for name in names], axis=-1).reshape(width, -1)
    bias = np.stack([head[name]["bias"] for name in names], axis=-1).reshape(-1)
    numbers = vector @ p.constant("outputs.kernel", kernel) + p.constant("outputs.bias", bias)
    numbers = p.step("float64", numbers).reshape(spec.horizon, -1)
    if spec.start_width:
        numbers = numbers + p.given("start")
    if spec.edges is not None:
        p.call("shares", _softmax(numbers))
        return
    raw, unit = {name: numbers[:, i] for i, name in enumerate(names)}, p.given("unit")
    law = [
        read(raw[name], unit) if name in raw else p.constant(f"absent.{name}", np.full(spec.horizon, ABSENT[name]))
        for name, read in LAW.items()
    ]
    p.call("law", stack(law))
