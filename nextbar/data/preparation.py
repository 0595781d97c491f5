"""Preparation of a run: layout, calendars and statistics of its training span, saved with it; bars to the tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.naming import Naming
from nextbar.data.closed_bars import reach
from nextbar.data.contexts import ContextTape
from nextbar.data.covariates import channels, channels_ahead
from nextbar.data.panel import Panel
from nextbar.data.series_fit import (
    SeriesFit,
    nan_if_none,
    none_if_nan,
    plain_statistics,
    statistics_from,
)
from nextbar.data.spreads import SpreadBins
from nextbar.data.start import RangeStart
from nextbar.data.statistics import GlobalScale, Pair, Statistics
from nextbar.data.targets import bins_ahead
from nextbar.data.window_spec import WindowSpec
from nextbar.data.windows import Tape
from nextbar.machine.long_arrays import blocks, empty, in_threads


@dataclass(frozen=True)
class Preparation:
    """Everything that must be known to turn bars into windows, fitted on the training span only."""

    spec: WindowSpec
    first_time: int
    """closing time of the first training bar of the run, seconds since the epoch"""
    last_time: int
    series: tuple[SeriesFit, ...]
    naming: Naming
    """what records, forecasts and reports call the series"""
    spreads: SpreadBins
    start: RangeStart | None = None
    """what an untrained model forecasts; None: a constant"""
    covariates: tuple[Statistics, ...] = ()
    """of each covariate in the training bars of all trained series"""

    def find(self, ticker: str, resolution: str) -> SeriesFit | None:
        """The fit of that series, if it was there when the run was trained."""
        return next((s for s in self.series if (s.ticker, s.resolution) == (ticker, resolution)), None)

    def calendar(self, ticker: str, resolution: str) -> Calendar | None:
        """The calendar of that series, or of another of its resolution; None where none was trained."""
        alike = (s for s in self.series if s.resolution == resolution)
        own = self.find(ticker, resolution) or next(alike, None)
        return own.calendar if own else None

    def panel(self, bars: Sequence[Bars]) -> Panel:
        """Series end to end."""
        return Panel(tuple(bars), self.spec.horizon, self.naming)

    def tape(self, bars: Sequence[Bars], fits: Sequence[SeriesFit]) -> Tape:
        """Bars of all series as float32 arrays, end to end, still on the host; ``fits`` go with ``bars``."""
        spec, panel = self.spec, self.panel(bars)
        series = list(zip(bars, fits, strict=True))
        longest = max(f.calendar.n_slots for f in fits)
        row_RX, close_R2 = self._rows(panel, fits)
        rank_R, chain_SZ = self._chains(panel, fits)
        start_RHX, regressors_RK = self._start(panel, fits)
        return Tape(
            stride=np.int32(1),
            rows_RX=row_RX,
            close_R2=close_R2,
            bin_RH=panel.per_bar(lambda b: bins_ahead(b.columns["close"], spec.horizon, spec.edges)),
            series_R=panel.per_series(np.arange(len(bars), dtype=np.int32)),
            rank_R=rank_R,
            chain_SZ=chain_SZ,
            clock_SMC=np.stack([clock_table(f.calendar, longest, spec.clock) for f in fits]),
            fitted=GlobalScale.stack([list(f.statistics) for f in fits]),
            return_std_S=np.array([f.return_std for f in fits], np.float32),
            spreads=self.spreads.scale([f.spreads for f in fits]),
            start_RHX=start_RHX,
            regressors_RK=regressors_RK,
            ahead_RHA=panel.end_to_end((np.nan_to_num(self._covariates(channels_ahead, b, f)) for b, f in series)),
            range_RH=np.empty((len(regressors_RK), 0), np.float32),
            contexts=tuple(ContextTape.of(bars, fits, resolution, spec) for resolution in spec.contexts),
        )

    def _rows(self, panel: Panel, fits: Sequence[SeriesFit]) -> tuple[np.ndarray, np.ndarray]:
        """``Tape.rows_RX`` and ``close_R2``, laid out block by block: no second copy is ever whole."""
        spec, n = self.spec, len(self.spec.columns)
        row_RX = empty((panel.starts[-1], spec.row_width), np.float32)
        close_R2 = empty((panel.starts[-1], 2), np.float32)

        def lay_out(b: Bars, fit: SeriesFit, first: int) -> None:
            pairs = [spec.device_column(b, name) for name in spec.columns]
            singles = list(self._singles(b, fit))
            for rows in blocks(len(b)):
                row_BX = row_RX[first:][rows]
                for i, value_N in enumerate(pairs):
                    row_BX[:, i], row_BX[:, n + i] = Pair.split(value_N[rows])
                for i, value_N in enumerate(singles, 2 * n):
                    row_BX[:, i] = value_N[rows]
                if not np.isfinite(row_BX).all():
                    np.nan_to_num(row_BX, copy=False)
                close_R2[first:][rows] = np.stack(Pair.split(b.columns["close"][rows]), axis=1)

        in_threads(lay_out, panel.bars, fits, panel.starts[:-1])
        return row_RX, close_R2

    def _singles(self, bars: Bars, fit: SeriesFit) -> Iterator[np.ndarray]:
        """What the device keeps of each bar of one series as one float32, (N,) each, in their order."""
        if self.spec.spans_time:
            yield (bars.close_time_N - self.first_time) / max(self.last_time - self.first_time, 1)
        yield from (bars.columns[name] for name in self.spec.plain)
        yield from self._covariates(channels, bars, fit).T

    def _chains(self, panel: Panel, fits: Sequence[SeriesFit]) -> tuple[np.ndarray, np.ndarray]:
        """Position of the next open slot after each bar, int32 (R,), and all slots, int32 (S, Z); see ``Tape``."""
        slots: list[np.ndarray] = []

        def ranks() -> Iterator[np.ndarray]:
            for b, fit in zip(panel.bars, fits, strict=True):
                rank_N, slot_Z = fit.calendar.chain(b.time_N, self.spec.horizon)
                slots.append(slot_Z)
                yield rank_N

        return panel.end_to_end(ranks(), np.int32), _padded(slots)

    def _covariates(self, of: Callable[..., np.ndarray], bars: Bars, fit: SeriesFit) -> np.ndarray:
        """float32 (N, ...): what a function of a series and its covariates' statistics says."""
        return of(bars, fit.covariates, self.covariates, self.spec).astype(np.float32)

    def _start(self, panel: Panel, fits: Sequence[SeriesFit]) -> tuple[np.ndarray, np.ndarray]:
        """Start and regressors of all rows, float32 (R, H, X) and (R, K)."""
        spec, rows = self.spec, panel.starts[-1]
        start_RHX = empty((rows, spec.horizon, spec.start_width), np.float32)
        regressors_RK = empty((rows, spec.regressors), np.float32)
        if self.start is not None:
            for b, fit, first in zip(panel.bars, fits, panel.starts[:-1], strict=True):
                own = slice(first, first + len(b))
                start_RHX[own], regressors_RK[own] = self.start.columns(b, fit.calendar, spec)
        return start_RHX, regressors_RK

    def history(self, ticker: str, resolution: str) -> int:
        """Bars up to and with the origin that a forecast of a series looks at, where there are as many."""
        contexts = (reach(longer, resolution, self.spec.context_len) for longer in self.spec.contexts)
        return max(self.spec.seq_len, *contexts, self.start.history(ticker, resolution) if self.start else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "spec": self.spec.to_dict(),
            "first_time": self.first_time,
            "last_time": self.last_time,
            "implied_resolution": self.naming.implied,
            "series": [fit.to_dict() for fit in self.series],
            "spreads": {
                "typical": [none_if_nan(v) for v in self.spreads.typical],
                "edges": [list(edges) for edges in self.spreads.edges],
            },
            "start": self.start.to_dict() if self.start else None,
            "covariates": plain_statistics(self.covariates),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Preparation:
        """Inverse of ``to_dict``, also for earlier runs: they saved no covariates, in layout 1 no spreads and no naming
        either."""
        spec = WindowSpec.from_dict(data["spec"])
        groups = len(spec.groups)
        series = tuple(SeriesFit.from_dict(fit, groups) for fit in data["series"])
        bins = SpreadBins.none(groups)
        if "spreads" in data:
            typical, edges = data["spreads"]["typical"], data["spreads"]["edges"]
            bins = SpreadBins(tuple(map(nan_if_none, typical)), tuple(tuple(map(nan_if_none, e)) for e in edges))
        naming = Naming(data["implied_resolution"]) if "implied_resolution" in data else Naming.of_bars(series)
        start = RangeStart.from_dict(data["start"]) if data.get("start") else None
        sizes = {groups, *(len(fit.statistics) for fit in series), *(len(fit.spreads) for fit in series)}
        tokens = 0 if spec.layout == 1 else spec.tokens - 1
        if sizes | {len(bins.typical), len(bins.edges)} != {groups} or any(len(e) != tokens for e in bins.edges):
            raise ValueError(f"statistics that are not those of {groups} groups of columns")
        covariates = statistics_from(data.get("covariates", []))
        if {len(covariates), *(len(fit.covariates) for fit in series)} != {len(spec.covariates)}:
            raise ValueError(f"statistics that are not those of {len(spec.covariates)} covariates")
        first, last = (int(nan_if_none(data[name])) for name in ("first_time", "last_time"))
        return cls(spec, first, last, series, naming, bins, start, covariates)


def fit_spreads(
    spread_SGN: Sequence[np.ndarray], fits: Sequence[SeriesFit], origins: Sequence[np.ndarray], spec: WindowSpec
) -> SpreadBins:
    """Fit the bins of spreads on the training windows; ``origins`` are the rows that they end at in each series."""
    if spec.layout == 1:
        return SpreadBins.none(len(spec.groups))
    return SpreadBins.fit(spread_SGN, origins, np.array([f.spreads for f in fits]))


def _padded(chains: Sequence[np.ndarray]) -> np.ndarray:
    """int32 (S, Z): chains of slots, zeros after their ends."""
    longest = max(map(len, chains))
    return np.stack([np.pad(chain, (0, longest - len(chain))) for chain in chains]).astype(np.int32)


def clock_table(calendar: Calendar, rows: int, width: int) -> np.ndarray:
    """(M, C) sines and cosines of weekday and, for C = 4, hour of each open slot of the week."""
    hour_M, weekday_M = calendar.slot_clock().T
    angles = (
        2 * np.pi * np.stack([weekday_M / 7, hour_M / 24][: width // 2], axis=1)
        if width
        else np.empty((len(hour_M), 0))
    )
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.pad(table, ((0, rows - len(table)), (0, 0))).astype(np.float32)
