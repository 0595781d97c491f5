"""Files of bars as they come: each a mutilation of one sound table, with what should become of it.

``read``: the bars are those of the sound table, or of ``truth``. ``refused``: one message with the words told.
``suspicious``: they are read as they stand, and a notice has the words told.
"""

from __future__ import annotations

import bz2
import datetime as dt
import decimal
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

N, STEP = 400, 3600
START = 1_600_000_000 // 86_400 * 86_400
PRICES = ["open", "high", "low", "close"]


def sound() -> pd.DataFrame:
    """Sound hourly bars: ``time`` in seconds UTC, prices with two digits that no two bars share, volume above zero."""
    rng = np.random.default_rng(11)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, N))), 2)
    start = np.round(np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0, 0.0005, N)), 2)
    high = np.round(np.maximum(start, close) + rng.uniform(0.01, 1, N), 2)
    low = np.round(np.minimum(start, close) - rng.uniform(0.01, 1, N), 2)
    columns = {"open": start, "high": high, "low": low, "close": close, "volume": rng.integers(1000, 9_999_999, N)}
    return pd.DataFrame({"time": START + STEP * np.arange(N), **columns})


SOUND = sound()
STAMPS = pd.to_datetime(SOUND.time, unit="s", utc=True)
ISO = STAMPS.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Case:
    """A file and what should become of it; ``truth`` where it is not ``SOUND``."""

    name: str
    content: bytes
    extension: str
    becomes: Literal["read", "refused", "suspicious"]
    told: tuple[str, ...] = ()
    truth: pd.DataFrame | None = field(default=None)


def table(date: Any = ISO, **columns: Any) -> pd.DataFrame:
    """The sound table under standard names, some columns replaced."""
    frame = SOUND.drop(columns="time").assign(**columns)
    frame.insert(0, "date", list(date))
    return frame


def csv(frame: pd.DataFrame | None = None, **options: Any) -> bytes:
    return (table() if frame is None else frame).to_csv(index=False, **options).encode()


def parquet(frame: pd.DataFrame | pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame), buffer, **options)
    return buffer.getvalue()


def put(frame: pd.DataFrame, column: str, row: int, value: Any) -> pd.DataFrame:
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    return frame


def scaled(rows: slice, factor: float, columns: list[str] = PRICES) -> pd.DataFrame:
    """The sound table with some rows times a factor, as truth: with ``time``."""
    frame = SOUND.astype({name: float for name in columns})
    frame.loc[rows, columns] *= factor
    return frame


def as_file(truth: pd.DataFrame) -> bytes:
    dates = pd.to_datetime(truth.time, unit="s", utc=True).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return csv(truth.drop(columns="time").assign(date=dates))


def read(name: str, content: bytes, extension: str = "csv", truth: pd.DataFrame | None = None) -> Case:
    return Case(name, content, extension, "read", (), truth)


def refused(name: str, content: bytes, *told: str, extension: str = "csv") -> Case:
    return Case(name, content, extension, "refused", told)


def suspicious(name: str, truth: pd.DataFrame, *told: str, content: bytes | None = None) -> Case:
    return Case(name, as_file(truth) if content is None else content, "csv", "suspicious", told, truth)


TEXT = csv().decode()


def encodings() -> Iterator[Case]:
    for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield read(name, TEXT.encode(name))
    for name in ("cp500", "cp037"):
        yield refused(name, TEXT.encode(name))
    for name in (
        "latin-1",
        "cp1252",
        "mac-roman",
        "cp1251",
        "koi8-r",
        "shift-jis",
        "gbk",
        "big5",
        "euc-kr",
        "iso8859-15",
    ):
        letters = {"cp1251": "о", "koi8-r": "о", "shift-jis": "価", "gbk": "价", "big5": "價", "euc-kr": "가"}.get(
            name, "é"
        )
        yield refused(
            f"{name} letters",
            TEXT.replace("volume", f"volume,not{letters}").replace("\n2", ",\n2").encode(name),
            "save the file as UTF-8",
        )
    yield read("a column of letters", csv(table(**{"価é": ["ü"] * N})))
    yield refused("BOM twice", b"\xef\xbb\xbf\xef\xbb\xbf" + TEXT.encode(), "no column 'date'")
    yield refused("BOM of UTF-16 before UTF-8", b"\xff\xfe" + TEXT.encode(), "UTF-8")
    yield refused("a NUL in the middle", TEXT.encode()[:5000] + b"\0" + TEXT.encode()[5000:], "byte 5000")
    yield refused("half a character at the end", TEXT.encode() + b"\xe2\x82", "UTF-8")
    yield refused("overlong characters", TEXT.encode() + b"\xc0\xaf", "UTF-8")
    yield refused("halves of characters", TEXT.encode() + "\ud83d".encode("utf-8", "surrogatepass"), "UTF-8")


