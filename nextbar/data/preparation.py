"""What is learnt from the training span before any model is: layout, statistics, calendars; saved with every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.naming import Naming
from nextbar.data.features import device_column
from nextbar.data.panel import Panel
from nextbar.data.scaling import GlobalScale, Pair, Statistics
from nextbar.data.splits import whole_windows
from nextbar.data.spreads import SpreadBins, typical, window_spreads
from nextbar.data.targets import bins_ahead
from nextbar.data.windows import Tape, WindowSpec

FIRST_LAYOUT: dict[str, Any] = {"time_feature": "span", "layout": 1}
"""fields of the window spec that runs of before do not have, and what they had instead"""


@dataclass(frozen=True)
class SeriesFit:
    """What the training span says about one series."""

    ticker: str
    resolution: str
    calendar: Calendar
    statistics: tuple[Statistics, ...]
    """one for each group of the window spec"""
    return_std: float
    """standard deviation of one-bar log returns; NaN where a price is not positive"""
    spreads: tuple[float, ...]
    """spread of each group in the middle one of its training windows; NaN where it has none that varies"""

    @classmethod
    def fit(cls, bars: Bars, n_train: int, spec: WindowSpec, calendar: Calendar) -> SeriesFit:
        """Fit on the first ``n_train`` bars; later ones are not looked at."""
        price = np.stack([bars.columns[name][:n_train] for name in spec.prices[: spec.own_prices]])
        statistics = [Statistics.fit(price)]
        statistics += [Statistics.fit(device_column(bars, name, spec)[:n_train]) for name in spec.volumes]
        close = bars.columns["close"][:n_train]
        std = np.nan
        if n_train > 1 and (close > 0).all():
            # a move across a hole is no one-bar return
            moves = np.diff(np.log(close))[~calendar.hole_before(bars.time_N[:n_train])[1:]]
            std = float(np.std(moves)) if moves.size else np.nan
        hole_N = calendar.hole_before(bars.time_N[:n_train])
        origins = np.flatnonzero(whole_windows(hole_N, spec.seq_len, horizon=0))
        spread_NG = spreads_at(bars, origins, spec)
        middle = tuple(typical(spread_NG).tolist())
        return cls(bars.ticker, bars.resolution, calendar, tuple(statistics), std, middle)

    @classmethod
    def unknown(cls, bars: Bars, spec: WindowSpec, calendar: Calendar) -> SeriesFit:
        """Of a series of which nothing but the calendar is known."""
        groups = len(spec.groups)
        nothing = (Statistics(*[np.nan] * 4),) * groups
        return cls(bars.ticker, bars.resolution, calendar, nothing, np.nan, (np.nan,) * groups)


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

    def find(self, ticker: str, resolution: str) -> SeriesFit | None:
        """The fit of that series, if it was there when the run was trained."""
        return next((s for s in self.series if (s.ticker, s.resolution) == (ticker, resolution)), None)

    def panel(self, bars: Sequence[Bars]) -> Panel:
        """Series end to end."""
        return Panel(tuple(bars), self.spec.horizon, self.naming)

    def tape(self, bars: Sequence[Bars], fits: Sequence[SeriesFit]) -> Tape:
        """Bars of all series as float32 arrays, end to end, still on the host; ``fits`` go with ``bars``."""
        spec, panel = self.spec, self.panel(bars)
        pair = Pair.split(panel.per_bar(lambda b: np.stack([device_column(b, c, spec) for c in spec.columns], axis=1)))
        share_R = ((panel.close_time_R - self.first_time) / max(self.last_time - self.first_time, 1)).astype(np.float32)
        times = [share_R[:, None]] if spec.spans_time else []
        plain = panel.per_bar(
            lambda b: np.stack([b.columns[c] for c in spec.plain], axis=1) if spec.plain else np.empty((len(b), 0))
        ).astype(np.float32)
        close = spec.own_prices - 1
        longest = max(len(f.calendar.open_slots) for f in fits)
        return Tape(
            rows_RX=np.nan_to_num(np.concatenate([pair.high, pair.low, *times, plain], axis=1)),
            close_R2=np.stack([pair.high[:, close], pair.low[:, close]], axis=1),
            bin_RH=panel.per_bar(lambda b: bins_ahead(b.columns["close"], spec.horizon, spec.edges)),
            series_R=panel.series_R.astype(np.int32),
            rank_R=np.concatenate([f.calendar.rank(b.time_N) for b, f in zip(bars, fits, strict=True)]).astype(
                np.int32
            ),
            clock_SMC=np.stack([_clock_table(f.calendar, longest, spec.clock) for f in fits]),
            slots_S=np.array([len(f.calendar.open_slots) for f in fits], np.int32),
            fitted=GlobalScale.stack([list(f.statistics) for f in fits]),
            return_std_S=np.array([f.return_std for f in fits], np.float32),
            spreads=self.spreads.scale([f.spreads for f in fits]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "spec": asdict(self.spec) | {"edges": self.spec.edges and [str(edge) for edge in self.spec.edges]},
            "first_time": self.first_time,
            "last_time": self.last_time,
            "implied_resolution": self.naming.implied,
            "series": [
                {
                    "ticker": s.ticker,
                    "resolution": s.resolution,
                    "calendar": s.calendar.to_dict(),
                    "statistics": [{k: _known(v) for k, v in group._asdict().items()} for group in s.statistics],
                    "return_std": _known(s.return_std),
                    "spreads": [_known(v) for v in s.spreads],
                }
                for s in self.series
            ],
            "spreads": {
                "typical": [_known(v) for v in self.spreads.typical],
                "edges": [list(edges) for edges in self.spreads.edges],
            },
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Preparation:
        """Inverse of ``to_dict``, also for runs of layout 1, which say neither that nor how their series are named."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["spec"].items()}
        fields["edges"] = fields["edges"] and tuple(map(float, fields["edges"]))  # infinities travel as text
        spec = WindowSpec(**FIRST_LAYOUT | fields)
        groups = len(spec.groups)
        series = [
            SeriesFit(
                s["ticker"],
                s["resolution"],
                Calendar.from_dict(s["calendar"]),
                tuple(Statistics(**{k: _number(v) for k, v in values.items()}) for values in s["statistics"]),
                _number(s["return_std"]),
                tuple(map(_number, s.get("spreads", [None] * groups))),
            )
            for s in data["series"]
        ]
        bins = SpreadBins.none(groups)
        if "spreads" in data:
            bins = SpreadBins(
                tuple(map(_number, data["spreads"]["typical"])), tuple(map(tuple, data["spreads"]["edges"]))
            )
        naming = Naming(data["implied_resolution"]) if "implied_resolution" in data else Naming.of_bars(series)
        return cls(spec, data["first_time"], data["last_time"], tuple(series), naming, bins)


