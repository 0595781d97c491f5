"""The sample bars: the layout, the values, and files that are never left half written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nextbar.bars import samples
from nextbar.bars.bars import load_bars
from nextbar.errors import DataError


def test_samples_are_bars_in_the_layout(tmp_path: Path):
    paths = samples.write_samples(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == ["1d/spx_1d.csv", "1d/nasdaq_1d.csv"]
    assert sorted(path.name for path in (tmp_path / "1d").iterdir()) == ["nasdaq_1d.csv", "spx_1d.csv"]
    for bars in load_bars(tmp_path, ["spx", "nasdaq"], ["1d"]):
        assert len(bars) == 5031 and bars.notices == ()
        assert list(bars.columns) == ["open", "high", "low", "close", "volume"]
    first = paths[0].read_text().splitlines()
    assert first[0] == "date,open,high,low,close,volume"
    assert first[1].startswith("1999-01-04T00:00:00Z,1229.2")


def test_samples_equal_the_published_bars(tmp_path: Path, shared_data: Path):
    samples.write_samples(tmp_path)
    for ours, theirs in (("spx", "spx"), ("nasdaq", "nasdaq_comp")):
        (mine,) = load_bars(tmp_path, [ours], ["1d"])
        (other,) = load_bars(shared_data, [theirs], ["1d"])
        np.testing.assert_array_equal(mine.time_N, other.time_N)
        for name in ("open", "high", "low", "close"):  # the other file is rounded to four decimals
            np.testing.assert_allclose(mine.columns[name], other.columns[name], atol=5e-5, rtol=0)


def test_writing_again_changes_nothing_and_other_content_is_kept(tmp_path: Path):
    spx, _ = samples.write_samples(tmp_path)
    before = spx.stat().st_mtime_ns
    samples.write_samples(tmp_path)
    assert spx.stat().st_mtime_ns == before
    spx.write_text("mine\n")
    with pytest.raises(DataError, match=r"spx_1d\.csv.*other content"):
        samples.write_samples(tmp_path)
    assert spx.read_text() == "mine\n"
    samples.write_samples(tmp_path, overwrite=True)
    assert spx.read_text().startswith("date,open")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(DataError) as caught:
        samples.write_samples(tmp_path)
    assert str(caught.value) == f"{tmp_path / '1d' / 'spx_1d.csv'}: cannot be written: No space left on device"
    assert list((tmp_path / "1d").iterdir()) == []


def test_a_file_in_the_way_of_the_folder_is_told(tmp_path: Path):
    (tmp_path / "1d").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        samples.write_samples(tmp_path)


def test_other_content_is_told_with_every_file(tmp_path: Path):
    """Also where a file is a folder; nothing is written beside them."""
    folder = tmp_path / "deep" / "down"
    paths = samples.write_samples(folder)
    assert all(path.is_file() for path in paths)
    paths[0].write_text("mine")
    paths[1].unlink()
    paths[1].mkdir()
    with pytest.raises(DataError) as caught:
        samples.write_samples(folder)
    assert str(caught.value) == (
        f"{paths[0]}, {paths[1]}: there already, with other content; move it away, or say --overwrite"
    )
    assert samples.write_samples(str(tmp_path)) == [tmp_path / "1d" / path.name for path in paths]


def test_an_error_of_an_odd_kind_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_, **__):
        raise OSError("odd")

    monkeypatch.setattr(Path, "mkdir", stop)
    with pytest.raises(DataError, match=r"1d: cannot be written: odd$"):
        samples.write_samples(tmp_path)


def test_a_sample_is_the_same_text_on_every_system(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "linesep", "\r\n")
    lines = samples.sample_csv("nasdaq").split("\n")
    assert lines[0] == "date,open,high,low,close,volume" and lines[-1] == "" and len(lines) == 5033
    assert lines[1].startswith("1999-01-04T00:00:00Z,2207.")