def line_ends() -> Iterator[Case]:
    yield read("CRLF", TEXT.replace("\n", "\r\n").encode())
    yield read("CR", TEXT.replace("\n", "\r").encode())
    yield read(
        "CR and LF in turn",
        "".join(line + ("\r\n" if i % 2 else "\n") for i, line in enumerate(TEXT.split("\n")[:-1])).encode(),
    )
    yield read("no line break at the end", TEXT.rstrip("\n").encode())
    yield read("blank lines before, between and after", ("\n\n" + TEXT.replace("\n", "\n\n") + "\n\n").encode())
    yield read("blanks at the ends of lines", TEXT.replace("\n", " \n").replace("volume \n", "volume\n").encode())
    yield refused("a line cut off at the end", TEXT[:-30].encode(), "line 401")
    yield refused("a form feed at the end", (TEXT + "\x0c").encode(), "line 402")
    yield refused("the mark of the end of a DOS file", (TEXT + "\x1a").encode(), "line 402")


def separators() -> Iterator[Case]:
    for separator, word in {";": "a semicolon", "\t": "a tab", "|": "a bar"}.items():
        yield read(f"separated by {word}", csv(sep=separator))
    yield refused("separated by a space", csv(sep=" "), "a space", "save the file with commas")
    for separator in (":", "\x1f", "~", "^", "@"):
        yield refused(f"separated by {separator!r}", csv(sep=separator))
    yield read("all fields quoted", csv(quoting=1))
    yield read("text quoted", csv(quoting=2))
    yield refused("single quotes", csv(quoting=1, quotechar="'"))
    yield refused("a quote that does not end", (TEXT[:3000] + '"' + TEXT[3000:]).encode())
    yield read("a comma at the end of each line", TEXT.replace("\n2", ",\n2").encode())
    yield refused("an extra comma in one line", TEXT.replace("\n2020-09-20T00", ",9\n2020-09-20T00").encode())
    yield refused(
        "a comma too few in one line",
        (TEXT.replace(TEXT.split("\n")[50], TEXT.split("\n")[50].replace(",", "", 1))).encode(),
        "line 51",
    )
    yield read("a line of commas", (TEXT + ",,,,,\n").encode())
    yield read("a total at the end", (TEXT + "Total,1,2,0.5,1,9\n").encode())
    yield refused("a bar without a date at the end", (TEXT + "never,1,2,0.5,1,9\n").encode(), "'never' is not a date")
    yield refused("the header repeated", (TEXT + TEXT.split("\n")[0] + "\n").encode(), "line 402")
    yield refused("two files one after the other", (TEXT + TEXT).encode(), "line 402")
    yield refused("a comment first", ("# from somewhere\n" + TEXT).encode())
    yield refused("the name of the separator first", ("sep=,\n" + TEXT).encode())


