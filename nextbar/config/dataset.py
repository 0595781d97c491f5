"""``DatasetConfig``: the bars, what the model sees of them and what it is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nextbar.config.base import Checked
from nextbar.config.check import checked
from nextbar.config.choices import OUTPUT_MODES
from nextbar.config.values import (
    CalendarName,
    Count,
    Date,
    Flag,
    FolderPath,
    Grid,
    Int,
    Lengths,
    Names,
    NoneIfEmpty,
    NormMode,
    OutputMode,
    Resolutions,
    TimeZone,
    instant,
)
from nextbar.resolution import seconds

CONTEXT_LEN = 20
"""closed bars of each longer resolution, where nothing is said"""


@checked
class DatasetConfig(Checked):
    """The bars, what the model sees of them and what it is asked.

    Raises:
        ConfigError: an unknown or missing field, a wrong type, an impossible value, or fields at odds.
    """

    datapath: FolderPath
    """Folder of the bars: ``<datapath>/<resolution>/<ticker>_<resolution>.<ext>``."""
    tickers: Names
    """Instruments to train on."""
    resolution: Resolutions
    """Bar interval, such as ``4h``; or a list, all trained together."""
    seq_len: Annotated[Int, Field(ge=2)] = 24
    """L, bars of context; at most the model's ``max_seq_len``."""
    context_resolutions: Lengths = ()
    """Longer intervals, such as ``[1d]``: the model also gets the last closed bars of each, made from the series' own
    bars; multiples of ``resolution``."""
    context_len: Count | None = None
    """Closed bars of each of ``context_resolutions``; None: 20 where there are any."""
    horizon: Count = 1
    """H, bars predicted."""
    norm_mode: NormMode = "window_minmax"
    """Normalisation of prices and volumes."""
    output_mode: OutputMode = "mean"
    """What is predicted; the model's equals it."""
    target: Literal["close", "log_return"] = "close"
    """What a label is: the next closes, or their log returns from the last close."""
    discrete_grid_levels: Annotated[Grid | None, NoneIfEmpty] = None
    """K+1 ascending bin edges of the next move in percent, ±inf allowed; for ``discrete_grid`` only."""
    initial_date: Date | None = None
    """Bars before it are dropped; ISO 8601, UTC where no zone is given."""
    final_date: Date | None = None
    """Bars after it are dropped; a date without a time of day is kept to its end."""
    indicators: Annotated[Names | None, NoneIfEmpty] = None
    """Further columns, own or computed: ``rsi``, ``bb_upper``, ``bb_middle``, ``bb_lower``, ``ema_N``."""
    unscaled: Annotated[Names | None, NoneIfEmpty] = None
    """Own columns of ``indicators`` that enter as they are; the others are standardised on the training span."""
    known_ahead: Annotated[Names | None, NoneIfEmpty] = None
    """Own columns of ``indicators`` that are known before their bar, such as a calendar of events: the model gets their
    values at the predicted bars too."""
    empty_values: Literal["last", "mean", "drop"] = "last"
    """What stands where an own column is empty: its last value before, or its mean in training, beside a number that
    says so; ``drop``: no window covers such a bar."""
    features: Literal["ohlcv", "ohlc", "close", "returns"] = "ohlcv"
    """Columns the model sees; with ``close`` any numeric series will do."""
    price: Literal["close", "adjusted"] = "close"
    """Of files and frames with an adjusted close (``Adj Close``) beside the close: which of the two is the close; with
    ``adjusted`` open, high and low are scaled alike."""
    clock: Flag = True
    """Tell the model the hour and weekday of the bar it predicts."""
    time_feature: Literal["none", "position", "span"] = "none"
    """Column of time: the bar's place in the window, or the share of the training span that has passed; both 0 to 1."""
    calendar: CalendarName = "auto"
    """Whether the market closes at nights and weekends: ``24/7``, ``sessions``, ``auto``, which decides from the
    training dates; or the exchange whose sessions, holidays and half days it keeps, such as ``XNYS``."""
    timezone: TimeZone = "auto"
    """Time zone of the market's hours, an IANA name such as ``Europe/London``; ``auto``: the training dates tell."""

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolution or resolutions, always as a tuple."""
        return (self.resolution,) if isinstance(self.resolution, str) else self.resolution

    @property
    def kind(self) -> str:
        """What forecasts of the output mode consist of: ``mean``, ``distribution`` or ``discrete_grid``."""
        return str(OUTPUT_MODES[self.output_mode].kind)

    def _complete(self) -> None:
        if self.context_resolutions and self.context_len is None:
            object.__setattr__(self, "context_len", CONTEXT_LEN)

    def _conflicts(self) -> Iterator[str]:
        grid, mode = self.discrete_grid_levels, self.output_mode
        binned = self.kind == "discrete_grid"
        if binned and grid is None:
            yield f"discrete_grid_levels: found None, should be bin edges with output_mode {mode}"
        if not binned and grid is not None:
            yield f"discrete_grid_levels: found {list(grid)}, should be None or [] with output_mode {mode}"
        own = [name.lower() for name in self.indicators or ()]
        for field in ("unscaled", "known_ahead"):
            if others := [name for name in getattr(self, field) or () if name.lower() not in own]:
                yield f"{field}: found {', '.join(map(repr, others))}, should be among indicators"
        if self.initial_date and self.final_date:
            first, last = instant(self.initial_date, dt.time.min), instant(self.final_date, dt.time.max)
            if first > last:
                yield f"initial_date: found {self.initial_date}, is after final_date ({self.final_date})"
        if self.context_len is not None and not self.context_resolutions:
            yield f"context_len: found {self.context_len}, should be None without context_resolutions"
        shorter = {resolution: seconds(resolution) for resolution in self.resolutions}
        for longer in self.context_resolutions:
            if unfit := [r for r, step in shorter.items() if seconds(longer) <= step or seconds(longer) % step]:
                yield (
                    f"context_resolutions: found {longer!r} beside resolution {', '.join(unfit)}, should be a multiple "
                    "of it, and longer"
                )
