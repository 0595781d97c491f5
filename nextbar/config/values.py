"""Kinds of values that configuration fields hold, each with its check and its words for what is allowed."""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
import os
import re
import zoneinfo
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict

from nextbar.config.check import Unrepeated
from nextbar.config.choices import NORM_MODES, OUTPUT_MODES, OneOf
from nextbar.config.exchanges import calendar_problem
from nextbar.errors import ConfigError
from nextbar.resolution import seconds
from nextbar.storage.address import CredentialsGiven, address_of

# A fixed range, not one relative to today: what reads today reads the same tomorrow, and made-up series may
# run on into the future. It catches spreadsheets' day 0 (1899-12-30), year 1 and year 9999.
FIRST_YEAR, LAST_YEAR = 1900, 2199
_FIRST, _END = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (FIRST_YEAR, LAST_YEAR + 1))


def _path(value: Any) -> Any:
    """Text, with the user's home for ``~``: no shell has seen a value that stands in a file or after ``log_dir=``; an
    address of object storage as it is."""
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        return path
    try:
        impossible = b"\0" in os.fsencode(path)
    except UnicodeEncodeError:
        impossible = True
    if impossible:
        raise ValueError("should be a path that a folder can have, without NUL or half characters")
    try:
        return address_of(value) or os.path.expanduser(path)
    except CredentialsGiven as error:
        raise Unrepeated(error) from None
    except ConfigError as error:
        raise ValueError(str(error).partition(", ")[2]) from None


def _folder_name(value: str) -> str:
    if value in (".", "..") or value != value.strip() or not value.isprintable() or set(value) & set("/\\"):
        raise ValueError("should be a plain folder name without path separators (its place is log_dir)")
    return value


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"should be a list of names, such as [{value}]")
    if value == ():
        raise ValueError("should be a list with at least one name")
    return value


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for index, name in enumerate(value) if name in value[:index]]:
        raise ValueError(f"should name each only once; {twice[0]!r} is there twice")
    return value


def _none_if_empty(value: Any) -> Any:
    return None if value == () else value


def _resolution(value: Any) -> str | tuple[str, ...]:
    if value == ():
        raise ValueError("should be one resolution, or a list of at least one")
    try:
        for interval in value if isinstance(value, tuple) else (value,):
            seconds(interval)
    except ConfigError as error:
        raise ValueError(str(error).partition(", ")[2]) from None
    return _distinct(value) if isinstance(value, tuple) else value


def _lengths(value: Any) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise ValueError("should be a list of resolutions, such as [1d]; [] for none")
    _resolution(value or "1d")
    lengths = [seconds(interval) for interval in value]
    if twice := [interval for index, interval in enumerate(value) if lengths[index] in lengths[:index]]:
        raise ValueError(f"should name each length only once; that of {twice[0]!r} is there twice")
    return value


def _edge(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a number; the outermost may be -inf and inf")
    return value


def _ascending(value: tuple[float, ...]) -> tuple[float, ...]:
    if len(value) < 2:
        raise ValueError("should hold at least 2 bin edges, in percent")
    for low, high in itertools.pairwise(value):
        if not low < high:
            raise ValueError(f"should be ascending numbers; {low} stands before {high}")
    return value


def _iso(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, np.datetime64) else value


# Python also reads 2018-W01 and 20180101, and offsets in seconds, which bars do not, or take for a number.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ][\d:.]+(?:Z|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII)


def _date(value: str) -> str:
    allowed = ValueError("should be an ISO 8601 date, such as 2018-01-01 or 2018-01-01T12:00:00Z")
    if not _ISO.fullmatch(value):
        raise allowed
    try:
        moment = instant(value, dt.time.min)
    except ValueError:
        raise allowed from None
    if not _FIRST <= moment < _END:
        raise ValueError(f"should be within the years {FIRST_YEAR} to {LAST_YEAR} (UTC), or None for no limit")
    if moment.microsecond:
        raise ValueError("should be a whole second: bars open and close on one")
    return value


def _timezone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo("UTC" if value == "auto" else value)
        usable = value not in ("localtime", "Factory", "posixrules")  # what these are is the machine's affair
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        usable = False
    if not usable:
        names = sorted(zoneinfo.available_timezones() - {"localtime", "Factory", "posixrules"})
        cities = {name.rpartition("/")[2].lower(): name for name in ("auto", *names)}
        place = value.rpartition("/")[2].lower().replace(" ", "_")
        city = difflib.get_close_matches(place, cities, n=1, cutoff=0.75)
        hint = f"; did you mean {cities[city[0]]!r}?" if city else ""
        raise ValueError(f"should be auto, UTC, or a time zone's IANA name, such as 'America/New_York'{hint}")
    return value


def _calendar(value: str) -> str:
    if problem := calendar_problem(value):
        raise ValueError(problem)
    return value


def instant(text: str, time: dt.time) -> dt.datetime:
    """The instant an ISO date means: without a zone UTC, without a time of day at ``time``."""
    moment = dt.datetime.fromisoformat(text)
    if len(text) == len("2018-01-01"):
        moment = dt.datetime.combine(moment, time)
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC)


Int = Annotated[int, Strict()]
Count = Annotated[Int, Field(ge=1)]
Natural = Annotated[Int, Field(ge=0)]
Flag = Annotated[bool, Strict()]
Float = Annotated[float, Strict()]
Share = Annotated[Float, Field(gt=0, lt=1)]
Text = Annotated[str, Strict(), Field(min_length=1)]
FolderPath = Annotated[Text, BeforeValidator(_path)]
Names = Annotated[tuple[Text, ...], Strict(), BeforeValidator(_listed), AfterValidator(_distinct)]
Edge = Annotated[Float, Field(allow_inf_nan=True), BeforeValidator(_edge)]
Grid = Annotated[tuple[Edge, ...], Strict(), AfterValidator(_ascending)]
NoneIfEmpty = BeforeValidator(_none_if_empty)
Date = Annotated[Text, BeforeValidator(_iso), AfterValidator(_date)]
TimeZone = Annotated[Text, AfterValidator(_timezone)]
CalendarName = Annotated[Text, AfterValidator(_calendar)]
NormMode = Annotated[str, OneOf(NORM_MODES)]
OutputMode = Annotated[str, OneOf(OUTPUT_MODES)]
Resolutions = Annotated[str | tuple[str, ...], PlainValidator(_resolution)]
Lengths = Annotated[tuple[str, ...], PlainValidator(_lengths)]
FolderName = Annotated[Text, AfterValidator(_folder_name)]
Seed = Annotated[Int, Field(ge=0, lt=2**32)]
"""32 bits: JAX cuts longer seeds short, and two seeds would be one."""
