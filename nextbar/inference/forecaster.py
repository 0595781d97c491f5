"""The forecasts of a trained model, or of a deep ensemble of several, for new bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nextbar import forecasts
from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames
from nextbar.bars.folder import existing_folder
from nextbar.bars.frames import frame_like, is_frame
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.bars.present import Present
from nextbar.config import ExperimentConfig
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.display.plotly_figure import plotly_figure
from nextbar.errors import DataError, RunError
from nextbar.forecasts.quantities import Quantities
from nextbar.inference.forward import Forward
from nextbar.inference.loading import load_run, load_runs
from nextbar.inference.model_inputs import read_model_inputs
from nextbar.inference.models import Models, forwards_of
from nextbar.inference.outlooks import outlooks
from nextbar.inference.series_groups import forecast_on_cluster
from nextbar.logger import get_logger
from nextbar.machine.clusters import LOCAL, require_place
from nextbar.machine.compilation import enable_cache
from nextbar.metrics.conformal import Conformal, require_distribution
from nextbar.metrics.task import Task
from nextbar.runs.residuals import residuals_of
from nextbar.runs.shown_run import ShownRun
from nextbar.runs.summary import read_summary
from nextbar.storage.address import named
from nextbar.types import Forecast

FEW = 3
"""runs that an ensemble names"""


@strict_arguments
class Forecaster(ShownRun):
    """Forecasts of a trained model, or the mixture of several models' (a deep ensemble).

    Args:
        config: the experiment it was trained in.
        preparation: what was learnt from the training span.
        params: parameters of the model, nested dicts of arrays; of an ensemble those of all members, with an axis M in
            front.
        run_dir: the folder of its run; None: it has none.
        epoch: the epoch its parameters are of.
        epochs: epochs whose parameters are kept.
        others: further models of an ensemble, trained on the same bars for the same task; the arguments above are then
            those of its first model. None: a single model.
        other_dirs: the folders of their runs.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        preparation: Preparation,
        params: Any,
        *,
        run_dir: Path | None = None,
        epoch: int | None = None,
        epochs: Sequence[int] = (),
        others: Sequence[Forward] | None = None,
        other_dirs: Sequence[Path] = (),
    ) -> None:
        self.config = config
        self.preparation = preparation
        self.run_dir = run_dir
        self.epoch = epoch
        self.epochs = tuple(epochs)
        self.task = Task.of(config)
        self._models = Models((*forwards_of(config, preparation.spec, params), *(others or ())), preparation)
        self._is_several = others is not None
        self._other_dirs = tuple(other_dirs)
        self._has_warned_stale = False
        self.warned_short: set[tuple[str, str]] = set()
        """(series, longer resolution) pairs of too few bars that the user was warned of"""

    @classmethod
    def load(
        cls, path: str | Path | Sequence[str | Path], epoch: int | None = None, *, run: str | None = None
    ) -> Forecaster:
        """Open a run folder, or the run that an experiment folder stands for: its latest refit, else the best by
        validation among its runs on the newest bars.

        Args:
            path: the folder; or those of several runs, whose forecasts are mixed (a deep ensemble; see
                ``nextbar.forecasts.mixture``).
            epoch: one of the epochs kept (``epochs``); None: the best.
            run: name of another run of the experiment.

        Raises:
            ConfigError: no folder, or ``run`` beside several.
            RunError: no run, runs that cannot be ranked together or averaged, a run without a checkpoint, one that is
                damaged or of a later version.
        """
        enable_cache()
        if isinstance(path, str | Path):
            first, others, further = load_run(path, epoch, run), None, []
        else:
            first, *further = load_runs(path, epoch, run)
            others = [forward for loaded in further for forward in loaded.forwards()]
        forecaster = cls(
            first.config,
            first.preparation,
            first.params,
            run_dir=first.path,
            epoch=first.epoch,
            epochs=first.epochs,
            others=others,
            other_dirs=[loaded.path for loaded in further],
        )
        forecaster._models = forecaster._models._replace(source=tuple(loaded.source for loaded in (first, *further)))
        return forecaster

    @property
    def datapath(self) -> str:
        """Folder of the bars that the run was trained on: where it lay then, else the configuration's ``datapath``
        from here.

        Raises:
            DataError: neither folder exists; names both.
        """
        return existing_folder(self.config.dataset_config.datapath, self._recorded_datapath)

    @property
    def _recorded_datapath(self) -> str | None:
        return read_summary(self.run_dir).get("datapath") if self.run_dir else None

    @property
    def params(self) -> Any:
        """The model's parameters, nested dicts of arrays on the device; of an ensemble a list of each member's."""
        params = [forward.params for forward in self._models.forwards]
        return params if self._is_several or len(params) > 1 else params[0]

    def predict(
        self,
        frame: Any,
        levels: Sequence[float] | None = None,
        *,
        last_only: bool = True,
        now: object = None,
        fit_scaler: bool = False,
        conformal: bool = False,
        law: bool = False,
        quantiles: Sequence[float] = (),
        above: Sequence[float] = (),
        below: Sequence[float] = (),
        samples: int = 0,
        seed: int = 0,
        on: str = LOCAL,
        **names: Unpack[FrameNames],
    ) -> Any:
        """Forecast the bars after the last one of each ticker.

        The forecast from a bar is the same, bit for bit, whether or not later bars are there and whatever else is
        forecast with it (for a ticker that training did not know: as long as its calendar and its statistics, which
        come from the frame, are the same).

        Args:
            frame: bars as in training, pandas or polars, at least L of each ticker; more columns do no harm. Or a list
                of ``Bars``.
            levels: central intervals of a ``distribution``, shares in (0, 1); None: 0.5, 0.8 and 0.95.
            last_only: False: forecast from every bar whose context is whole, not only from the last.
            now: a date, datetime or epoch seconds, or ``"now"``, the clock's time; bars that close later, such as one
                that is still being traded, are left out, which is logged. A bar closes one step after its date, a daily
                one of an exchange that ``calendar`` names with its session. None: the clock's time for a series whose
                last bar opens within one step of it, so that no forecast is made from an unfinished bar. Bars that end
                long before it are called stale.
            fit_scaler: let tickers that training did not know have statistics of their own, fitted on all their bars
                in the frame, where the normalisation is global. Forecasts from early bars then know later ones.
            conformal: adjust the intervals by the residuals of the validation span.
            law: give a distribution's ``scale`` (standard deviation of the change, in prices or log returns) and
                Student-t ``df``, and ``skew`` where it is skewed, as well.
            quantiles: shares in (0, 1): what the close stays below with each, as ``close-q-10`` ...
            above: prices: the probability of a close above each, as ``close-above-5000`` ...
            below: prices: the probability of a close at or below each, as ``close-below-4800`` ...
            samples: so many paths over the H steps, drawn from a ``distribution``, as ``close-path-1`` ...; a walk with
                independent increments stands behind each, see :func:`nextbar.forecasts.paths.path_changes`.
            seed: of the paths; the same seed gives the same ones.
            on: ``local``, or the cluster whose workers forecast the series in groups, see :func:`nextbar.search`; the
                run's folder has to be in their sight.
            names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``;
                the answer has the standard names.

        Returns:
            A frame of the same library, one row for each ticker, origin and step: ``ticker`` (and ``resolution`` where
            the run has several), ``origin`` and ``date`` (opening times of the last known and the predicted bar),
            ``step``; ``close``, and for a distribution ``close-lo-80``, ``close-hi-80`` ...; for bins
            ``p_<lower>_<upper>`` instead, in percent of the last close.

        Raises:
            ConfigError: a level or a quantile that is no share, a price or a number of paths that is none, more paths
                than can be held, or ``now`` is no date.
            DataError: too few bars, a hole in the last L, a column that is missing, another resolution, a ticker
                without statistics; ``conformal`` or ``levels`` for another mode than ``distribution``; quantiles,
                probabilities or paths of forecasts that do not tell them.
            RunError: ``conformal`` for a run or an epoch without validation residuals; a cluster that cannot be reached
                or is gone, or a model that was not loaded from a run's folder for one.
        """
        require_place(on)
        levels = forecasts.levels_of(self.task, levels)
        quantities = Quantities.of(quantiles, above, below, samples, seed)
        quantities.require(self.task, conformal)
        corrected = self.conformal() if conformal else None
        present = Present(now)
        inputs = read_model_inputs(
            frame,
            self.config.dataset_config,
            self.preparation,
            present=present,
            last_only=last_only,
            fit_scaler=fit_scaler,
            warned=self.warned_short,
            **names,
        )
        # without ``now`` the bars may be meant to be old ones, which a loop goes through: telling it once is enough
        self._has_warned_stale |= present.tell(stale=present.given or not self._has_warned_stale)
        bars, fits = inputs.bars, inputs.fits
        if on == LOCAL:
            forecast = self.forecast(bars, fits, self.preparation.panel(bars).join(inputs.origins))
        else:
            forecast = forecast_on_cluster(on, self._models, bars, fits, inputs.origins)
        several = len(self.config.dataset_config.resolutions) > 1
        keys = inputs.keys(self.preparation.spec, with_resolution=several)
        interval = (
            partial(corrected.interval, series_N=inputs.series_N, names=self.names(bars), forecast=forecast)
            if corrected
            else None
        )
        columns = forecasts.columns(keys, forecast, self.task, levels, law=law, interval=interval)
        columns |= quantities.columns(keys, forecast, self.task, interval)
        return frame_like(columns, frame if is_frame(frame) else None, dates=("origin", "date"))

    def forecast(self, bars: Sequence[Bars], fits: Sequence[SeriesFit], origin_N: np.ndarray) -> Forecast:
        """Forecasts, in the units of ``Forecast``, from rows of the series end to end; nothing is checked.

        Args:
            bars: series with their indicators.
            fits: calendar and statistics of each of them.
            origin_N: rows with a whole context.
        """
        return self._models.forecast(bars, fits, origin_N)

    def untrained(self, biases: Mapping[str, Any]) -> Forecaster:
        """A forecaster of the (first) model as it was before training.

        Args:
            biases: of the untrained network's output layers, by name; of an ensemble, whose members forecast the same
                before training, with an axis M in front.
        """
        from nextbar.model.heads import at_start

        several = self.config.seeds > 1
        values = {name: np.asarray(bias, np.float32) for name, bias in biases.items()}
        first = {name: value[0] if several else value for name, value in values.items()}
        params = at_start(self._models.forwards[0].params, first)
        return Forecaster(replace(self.config, seeds=1), self.preparation, params)

    def plot(self, frame: Any = None, *, now: object = None) -> Any:
        """The fan of the next bars of each series, a ``plotly.graph_objects.Figure`` with a menu of the series.

        Bands hold 50, 80 and 95 % of the law; a point forecast has none. Bins have a bar, or over several bars ahead a
        colour, for the probability of each.

        Args:
            frame: bars, see :meth:`predict`; None: the files of the run's scored series, as they are now.
            now: see :meth:`predict`.

        Raises:
            DataError: the bars cannot be read, or there is no series that anything can be forecast for.
        """
        if frame is None:
            series = own_bars(self.config, recorded=self._recorded_datapath, later=True)
        else:
            series = read_new_bars(self.config, frame)
        shown = outlooks(self, series, now=now)
        for reason in shown.left_out:
            get_logger().warning("no forecast: %s", reason)
        figure = shown.figure()
        if figure is None:
            raise DataError("; ".join(shown.left_out) or "no bars to forecast from")
        return plotly_figure(figure)

    def conformal(self) -> Conformal:
        """The validation residuals of this epoch, by which intervals are adjusted.

        Of a run with a final fit they are those of its first fit, which had not learnt from validation.

        Raises:
            DataError: the mode is not ``distribution``.
            RunError: there are none, as for several runs, or they are of another epoch.
        """
        require_distribution(self.task)
        if self._is_several:
            raise RunError(
                "validation residuals are kept of single runs and not of an ensemble of several; "
                "leave conformal out, or load one run"
            )
        return residuals_of(self.run_dir, self.epoch)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Out of a pickle, which holds parameters and all that was learnt, and of the run only its path."""
        self.__dict__.update(state)
        enable_cache()

    def _title(self) -> str:
        first, rest = self._run_dirs()[:FEW], self._run_dirs()[FEW:]
        runs = ", ".join(map(named, first)) + (f" and {len(rest)} more" if rest else "") or "no run folder"
        epoch = "" if self.epoch is None or self._other_dirs else f", epoch {self.epoch}"
        models = len(self._models.forwards)
        return (f"ensemble of {models} models, " if models > 1 else "") + runs + epoch

    def _headline(self) -> str:
        task, series = self.task, len(self.preparation.series)
        ahead = "the next bar" if task.horizon == 1 else f"the next {task.horizon} bars"
        return super()._headline() or f"{task.output_mode} of {ahead}, trained on {series} series"

    def _run_dirs(self) -> tuple[Path, ...]:
        return () if self.run_dir is None else (self.run_dir, *self._other_dirs)

    def _reports(self) -> dict[str, Any]:
        """Those of the run, where it is one, and of its best epoch."""
        if self.run_dir is None or self._other_dirs:
            return {}
        summary = read_summary(self.run_dir)
        return summary.get("metrics", {}) if summary.get("best_epoch") == self.epoch else {}

    def names(self, bars: Sequence[Bars]) -> tuple[str, ...]:
        """What the run's records call these series."""
        return tuple(map(self.preparation.naming, bars))
