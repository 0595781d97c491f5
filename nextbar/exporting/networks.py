"""The networks of an export for other programs: StableHLO by ``jax.export``, ONNX by ``jax2onnx``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nextbar.data.window_spec import WindowSpec
from nextbar.errors import RunError
from nextbar.exporting.windows import looks_at_spreads
from nextbar.inference.forward import Forward
from nextbar.inference.loading import LoadedRun
from nextbar.model.transformer import Transformer, model_of
from nextbar.types import Array, Batch

ABOUT = "networks.json"
PLATFORMS = ("cpu", "cuda", "tpu")
LOCATIONS = "jax_traceback_in_locations_limit"
"""how many callers JAX notes of each operation; they would carry the paths of this machine"""

Arguments = dict[str, jax.ShapeDtypeStruct]
Function = Callable[[Mapping[str, Array]], dict[str, Array]]


class Writer(NamedTuple):
    """How networks are written."""

    write: Callable[[Function, Arguments], bytes]
    needs: str
    """package that does it; it comes with the extra of the format's name"""
    validity: str


def network_files(runs: Sequence[LoadedRun], format: str) -> dict[str, bytes | dict[str, Any]]:
    """``model_<i>.<format>`` of each model, and what they take, give and are good for.

    Each is a function of arrays with an axis B in front, of those in ``forecast.Export.values``, that gives the fields
    of a ``Forecast``; in the precision of its run.

    Args:
        runs: one, or several whose forecasts are mixed.
        format: a name of ``WRITERS``.

    Raises:
        RunError: a package that is needed is not there.
    """
    writer = WRITERS[format]
    if find_spec(writer.needs) is None:
        raise RunError(f"format {format} needs the package {writer.needs}: pip install 'nextbar[{format}]'")
    spec = runs[0].preparation.spec
    arguments = _arguments(spec, looks_at_spreads(runs))
    files: dict[str, bytes | dict[str, Any]] = {}
    for loaded in runs:
        model = model_of(loaded.config, spec)
        for forward in loaded.forwards():
            files[f"model_{len(files)}.{format}"] = writer.write(_function(model, forward, spec), arguments)
    shapes = {name: {"dtype": a.dtype.name, "shape": list(map(str, a.shape))} for name, a in arguments.items()}
    files[ABOUT] = {"jax": jax.__version__, "validity": writer.validity, "arguments": shapes}
    return files


def _arguments(spec: WindowSpec, with_spreads: bool) -> Arguments:
    """Shapes and types of the arguments, with any number of windows B; those that no model looks at are left out."""
    (size,) = jax.export.symbolic_shape("B")
    shapes: dict[str, tuple[Any, ...]] = {
        "x": (spec.seq_len, spec.n_features),
        "clock": (spec.seq_len, spec.clock),
        "clock_ahead": (spec.horizon, spec.clock),
        "unit": (),
    }
    if with_spreads:
        shapes |= {"spread": (len(spec.groups),), "tokens": (len(spec.groups),)}
    if spec.start_width:
        is_law = spec.edges is None
        shapes |= {"start": (spec.horizon, spec.start_width), "regressors": (spec.regressors + is_law * spec.horizon,)}
    types = {"tokens": np.int32}
    return {name: jax.ShapeDtypeStruct((size, *shape), types.get(name, np.float32)) for name, shape in shapes.items()}


def _function(model: Transformer, forward: Forward, spec: WindowSpec) -> Function:
    """The forecast of windows by a model, whose parameters are constants in it."""
    params = jax.device_get(forward.params)

    def forecast(windows: Mapping[str, Array]) -> dict[str, Array]:
        size, length = windows["x"].shape[:2]
        nothing, groups = jnp.zeros((size, 0), np.float32), len(spec.groups)
        batch = Batch(
            x_BLF=windows["x"],
            time_BL=jnp.broadcast_to(jnp.linspace(0, 1, length, dtype=np.float32)[None], (size, length)),
            clock_BLC=windows["clock"],
            tokens_BG=windows.get("tokens", jnp.zeros((size, groups), np.int32)),
            spread_BG=windows.get("spread", jnp.zeros((size, groups), np.float32)),
            clock_BHC=windows["clock_ahead"],
            ahead_BHA=jnp.zeros((size, spec.horizon, 0), np.float32),
            start_BHX=windows.get("start", jnp.zeros((size, spec.horizon, 0), np.float32)),
            regressors_BK=windows.get("regressors", nothing),
            range_BH=nothing,
            y_BH=nothing,
            unit_B=windows["unit"],
            weight_B=jnp.ones(size),
        )
        outputs: Any = model.apply({"params": params}, batch)
        return model.head.read(outputs, windows["unit"])

    return forecast


def _stablehlo(function: Function, arguments: Arguments) -> bytes:
    """The function as ``jax.export`` writes it, without the lines and paths of the code that it was traced from."""
    former = getattr(jax.config, LOCATIONS)
    jax.config.update(LOCATIONS, 0)
    try:
        return bytes(jax.export.export(jax.jit(function), platforms=PLATFORMS)(arguments).serialize())
    finally:
        jax.config.update(LOCATIONS, former)


def _onnx(function: Function, arguments: Arguments) -> bytes:
    """The function as ONNX, inputs and outputs by their names; an input that a network does not read is not there."""
    from jax2onnx import to_onnx

    names = list(arguments)
    shapes = [jax.ShapeDtypeStruct(("B", *a.shape[1:]), a.dtype) for a in arguments.values()]
    batch_of_one = {name: jax.ShapeDtypeStruct((1, *a.shape[1:]), a.dtype) for name, a in arguments.items()}
    outputs = list(jax.eval_shape(function, batch_of_one))

    def positional(*arrays: Array) -> tuple[Array, ...]:
        read = function(dict(zip(names, arrays, strict=True)))
        return tuple(read[name] for name in outputs)

    model = to_onnx(positional, shapes, model_name="nextbar", input_names=names, output_names=outputs)
    return bytes(model.SerializeToString(deterministic=True))


WRITERS = {
    "jaxexport": Writer(
        _stablehlo,
        "flatbuffers",
        "For cpu, cuda and tpu. jax.export reads what an earlier JAX wrote for six months after it: export again when "
        "you update JAX. The weights and forecast.py have no such end.",
    ),
    "onnx": Writer(
        _onnx,
        "jax2onnx",
        "ONNX of opset 23, written by jax2onnx; any runtime of that opset or a later one reads it.",
    ),
}
"""further formats, by their names"""