def locales() -> Iterator[Case]:
    yield read("decimal commas", csv(decimal=","))
    yield refused("decimal commas, not quoted", csv(decimal=",").replace(b'"', b""))
    yield read("decimal commas, semicolons", csv(decimal=",", sep=";"))
    yield read("decimal commas, tabs", csv(decimal=",", sep="\t"))
    thousands = table(**{name: [f"{value:,}" for value in 1000 * SOUND[name]] for name in PRICES})
    truth = scaled(slice(None), 1000)
    yield read("commas between thousands, semicolons", csv(thousands, sep=";"), truth=truth)
    three = table(**{name: [f"{value:.3f}".replace(".", ",") for value in SOUND[name]] for name in PRICES})
    yield refused("three decimals after commas, semicolons", csv(three, sep=";"), "--decimal")
    for mark, name in (
        (",", "commas"),
        (".", "points"),
        ("'", "apostrophes"),
        (" ", "blanks"),
        ("\u00a0", "fixed blanks"),
        ("\u202f", "thin blanks"),
        ("_", "underscores"),
    ):
        swapped = str.maketrans(",.", ".,") if mark == "." else str.maketrans(",", mark)
        thousands = {name: [f"{10 * value:,.2f}".translate(swapped) for value in SOUND[name]] for name in PRICES}
        if mark == "_":
            yield refused(f"thousands with {name}", csv(table(**thousands)), "is not a finite number")
        else:
            yield read(f"thousands with {name}", csv(table(**thousands)), truth=scaled(slice(None), 10).round(2))
    for name, form in {"dollars": "$%.2f", "euros": "%.2f €", "letters": "%.2f USD"}.items():
        yield read(name, csv(table(close=[form % value for value in SOUND.close])))
    for name, form in {"percent": "%.2f%%", "brackets": "(%.2f)", "k": "%.2fk"}.items():
        yield refused(name, csv(table(close=[form % value for value in SOUND.close])), "close")
    yield read("plus signs", csv(table(close=[f"+{value}" for value in SOUND.close])))
    yield read("exponents", csv(table(close=[f"{value:.15e}" for value in SOUND.close])))
    yield read("exponents in capitals", csv(table(close=[f"{value:.15E}" for value in SOUND.close])))
    yield read("zeros in front", csv(table(close=[f"000{value}" for value in SOUND.close])))
    yield read("blanks around", csv(table(close=[f"  {value} " for value in SOUND.close])))
    yield read("many digits", csv(table(close=[f"{value:.40f}" for value in SOUND.close])))
    yield refused("hexadecimal", csv(table(close=[value.hex() for value in SOUND.close])), "is not a finite number")
    for word in (
        "n/a",
        "-",
        "null",
        "None",
        "#N/A",
        "#DIV/0!",
        "missing",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "True",
        "1e999",
        "1e-400",
        "0",
        "-1",
        "",
    ):
        yield refused(f"{word!r} in a price", csv(put(table(), "close", 100, word)), "line 102: close")
    yield read(
        "'1,000' in the volume", csv(put(table(), "volume", 100, "1,000")), truth=put(SOUND, "volume", 100, 1000)
    )
    for word in ("missing", "inf", "-1", "1e31", "True"):
        yield refused(f"{word!r} in the volume", csv(put(table(), "volume", 100, word)), "line 102: volume")


