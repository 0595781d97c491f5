"""Tables without names of columns: the one layout that their rows fit, and its names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from nextbar.bars.columns import PRICES
from nextbar.bars.date_columns import CLOCK, in_form
from nextbar.bars.dates import read_dates
from nextbar.bars.layouts import UNNAMED, UnnamedLayout
from nextbar.bars.table import Table
from nextbar.errors import DataError


def named_by_rows(table: Table, layout: str | None, date_format: str | None) -> Table:
    """A table without names under those of the one layout that its rows fit.

    Args:
        table: as read.
        layout: the one that it has; None: by its rows.
        date_format: form of its dates, as of strptime; None: any that is read.

    Raises:
        DataError: none fits, or several do.
    """
    fitting = _fitting(table.frame, layout, date_format)
    if len(fitting) != 1:
        raise _undecided(table, fitting)
    (name,) = fitting
    columns = UNNAMED[name].columns
    kept = [at for at, column in enumerate(columns) if column]
    frame = table.frame.iloc[:, kept].set_axis([columns[at] for at in kept], axis=1)
    note = f"; {UNNAMED[name].note}" if UNNAMED[name].note else ""
    notice = f"no names of columns: read as {name}: {', '.join(column or '(left out)' for column in columns)}{note}"
    return replace(table, frame=frame, layout=name, notices=(*table.notices, notice))


def _fitting(frame: pd.DataFrame, layout: str | None, date_format: str | None) -> list[str]:
    """The layouts that a table may have: that which somebody says, where its width is right, else by their rows."""
    width = frame.shape[1]
    shares = {name: _share(frame, form, date_format) for name, form in UNNAMED.items() if len(form.columns) == width}
    if layout is not None:
        return [layout] if layout in shares else []
    best = max(shares.values(), default=0.0)
    if best <= 0.9:
        return []
    least = best if best == 1 else best - 0.3
    return [name for name, share in shares.items() if share >= least]


def _undecided(table: Table, fitting: list[str]) -> DataError:
    """The error that no layout fits a table, or several do."""
    width = table.frame.shape[1]
    first = ", ".join(str(table.frame.iloc[0, at]) for at in range(min(width, 13)))[:100]
    if fitting:
        what = f"its rows fit {' and '.join(fitting)} alike; say which: nextbar data import --format {fitting[0]}"
    else:
        layouts = ", ".join(f"{name} ({len(form.columns)})" for name, form in UNNAMED.items())
        what = f"without names {width} columns that hold a date and sound prices are read as: {layouts}"
    return DataError(
        f"{table.source}: no header, and {width} columns (first row: {first}); {what}. Or add a first line of names: "
        "date,open,high,low,close"
    )


def _share(frame: pd.DataFrame, form: UnnamedLayout, date_format: str | None) -> float:
    """Share of the rows that make sense as bars of a layout without names: 0 where dates are none."""
    at = {name: place for place, name in enumerate(form.columns)}
    values = {name: pd.to_numeric(frame.iloc[:, at[name]], errors="coerce").to_numpy(float) for name in PRICES}
    sound_N = (values["high"] >= np.maximum(values["open"], values["close"])) & (values["low"] > 0)
    sound_N &= values["low"] <= np.minimum(values["open"], values["close"])
    if "clock" in at:
        dated_N = frame.iloc[:, at["clock"]].astype("str").str.fullmatch(CLOCK).to_numpy(bool)
    elif date_format is not None:
        dated_N = in_form(frame.iloc[:, at["date"]].astype("str"), date_format).notna().to_numpy()
    else:
        dates = read_dates(frame.iloc[:, at["date"]].reset_index(drop=True))
        dated_N = dates.good_N & (dates.seconds_N > 0)
    if "trades" in at:
        trades_N = pd.to_numeric(frame.iloc[:, at["trades"]], errors="coerce").to_numpy(float)
        sound_N &= trades_N % 1 == 0
    return float((sound_N & dated_N).mean())
