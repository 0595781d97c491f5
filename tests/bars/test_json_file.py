"""Records to tables: objects, arrays of one length, and what is neither."""

from __future__ import annotations

import pytest

from nextbar.bars.json_file import read_json, records_table
from nextbar.errors import DataError


def test_objects_have_names_and_arrays_numbers() -> None:
    table = read_json(b'[{"a": 1}, {"a": 2, "b": 3}]', "x.json")
    assert list(table.frame.columns) == ["a", "b"] and table.rows_N.tolist() == [1, 2] and table.source == "x.json"
    assert records_table([(1, 2), [3, "4"]], "x").frame.to_dict("list") == {0: [1, 3], 1: [2, "4"]}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([[1, 2], [3]], "x: record 2 is array, should be an array of 2 values as the first"),
        ([[1, 2], {"a": 1}], "x: record 2 is object, should be an array of 2 values as the first"),
        ([[1, [2]]], "x: record 1 holds an array or object, should hold a date and numbers"),
        ([[0] * 10_001], "x: 10,001 values in a record, should be at most 10,000"),
        ([{"a": 1}, [1]], "x: record 2 is array, should be an object such as "),
        ([], "x: the file is empty: an array without a record"),
        ({"a": 1}, "x: found one object, should be an array of objects, one a bar"),
    ],
)
def test_what_are_no_records_is_told(records: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        records_table(records, "x")
    assert str(caught.value).startswith(message)
