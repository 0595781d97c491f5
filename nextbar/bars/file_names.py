"""File names of other programs: ticker and resolution of a file of bars by its name."""

from __future__ import annotations

import re
from pathlib import Path

from nextbar.bars.reading import any_extension
from nextbar.resolution import is_resolution, span

IMPORT = "nextbar data import FILE --ticker NAME --resolution 1h --to DIR writes such a file from any layout"
"""what to do with a file whose name does not tell"""

_MINUTES = r"(?P<minutes>1|2|3|5|10|15|30|60|120|180|240|360|480|720|1440|10080)"
_PERIOD = r"(?P<period>M[1-9]\d?|H\d{1,2}|D1|W1|Daily|Weekly)"
_TIME = r"(?P<resolution>[1-9]\d*[smhdw])"
NAMES: dict[str, str] = {
    "nextbar": rf"(?P<ticker>.+)_{_TIME}",
    "binance, freqtrade": rf"(?P<ticker>[^-]+)-{_TIME}(?:-futures|-spot)?(?:-\d{{4}}-\d\d(?:-\d\d)?)?",
    "metatrader5": rf"(?P<ticker>.+?)_?{_PERIOD}(?:_\d{{8,12}}_\d{{8,12}})?",
    "kraken": rf"(?P<ticker>[A-Z0-9]+)_{_MINUTES}",
    "tradingview": rf"(?:[A-Z0-9]+_)?(?P<ticker>[^ ,]+), (?:{_MINUTES}|(?P<word>1D|1W|D|W|1H|4H))(?:_\w+)?",
    "dukascopy": r"(?P<ticker>.+?)_Candlestick_(?P<count>\d+)_(?P<unit>S|M(?!onth)|Hour|D|Week)\w*_(?:BID|ASK)_.*",
    "cryptodatadownload": r"(?P<ticker>.+)_(?P<word>d|day|hour|minute)",
    "metatrader4": rf"(?P<ticker>[A-Za-z][A-Za-z.#]*[A-Za-z.#]){_MINUTES}",
}
"""pattern of the names of a program's files, without their extension: the first that fits is taken"""
WORDS = {"1d": "1d", "d": "1d", "day": "1d", "daily": "1d", "d1": "1d", "1w": "1w", "w": "1w", "weekly": "1w",
         "w1": "1w", "1h": "1h", "hour": "1h", "4h": "4h", "minute": "1m"}  # fmt: skip
"""what resolutions are called elsewhere, in lower case"""
_TITLE = r"(?i)[ _](?:(?:stock|etf) price history|historical (?:data|prices))$"
"""what investing.com puts after the name"""
_UNITS = {"S": "s", "M": "m", "Hour": "h", "D": "d", "Week": "w"}


def ticker_called(path: Path) -> str | None:
    """Ticker of a file of bars whose name says no more; None where it is no such file."""
    extension = any_extension(path.name)
    if extension is None or path.name.startswith(("_", ".")):
        return None
    return re.sub(_TITLE, "", path.name.partition(".")[0]) or None


def called_elsewhere(path: Path) -> tuple[str, str] | None:
    """(resolution, ticker) of a file of bars by what other programs call it; None where no name is of that kind."""
    extension = any_extension(path.name)
    if extension is None or path.name.startswith(("_", ".")):
        return None
    stem = path.name[: -len(extension)]
    for pattern in NAMES.values():
        match = re.fullmatch(pattern, stem)
        resolution = _resolution(match.groupdict()) if match else ""
        if match and is_resolution(resolution):
            return resolution, match["ticker"]
    return None


def _resolution(parts: dict[str, str | None]) -> str:
    """The resolution that the parts of a name tell; empty where it has no fixed length, as a month."""
    if minutes := parts.get("minutes"):
        return span(60 * int(minutes))
    if (count := parts.get("count")) and (unit := parts.get("unit")):
        return f"{count}{_UNITS[unit]}"
    if period := parts.get("period"):
        return WORDS.get(period.lower()) or f"{period[1:]}{period[0].lower()}"
    if word := parts.get("word"):
        return WORDS[word.lower()]
    return parts.get("resolution") or ""