def dates() -> Iterator[Case]:
    spellings = {
        "with a blank": "%Y-%m-%d %H:%M:%S",
        "no seconds": "%Y-%m-%d %H:%M",
        "compact": "%Y%m%dT%H%M%SZ",
        "UTC": "%Y-%m-%d %H:%M:%S UTC",
        "GMT": "%Y-%m-%d %H:%M:%S GMT",
        "fractions": "%Y-%m-%dT%H:%M:%S.000000Z",
        "+00:00": "%Y-%m-%dT%H:%M:%S+00:00",
        "-00:00": "%Y-%m-%dT%H:%M:%S-00:00",
    }
    for name, form in spellings.items():
        yield read(f"dates {name}", csv(table(STAMPS.dt.strftime(form))))
    for name, form in {
        "American": "%m/%d/%Y %H:%M:%S",
        "German": "%d.%m.%Y %H:%M:%S",
        "British": "%d/%m/%Y %H:%M",
        "words": "%d %b %Y %H:%M",
        "slashes": "%Y/%m/%d %H:%M:%S",
        "12 hours": "%Y-%m-%d %I:%M:%S %p",
        "as digits": "%Y%m%d%H%M",
        "as digits with seconds": "%Y%m%d%H%M%S",
        "as digits with a blank": "%Y%m%d %H%M%S",
    }.items():
        yield read(f"dates {name}", csv(table(STAMPS.dt.strftime(form))))
    for name, form in {
        "long": "%A, %d %B %Y %H:%M:%S",
        "two digits": "%y-%m-%d %H:%M",
        "EST": "%Y-%m-%d %H:%M:%S EST",
        "weeks": "%G-W%V-%uT%H:%M:%SZ",
        "a zone's name": "%Y-%m-%d %H:%M:%S Europe/Berlin",
        "times alone": "%H:%M:%S",
        "months": "%Y-%m",
    }.items():
        yield refused(f"dates {name}", csv(table(STAMPS.dt.strftime(form))), "date")
    for zone in (
        "America/New_York",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Chatham",
        "Asia/Tokyo",
    ):
        local = STAMPS.dt.tz_convert(zone)
        yield read(f"local time with offset, {zone}", csv(table([stamp.isoformat() for stamp in local])))
    autumn = pd.date_range("2020-10-24", periods=N, freq="h", tz="UTC")
    truth = SOUND.assign(time=autumn.as_unit("s").asi8)
    local = autumn.tz_convert("Europe/Berlin")
    yield read("the clock goes back, with offset", csv(table([stamp.isoformat() for stamp in local])), truth=truth)
    yield refused(
        "the clock goes back, without offset", csv(table(local.strftime("%Y-%m-%dT%H:%M:%S"))), "is there already"
    )
    yield refused(
        "some rows with a zone",
        csv(table([text if i % 3 else text[:-1] for i, text in enumerate(ISO)])),
        "give one to all rows or to none",
    )
    yield refused("31 February", csv(put(table(), "date", 24, "2020-02-31T00:00:00Z")), "line 26: date")
    for word in (
        "",
        "0000-00-00",
        "2020-13-01",
        "now",
        "NaT",
        "1899-12-30",
        "2200-01-01T00:00:00Z",
        "2020-09-13T25:00:00Z",
        "2020-09-13T00:00:00.5Z",
        "2020-09-13T00:00:00+99:00",
    ):
        yield refused(f"{word!r} as a date", csv(put(table(), "date", 24, word)), "line 26: date")
    seconds = SOUND.time.to_numpy()
    for name, values in {
        "seconds": seconds,
        "milliseconds": seconds * 10**3,
        "microseconds": seconds * 10**6,
        "nanoseconds": seconds * 10**9,
        "seconds and .0": seconds.astype(float),
    }.items():
        yield read(f"epoch {name}", csv(table(values)))
        yield read(f"epoch {name}, quoted", csv(table([f" {value}" for value in values])))
    for name, values in {
        "minutes": seconds // 60,
        "hours": seconds // 3600,
        "Excel days": seconds / 86400 + 25569,
        "Julian days": seconds / 86400 + 2440587.5,
        "Windows ticks": (seconds + 11644473600) * 10**7,
        ".NET ticks": (seconds + 62135596800) * 10**7,
        "fractions": seconds + 0.5,
    }.items():
        yield refused(f"epoch {name}", csv(table(values)))
    for rows in (slice(0, 1), slice(-1, None), slice(50, 60), slice(0, 150), slice(250, None), slice(None, None, 3)):
        for name, factor in {
            "milliseconds among seconds": 10**3,
            "microseconds among seconds": 10**6,
            "nanoseconds among seconds": 10**9,
        }.items():
            mixed = seconds.copy()
            mixed[rows] *= factor
            yield refused(f"epoch {name}, {rows}", csv(table(mixed)), "date")
    mixed = seconds * 10**3
    mixed[50:60] //= 10**3
    yield refused("epoch seconds among milliseconds", csv(table(mixed)), "line 52: date", "another unit")
    yield refused(
        "epoch and ISO",
        csv(table([text if i % 3 else str(1_600_000_000 + i) for i, text in enumerate(ISO)])),
        "is not a date",
    )
    yield suspicious("dates in the future", SOUND.assign(time=SOUND.time + 60 * 365 * 86_400), "in the future")
    one = SOUND.assign(time=np.where(np.arange(N) == N - 1, SOUND.time + 3600 * 24 * 365 * 60, SOUND.time))
    yield suspicious("a date in the future", one, "in the future")


