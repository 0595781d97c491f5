"""Names that other programs give to files of bars."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbar.bars.file_names import called_elsewhere
from nextbar.bars.folder import list_series


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("abc_1h.csv", ("1h", "abc")),
        ("BTC_USDT-1h.feather", ("1h", "BTC_USDT")),
        ("BTC_USDT_USDT-5m-futures.feather", ("5m", "BTC_USDT_USDT")),
        ("BTC_USDT_USDT-8h-funding_rate.feather", None),
        ("BTCUSDT-1h-2024-01.zip", ("1h", "BTCUSDT")),
        ("BTCUSDT-1m-2024-01-31.zip", ("1m", "BTCUSDT")),
        ("BTCUSDT-1mo-2024-01.zip", None),
        ("EURUSD_H4_202401010000_202412312000.csv", ("4h", "EURUSD")),
        ("EURUSD_M15.csv", ("15m", "EURUSD")),
        ("EURUSD_Daily_202401010000_202412310000.csv", ("1d", "EURUSD")),
        ("EURUSD_Weekly.csv", ("1w", "EURUSD")),
        ("EURUSD_MN1_202401010000_202412310000.csv", None),
        ("EURUSD1440.csv", ("1d", "EURUSD")),
        ("EURUSD240.csv", ("4h", "EURUSD")),
        ("EURUSD43200.csv", None),
        ("XBTUSD_60.csv", ("1h", "XBTUSD")),
        ("XBTUSD_1440.csv", ("1d", "XBTUSD")),
        ("NASDAQ_AAPL, 1D.csv", ("1d", "AAPL")),
        ("NASDAQ_AAPL, 1W_a31b0.csv", ("1w", "AAPL")),
        ("BTCUSDT, 15.csv", ("15m", "BTCUSDT")),
        ("EURUSD_Candlestick_1_Hour_BID_01.01.2020-31.12.2020.csv", ("1h", "EURUSD")),
        ("EURUSD_Candlestick_15_M_ASK_01.01.2020-31.12.2020.csv", ("15m", "EURUSD")),
        ("EURUSD_Candlestick_1_Month_ASK_01.01.2020-31.12.2020.csv", None),
        ("Binance_BTCUSDT_d.csv", ("1d", "Binance_BTCUSDT")),
        ("Binance_BTCUSDT_minute.csv", ("1m", "Binance_BTCUSDT")),
        ("aapl.us.txt", None),
        ("notes.csv", None),
        ("_x_1h.csv", None),
        (".x_1h.csv", None),
        ("x_1h.xls", None),
    ],
)
def test_ticker_and_resolution_by_a_name(name: str, expected: tuple[str, str] | None) -> None:
    assert called_elsewhere(Path("data") / name) == expected


def test_other_names_count_only_where_there_is_none_of_ours(tmp_path: Path) -> None:
    """What a folder was read as, it is read as still."""
    for name in ("B_USDT-1h.feather", "A_60.csv", "1h/C-1h-2024-01.zip", "1h/c_1h.txt", "notes/x_1h.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [(resolution, ticker) for resolution, ticker, _ in list_series(tmp_path)] == [
        ("1h", "A"), ("1h", "B_USDT"), ("1h", "C"), ("1h", "c"),
    ]  # fmt: skip
    (tmp_path / "1h" / "c_1h.csv").touch()
    assert list_series(tmp_path) == [("1h", "c", tmp_path / "1h" / "c_1h.csv")]
