"""Answers of web services: the array of bars taken out of the object around it."""

from __future__ import annotations

from typing import Any

BARS_IN = ("bars", "results", "data", "candles", "result")
"""names under which services put bars"""
MORE_IN = ("next_page_token", "next_url")
"""names under which they say that there are more"""
TICKER_IN = ("ticker", "symbol")


def unwrapped(content: object) -> tuple[object, tuple[str, ...]]:
    """The array of bars in an answer, and notices; anything else as it is.

    Bars of several tickers, an object of arrays, become one array of objects with a ``ticker``.
    """
    if not isinstance(content, dict):
        return content, ()
    names = content.get("columns")
    for name in BARS_IN:
        inner = content.get(name)
        if isinstance(inner, list) and inner and isinstance(names, list) and _all_as_long(inner, len(names)):
            return [dict(zip(map(str, names), row, strict=True)) for row in inner], ()
        if isinstance(inner, list) and inner:
            ticker = next((content[key] for key in TICKER_IN if isinstance(content.get(key), str)), None)
            return _with_ticker(inner, ticker), _more(content, name)
        if isinstance(inner, dict) and inner and all(isinstance(part, list) for part in inner.values()):
            records = [record for ticker, part in inner.items() for record in _with_ticker(part, ticker)]
            return records, _more(content, name)
    return content, ()


def _all_as_long(rows: list[Any], length: int) -> bool:
    return all(isinstance(row, list) and len(row) == length for row in rows)


def _with_ticker(records: list[Any], ticker: str | None) -> list[Any]:
    if ticker is None:
        return records
    return [{"ticker": ticker, **record} if isinstance(record, dict) else record for record in records]


def _more(content: dict[str, Any], name: str) -> tuple[str, ...]:
    further = [key for key in MORE_IN if content.get(key)]
    notices = (f"read from {name!r} of an answer",)
    return (
        (*notices, f"{further[0]} is given: this is one page of several, import the others with it")
        if further
        else notices
    )
