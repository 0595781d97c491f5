"""Recognises the layout of a table by its content, and renames its columns to nextbar's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nextbar.bars.columns import ALIASES, PRICES, doubled, plain
from nextbar.bars.date_columns import CLOCK, KEEP, clocked, dated, disagreement, further_dates, in_form, joined
from nextbar.bars.dates import read_dates
from nextbar.bars.layouts import LAYOUTS, UNNAMED, NamedLayout, UnnamedLayout
from nextbar.bars.table import Table
from nextbar.errors import ConfigError, DataError, listed, nearest

_STANDARD = frozenset({"date", *PRICES, "volume", "trades", "ticker"})


def recognised(table: Table, layout: str | None = None, date_format: str | None = None) -> Table:
    """The table under the names here, where it is laid out as one of the layouts; else as it stands.

    Args:
        table: as read; one without names has columns that are whole numbers.
        layout: the one that it has; None: by its content.
        date_format: form of its dates, as of strptime; None: as the layout has them.

    Raises:
        ConfigError: no such layout.
        DataError: no names, and none or several of the layouts fit; two columns of dates that disagree; or it is not
            laid out as ``layout``.
    """
    if layout is not None and layout not in (*LAYOUTS, *UNNAMED):
        raise ConfigError(f"format: found {layout!r}, no such layout{nearest(layout, (*LAYOUTS, *UNNAMED))}")
    if not len(table) or not table.frame.shape[1]:
        return table
    if all(isinstance(name, (int, np.integer)) for name in table.frame.columns):
        table = _named(table, layout, date_format)
    else:
        table = _renamed(table, layout)
    frame = table.frame
    if {"day", "clock"} & {*frame.columns} and table.layout:
        frame = joined(frame)
    forms = date_format or (LAYOUTS[table.layout].dates if table.layout in LAYOUTS else "")
    if forms:
        frame = dated(frame, forms)
    return replace(table, frame=frame)


def _named(table: Table, layout: str | None, date_format: str | None) -> Table:
    """A table without names under those of the one layout that its rows fit."""
    width = table.frame.shape[1]
    sizes = {
        name: _share(table.frame, form, date_format) for name, form in UNNAMED.items() if len(form.columns) == width
    }
    first = ", ".join(str(table.frame.iloc[0, at]) for at in range(min(width, 13)))[:100]
    if layout is not None:
        fitting = [layout] if layout in sizes else []
    else:
        best = max(sizes.values(), default=0.0)
        fitting = [name for name, share in sizes.items() if best > 0.9 and share >= (best if best == 1 else best - 0.3)]
    if len(fitting) != 1:
        opening = f"no header, and {width} columns (first row: {first})"
        layouts = ", ".join(f"{name} ({len(form.columns)})" for name, form in UNNAMED.items())
        if not fitting:
            what = f"without names {width} columns that hold a date and sound prices are read as: {layouts}"
        else:
            what = f"its rows fit {' and '.join(fitting)} alike; say which: nextbar data import --format {fitting[0]}"
        raise DataError(f"{table.source}: {opening}; {what}. Or add a first line of names: date,open,high,low,close")
    (name,) = fitting
    columns = UNNAMED[name].columns
    kept = [at for at, column in enumerate(columns) if column]
    frame = table.frame.iloc[:, kept].set_axis([columns[at] for at in kept], axis=1)
    note = f"; {UNNAMED[name].note}" if UNNAMED[name].note else ""
    notice = f"no names of columns: read as {name}: {', '.join(column or '(left out)' for column in columns)}{note}"
    return replace(table, frame=frame, layout=name, notices=(*table.notices, notice))


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


def _renamed(table: Table, layout: str | None) -> Table:
    """A table with names under those here, where it fits a layout."""
    names = [plain(name) for name in table.frame.columns]
    ours = {"close"} <= {*names} and bool({*ALIASES["date"]} & {*names})
    for name, form in LAYOUTS.items():
        if layout not in (None, name):
            continue
        places = _places(names, form)
        fits = places is not None and (form.preamble in table.preamble.lower() if form.preamble else True)
        if layout is None:
            special = bool(form.preamble) or (name == "day_and_clock" and clocked(table.frame, names))
            fits = fits and (special if ours or form.preamble or name == "day_and_clock" else True)
            fits = fits and (name != "pandas" or table.frame.iloc[:, 0].dtype.kind not in "iuf")
        if fits and places is not None:
            return _under(table, name, form, places)
    if layout is not None:
        needs = (
            [pattern for pattern in LAYOUTS[layout].columns if pattern not in LAYOUTS[layout].may_lack]
            if (layout in LAYOUTS)
            else ["no names"]
        )
        raise DataError(
            f"{table.source}: not laid out as {layout}, which has {listed(needs)}; the columns are {listed(names)}"
        )
    if not ours:
        return replace(table, hint=_hint(names))
    disagreements = [f"{notice}: the first of them is read" for notice in further_dates(table)]
    return replace(table, notices=(*table.notices, *disagreements)) if disagreements else table


def _places(names: Sequence[str], form: NamedLayout) -> dict[int, str] | None:
    """The name here of each column that a layout renames; None where it does not fit."""
    places: dict[int, str] = {}
    for pattern, standard in form.columns.items():
        at = next((i for i, name in enumerate(names) if i not in places and re.fullmatch(pattern, name)), None)
        if at is not None:
            places[at] = standard
        elif pattern not in form.may_lack:
            return None
    if form.preamble and "date" not in places.values():
        places = {at: ("date" if names[at] == "date" else standard) for at, standard in places.items()}
    got = {*places.values(), *(name for at, name in enumerate(names) if at not in places)}
    return places if "close" in got and {"date", "day"} & got else None


def _under(table: Table, name: str, form: NamedLayout, places: Mapping[int, str]) -> Table:
    """The table of a layout under the names here; a column whose name is taken keeps its own."""
    frame, names = table.frame, [plain(column) for column in table.frame.columns]
    taken = [other for at, other in enumerate(names) if at not in places]
    final = {at: places.get(at, str(frame.columns[at])) for at in range(len(names))}
    final = {at: str(frame.columns[at]) if standard in taken and at in places else standard
             for at, standard in final.items()}  # fmt: skip
    other = [at for at, standard in places.items() if not standard and names[at] == "date"]
    dates = [at for at, standard in places.items() if standard == "date"]
    if other and dates and (notice := disagreement(table, dates[0], other[0])):
        raise DataError(f"{table.source}: {notice}; {KEEP}")
    kept = [at for at, standard in final.items() if standard]
    notice = ", ".join(
        f"{frame.columns[at]} as {places[at]}" for at in places if places[at] not in ("", names[at].strip("<>"))
    )
    note = f"read as {name}{': ' if notice else ''}{notice}{f'; {form.note}' if form.note else ''}"
    frame = frame.iloc[:, kept].set_axis([final[at] for at in kept], axis=1)
    return replace(table, frame=frame, layout=name, notices=(*table.notices, note))


def single(table: Table, ticker: str | None = None) -> Table:
    """The table of one ticker, of one laid out elsewhere that says which row is whose; any other as it stands.

    A file with one ticker alone is that of its name, whatever the column calls it.

    Args:
        table: recognised.
        ticker: the one wanted; None: of several none is chosen.

    Raises:
        DataError: it has several tickers, and not that one; or two columns of tickers.
    """
    if not table.layout or "ticker" not in table.frame.columns:
        return table
    if [*table.frame.columns].count("ticker") > 1:
        raise DataError(f"{table.source}: {doubled('ticker')}")
    tickers = table.frame["ticker"].astype("str")
    existing = tickers.unique()
    if len(existing) > 1 and ticker is None:
        return table
    own_N = (tickers == ticker).to_numpy() if len(existing) > 1 else np.ones(len(table), bool)
    if not own_N.any():
        raise DataError(
            f"{table.source}: it has {listed(existing)}, none of them {ticker!r}; nextbar data import makes a file "
            "of each"
        )
    own = table.of_rows(own_N)
    return replace(own, frame=own.frame.drop(columns="ticker"))


def _hint(names: Sequence[str]) -> str:
    """The layout that most of a table's names are of, and what it would need."""

    def missing(form: NamedLayout) -> list[str]:
        return [p.split("|")[0] for p in form.columns if p not in form.may_lack and not any(
            re.fullmatch(p, name) for name in names)]  # fmt: skip

    counts = {name: sum(any(re.fullmatch(p, n) for p in form.columns if p) for n in names if n not in _STANDARD)
              for name, form in LAYOUTS.items()}  # fmt: skip
    best = max(counts, key=lambda name: counts[name])
    lacking = [name for name in missing(LAYOUTS[best]) if name]
    if not counts[best] or not lacking:
        return ""
    return f"; nearest is the layout {best}, which also has {listed(lacking)}"
