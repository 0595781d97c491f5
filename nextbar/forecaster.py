"""A trained run put to use: forecasts for new bars from the run folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nextbar.config import ExperimentConfig
from nextbar.data.bars import Bars, frame_bars
from nextbar.data.calendar import Calendar
from nextbar.data.frames import frame_like
from nextbar.data.indicators import add_indicators
from nextbar.data.preparation import Preparation, SeriesFit
from nextbar.data.scaling import GLOBAL_MODES, NORM_MODES, Statistics
from nextbar.data.windows import Tape, WindowSpec, gather
from nextbar.errors import DataError, RunError
from nextbar.metrics.intervals import quantile
from nextbar.model.heads import head_for
from nextbar.model.transformer import Transformer, architecture
from nextbar.train.checkpoint import Checkpoints
from nextbar.train.run import read_preparation, read_summary
from nextbar.types import Array, Forecast

LEVELS = (0.5, 0.8, 0.95)


class Forecaster:
    """Forecasts of a trained run.

    Args:
        config: the run's configuration.
        preparation: what the run learnt from its training span.
        params: parameters of the model.
    """

    def __init__(self, config: ExperimentConfig, preparation: Preparation, params: Any) -> None:
        self.config = config
        self.preparation = preparation
        self.params = jax.device_put(params)
        self._model = Transformer(architecture(config.model_config), head_for(config))
        self._call = jax.jit(self._forecast)

    @classmethod
    def load(cls, run_dir: str | Path) -> Forecaster:
        """Open the best epoch of a run folder.

        Raises:
            RunError: no run folder, a run without a checkpoint, or a damaged one.
        """
        path = Path(run_dir)
        if not (path / "config.yaml").is_file():
            raise RunError(f"{path} is no run folder: there is no config.yaml in it")
        summary = read_summary(path)
        config = ExperimentConfig.load(path / "config.yaml")
        if not config.save_weights:
            raise RunError(
                f"{path} was trained with save_weights: false, so there is nothing to load; train it with true"
            )
        checkpoints = Checkpoints(path / "checkpoints")
        try:
            if not checkpoints.best():
                raise RunError(f"{path} has no checkpoint (status {summary.get('status')}); finish one epoch first")
            params = checkpoints.restore_raw()
        finally:
            checkpoints.close()
        return cls(config, read_preparation(path), params)

    def predict(self, frame: Any, levels: Sequence[float] = LEVELS) -> Any:
        """Forecast the bars after the last one of each ticker.

        Args:
            frame: bars as in training, pandas or polars, at least L of each ticker.
            levels: central intervals of a ``distribution``, shares in (0, 1).

        Returns:
            A frame of the same library, one row for each ticker and step: ``ticker`` (and ``resolution`` where the run
            has several), ``origin`` and ``date`` (opening times of the last known and the predicted bar), ``step``;
            ``close``, and for a distribution ``close-lo-80``, ``close-hi-80`` ...; for bins ``p_<lower>_<upper>``
            instead, in percent of the last close.

        Raises:
            DataError: too few bars, a hole in the last L, a column that is missing, a ticker without statistics.
        """
        dataset = self.config.dataset_config
        single = dataset.tickers if len(dataset.tickers) == 1 and not _has_column(frame, "ticker") else None
        bars = frame_bars(
            frame,
            dataset.resolution,
            dataset.features,
            tickers=single,
            target=dataset.target,
            output_mode=dataset.output_mode,
            indicators=dataset.indicators or (),
        )
        bars = [add_indicators(b, dataset.indicators or ()) for b in bars]
        fits = [self._fit_of(b) for b in bars]
        recent = [self._recent(b, f) for b, f in zip(bars, fits, strict=True)]
        forecast = self._run(recent, fits)
        return frame_like(self._columns(recent, fits, forecast, levels), frame, dates=("origin", "date"))

    def _fit_of(self, bars: Bars) -> SeriesFit:
        known = self.preparation.find(bars.ticker, bars.resolution)
        if known is not None:
            return known
        norm_mode = self.config.dataset_config.norm_mode
        if norm_mode in GLOBAL_MODES:
            there = ", ".join(s.ticker for s in self.preparation.series)
            raise DataError(f"{bars.name}: norm_mode {norm_mode} has no training statistics for it, only for {there}")
        groups = len(self.preparation.spec.groups)
        unknown = Statistics(*[np.nan] * 4)
        calendar = Calendar.learn(bars.time_N, bars.step, self.config.dataset_config.calendar)
        return SeriesFit(bars.ticker, bars.resolution, calendar, (unknown,) * groups, np.nan)

    def _recent(self, bars: Bars, fit: SeriesFit) -> Bars:
        """The last L bars, checked."""
        spec = self.preparation.spec
        length = spec.seq_len
        missing = [name for name in spec.columns + spec.plain if name not in bars.columns]
        if missing:
            raise DataError(f"{bars.name}: no column {', '.join(missing)}, which the run was trained with")
        if len(bars) < length:
            raise DataError(f"{bars.name}: {len(bars)} bars, but the model needs the last {length}")
        recent = Bars(
            bars.ticker,
            bars.resolution,
            bars.time_N[-length:],
            {name: values[-length:] for name, values in bars.columns.items()},
        )
        holes = fit.calendar.hole_before(recent.time_N)
        if holes.any():
            at = np.datetime64(int(recent.time_N[np.argmax(holes)]), "s")
            raise DataError(f"{bars.name}: bars are missing before {at}Z, within the last {length}; fill them in")
        for name in spec.columns + spec.plain:
            if np.isnan(recent.columns[name]).any():
                raise DataError(
                    f"{bars.name}: {name} is not known for all of the last {length} bars; give more history"
                )
        return recent

    def _run(self, bars: Sequence[Bars], fits: Sequence[SeriesFit]) -> Forecast:
        spec = self.preparation.spec
        tape = _with_future(self.preparation.tape(bars, fits), spec.horizon)
        origin_B = np.arange(1, len(bars) + 1, dtype=np.int32) * spec.seq_len - 1
        norm_mode = np.int32(NORM_MODES.index(self.config.dataset_config.norm_mode))
        return Forecast(**jax.device_get(self._call(self.params, tape, norm_mode, origin_B)))

    def _forecast(self, params: Any, tape: Tape, norm_mode: Array, origin_B: Array) -> dict[str, Array]:
        spec: WindowSpec = self.preparation.spec
        batch = gather(tape, origin_B, jax.numpy.ones(origin_B.shape), norm_mode, spec)
        outputs: Any = self._model.apply({"params": params}, batch)
        return self._model.head.read(outputs, batch.unit_B)

    def _columns(
        self, bars: Sequence[Bars], fits: Sequence[SeriesFit], forecast: Forecast, levels: Sequence[float]
    ) -> dict[str, np.ndarray]:
        horizon = self.preparation.spec.horizon
        columns = {"ticker": np.repeat([b.ticker for b in bars], horizon)}
        if len(self.config.dataset_config.resolutions) > 1:
            columns["resolution"] = np.repeat([b.resolution for b in bars], horizon)
        columns["origin"] = np.repeat([b.time_N[-1] for b in bars], horizon)
        columns["step"] = np.tile(np.arange(1, horizon + 1), len(bars))
        columns["date"] = np.concatenate(
            [f.calendar.next_times(int(b.time_N[-1]), horizon) for b, f in zip(bars, fits, strict=True)]
        )
        if forecast.log_probs_NHK is not None:
            edges = self.preparation.spec.edges or ()
            probs = np.exp(forecast.log_probs_NHK.reshape(-1, len(edges) - 1).astype(np.float64))
            return columns | {f"p_{edges[k]:g}_{edges[k + 1]:g}": probs[:, k] for k in range(len(edges) - 1)}
        last_N1 = np.array([b.columns["close"][-1] for b in bars])[:, None]
        assert forecast.location_NH is not None
        columns["close"] = self._price(last_N1, forecast.location_NH)
        if forecast.scale_NH is not None:
            for level in levels:
                for side, share in (("lo", (1 - level) / 2), ("hi", (1 + level) / 2)):
                    columns[f"close-{side}-{level * 100:g}"] = self._price(last_N1, quantile(forecast, share))
        return columns

    def _price(self, last_N1: np.ndarray, change_NH: np.ndarray) -> np.ndarray:
        change = np.asarray(change_NH, np.float64)
        log = self.preparation.spec.target == "log_return"
        return (last_N1 * np.exp(change) if log else last_N1 + change).reshape(-1)


def _with_future(tape: Tape, horizon: int) -> Tape:
    """Room for the bars that are not known yet; their values reach no forecast."""

    def extended(rows: Array) -> Array:
        return np.pad(rows, [(0, horizon)] + [(0, 0)] * (rows.ndim - 1))

    return tape._replace(
        rows_RX=extended(tape.rows_RX),
        close_R2=extended(tape.close_R2),
        series_R=extended(tape.series_R),
        rank_R=extended(tape.rank_R),
    )


def _has_column(frame: Any, name: str) -> bool:
    return any(str(column).lower() == name for column in getattr(frame, "columns", ()))
