"""What configurations consist of: names and types of their fields, and plain values."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from nextbar.config import ExperimentConfig, ModelConfig
from nextbar.config.base import Checked, field_names, is_config, is_whole, plain, type_at, written
from nextbar.config.check import checked
from nextbar.config.values import Count


@checked
class Inner(Checked):
    """One."""

    several: tuple[Count, ...] = (1,)
    share: float = 0.5


@checked
class Outer(Checked):
    """Another, which holds it."""

    count: Count = 1
    inner: Inner = Inner()


def test_fields_are_named_with_dots() -> None:
    assert field_names(Outer) == ("count", "inner", "inner.several", "inner.share")
    assert is_whole(Outer, "count") and not is_whole(Outer, "inner.share")
    assert type_at(Outer, ["inner", "share"])[0] is float
    assert type_at(Outer, ["inner", "several", 0]) == (Count, ())
    assert is_config(Inner) and is_config(ExperimentConfig) and not is_config(int) and not is_config(Inner())
    assert is_whole(ExperimentConfig, "model_config.d_model") and not is_whole(ModelConfig, "dropout")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array(True), True),
        ([np.int64(1), [np.array([2.0, 3.0])]], (1, ((2.0, 3.0),))),
        (np.datetime64("2020-01-01"), np.datetime64("2020-01-01")),
        (dt.date(2020, 1, 1), dt.date(2020, 1, 1)),
        ("text", "text"),
    ],
)
def test_values_become_pythons(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected and type(found) is type(expected)


def test_what_is_written_holds_mappings_lists_and_scalars() -> None:
    outer = Outer(inner=Inner(several=np.array([1, 2])))
    assert outer.to_dict() == {"count": 1, "inner": {"several": [1, 2], "share": 0.5}}
    assert written({"a": (outer, (1,))}) == {"a": [outer.to_dict(), [1]]}
