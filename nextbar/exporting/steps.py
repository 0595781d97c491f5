"""A network as the list of steps that ``forecast.network`` goes through, and the arrays of its layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbar.config import ModelConfig
from nextbar.data.window_spec import WindowSpec
from nextbar.exporting.forecast import NORMAL
from nextbar.model.layers import sinusoidal_encoding

LAW = ("location", "log_scale", "df", "skew")
ABSENT = {"log_scale": 0.0, "df": NORMAL, "skew": 0.0}
"""what the script makes of a head that has no such output: a normal law, as wide as the unit where nothing asks"""


class Steps:
    """The steps of one model, in the order in which its layers are added.

    Args:
        name: of the model; the names of its layers' tables begin with it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: list[tuple[str, str]] = []
        self.layers: dict[str, dict[str, np.ndarray]] = {}

    def add(self, kind: str, name: str = "", **arrays: Any) -> None:
        """A step; with arrays ``name`` is that of its layer."""
        if arrays:
            name = f"{self.name}/{name}"
            self.layers[name] = {part: np.asarray(a) for part, a in arrays.items()}
        self.steps.append((kind, name))

    def dense(self, name: str, layer: Any) -> None:
        """A dense layer; one without bias has one of zeros."""
        kernel = np.asarray(layer["kernel"])
        self.add("dense", name, kernel=kernel, bias=layer.get("bias", np.zeros(kernel.shape[1], kernel.dtype)))

    def norm(self, name: str, layer: Any) -> None:
        """A layer norm."""
        self.add("center")
        self.add("norm", name, scale=layer["scale"], bias=layer["bias"])

    def block(self, name: str, layer: Any) -> None:
        """A dense block, or a residual one where it has a norm."""
        if "LayerNorm_0" not in layer:
            self.dense(name, layer["Dense_0"])
            self.add("gelu")
            return
        self.add("keep")
        self.dense(f"{name}/inner", layer["DenseBlock_0"]["Dense_0"])
        self.add("gelu")
        self.dense(f"{name}/outer", layer["Dense_0"])
        if "Dense_1" in layer:
            self.add("add", f"{name}/skip", kernel=layer["Dense_1"]["kernel"])
        else:
            self.add("add")
        self.norm(f"{name}/norm", layer["LayerNorm_0"])

    def encoder(self, name: str, layer: Any, n_heads: int, norm_before: bool, last_only: bool) -> None:
        """An encoder block, see ``EncoderBlock``."""
        self.add("keep", "last" if last_only else "all")
        if norm_before:
            self.norm(f"{name}/norm_attention", layer["norm_attention"])
        attention = {part: kernel["kernel"] for part, kernel in layer["attention"].items()}
        self.add("attend", f"{name}/attention", heads=n_heads, **attention)
        self.add("add")
        if not norm_before:
            self.norm(f"{name}/norm_attention", layer["norm_attention"])
        self.add("keep")
        if norm_before:
            self.norm(f"{name}/norm_feedforward", layer["norm_feedforward"])
        self.block(f"{name}/feedforward", layer["feedforward"])
        self.dense(f"{name}/project", layer["project"])
        self.add("add")
        if not norm_before:
            self.norm(f"{name}/norm_feedforward", layer["norm_feedforward"])

    def place(self, config: ModelConfig, spec: WindowSpec, params: Any) -> None:
        """The encoding of a bar's place: a table, or the angles of Time2Vec, which its clock shifts."""
        width = config.d_model
        clock = np.zeros((spec.clock, width), np.float32)
        if not config.use_time2vec:
            table = sinusoidal_encoding(spec.seq_len, width)
            self.add("place", "place", place=table, clock=clock, wave=np.zeros(width, bool))
            return
        layer = params["time2vec"]
        time_L1 = np.linspace(0, 1, spec.seq_len, dtype=np.float32)[:, None]
        angle = time_L1 * np.asarray(layer["frequency"]) + np.asarray(layer["phase"])
        self.add("place", "place", place=angle, clock=layer.get("clock", clock), wave=np.arange(width) > 0)


def network_steps(name: str, config: ModelConfig, spec: WindowSpec, params: Any) -> Steps:
    """The steps of a model.

    Args:
        name: what the model is called in the export.
        config: its architecture.
        spec: its windows.
        params: its parameters, nested dicts of arrays.
    """
    steps = Steps(name)
    if config.fe_blocks == 0:
        steps.dense("extract", params["extract"])
    for i in range(config.fe_blocks):
        steps.block(f"extract_{i}", params[f"extract_{i}"])
    steps.place(config, spec, params)
    if config.use_extra_tokens:
        tables = [np.asarray(params[f"token_{g}"]["embedding"]) for g in range(len(spec.groups))]
        steps.add("tokens", "tokens", embedding=np.stack(tables))
    pool = "flatten" if config.flatten_encoder_output else "average" if config.average_encoder_output else "last"
    for i in range(config.num_layers):
        last_only = pool == "last" and i == config.num_layers - 1
        steps.encoder(f"encoder_{i}", params[f"encoder_{i}"], config.n_heads, config.norm_encoder_prev, last_only)
    if config.norm_encoder_prev:
        steps.norm("norm_output", params["norm_output"])
    steps.add(pool)
    for joined in ("clock_ahead", *(("spread",) if config.use_extra_tokens else ()), "regressors"):
        steps.add("join", joined)
    for i in range(config.head_layers):
        steps.block(f"head_{i}", params[f"head_{i}"])
    _outputs(steps, spec, params["head"])
    return steps


def _outputs(steps: Steps, spec: WindowSpec, head: Any) -> None:
    """The output layers: logits, or all four of a law, those that the head does not have being constant."""
    if "logits" in head:
        steps.add("output", "logits", kernel=head["logits"]["kernel"], bias=head["logits"]["bias"])
        return
    width = np.shape(head["location"]["kernel"])[0]
    for name in LAW:
        layer = head.get(name)
        if layer is None:
            kernel = np.zeros((width, spec.horizon), np.float32)
            layer = {"kernel": kernel, "bias": np.full(spec.horizon, ABSENT[name], np.float32)}
        steps.add("output", name, kernel=layer["kernel"], bias=layer["bias"])
