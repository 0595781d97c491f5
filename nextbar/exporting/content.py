"""Content of the files of an export: manifest, weights, golden forecasts, script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nextbar import forecasts
from nextbar.bars.calendar import Calendar
from nextbar.config import ExperimentConfig
from nextbar.data.preparation import Preparation
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError, RunError
from nextbar.exporting import forecast as script
from nextbar.exporting.exportable import formula_of
from nextbar.exporting.folder import KIND, MANIFEST
from nextbar.exporting.golden import golden_forecasts, largest_difference, made_up_bars, sizes
from nextbar.exporting.model import record_model
from nextbar.exporting.numbers import calendar_numbers, conformal_numbers, series_numbers
from nextbar.exporting.program import Recording, Step
from nextbar.exporting.starts import record_start, record_start_in_units
from nextbar.exporting.windows import looks_at_spreads, record_indicator, record_window
from nextbar.inference.loading import LoadedRun
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.task import Task
from nextbar.model.heads import SHAPES
from nextbar.runs.residuals import residuals_of

FORMAT = 2
"""of the folder; a nextbar that changes what its files mean counts it up"""

WEIGHTS, GOLDEN, SCRIPT = "weights.npz", "golden.npz", "forecast.py"

Tables = dict[str, Mapping[str, Any]]
"""arrays by the name of a table and their own"""


def export_files(runs: Sequence[LoadedRun]) -> dict[str, bytes | dict[str, Any]]:
    """Content by name: bytes, or plain values for a JSON file.

    Args:
        runs: one, or several whose forecasts are mixed.
    """
    preparation = runs[0].preparation
    spec, conformal = preparation.spec, _conformal(runs)
    spreads = looks_at_spreads(runs)
    start, models = _start(preparation), [_model(config, params, spec, spreads) for config, params in _members(runs)]
    tables: Tables = {f"model_{k}": model.constants for k, model in enumerate(models)} | {"start": start.constants}
    calendars = list(dict.fromkeys(fit.calendar for fit in preparation.series))
    tables |= {_called(calendars, c): calendar_numbers(c, spec.clock) for c in calendars}
    for fit in preparation.series:
        corrected = conformal_numbers(conformal, preparation.naming(fit))
        tables[f"series/{fit.ticker}_{fit.resolution}"] = series_numbers(fit, preparation) | corrected
    golden, precision = _golden(runs, conformal)
    series = {f"{fit.ticker}_{fit.resolution}": _called(calendars, fit.calendar) for fit in preparation.series}
    return {
        SCRIPT: Path(script.__file__).read_bytes(),
        WEIGHTS: _npz(tables),
        GOLDEN: _npz(golden),
        MANIFEST: _about(runs, precision) | _question(runs[0].config, spec, len(models)) | {
            "series": series,
            "default": next(iter(series)) if len(series) == 1 else "",
            "start": start.steps,
            "models": [model.steps for model in models],
        },
    }  # fmt: skip


def _members(runs: Sequence[LoadedRun]) -> Iterator[tuple[ExperimentConfig, Any]]:
    """Configuration and parameters of each model: of several runs, and of the members of each."""
    for loaded in runs:
        for forward in loaded.forwards():
            yield loaded.config, jax.device_get(forward.params)


def _start(preparation: Preparation) -> Recording:
    """What all models start from; no step where they start at a constant."""
    program = Recording()
    if preparation.start is not None:
        record_start(program, preparation.spec, next(iter(preparation.start.pooled.values())).trail)
    return program


def _model(config: ExperimentConfig, params: Any, spec: WindowSpec, with_spreads: bool) -> Recording:
    """From bars to the forecast of one model."""
    program = Recording()
    record_window(program, config.dataset_config.norm_mode, spec, with_spreads)
    if spec.start_width:
        record_start_in_units(program, spec)
    record_model(program, config.model_config, spec, params)
    return program


def _formula(name: str) -> list[Step]:
    """How an indicator comes from the closes; no step where it is a column of its source."""
    program, formula = Recording(), formula_of(name)
    if formula is not None:
        record_indicator(program, *formula)
    return program.steps


def _about(runs: Sequence[LoadedRun], precision: dict[str, Any]) -> dict[str, Any]:
    """What the export is of."""
    from nextbar import __version__

    return {
        "kind": KIND,
        "format": FORMAT,
        "nextbar": __version__,
        "runs": [f"{loaded.config.experiment_name}/{loaded.path.name}" for loaded in runs],
        "epochs": [loaded.epoch for loaded in runs],
        "precision": precision,
    }


def _question(config: ExperimentConfig, spec: WindowSpec, models: int) -> dict[str, Any]:
    """Input and task of the models; columns have the names that a file has, in lower case."""
    task = Task.of(config)
    # name, which of close, scale, degrees of freedom and skewness, and whose; first of closes and scales the mixture's
    names = ("close", "scale", *SHAPES[config.model_config.tail])
    law = [(name, part, 0) for part, name in enumerate(names)][1 : None if models == 1 else 2]
    if models > 1:
        parts = list(enumerate(names))
        law += [(f"{name}-{k}", part, k - (part > 1)) for k in range(1, models + 1) for part, name in parts]
    return {
        "seq_len": spec.seq_len,
        "horizon": spec.horizon,
        "target": spec.target,
        "bins": forecasts.bin_columns(task.edges),
        "law": law if task.output_mode == "distribution" else [],
        "columns": [name.lower() for name in (*spec.columns, *spec.singles)],
        "own_prices": spec.own_prices,
        "formulas": {name.lower(): steps for name in spec.indicators if (steps := _formula(name))},
        "log_prices": spec.log_prices,
    }


def _golden(runs: Sequence[LoadedRun], conformal: Conformal | None) -> tuple[Tables, dict[str, Any]]:
    """Made-up bars and nextbar's forecasts from them, computed in float32; and their precision, for the manifest."""
    config, preparation = runs[0].config, runs[0].preparation
    data, task = config.dataset_config, Task.of(config)
    bars = [made_up_bars(fit, preparation, data, seed) for seed, fit in enumerate(preparation.series)]
    precise = [_precise(loaded).forwards() for loaded in runs]
    forwards = [forward for each in precise for forward in each]
    golden = golden_forecasts(bars, data, preparation, forwards, task)
    names = [b.name for b in bars]
    tables: Tables = {f"bars/{name}": {"time": b.time_N} | b.columns for name, b in zip(names, bars, strict=True)}
    cases = {f"forecasts/{name}": table for name, table in zip(names, golden, strict=True)}
    if conformal is not None:
        with suppress(DataError):  # too few windows for the levels
            corrected = golden_forecasts(bars, data, preparation, forwards, task, conformal)
            cases |= {f"conformal/{name}": table for name, table in zip(names, corrected, strict=True)}
    for case, table in cases.items():
        tables |= {case: table, f"sizes/{case}": sizes(table, tables[f"bars/{case.split('/', 1)[1]}"]["close"])}
    rounded = sorted({loaded.config.model_config.precision for loaded in runs})
    precision: dict[str, Any] = {"runs": rounded, "export": "float32"}
    if rounded != ["fp32"]:
        own = golden_forecasts(bars, data, preparation, [f for loaded in runs for f in loaded.forwards()], task)
        precision["differs_from_the_runs_by"] = largest_difference(own, golden)
    return tables, precision


def _precise(loaded: LoadedRun) -> LoadedRun:
    """The run, computed in float32 whatever it was trained in."""
    model = replace(loaded.config.model_config, precision="fp32")
    return loaded._replace(config=replace(loaded.config, model_config=model))


def _conformal(runs: Sequence[LoadedRun]) -> Conformal | None:
    """The validation residuals of a single run; None where there are none of its epoch."""
    if len(runs) > 1 or Task.of(runs[0].config).output_mode != "distribution":
        return None
    try:
        return residuals_of(runs[0].path, runs[0].epoch)
    except RunError:
        return None


def _called(calendars: Sequence[Calendar], calendar: Calendar) -> str:
    """Name of the table of a calendar."""
    return f"calendar_{calendars.index(calendar)}"


def _npz(tables: Tables) -> bytes:
    """Arrays as ``<table>/<name>`` of an npz file, the same bytes for the same arrays."""
    buffer = BytesIO()
    arrays = {f"{table}/{name}": np.asarray(a) for table, own in tables.items() for name, a in own.items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