def rows() -> Iterator[Case]:
    yield read("backwards", csv(table().iloc[::-1]))
    yield read("shuffled", csv(table().sample(frac=1, random_state=1)))
    yield refused("every row twice", csv(table().loc[np.repeat(np.arange(N), 2)]), "and 390 more")
    yield refused("a block twice", csv(pd.concat([table(), table().iloc[50:90]])), "line 402", "already in line 52")
    yield refused(
        "a row twice with other prices",
        csv(pd.concat([table(), put(table(), "close", 50, SOUND.close[50] + 0.001).iloc[50:51]])),
        "already in line 52",
    )
    yield read("holes", csv(table().drop(index=range(100, 140))), truth=SOUND.drop(index=range(100, 140)))
    yield refused(
        "other minutes in between", csv(put(table(), "date", 100, "2020-09-17T03:30:00Z")), "two bars in one slot"
    )
    yield refused(
        "daily bars among hourly ones",
        csv(table(pd.date_range("2019-01-01", periods=N).strftime("%Y-%m-%d"))),
        "mostly 1d apart",
    )
    yield refused("minutes", csv(table(START + 60 * np.arange(N))), "mostly 1m apart")
    yield refused("header alone", TEXT.split("\n")[0].encode() + b"\n", "no rows")
    yield read("no header", TEXT.split("\n", 1)[1].encode())
    yield refused("one line", TEXT.replace("\n", ",").encode())


def columns() -> Iterator[Case]:
    yield refused("high and low swapped", csv(table().rename(columns={"high": "low", "low": "high"})), "is below")
    yield refused(
        "close and volume swapped", csv(table().rename(columns={"close": "volume", "volume": "close"})), "is below"
    )
    yield refused("date and close swapped", csv(table().rename(columns={"date": "close", "close": "date"})))
    yield refused("open and high swapped", csv(table().rename(columns={"open": "high", "high": "open"})), "is below")
    swapped = SOUND.rename(columns={"open": "close", "close": "open"})
    yield suspicious("open and close swapped", swapped, "are the two swapped")
    yield read("other order", csv(table()[["volume", "close", "date", "low", "high", "open"]]))
    yield read("capitals", csv(table().rename(columns=str.upper)))
    yield read("blanks in names", csv(table().rename(columns=lambda name: f" {name} ")))
    yield read("an index", table().to_csv().encode())
    yield read("further columns", csv(table(note="x", vwap=1.5)))
    yield read("as some programs write names", csv(table().rename(columns={"date": "timestamp"})))
    yield refused("a name twice", csv(table()).replace(b"volume", b"close"), "two columns are called 'close'")
    yield refused(
        "names with angle brackets", csv(table().rename(columns=lambda name: f"<{name.upper()}>")), "no column 'date'"
    )
    yield refused(
        "names in another language",
        csv(table().rename(columns={"open": "Eröffnung", "close": "Schluss"})),
        "no column 'open', 'close'",
    )
    for name in ("date", *PRICES):
        yield refused(f"no {name}", csv(table().drop(columns=name)), f"no column '{name}'")
        yield refused(
            f"{name} empty", csv(table(**{name: ""}) if name != "date" else table([""] * N)), f"{name} is empty"
        )
    yield refused("a thousand names alone", ",".join(f"c{i}" for i in range(1000)).encode(), "no rows")


def prices() -> Iterator[Case]:
    for factor in (10, 100, 1000, 0.01, 0.1, 0.25, 0.5, 4, 2):
        yield suspicious(
            f"times {factor} from a row on", scaled(slice(200, None), factor), "the close leaps and stays", "once"
        )
    yield suspicious(
        "another unit for a while", scaled(slice(200, 300), 100), "2 times the close leaps and stays", "times 100"
    )
    for factor in (10, 1.5, 0.5, 0.01):
        yield suspicious(f"a spike times {factor}", scaled(slice(200, 200), factor), "the close leaps and is back")
    frozen = SOUND.copy()
    frozen.loc[200:240, PRICES] = frozen.loc[199, PRICES].to_numpy()
    yield suspicious("frozen prices", frozen, "prices stand still for 42 bars")
    flat = SOUND.copy()
    for name in PRICES:
        flat.loc[200:240, name] = float(flat.close[199])
    yield suspicious("frozen at the close", flat, "prices stand still for 41 bars")
    repeated = SOUND.astype({name: float for name in PRICES})
    repeated.loc[250:299, PRICES] = repeated.loc[100:149, PRICES].to_numpy()
    yield suspicious("a block repeated at other dates", repeated, "the 50 bars from", "hold the prices of those from")
    yield suspicious(
        "volume zero for a while",
        SOUND.assign(volume=SOUND.volume.where(~SOUND.index.isin(range(200, 240)), 0)),
        "volume is 0 in 40 bars",
    )
    yield suspicious("volume zero", SOUND.assign(volume=0), "volume is 0 in all bars")
    yield read(
        "volume with fractions", csv(table(volume=SOUND.volume / 7)), truth=SOUND.assign(volume=SOUND.volume / 7)
    )
    yield refused(
        "prices in scientific units", csv(table(**{name: SOUND[name] * 1e30 for name in PRICES})), "use another unit"
    )
    yield refused(
        "changes instead of prices", csv(table(**{name: SOUND[name].diff() for name in PRICES})), "is not above 0"
    )


