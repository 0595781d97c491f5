"""Recognises the layout of a table by its content, and renames its columns to nextbar's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nextbar.bars.columns import ALIASES, PRICES, doubled, plain
from nextbar.bars.date_columns import KEEP, clocked, dated, disagreement, further_dates, joined
from nextbar.bars.date_forms import with_dates
from nextbar.bars.layouts import LAYOUTS, UNNAMED, NamedLayout
from nextbar.bars.number_forms import as_numbers
from nextbar.bars.table import Table
from nextbar.bars.unnamed import named_by_rows
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
        table = named_by_rows(table, layout, date_format)
    else:
        table = _renamed(table, layout)
    frame = table.frame
    if {"day", "clock"} & {*frame.columns} and table.layout:
        frame = joined(frame)
    forms = date_format or (LAYOUTS[table.layout].dates if table.layout in LAYOUTS else "")
    if forms:
        frame = dated(frame, forms)
    return written_as_usual(replace(table, frame=frame))


def written_as_usual(table: Table, time_col: str | None = None) -> Table:
    """The table with dates and numbers of other forms as datetimes and numbers, where its content leaves one form.

    Args:
        table: under the names here.
        time_col: name of the column of dates; None: any of those that a date may have.

    Raises:
        DataError: its content leaves several forms.
    """
    table = with_dates(table, time_col)
    if table.is_text:  # its numbers were read with its lines
        return table
    frame, phrases = as_numbers(table.frame, table.source)
    return replace(table, frame=frame, assumed=(*table.assumed, *phrases))


def _renamed(table: Table, layout: str | None) -> Table:
    """A table with names under those here, where it fits a layout."""
    names = [plain(name) for name in table.frame.columns]
    if layout is not None:
        return _as_asked(table, layout, names)
    ours = "close" in names and not {*ALIASES["date"]}.isdisjoint(names)
    for name, form in LAYOUTS.items():
        places = _places(names, form, table.preamble)
        if places is not None and _shows(table, name, form, names, ours):
            return _under(table, name, form, places)
    if not ours:
        return replace(table, hint=_hint(names))
    disagreements = [f"{notice}: the first of them is read" for notice in further_dates(table)]
    return replace(table, notices=(*table.notices, *disagreements)) if disagreements else table


def _as_asked(table: Table, layout: str, names: Sequence[str]) -> Table:
    """A table with names under those here, by the layout that somebody says it has.

    Raises:
        DataError: it has not.
    """
    form = LAYOUTS.get(layout)
    if form is None:
        needed = ["no names"]
    else:
        places = _places(names, form, table.preamble)
        if places is not None:
            return _under(table, layout, form, places)
        needed = [pattern for pattern in form.columns if pattern not in form.may_lack]
    raise DataError(
        f"{table.source}: not laid out as {layout}, which has {listed(needed)}; the columns are {listed(names)}"
    )


def _shows(table: Table, name: str, form: NamedLayout, names: Sequence[str], ours: bool) -> bool:
    """Whether a table whose names fit a layout shows that it has it, though nobody says so.

    Args:
        table: as read.
        name: of the layout.
        form: the layout.
        names: of the table's columns.
        ours: whether these are names here, so that it can be read as it stands.
    """
    if name == "day_and_clock":
        return clocked(table.frame, names)
    if name == "pandas" and table.frame.iloc[:, 0].dtype.kind in "iuf":  # it counts the rows
        return False
    return bool(form.preamble) or not ours


def _places(names: Sequence[str], form: NamedLayout, preamble: str) -> dict[int, str] | None:
    """The name here of each column that a layout renames; None where it does not fit the names and what is before."""
    if form.preamble not in preamble.lower():
        return None
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
    final: list[str] = []
    for at, column in enumerate(frame.columns):
        standard = places.get(at)
        final.append(str(column) if standard is None or standard in taken else standard)
    other = [at for at, standard in places.items() if not standard and names[at] == "date"]
    dates = [at for at, standard in places.items() if standard == "date"]
    if other and dates and (notice := disagreement(table, dates[0], other[0])):
        raise DataError(f"{table.source}: {notice}; {KEEP}")
    kept = [at for at, final_name in enumerate(final) if final_name]
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
