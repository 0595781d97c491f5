"""What an experiment needs of a table: which columns, by which names, and what is said of those that lack."""

from __future__ import annotations

import pytest
from builders import make_config

from nextbar.bars.columns import DEFAULT_NEEDS, TableNeeds, plain, price_columns, refuse_names
from nextbar.errors import ConfigError

OHLC = ("open", "high", "low", "close")


def test_names_are_compared_in_lower_case_without_blanks() -> None:
    assert [plain(name) for name in (" Close\t", "close", 5, None)] == ["close", "close", "5", "none"]


def test_names_without_a_frame_are_all_told() -> None:
    refuse_names({})
    with pytest.raises(ConfigError) as caught:
        refuse_names({"time_col": "ds", "id_col": "uid"})
    assert str(caught.value) == "time_col, id_col: names of a frame's columns, but the bars do not come as a frame"


def test_the_needs_are_those_of_the_configuration() -> None:
    assert TableNeeds() == DEFAULT_NEEDS == TableNeeds("ohlcv", "close", (), "date", "close", "mean", "close")
    config = make_config(features="close", target="log_return", indicators=["rsi"], output_mode="distribution")
    expected = TableNeeds("close", "log_return", ("rsi",), "date", "close", config.dataset_config.kind)
    assert TableNeeds.of(config.dataset_config) == expected and expected.output_mode != "mean"
    names = TableNeeds.of(make_config().dataset_config, id_col="uid", time_col="ds", target_col="y")
    assert names == TableNeeds("ohlcv", "close", (), "ds", "y", "mean")


@pytest.mark.parametrize(
    ("needs", "prices", "amounts", "positive", "why"),
    [
        (TableNeeds(), OHLC, ("volume", "trades"), True, ""),
        (TableNeeds("ohlc"), OHLC, ("volume", "trades"), True, ""),
        (TableNeeds("close"), ("close",), (), False, ""),
        (TableNeeds("close", "log_return"), ("close",), (), True, ", as target log_return needs"),
        (TableNeeds(target="log_return"), OHLC, ("volume", "trades"), True, ", as target log_return needs"),
        (
            TableNeeds("close", output_mode="discrete_grid"),
            ("close",),
            (),
            True,
            ", as output_mode discrete_grid needs",
        ),
    ],
)
def test_prices_and_amounts_follow_from_features_and_target(
    needs: TableNeeds, prices: tuple[str, ...], amounts: tuple[str, ...], positive: bool, why: str
) -> None:
    assert needs.prices == price_columns(needs.features) == prices
    assert (needs.amounts, needs.positive, needs.why_positive) == (amounts, positive, why)


def match(needs: TableNeeds, *names: object) -> tuple[list[tuple[str, int]], list[str]]:
    columns, problems = needs.match(names)
    return list(columns.items()), problems


def test_columns_come_in_the_standard_order_whatever_the_tables() -> None:
    names = (
        "rsi",
        "tradesDone",
        "Volume ",
        "CLOSE",
        "low",
        "High",
        " open",
        "Timestamp",
        "",
        " ",
        "Adj Close",
        "x",
        "X",
    )
    columns, problems = match(TableNeeds(), *names)
    assert columns == [
        ("date", 7), ("open", 6), ("high", 5), ("low", 4), ("close", 3), ("volume", 2), ("trades", 1), ("rsi", 0),
        ("x", 11),
    ]  # fmt: skip
    assert problems == []


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_of_several_names_the_best_is_taken_and_the_others_are_no_indicators(n: int) -> None:
    dates = ("time", "timestamp", "datetime", "date")[:n]
    assert match(TableNeeds("close"), *dates, "close", "amount") == (
        [("date", n - 1), ("close", n), ("amount", n + 1)],
        [],
    )
    columns, problems = match(TableNeeds(), "date", *OHLC, "tradesdone", "trades")
    assert (columns[-1], len(columns), problems) == (("trades", 6), 6, [])


def test_own_names_stand_for_date_and_close_alone() -> None:
    needs = TableNeeds("close", time_col=" DS", target_col="Y ")
    assert match(needs, "ds", "y", "date", "close", "z") == ([("date", 0), ("close", 1), ("z", 4)], [])
    assert match(needs, "date", "close") == ([], ["no column 'ds', 'y'; the columns are date, close"])
    assert match(TableNeeds("close", time_col="Date"), "time", "close")[0] == [("date", 0), ("close", 1)]


def test_indicators_asked_for_are_read_even_if_usually_passed_over() -> None:
    names = ("date", "close", "Adj Close", "adj_close", "adjclose", "volumeNotional", "volume", "open", "time")
    assert match(TableNeeds("close"), *names) == ([("date", 0), ("close", 1)], [])
    asked = TableNeeds("close", indicators=("ADJ CLOSE", "volumenotional ", "volume", "open"))
    assert match(asked, *names) == (
        [("date", 0), ("close", 1), ("adj close", 2), ("volumenotional", 5), ("volume", 6), ("open", 7)],
        [],
    )


def test_what_is_wrong_with_names_is_told_what_lacks_first() -> None:
    twice = "two columns are called {!r} (upper and lower case are the same): keep one"
    assert match(TableNeeds("close")) == ([], ["no column 'date', 'close'; the columns are none"])
    columns, problems = match(
        TableNeeds(indicators=("rsi",)), 5, "Open", "open", "open", "RSI", "rsi", "ema", "EMA", "volume", "Volume"
    )
    assert columns == [("open", 1), ("volume", 8), ("5", 0), ("rsi", 4), ("ema", 6)]
    assert problems == [
        "no column 'date', 'high', 'low', 'close'; the columns are 5, Open, open, open, RSI, rsi, ema, EMA, volume, "
        "Volume",
        twice.format("open"),
        twice.format("volume"),
        twice.format("rsi"),
    ]