def fit_spreads(
    bars: Sequence[Bars], fits: Sequence[SeriesFit], origins: Sequence[np.ndarray], spec: WindowSpec
) -> SpreadBins:
    """Where the spreads of the training windows lie; ``origins`` are the rows that they end at in each series."""
    if spec.layout == 1:
        return SpreadBins.none(len(spec.groups))
    spreads = [spreads_at(b, rows, spec) for b, rows in zip(bars, origins, strict=True)]
    own = [np.tile(f.spreads, (len(rows), 1)) for f, rows in zip(fits, origins, strict=True)]
    return SpreadBins.fit(np.concatenate(spreads), np.concatenate(own))


def spreads_at(bars: Bars, origin_N: np.ndarray, spec: WindowSpec) -> np.ndarray:
    """float64 (N, G): spreads of the windows that end at the origins; see ``window_spreads``."""
    columns = {name: device_column(bars, name, spec) for name in spec.columns}
    return window_spreads(columns, origin_N, spec)


def _clock_table(calendar: Calendar, rows: int, width: int) -> np.ndarray:
    """(M, C) sines and cosines of weekday and, for C = 4, hour of each open slot of the week."""
    hour_M, weekday_M = calendar.slot_clock().T
    angles = (
        2 * np.pi * np.stack([weekday_M / 7, hour_M / 24][: width // 2], axis=1)
        if width
        else np.empty((len(hour_M), 0))
    )
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.pad(table, ((0, rows - len(table)), (0, 0))).astype(np.float32)


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def _number(value: float | None) -> float:
    return np.nan if value is None else value
