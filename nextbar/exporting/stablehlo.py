"""The networks of an export as StableHLO, by ``jax.export``, for programs that have JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nextbar.data.window_spec import WindowSpec
from nextbar.inference.forward import Forward
from nextbar.inference.loading import LoadedRun
from nextbar.model.transformer import Transformer, model_of
from nextbar.types import Array, Batch

PLATFORMS = ("cpu", "cuda", "tpu")
ABOUT = "jaxexport.json"
VALIDITY = (
    "jax.export reads what an earlier JAX wrote for six months after it; export the run again when you update JAX. "
    "The weights and forecast.py have no such end."
)


def stablehlo_files(runs: Sequence[LoadedRun]) -> dict[str, bytes | dict[str, Any]]:
    """``model_<i>.jaxexport`` of each model, and what they take and give.

    Each is a function of a dict of arrays with an axis B in front, those of ``forecast.Export.inputs``, that gives the
    fields of a ``Forecast``; in the precision of its run.
    """
    files: dict[str, bytes | dict[str, Any]] = {}
    arguments: Mapping[str, Any] = {}
    for loaded in runs:
        spec = loaded.preparation.spec
        model = model_of(loaded.config, spec)
        for forward in loaded.forwards():
            arguments = _arguments(spec)
            exported = jax.export.export(jax.jit(_function(model, forward)), platforms=PLATFORMS)(arguments)
            files[f"model_{len(files)}.jaxexport"] = bytes(exported.serialize())
    shapes = {name: {"dtype": a.dtype.name, "shape": list(map(str, a.shape))} for name, a in arguments.items()}
    files[ABOUT] = {"jax": jax.__version__, "platforms": list(PLATFORMS), "validity": VALIDITY, "arguments": shapes}
    return files


def _arguments(spec: WindowSpec) -> dict[str, Any]:
    """Shapes and types of the arguments, with any number of windows B."""
    (size,) = jax.export.symbolic_shape("B")
    clocks = spec.seq_len, spec.clock
    laws = spec.horizon if spec.start_width and spec.edges is None else 0
    shapes: dict[str, tuple[Any, ...]] = {
        "x": (spec.seq_len, spec.n_features),
        "clock": clocks,
        "clock_ahead": (spec.horizon, spec.clock),
        "spread": (len(spec.groups),),
        "start": (spec.horizon, spec.start_width),
        "regressors": (spec.regressors + laws,),
        "unit": (),
    }
    arguments = {name: jax.ShapeDtypeStruct((size, *shape), np.float32) for name, shape in shapes.items()}
    return arguments | {"tokens": jax.ShapeDtypeStruct((size, len(spec.groups)), np.int32)}


def _function(model: Transformer, forward: Forward) -> Any:
    """The forecast of windows by a model, whose parameters are constants in it."""
    params = jax.device_get(forward.params)

    def forecast(windows: Mapping[str, Array]) -> dict[str, Array]:
        size, length = windows["x"].shape[:2]
        nothing = jnp.zeros((size, 0), np.float32)
        batch = Batch(
            x_BLF=windows["x"],
            time_BL=jnp.broadcast_to(jnp.linspace(0, 1, length, dtype=np.float32)[None], (size, length)),
            clock_BLC=windows["clock"],
            tokens_BG=windows["tokens"],
            spread_BG=windows["spread"],
            clock_BHC=windows["clock_ahead"],
            start_BHX=windows["start"],
            regressors_BK=windows["regressors"],
            range_BH=nothing,
            y_BH=nothing,
            unit_B=windows["unit"],
            weight_B=jnp.ones(size),
        )
        outputs: Any = model.apply({"params": params}, batch)
        return model.head.read(outputs, windows["unit"])

    return forecast
