"""What is learnt from the training span before any model is: layout, statistics, calendars; saved with every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nextbar.config import DatasetConfig
from nextbar.data.bars import Bars
from nextbar.data.calendar import Calendar
from nextbar.data.indicators import price_valued
from nextbar.data.naming import Naming
from nextbar.data.scaling import GlobalScale, Pair, Statistics
from nextbar.data.targets import bins_ahead
from nextbar.data.windows import Tape, WindowSpec

PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "trades")
DAY = 86_400


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
        return cls(bars.ticker, bars.resolution, calendar, tuple(statistics), std)


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

    def find(self, ticker: str, resolution: str) -> SeriesFit | None:
        """The fit of that series, if it was there when the run was trained."""
        return next((s for s in self.series if (s.ticker, s.resolution) == (ticker, resolution)), None)

    def tape(self, bars: Sequence[Bars], fits: Sequence[SeriesFit]) -> Tape:
        """Bars of all series as float32 arrays, end to end, still on the host; ``fits`` go with ``bars``."""
        spec = self.spec
        pair = Pair.split(
            np.concatenate([np.stack([device_column(b, c, spec) for c in spec.columns], axis=1) for b in bars])
        )
        time_R = np.concatenate([b.close_time_N for b in bars])
        time_R1 = ((time_R - self.first_time) / max(self.last_time - self.first_time, 1)).astype(np.float32)[:, None]
        plain = np.concatenate(
            [
                np.stack([b.columns[c] for c in spec.plain], axis=1) if spec.plain else np.empty((len(b), 0))
                for b in bars
            ]
        ).astype(np.float32)
        close = spec.own_prices - 1
        longest = max(len(f.calendar.open_slots) for f in fits)
        return Tape(
            rows_RX=np.nan_to_num(np.concatenate([pair.high, pair.low, time_R1, plain], axis=1)),
            close_R2=np.stack([pair.high[:, close], pair.low[:, close]], axis=1),
            bin_RH=np.concatenate([bins_ahead(b.columns["close"], spec.horizon, spec.edges) for b in bars]),
            series_R=np.repeat(np.arange(len(bars), dtype=np.int32), [len(b) for b in bars]),
            rank_R=np.concatenate([f.calendar.rank(b.time_N) for b, f in zip(bars, fits, strict=True)]).astype(
                np.int32
            ),
            clock_SMC=np.stack([_clock_table(f.calendar, longest, spec.clock) for f in fits]),
            slots_S=np.array([len(f.calendar.open_slots) for f in fits], np.int32),
            fitted=GlobalScale.stack([list(f.statistics) for f in fits]),
            return_std_S=np.array([f.return_std for f in fits], np.float32),
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
                }
                for s in self.series
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Preparation:
        """Inverse of ``to_dict``; where no naming was saved, names are as they were given then."""
        spec: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["spec"].items()}
        spec["edges"] = spec["edges"] and tuple(map(float, spec["edges"]))  # infinities travel as text
        series = [
            SeriesFit(
                s["ticker"],
                s["resolution"],
                Calendar.from_dict(s["calendar"]),
                tuple(Statistics(**{k: _number(v) for k, v in values.items()}) for values in s["statistics"]),
                _number(s["return_std"]),
            )
            for s in data["series"]
        ]
        naming = Naming(data["implied_resolution"]) if "implied_resolution" in data else Naming.of_bars(series)
        return cls(WindowSpec(**spec), data["first_time"], data["last_time"], tuple(series), naming)


def window_spec(config: DatasetConfig, bars: Sequence[Bars]) -> WindowSpec:
    """The layout of the windows of these series: the features that all of them have."""
    own = own_prices(config)
    indicators = tuple(config.indicators or ())
    edges = config.discrete_grid_levels if config.output_mode == "discrete_grid" else None
    return WindowSpec(
        seq_len=config.seq_len,
        horizon=config.horizon,
        target=config.target,
        edges=tuple(edges) if edges else None,
        returns=config.features == "returns",
        prices=own + tuple(name for name in indicators if price_valued(name)),
        own_prices=len(own),
        volumes=tuple(name for name in asked_volumes(config) if all(name in b.columns for b in bars)),
        plain=tuple(name for name in indicators if not price_valued(name)),
        indicators=indicators,
        clock=0 if not config.clock else 2 if all(b.step >= DAY for b in bars) else 4,
    )


def own_prices(config: DatasetConfig) -> tuple[str, ...]:
    """Price columns of the feature set; indicators may add others."""
    return ("close",) if config.features == "close" else PRICES


def dropped_features(config: DatasetConfig, bars: Sequence[Bars]) -> dict[str, list[str]]:
    """Volume and trades that are asked for and that some series have but not all: name -> the series without it."""
    missing = {name: [b.name for b in bars if name not in b.columns] for name in asked_volumes(config)}
    return {name: lacking for name, lacking in missing.items() if 0 < len(lacking) < len(bars)}


def asked_volumes(config: DatasetConfig) -> tuple[str, ...]:
    """Columns beside the prices that the feature set wants."""
    return VOLUMES if config.features in ("ohlcv", "returns") else ()


def device_column(bars: Bars, name: str, spec: WindowSpec) -> np.ndarray:
    """A column as the device keeps it: with features ``returns`` volume and trades as ln(1 + v), else as it is."""
    values = bars.columns[name]
    return np.log1p(values) if spec.returns and name in spec.volumes else values


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
