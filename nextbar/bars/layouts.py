"""Layouts of bars that other programs write: what their columns are here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BROKER = "its dates are on the broker's clock and read as UTC (nextbar data import --timezone says which clock)"


@dataclass(frozen=True)
class NamedLayout:
    """A layout whose columns have names.

    ``columns`` maps patterns of its names, in lower case, to the names here: ``day`` and ``clock`` become the date, and
    an empty name is left out. Those in ``may_lack`` need not be there. Names that no pattern matches stay as they are.
    """

    columns: Mapping[str, str]
    may_lack: frozenset[str] = frozenset()
    dates: str = ""
    """form of its dates, as of strptime, where they are neither ISO 8601 nor a number"""
    note: str = ""
    """what a reader should know of it"""
    preamble: str = ""
    """what an address in a line before the names has in it"""


@dataclass(frozen=True)
class UnnamedLayout:
    """The columns of a program that writes no names, in their order; an empty name is left out."""

    columns: Sequence[str]
    note: str = ""


def _t(*names: str) -> frozenset[str]:
    return frozenset(names)


_ANGLES = {"<open>": "open", "<high>": "high", "<low>": "low", "<close>": "close"}
_OHLCV = ("open", "high", "low", "close", "volume")

LAYOUTS: dict[str, NamedLayout] = {
    "stooq": NamedLayout(
        {"<ticker>": "ticker", "<per>": "", "<date>|<dtyyyymmdd>": "day", "<time>": "clock", **_ANGLES,
         "<vol>": "volume", "<openint>": ""},
        _t("<per>", "<time>", "<vol>", "<openint>"),
        note="its dates are read as UTC (nextbar data import --timezone says which clock they are on)",
    ),
    "metatrader5": NamedLayout(
        {"<date>": "day", "<time>": "clock", **_ANGLES, "<tickvol>": "volume", "<vol>": "real volume",
         "<spread>": "spread"},
        _t("<time>", "<vol>", "<spread>"),
        note=BROKER,
    ),
    "dukascopy": NamedLayout({"gmt time|utc time|time \\(utc\\)": "date"}, dates="%d.%m.%Y %H:%M:%S.%f"),
    "cryptodatadownload": NamedLayout(
        {"unix|unix timestamp": "date", "date": "", "symbol": "ticker", "volume (?!us|eur).*": "volume",
         "tradecount": "trades"},
        _t("unix|unix timestamp", "date", "tradecount", "volume (?!us|eur).*"),
        preamble="cryptodatadownload",
    ),
    "alpaca": NamedLayout(
        {"t": "date", "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "n": "trades", "vw": "vwap",
         "symbol": "ticker"},
        _t("v", "n", "vw", "symbol"),
    ),
    "polygon": NamedLayout({"window_start": "date", "transactions": "trades"}, _t("transactions")),
    "binance": NamedLayout(
        {"open[_ ]time": "date", "close[_ ]time": "", "count|number[_ ]of[_ ]trades": "trades", "ignore": ""},
        _t("close[_ ]time", "count|number[_ ]of[_ ]trades", "ignore"),
    ),
    "nixtla": NamedLayout({"unique_id": "ticker", "ds": "date", "y": "close"}, _t("unique_id")),
    "stooq_pl": NamedLayout(
        {"data": "date", "otwarcie": "open", "najwyzszy": "high", "najnizszy": "low", "zamkniecie": "close",
         "wolumen": "volume"},
        _t("wolumen"),
    ),
    "investing": NamedLayout(
        {"date": "date", "price": "close", "vol\\.": "volume", "change %": "change %"}, _t("vol\\.")
    ),
    "nasdaq": NamedLayout({"date": "date", "close/last": "close"}),
    "german": NamedLayout(
        {"datum": "date", "(er)?öffnung(skurs)?|eröffn\\.|erster?": "open", "(tages)?hoch|höchst(kurs)?": "high",
         "(tages)?tief|tiefst(kurs)?": "low", "schluss(kurs)?|zuletzt|letzter?": "close",
         "volumen|vol\\.|stücke|stuecke": "volume"},
        _t("(er)?öffnung(skurs)?|eröffn\\.|erster?", "(tages)?hoch|höchst(kurs)?", "(tages)?tief|tiefst(kurs)?",
           "volumen|vol\\.|stücke|stuecke"),
    ),
    "pandas": NamedLayout({"|unnamed: 0": "date"}),
    "day_and_clock": NamedLayout({"date": "day", "time": "clock"}),
}  # fmt: skip
"""name: layout with names of columns; the first that fits is taken"""

UNNAMED: dict[str, UnnamedLayout] = {
    "binance_klines": UnnamedLayout(
        ("date", *_OHLCV, "", "quote volume", "trades", "taker buy volume", "taker buy quote volume", ""),
    ),
    "kraken": UnnamedLayout(("date", *_OHLCV, "trades")),
    "kraken_api": UnnamedLayout(("date", "open", "high", "low", "close", "vwap", "volume", "trades")),
    "metatrader4": UnnamedLayout(("day", "clock", *_OHLCV), BROKER),
    "ccxt": UnnamedLayout(("date", *_OHLCV)),
    "coinbase": UnnamedLayout(("date", "low", "high", "open", "close", "volume")),
    "bitfinex": UnnamedLayout(("date", "open", "close", "high", "low", "volume")),
    "ohlc": UnnamedLayout(("date", "open", "high", "low", "close")),
}
"""name: layout without names of columns; that which all rows fit is taken"""