def packed() -> Iterator[Case]:
    zipped = gzip.compress(csv(), mtime=0)
    yield read("gzip", zipped, "csv.gz")
    yield read(
        "gzip in two parts", gzip.compress(csv()[:5000], mtime=0) + gzip.compress(csv()[5000:], mtime=0), "csv.gz"
    )
    yield refused("gzip called csv", zipped, "call it .csv.gz")
    yield refused("csv called gzip", csv(), "not a sound gzip file", extension="csv.gz")
    yield refused("gzip of gzip", gzip.compress(zipped, mtime=0), "a gzip file inside a gzip file", extension="csv.gz")
    for cut in (1, 5, 12, 100, len(zipped) // 2, len(zipped) - 9, len(zipped) - 1):
        yield refused(f"gzip cut at {cut}", zipped[:cut], "fetch it again", extension="csv.gz")
    for at in (0, 2, 3, 300, len(zipped) - 6, len(zipped) - 1):
        damaged = bytearray(zipped)
        damaged[at] ^= 0xFF
        yield refused(f"gzip damaged at {at}", bytes(damaged), extension="csv.gz")
    yield refused("gzip and garbage after it", zipped + b"garbage", "not a sound gzip file", extension="csv.gz")
    yield read("gzip and zeros after it", zipped + b"\0" * 100, "csv.gz")
    yield refused(
        "a gzip bomb",
        gzip.compress(b"0" * 10_000_001, mtime=0),
        "unpack into more than 10,000,000 bytes",
        extension="csv.gz",
    )
    yield refused("gzip of nothing", gzip.compress(b"", mtime=0), "empty", extension="csv.gz")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("abc_1h.csv", csv())
    others = {
        "zip": buffer.getvalue(),
        "bz2": bz2.compress(csv()),
        "xz": lzma.compress(csv()),
        "Parquet": parquet(table()),
    }
    for extension in ("csv", "csv.gz", "json", "parquet"):
        for name, content in others.items():
            if name.lower() != extension:
                yield refused(f"{name} called {extension}", content, extension=extension)
        yield refused(f"empty {extension}", b"", "the file is empty", extension=extension)
        yield refused(f"blanks called {extension}", b" \n\t\n", "the file is empty", extension=extension)
        yield refused(f"random bytes called {extension}", np.random.default_rng(1).bytes(5000), extension=extension)
        yield refused(f"zeros called {extension}", b"\0" * 5000, extension=extension)
        yield refused(
            f"a page called {extension}", b"<!doctype html><html><body>404</body></html>", extension=extension
        )


def parquets() -> Iterator[Case]:
    arrow = pa.Table.from_pandas(table()).replace_schema_metadata()  # pandas would cast by its notes
    seconds = pa.array(SOUND.time.to_numpy())

    def dated(column: pa.Array | pa.ChunkedArray) -> bytes:
        return parquet(arrow.set_column(0, "date", column))

    def closed(column: pa.Array) -> bytes:
        return parquet(arrow.set_column(4, "close", column))

    yield read("Parquet", parquet(arrow), "parquet")
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "America/New_York", "+05:30"):
            stamps = seconds.cast(pa.timestamp("s")).cast(pa.timestamp(unit, zone))
            yield read(f"Parquet timestamps in {unit}, zone {zone}", dated(stamps), "parquet")
        yield refused(
            f"Parquet durations in {unit}",
            dated(seconds.cast(pa.duration("s")).cast(pa.duration(unit))),
            "is a duration, not a date",
            extension="parquet",
        )
        yield refused(
            f"Parquet durations in {unit} as closes",
            closed(pa.array(range(N), pa.duration(unit))),
            "close",
            extension="parquet",
        )
    yield refused(
        "Parquet timestamps with fractions",
        dated(pa.array(SOUND.time.to_numpy() * 1000 + 1).cast(pa.timestamp("ms"))),
        "fraction of a second",
        extension="parquet",
    )
    yield read("Parquet dates as numbers", dated(seconds), "parquet")
    yield read("Parquet dates as text", dated(pa.array(list(ISO), pa.large_string())), "parquet")
    yield read("Parquet dates as a dictionary", dated(pa.array(list(ISO)).dictionary_encode()), "parquet")
    yield read("Parquet dates as decimals", dated(pa.array([decimal.Decimal(int(t)) for t in SOUND.time])), "parquet")
    yield refused("Parquet days", dated(pa.array([dt.date(2020, 9, 13)] * N)), "date", extension="parquet")
    yield refused(
        "Parquet times of day",
        dated(pa.array([dt.time(i % 24) for i in range(N)])),
        "is not a date",
        extension="parquet",
    )
    yield read("Parquet bytes as dates", dated(pa.array([text.encode() for text in ISO])), "parquet")
    yield refused("Parquet lists as dates", dated(pa.array([[text] for text in ISO])), "date", extension="parquet")
    yield refused("Parquet flags as dates", dated(pa.array([True] * N)), "date", extension="parquet")
    yield refused("Parquet nulls as dates", dated(pa.nulls(N)), "date is empty", extension="parquet")
    close = SOUND.close.to_numpy()
    good: dict[str, pa.Array] = {
        "decimals": pa.array([decimal.Decimal(str(value)) for value in close]),
        "decimals of 256 bits": pa.array([decimal.Decimal(str(value)) for value in close], pa.decimal256(60, 2)),
        "text": pa.array([str(value) for value in close]),
        "bytes": pa.array([str(value).encode() for value in close]),
        "a dictionary of text": pa.array([str(value) for value in close]).dictionary_encode(),
        "a dictionary of numbers": pa.array(close).dictionary_encode(),
    }
    for name, column in good.items():
        yield read(f"Parquet closes as {name}", closed(column), "parquet")
    bad: dict[str, pa.Array] = {
        "lists": pa.array([[value] for value in close]),
        "lists of a fixed size": pa.array([[value] for value in close], pa.list_(pa.float64(), 1)),
        "structures": pa.array([{"a": value} for value in close]),
        "maps": pa.array([[("a", value)] for value in close], pa.map_(pa.string(), pa.float64())),
        "flags": pa.array([True] * N),
        "nulls": pa.nulls(N),
        "timestamps": pa.array(range(N), pa.timestamp("ns")),
        "dates": pa.array([dt.date(2020, 1, 1)] * N),
        "times of day": pa.array([dt.time(1)] * N),
    }
    for name, column in bad.items():
        yield refused(f"Parquet closes as {name}", closed(column), "close", extension="parquet")
    half = SOUND.assign(**{name: SOUND[name].astype(np.float32).astype(float) for name in PRICES})
    yield read(
        "Parquet in float32",
        parquet(table(**{name: SOUND[name].astype(np.float32) for name in PRICES})),
        "parquet",
        half,
    )
    yield read(
        "Parquet with an index of dates",
        parquet(table().drop(columns="date").set_index(pd.DatetimeIndex(STAMPS))),
        "parquet",
    )
    yield read("Parquet in row groups", parquet(arrow, row_group_size=7), "parquet")
    for compression in ("gzip", "zstd", "lz4", "brotli", "none"):
        yield read(f"Parquet, {compression}", parquet(arrow, compression=compression), "parquet")
    yield refused("Parquet without rows", parquet(arrow.slice(0, 0)), "no rows", extension="parquet")
    yield refused("Parquet without columns", parquet(pa.table({})), extension="parquet")
    yield refused(
        "a Parquet bomb",
        parquet(pa.table({"date": pa.repeat(0, 5_000_000)})),
        "unpack into more than",
        extension="parquet",
    )
    content = parquet(arrow)
    for cut in (4, 100, len(content) // 2, len(content) - 4):
        yield refused(f"Parquet cut at {cut}", content[:cut], "not a sound Parquet file", extension="parquet")
    noted = pa.Table.from_pandas(table())
    for name, notes in {"damaged": b'{"columns": [{}]}', "no": b"no JSON"}.items():
        yield refused(
            f"Parquet with {name} notes of pandas", parquet(noted.replace_schema_metadata({b"pandas": notes})),
            extension="parquet",
        )  # fmt: skip


def jsons() -> Iterator[Case]:
    records = table().to_dict("records")

    def js(value: Any, **options: Any) -> bytes:
        return json.dumps(value, **options).encode()

    yield read("JSON", js(records), "json")
    for name in ("utf-16", "utf-32", "utf-8-sig", "utf-16-le"):
        yield read(f"JSON in {name}", json.dumps(records).encode(name), "json")
    yield read("JSON with numbers as text", js([{k: str(v) for k, v in r.items()} for r in records]), "json")
    yield read(
        "JSON in other orders", js([dict(reversed(r.items())) if i % 2 else r for i, r in enumerate(records)]), "json"
    )
    shapes: dict[str, Any] = {
        "columns": table().to_dict("list"),
        "an index": table().to_dict("index"),
        "split": table().to_dict("split"),
        "rows": table().to_numpy().tolist(),
        "data inside": {"data": records},
        "lists of lists": [records],
        "a text": "x",
        "a number": 3,
        "null": None,
        "true": True,
        "nothing": [],
        "numbers": [1, 2, 3],
        "nulls": [None] * 5,
        "empty objects": [{}] * 5,
    }
    for name, value in shapes.items():
        known = name in ("split", "rows", "data inside")
        yield (read if known else refused)(f"JSON of {name}", js(value), extension="json")
    yield refused(
        "JSON lines", b"\n".join(js(record) for record in records), "write all objects as one array", extension="json"
    )
    for name, value in {
        "null": None,
        "a list": [1.0],
        "an object": {"a": 1},
        "true": True,
        "NaN": float("nan"),
        "infinity": float("inf"),
        "a huge number": 10**400,
        "text": "x",
        "empty text": "",
    }.items():
        yield refused(
            f"JSON with {name} as a close",
            js([r | {"close": value} if i == 100 else r for i, r in enumerate(records)]),
            "record 101: close",
            extension="json",
        )
        yield refused(
            f"JSON with {name} as a date",
            js([r | {"date": value} if i == 100 else r for i, r in enumerate(records)]),
            "record 101: date",
            extension="json",
        )
    yield refused(
        "JSON with a close missing",
        js([{k: v for k, v in r.items() if k != "close" or i != 100} for i, r in enumerate(records)]),
        "record 101: close is empty",
        extension="json",
    )
    text = json.dumps(records)
    for cut in (1, 100, len(text) // 2, len(text) - 1):
        yield refused(f"JSON cut at {cut}", text[:cut].encode(), "broken JSON", extension="json")
    yield refused("JSON nested deep", b"[" * 100_000, "nested too deep", extension="json")
    yield refused("JSON with too long a number", b'[{"close": ' + b"9" * 5000 + b"}]", "digits", extension="json")
    yield refused("JSON with single quotes", text.replace('"', "'").encode(), "broken JSON", extension="json")
    yield refused("JSON with a comma at the end", (text[:-1] + ",]").encode(), "broken JSON", extension="json")
    yield refused("JSON with half a character", b'[{"date": "\\ud800"}]', "half a character", extension="json")
    yield refused(
        "JSON of many names", js([{f"n{i}": 1} for i in range(10_001)]), "10,001 names of columns", extension="json"
    )
    yield read("JSON with a key twice", text.replace('"close":', '"close": 5, "close":').encode(), "json")


GROUPS: tuple[Callable[[], Iterator[Case]], ...] = (
    encodings, line_ends, separators, locales, dates, rows, columns, prices, packed, parquets, jsons,
)  # fmt: skip


@cache
def cases() -> tuple[Case, ...]:
    """All of them, by group."""
    return tuple(case for group in GROUPS for case in group())
