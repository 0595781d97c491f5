"""A trained run put to use: forecasts for new bars from the run folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack
from zlib import crc32

import numpy as np

from nextbar import forecasts
from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames
from nextbar.bars.folder import existing_folder
from nextbar.bars.frames import frame_like, is_frame
from nextbar.bars.present import Present
from nextbar.config import ExperimentConfig
from nextbar.data.preparation import Preparation, SeriesFit
from nextbar.errors import RunError
from nextbar.forecasts import LEVELS, Keys
from nextbar.inference.forward import Forward
from nextbar.inference.model_input import ModelInput, read_histories
from nextbar.machine.compilation import enable_cache
from nextbar.machine.hosts import require_alone
from nextbar.metrics.conformal import Conformal, require_distribution
from nextbar.metrics.task import Task
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.choice import chosen_run
from nextbar.runs.records import read_config, read_conformal, read_preparation, read_summary
from nextbar.types import Forecast


@strict_arguments
class Forecaster:
    """Forecasts of a trained model.

    Args:
        config: the experiment it was trained in.
        preparation: what was learnt from the training span.
        params: parameters of the model, nested dicts of arrays.
        run_dir: the folder of its run; None: it has none.
        epoch: the epoch its parameters are of.
        epochs: epochs whose parameters are kept.
    """

    _said_stale = False

    def __init__(
        self,
        config: ExperimentConfig,
        preparation: Preparation,
        params: Any,
        *,
        run_dir: Path | None = None,
        epoch: int | None = None,
        epochs: Sequence[int] = (),
    ) -> None:
        self.config = config
        self.preparation = preparation
        self.run_dir = run_dir
        self.epoch = epoch
        self.epochs = tuple(epochs)
        self.task = Task.of(config)
        self._inference = Forward(config, preparation.spec, params)

    @classmethod
    def load(
        cls, path: str | Path | Sequence[str | Path], epoch: int | None = None, *, run: str | None = None
    ) -> Forecaster:
        """Open a run folder, or the run that an experiment folder stands for: its latest refit, else the best by
        validation among its runs on the newest bars.

        Args:
            path: the folder; or those of several runs, whose forecasts are averaged (a deep ensemble; see
                ``nextbar.inference.ensemble.Ensemble``).
            epoch: one of the epochs kept (``epochs``); None: the best.
            run: name of another run of the experiment.

        Raises:
            ConfigError: ``run`` beside several folders.
            RunError: no run, runs that cannot be ranked together, a run without a checkpoint, one that is damaged or
                of a later version.
        """
        if not isinstance(path, str | Path):
            from nextbar.inference.ensemble import Ensemble

            return Ensemble.load(path, epoch, run=run)
        require_alone("forecasting")
        run_dir = chosen_run(path, run)
        if not (run_dir / "config.yaml").is_file():
            raise RunError(f"{run_dir} has no config.yaml; was the run folder copied whole?")
        summary = read_summary(run_dir)
        config = read_config(run_dir)
        if not config.save_weights:
            raise RunError(
                f"{run_dir} was trained with save_weights: false, so there is nothing to load; train it with true"
            )
        checkpoints = Checkpoints(run_dir / "checkpoints")
        try:
            epochs = checkpoints.epochs()
            if not epochs:
                status = summary.get("status", "unknown: it has no summary.json")
                raise RunError(
                    f"{run_dir} has no checkpoint (status {status}); finish one epoch first, or copy the folder whole"
                )
            best = summary.get("best_epoch")
            if epoch is None and best is None:  # not ended yet, so the summary cannot say which is the best
                best = next((found for found, _ in checkpoints.best()), epochs[-1])
            elif epoch is None and best not in epochs:
                raise RunError(
                    f"{run_dir} has no checkpoint of its best epoch {best}, only of {', '.join(map(str, epochs))}; "
                    "was the run folder copied whole?"
                )
            epoch = best if epoch is None else epoch
            params = checkpoints.restore_raw(epoch)
        finally:
            checkpoints.close()
        preparation = read_preparation(run_dir)
        enable_cache()
        return cls(config, preparation, params, run_dir=run_dir, epoch=epoch, epochs=epochs)

    @property
    def datapath(self) -> str:
        """Folder of the bars that the run was trained on: where it was then, else where the configuration says, from
        here.

        Raises:
            DataError: neither is there; names both.
        """
        recorded = read_summary(self.run_dir).get("datapath") if self.run_dir else None
        return existing_folder(self.config.dataset_config.datapath, recorded)

    @property
    def params(self) -> Any:
        """The model's parameters, nested dicts of arrays on the device."""
        return self._inference.params

    def predict(
        self,
        frame: Any,
        levels: Sequence[float] = LEVELS,
        *,
        last_only: bool = True,
        now: object = None,
        fit_scaler: bool = False,
        conformal: bool = False,
        law: bool = False,
        **names: Unpack[FrameNames],
    ) -> Any:
        """Forecast the bars after the last one of each ticker.

        The forecast from a bar is the same, bit for bit, whether or not later bars are there and whatever else is
        forecast with it (for a ticker that training did not know: as long as its calendar and its statistics, which
        come from the frame, are the same).

        Args:
            frame: bars as in training, pandas or polars, at least L of each ticker; more columns do no harm. Or a list
                of ``Bars``.
            levels: central intervals of a ``distribution``, shares in (0, 1).
            last_only: False: forecast from every bar whose context is whole, not only from the last.
            now: a date, datetime or epoch seconds, or ``"now"``, the clock's time; bars that close later, such as one
                that is still being traded, are left out, which is logged. None: the clock's time for a series whose
                last bar opens within one step of it, so that no forecast is made from an unfinished bar. Bars that end
                long before it are called stale.
            fit_scaler: let tickers that training did not know have statistics of their own, fitted on all their bars
                in the frame, where the normalisation is global. Forecasts from early bars then know later ones.
            conformal: adjust the intervals by the residuals of the validation span.
            law: give a distribution's ``scale`` (standard deviation of the change, in prices or log returns) and
                Student-t ``df`` as well.
            names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``;
                the answer has the standard names.

        Returns:
            A frame of the same library, one row for each ticker, origin and step: ``ticker`` (and ``resolution`` where
            the run has several), ``origin`` and ``date`` (opening times of the last known and the predicted bar),
            ``step``; ``close``, and for a distribution ``close-lo-80``, ``close-hi-80`` ...; for bins
            ``p_<lower>_<upper>`` instead, in percent of the last close.

        Raises:
            ConfigError: a level that is no share, or ``now`` is no date.
            DataError: too few bars, a hole in the last L, a column that is missing, another resolution, a ticker
                without statistics; ``conformal`` for another mode than ``distribution``.
            RunError: ``conformal`` for a run or an epoch without validation residuals.
        """
        levels = forecasts.check_levels(levels)
        corrected = self.conformal() if conformal else None
        present = Present(now)
        histories = read_histories(
            frame,
            self.config.dataset_config,
            self.preparation,
            present=present,
            last_only=last_only,
            fit_scaler=fit_scaler,
            **names,
        )
        # of bars that may be meant to be history, which a loop goes through, once is enough
        self._said_stale |= present.tell(stale=present.given or not self._said_stale)
        starts = np.cumsum([0, *(len(h.bars) for h in histories)])[:-1]
        bars, fits = [h.bars for h in histories], [h.fit for h in histories]
        origin_N = np.concatenate([h.origin_N + start for h, start in zip(histories, starts, strict=True)])
        forecast = self.forecast(bars, fits, origin_N)
        series_N = np.repeat(np.arange(len(bars)), [len(h.origin_N) for h in histories])
        series = self.names(bars)
        columns = forecasts.columns(
            self._keys(histories, series_N),
            forecast,
            self.task,
            levels,
            law=law,
            interval=partial(corrected.interval, series_N=series_N, names=series, forecast=forecast)
            if corrected
            else None,
        )
        return frame_like(columns, frame if is_frame(frame) else None, dates=("origin", "date"))

    def forecast(self, bars: Sequence[Bars], fits: Sequence[SeriesFit], origin_N: np.ndarray) -> Forecast:
        """Forecasts, in the units of ``Forecast``, from rows of the series end to end; nothing is checked.

        Args:
            bars: series with their indicators.
            fits: what is known of each of them.
            origin_N: rows with a whole context.
        """
        # a window's place in its batch follows from its ticker and time, as ``Forward`` wants it
        place_R = np.concatenate([b.time_N // b.step + crc32(b.name.encode()) for b in bars])
        return self._inference(self.preparation.tape(bars, fits), origin_N, place_R[origin_N])

    def conformal(self) -> Conformal:
        """The validation residuals of this epoch, by which intervals are adjusted.

        Raises:
            DataError: the mode is not ``distribution``.
            RunError: there are none, or they are of another epoch.
        """
        require_distribution(self.task)
        found = read_conformal(self.run_dir) if self.run_dir else None
        if found is None:
            raise RunError(
                f"{self.run_dir or 'the model'} has no conformal.json with validation residuals: the run did not end, "
                "had no validation span (refit), or is of an earlier version; use the run it comes from, or train anew"
            )
        epoch, conformal = found
        if epoch != self.epoch:
            raise RunError(
                f"the validation residuals in {self.run_dir} are those of epoch {epoch}, not of {self.epoch}; "
                "load the best epoch (epoch=None), or leave conformal out"
            )
        return conformal

    def names(self, bars: Sequence[Bars]) -> tuple[str, ...]:
        """What the run's records call these series."""
        return tuple(map(self.preparation.naming, bars))

    def _keys(self, histories: Sequence[ModelInput], series_N: np.ndarray) -> Keys:
        horizon, several = self.preparation.spec.horizon, len(self.config.dataset_config.resolutions) > 1
        times = [h.bars.time_N[h.origin_N] for h in histories]
        dates = [h.fit.calendar.next_times_after(time, horizon) for h, time in zip(histories, times, strict=True)]
        return Keys(
            np.array([h.bars.ticker for h in histories], object)[series_N],
            np.array([h.bars.resolution for h in histories], object)[series_N] if several else None,
            np.concatenate(times),
            np.concatenate(dates),
            np.concatenate([h.bars.columns["close"][h.origin_N] for h in histories]),
        )
