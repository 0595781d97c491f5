"""The same made-up bars as other programs write them, from the public descriptions of their layouts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

N, STEP = 60, 3600
START = 1_704_067_200
"""2024-01-01T00:00:00Z"""
TICKERS = ("AAA", "BBB")


def truth(seed: int = 0) -> pd.DataFrame:
    """Sound hourly bars: ``time`` in seconds UTC; prices of two decimals, so that each layout can hold them."""
    rng = np.random.default_rng(seed + 5)
    close = np.round(1000 + np.cumsum(rng.normal(0, 3, N)), 2)
    start = np.round(close + rng.normal(0, 1, N), 2)
    high = np.round(np.maximum(start, close) + rng.uniform(0.01, 2, N), 2)
    low = np.round(np.minimum(start, close) - rng.uniform(0.01, 2, N), 2)
    columns = {"open": start, "high": high, "low": low, "close": close, "volume": rng.integers(1, 99_999, N)}
    return pd.DataFrame({"time": START + STEP * np.arange(N), **columns})


TRUTH = truth()
STAMPS = pd.to_datetime(TRUTH.time, unit="s", utc=True)
OHLCV = ["open", "high", "low", "close", "volume"]
TRADES = np.arange(1, N + 1)


@dataclass(frozen=True)
class File:
    """A file as some program writes it; ``layout`` is what it is recognised as, empty where it is ours."""

    name: str
    content: bytes
    layout: str = ""
    lacks: tuple[str, ...] = ()


def text(form: str) -> list[str]:
    return STAMPS.dt.strftime(form).tolist()


def csv(columns: dict[str, object], sep: str = ",", header: bool = True, **options: object) -> bytes:
    return pd.DataFrame(columns).to_csv(index=False, sep=sep, header=header, **options).encode()  # type: ignore


def prices(names: dict[str, str] | None = None, order: list[str] = OHLCV) -> dict[str, object]:
    return {(names or {}).get(name, name): TRUTH[name].to_numpy() for name in order}


def grouped(name: str) -> list[str]:
    """A column of prices with commas between thousands."""
    return [f"{value:,.2f}" for value in TRUTH[name]]


def euros(name: str) -> list[str]:
    """A column of prices with points between thousands, commas before decimals and a euro sign."""
    return [f"{value} €".translate(str.maketrans(",.", ".,")) for value in grouped(name)]


def newest_first(columns: dict[str, object]) -> bytes:
    return pd.DataFrame(columns).iloc[::-1].to_csv(index=False, quoting=1).encode()


def numbered(*columns: object) -> dict[str, object]:
    return {str(i): column for i, column in enumerate(columns)}


def capitals(name: str) -> str:
    return name.capitalize()


def ohlcv() -> list[object]:
    return [TRUTH[name].to_numpy() for name in OHLCV]


def binance(unit: int) -> bytes:
    time = TRUTH.time * unit
    return csv(
        numbered(
            time,
            *ohlcv(),
            time + STEP * unit - 1,
            TRUTH.volume * 3.5,
            TRADES,
            TRUTH.volume / 2,
            TRUTH.volume * 1.5,
            0 * TRADES,
        ),
        header=False,
    )


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return buffer.getvalue()


def feather(frame: pd.DataFrame, **options: object) -> bytes:
    buffer = io.BytesIO()
    frame.to_feather(buffer, **options)  # type: ignore
    return buffer.getvalue()


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def yfinance(tickers: tuple[str, ...] = ("AAA",), by_ticker: bool = False) -> pd.DataFrame:
    """As ``download()`` answers: quantities over tickers, or tickers over quantities."""
    parts = {ticker: truth(i)[["close", "high", "low", "open", "volume"]].rename(columns=capitals).set_index(
        pd.DatetimeIndex(STAMPS, name="Datetime")) for i, ticker in enumerate(tickers)}  # fmt: skip
    frame = pd.concat(parts, axis=1, names=["Ticker", "Price"])
    return frame if by_ticker else frame.swaplevel(axis=1).sort_index(axis=1, level=0)


def records(names: str = "tohlcv") -> list[dict[str, object]]:
    time = text("%Y-%m-%dT%H:%M:%SZ")
    rows = zip(time, *ohlcv(), strict=True)
    return [
        {key: (value if isinstance(value, str) else value.item()) for key, value in zip(names, row, strict=True)}
        for row in rows
    ]


def in_milliseconds() -> list[list[float]]:
    return [
        [int(time) * 1000, *(float(value) for value in row)] for time, *row in zip(TRUTH.time, *ohlcv(), strict=True)
    ]


def js(value: object) -> bytes:
    return json.dumps(value).encode()


FREQTRADE = pd.DataFrame({"date": STAMPS.dt.as_unit("ms"), **prices()})
TICKVOL = {name: f"<{name.upper()}>" for name in OHLCV} | {"volume": "<TICKVOL>"}
VOL = TICKVOL | {"volume": "<VOL>"}

FILES: dict[str, Callable[[], File]] = {
    "yfinance, flat": lambda: File(
        "AAA_1h.csv",
        csv(
            {
                "Datetime": text("%Y-%m-%d %H:%M:%S+00:00"),
                **prices({n: capitals(n) for n in OHLCV}),
                "Adj Close": TRUTH.close,
            }
        ),
    ),
    "yfinance, quantities over tickers": lambda: File("AAA_1h.csv", yfinance().to_csv().encode(), "levels"),
    "yfinance, tickers over quantities": lambda: File(
        "AAA_1h.csv", yfinance(by_ticker=True).to_csv().encode(), "levels"
    ),
    "yfinance, two tickers": lambda: File("AAA_1h.csv", yfinance(TICKERS).to_csv().encode(), "levels"),
    "yfinance, without index": lambda: File(
        "AAA_1h.csv", yfinance().reset_index().to_csv(index=False).encode(), "levels"
    ),
    "yfinance, Parquet": lambda: File("AAA_1h.parquet", parquet(yfinance(TICKERS)), "levels"),
    "Stooq, bulk": lambda: File(
        "aaa.us_1h.txt",
        csv(
            {
                "<TICKER>": ["AAA.US"] * N,
                "<PER>": [60] * N,
                "<DATE>": text("%Y%m%d"),
                "<TIME>": text("%H%M%S"),
                **prices(VOL),
                "<OPENINT>": [0] * N,
            }
        ),
        "stooq",
    ),
    "Stooq, web": lambda: File(
        "AAA_1h.csv", csv({"Date": text("%Y-%m-%d %H:%M:%S"), **prices({n: capitals(n) for n in OHLCV})})
    ),
    "Binance, milliseconds": lambda: File("AAAUSDT-1h-2024-01.csv", binance(10**3), "binance_klines"),
    "Binance, microseconds": lambda: File("AAAUSDT-1h-2025-01.csv", binance(10**6), "binance_klines"),
    "Binance, zip": lambda: File(
        "AAAUSDT-1h-2025-01.zip", zipped("AAAUSDT-1h-2025-01.csv", binance(10**6)), "binance_klines"
    ),
    "Binance, names": lambda: File(
        "AAAUSDT-1h-2024-01.csv",
        csv(
            {
                "open_time": TRUTH.time * 1000,
                **prices(),
                "close_time": TRUTH.time * 1000 + 3_599_999,
                "quote_volume": 1.5,
                "count": TRADES,
                "ignore": 0,
            }
        ),
        "binance",
    ),
    "Kraken": lambda: File("XBTUSD_60.csv", csv(numbered(TRUTH.time, *ohlcv(), TRADES), header=False), "kraken"),
    "Kraken, API": lambda: File(
        "XBTUSD_60.csv",
        csv(numbered(TRUTH.time, *ohlcv()[:4], TRUTH.close, TRUTH.volume, TRADES), header=False),
        "kraken_api",
    ),
    "Coinbase": lambda: File(
        "AAA-USD_1h.csv", csv({"time": TRUTH.time, **prices(order=["low", "high", "open", "close", "volume"])})
    ),
    "Coinbase, API": lambda: File(
        "AAA-USD_1h.json",
        js([[row[0] // 1000, row[3], row[2], row[1], row[4], row[5]] for row in in_milliseconds()][::-1]),
        "coinbase",
    ),
    "Bitfinex, API": lambda: File(
        "AAA_1h.json", js([[row[0], row[1], row[4], row[2], row[3], row[5]] for row in in_milliseconds()]), "bitfinex"
    ),
    "CryptoDataDownload": lambda: File(
        "Gemini_AAAUSD_1h.csv",
        b"https://www.CryptoDataDownload.com\n"
        + csv(
            {
                "unix": TRUTH.time[::-1],
                "date": text("%Y-%m-%d %H:%M:%S")[::-1],
                "symbol": ["AAA/USD"] * N,
                **{n: TRUTH[n][::-1] for n in OHLCV[:4]},
                "Volume AAA": TRUTH.volume[::-1],
                "Volume USD": TRUTH.volume[::-1] * 9.5,
            }
        ),
        "cryptodatadownload",
    ),
    "CryptoDataDownload, half days": lambda: File(
        "Gemini_AAAUSD_1h.csv",
        b"https://www.CryptoDataDownload.com\n"
        + csv(
            {
                "Unix Timestamp": TRUTH.time * 1000,
                "Date": text("%Y-%m-%d %I-%p"),
                "Symbol": ["AAAUSD"] * N,
                **prices({n: capitals(n) for n in OHLCV[:4]}, OHLCV[:4]),
                "Volume AAA": TRUTH.volume,
                "Volume USD": TRUTH.volume * 9.5,
            }
        ),
        "cryptodatadownload",
    ),
    "MetaTrader 5": lambda: File(
        "AAAUSD_H1_202401010000_202401031100.csv",
        csv(
            {
                "<DATE>": text("%Y.%m.%d"),
                "<TIME>": text("%H:%M:%S"),
                **prices(TICKVOL),
                "<VOL>": [0] * N,
                "<SPREAD>": [3] * N,
            },
            "\t",
        ),
        "metatrader5",
    ),
    "MetaTrader 4": lambda: File(
        "AAAUSD60.csv", csv(numbered(text("%Y.%m.%d"), text("%H:%M"), *ohlcv()), header=False), "metatrader4"
    ),
    "day and clock": lambda: File(
        "AAA_1h.csv", csv({"Date": text("%Y-%m-%d"), "Time": text("%H:%M"), **prices()}), "day_and_clock"
    ),
    "TradingView, seconds": lambda: File(
        "BINANCE_AAAUSDT, 60.csv", csv({"time": TRUTH.time, **prices({"volume": "Volume"})})
    ),
    "TradingView, ISO": lambda: File(
        "BINANCE_AAAUSDT, 60_3f1c2.csv", csv({"time": text("%Y-%m-%dT%H:%M:%SZ"), **prices({"volume": "Volume"})})
    ),
    "Dukascopy": lambda: File(
        "AAAUSD_Candlestick_1_Hour_BID_01.01.2024-03.01.2024.csv",
        csv({"Gmt time": text("%d.%m.%Y %H:%M:%S.000"), **prices({n: capitals(n) for n in OHLCV})}),
        "dukascopy",
    ),
    "Alpaca": lambda: File("AAA_1h.json", js({"bars": records(), "symbol": "AAA", "next_page_token": None}), "alpaca"),
    "Alpaca, two tickers": lambda: File(
        "AAA_1h.json", js({"bars": {"AAA": records(), "BBB": records()}, "next_page_token": None}), "alpaca"
    ),
    "Polygon": lambda: File(
        "AAA_1h.json",
        js(
            {
                "ticker": "AAA",
                "results": [
                    {"v": row[5], "vw": row[4], "o": row[1], "c": row[4], "h": row[2], "l": row[3], "t": row[0], "n": 7}
                    for row in in_milliseconds()
                ],
                "status": "OK",
            }
        ),
        "alpaca",
    ),
    "Polygon, flat file": lambda: File(
        "AAA_1h.csv",
        csv(
            {
                "ticker": ["AAA"] * N,
                **prices(order=["volume", "open", "close", "high", "low"]),
                "window_start": TRUTH.time * 10**9,
                "transactions": TRADES,
            }
        ),
        "polygon",
    ),
    "ccxt": lambda: File("AAA_1h.json", js(in_milliseconds()), "ccxt"),
    "freqtrade, feather": lambda: File("AAA_USDT-1h.feather", feather(FREQTRADE, compression="lz4")),
    "freqtrade, feather, zstd": lambda: File("AAA_USDT-1h.feather", feather(FREQTRADE, compression="zstd")),
    "freqtrade, feather, not packed": lambda: File(
        "AAA_USDT-1h.feather", feather(FREQTRADE, compression="uncompressed")
    ),
    "freqtrade, json": lambda: File("AAA_USDT-1h.json", js(in_milliseconds()), "ccxt"),
    "freqtrade, parquet": lambda: File("AAA_USDT_USDT-1h-futures.parquet", parquet(FREQTRADE)),
    "Nixtla": lambda: File(
        "AAA_1h.csv",
        csv({"unique_id": ["AAA"] * N, "ds": text("%Y-%m-%d %H:%M:%S"), "y": TRUTH.close}),
        "nixtla",
        ("open", "high", "low", "volume"),
    ),
    "pandas, nameless index": lambda: File(
        "AAA_1h.csv", TRUTH.set_index(STAMPS).drop(columns="time").rename_axis(None).to_csv().encode(), "pandas"
    ),
    "investing.com": lambda: File(
        "AAA_1h.csv",
        newest_first(
            {
                "Date": text("%b %d, %Y %H:%M"),
                "Price": grouped("close"),
                "Open": grouped("open"),
                "High": grouped("high"),
                "Low": grouped("low"),
                "Vol.": [f"{v / 1000:.3f}K" for v in TRUTH.volume],
                "Change %": ["-1.50%"] * N,
            }
        ),
        "investing",
    ),
    "nasdaq.com": lambda: File(
        "AAA_1h.csv",
        newest_first(
            {
                "Date": text("%d-%b-%Y %H:%M"),
                "Close/Last": [f"${v}" for v in TRUTH.close],
                "Volume": TRUTH.volume,
                **{n.title(): [f"${v}" for v in TRUTH[n]] for n in ("open", "high", "low")},
            }
        ),
        "nasdaq",
    ),
    "German": lambda: File(
        "AAA_1h.csv",
        csv(
            {
                "Datum": text("%Y/%m/%d %H:%M"),
                "Eröffnung": euros("open"),
                "Hoch": euros("high"),
                "Tief": euros("low"),
                "Schluss": euros("close"),
                "Volumen": TRUTH.volume,
            },
            ";",
        )
        + "Quelle: Börse, ohne Gewähr\n".encode(),
        "german",
    ),
    "semicolons": lambda: File("AAA_1h.csv", csv({"date": text("%Y-%m-%d %H:%M"), **prices()}, ";")),
    "decimal commas": lambda: File("AAA_1h.csv", csv({"date": text("%Y-%m-%d %H:%M"), **prices()}, ";", decimal=",")),
    "thousands and decimal commas": lambda: File(
        "AAA_1h.csv",
        csv(
            {
                "date": text("%Y-%m-%d %H:%M"),
                **{n: [f"{10 * v:,.2f}".translate(str.maketrans(",.", ".,")) for v in TRUTH[n] / 10] for n in OHLCV},
            },
            ";",
        ),
    ),
    "no header, semicolons, decimal commas": lambda: File(
        "AAA_1h.csv", csv(numbered(text("%Y-%m-%d %H:%M"), *ohlcv()), ";", header=False, decimal=","), "ccxt"
    ),
}
"""what it is: a function that makes the file"""
