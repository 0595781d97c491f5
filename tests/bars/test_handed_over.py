"""Series in another process are those of this one."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_bars

from nextbar.bars.bars import Bars, fingerprint
from nextbar.bars.handed_over import hand_over, taken_over
from nextbar.bars.rows_ahead import RowsAhead


def test_series_are_taken_over_as_they_were_handed_over(tmp_path: Path) -> None:
    whole = make_bars("a", n=30)
    columns = whole.columns | {"column of/another name": np.r_[np.nan, np.arange(29.0)]}
    ahead = RowsAhead(np.array([1, 2]), {"dividend": np.array([0.5, np.nan])})
    bars = [Bars("a", "1h", whole.time_N, columns, ("a notice",), ahead), make_bars("b", n=7, seed=1)]
    found = taken_over(hand_over(bars, tmp_path / "bars"))
    assert fingerprint(found) == fingerprint(bars)
    assert [(b.ticker, b.resolution, b.notices, list(b.columns)) for b in found] == [
        (b.ticker, b.resolution, b.notices, list(b.columns)) for b in bars
    ]
    assert found[0].ahead is not None and found[1].ahead is None
    np.testing.assert_array_equal(found[0].ahead.time_N, ahead.time_N)
    np.testing.assert_array_equal(found[0].ahead.values("dividend"), ahead.values("dividend"))


def test_some_of_the_series_are_taken_over_by_their_numbers(tmp_path: Path) -> None:
    folder = hand_over([make_bars(name, n=5) for name in "abc"], tmp_path / "bars")
    assert [b.ticker for b in taken_over(folder, [2, 0])] == ["c", "a"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_are_mapped_as_long_as_somebody_holds_the_series_and_cannot_be_changed(tmp_path: Path) -> None:
    """Files that are mapped keep their folder from going on some file systems."""
    maps, folder = Path("/proc/self/maps"), hand_over([make_bars("a", n=30)], tmp_path / "bars")
    bars = taken_over(folder)
    assert folder in maps.read_text()
    with pytest.raises(ValueError, match="read-only"):
        bars[0].columns["close"][0] = 0.0
    del bars
    gc.collect()
    assert folder not in maps.read_text()
