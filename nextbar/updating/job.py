"""One update of a log: forecasts and scores, and a refit between them where one is due."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.bars.series import series_tickers
from nextbar.errors import DataError, OtherBars
from nextbar.logger import get_logger
from nextbar.runs.records import read_bars_record, read_config
from nextbar.runs.summary import read_summary
from nextbar.train.refit import refit
from nextbar.updating.forecasting import Model
from nextbar.updating.kept_log import KeptLog
from nextbar.updating.scoring import score_due


class UpdateJob:
    """The forecasts, scores and refit of one update.

    Args:
        log: of the run; is to know the bars.
        run_dir: its folder.
        series: bars that have closed.
        fit_scaler: as for ``update``.
        show: as for ``update``.
    """

    def __init__(
        self, log: KeptLog, run_dir: Path, series: Sequence[Bars], fit_scaler: bool, show: bool | None
    ) -> None:
        self.log, self.run_dir, self.series = log, run_dir, series
        self._fit_scaler, self._show = fit_scaler, show
        self.model = self._current()

    def catch_up(self, every: int | None) -> int:
        """Forecast and score; refit where that is due, or had begun. Returns how many forecasts were scored.

        The model of before forecasts from all bars that close before the refit's last one, whose labels the refit
        learns; the refit from that bar on.

        Args:
            every: seconds since the last bar that the model knows, after which a refit is due; None: never.

        Raises:
            DataError: a refit is due, and the bars are not all that it takes.
        """
        until = self._refit_until(every)
        if until is None:
            return self._forecast_and_score(None)
        try:
            bars = self._history(until)
        except DataError as error:
            if every is not None:
                raise
            get_logger().warning("the refit that was begun waits: %s", error)
            return self._forecast_and_score(None)
        scored = self._forecast_and_score(until)
        self._refit(bars, until)
        self.model = self._current()
        return scored + self._forecast_and_score(None)

    def _current(self) -> Model:
        return Model(self.log.state.model(self.run_dir), self.series, self._fit_scaler)

    def _forecast_and_score(self, before: int | None) -> int:
        logged = self.log.state.forecasts
        self.log.add(self.model.lines(lambda key, closed: key not in logged and (before is None or closed < before)))
        pairs = zip(self.model.panel.bars, self.model.fits, strict=True)
        return score_due(self.log, {bars.name: fit.calendar for bars, fit in pairs}, self.model.task)

    def _refit_until(self, every: int | None) -> int | None:
        """When the last bar closes that a refit is to be done on; None: none is due."""
        state = self.log.state
        if state.refit_until is not None:
            return state.refit_until
        last = max(int(b.close_time_N[-1]) for b in self.series)
        since = max(self.model.until, state.model_until or 0)
        return last if every is not None and last - since >= every else None

    def _history(self, until: int) -> list[Bars]:
        """The bars of a refit: all of the run's series that close until then.

        Raises:
            DataError: they begin after the run's, or a series is not there.
        """
        config = read_config(self._original)
        series_keys = {(ticker, r) for ticker in series_tickers(config) for r in config.dataset_config.resolutions}
        bars = [b.between(config.dataset_config.initial_date, until) for b in self.series]
        bars = [b for b in bars if (b.ticker, b.resolution) in series_keys and len(b)]
        existing = {b.name: b for b in bars}
        for record in read_bars_record(self._original) or ():
            own = existing.get(record.name)
            if own is None or int(own.time_N[0]) > record.starts[0]:
                fault = "is not there" if own is None else f"begins at {iso(int(own.time_N[0]))}"
                raise DataError(
                    f"a refit takes all bars from the run's first one on, and {record.name} {fault}; those of the run "
                    f"begin at {iso(record.starts[0])}. Give all of them, or update without refit_every (--refit-every)"
                )
        return bars

    def _refit(self, bars: Sequence[Bars], until: int) -> None:
        """Refit on bars that close until then; where that diverges the model stays, which is logged. A refit that had
        begun on bars which were revised since is left as it is, and one on the bars as they are now takes its place."""
        if self.log.state.refit_until is None:
            self.log.add([{"kind": "refit", "until": iso(until), "from": self.model.run_dir.name}])
        try:
            result = refit(self._original, bars, warm=self.model.run_dir, show=self._show)
        except OtherBars:
            get_logger().warning("the refit that had begun was on other bars: it begins anew on those of now")
            result = refit(self._original, bars, warm=self.model.run_dir, overwrite=True, show=self._show)
        end: dict[str, Any] = {"kind": "refitted", "until": iso(until), "run": result.run_dir.name, "message": ""}
        if result.status == "diverged":
            get_logger().error("the refit diverged, and %s goes on: %s", self.model.run_dir.name, result.message)
            end |= {"run": None, "message": result.message}
        self.log.add([end])

    @property
    def _original(self) -> Path:
        """The run whose configuration is trained: that of the log, or where it is a refit the one that it repeats."""
        return self.run_dir.parent / (read_summary(self.run_dir).get("refit_of") or self.run_dir.name)
