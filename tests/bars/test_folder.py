"""Folders of bars: which files are series, in which order, and what is said of those that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextbar.bars.file_names import IMPORT
from nextbar.bars.folder import existing_folder, find_series, layout, list_series, named_series, series_called
from nextbar.errors import ConfigError, DataError

LAYOUT = "<resolution>/<ticker>_<resolution>.<ext>, ext one of json, csv, csv.gz, parquet"


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def refusal(folder: Path | str, ticker: str = "btc", resolution: str = "1h") -> str:
    with pytest.raises(DataError) as caught:
        find_series(folder, [ticker], [resolution])
    return str(caught.value)


def test_the_layout_names_every_format() -> None:
    assert layout() == LAYOUT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("abc_1h.csv", ("1h", "abc")),
        ("b_c_30m.parquet", ("30m", "b_c")),
        ("abc_1d.CSV.GZ", ("1d", "abc")),
        ("_1h.csv", None),
        ("abc.csv", None),
        ("1h.csv", None),
        ("abc_1x.csv", None),
        ("abc_1h.txt", None),
        ("abc_1h", None),
    ],
)
def test_a_name_tells_ticker_and_resolution_or_nothing(name: str, expected: tuple[str, str] | None) -> None:
    assert series_called(Path("bars") / name) == expected
    assert expected in (None, named_series(Path("bars") / name))


def test_other_programs_may_have_given_the_name() -> None:
    names = ("BTCUSDT-1h.csv", "_abc_1h.csv", "abc.csv")
    assert [named_series(Path(name)) for name in names] == [("1h", "BTCUSDT"), ("1h", "_abc"), None]


def test_series_are_listed_from_fine_to_coarse_then_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolutions of one length by their text; whatever the order in which the disk lists them."""
    kept = ["30m/b_30m.csv", "1h/a_1h.csv", "1h/a_1h.json", "1h/c_1h.CSV", "3600s/a_3600s.csv", "1d/a_1d.csv.gz"]
    touch(tmp_path, *kept)
    touch(tmp_path, "1h/_x_1h.csv", "1h/.x_1h.csv", "1h/x_4h.csv", "1h/x1h.csv", "1h/x_1h.txt", "notes/x_1h.csv", "4h")
    iterdir = Path.iterdir

    def reversed_iterdir(folder: Path) -> Iterator[Path]:
        return iter(sorted(iterdir(folder), reverse=True))

    monkeypatch.setattr(Path, "iterdir", reversed_iterdir)
    expected = [(name.split("/")[0], name.split("/")[1].split("_")[0], tmp_path / name) for name in kept]
    assert list_series(tmp_path) == list_series(str(tmp_path)) == expected


def test_a_file_is_no_folder_of_bars(tmp_path: Path) -> None:
    (path,) = touch(tmp_path, "abc_1h.csv")
    assert refusal(path) == (
        f"{str(path)!r} is a file, should be the folder that holds {LAYOUT}: name that folder, or hand the file to a "
        "command that takes one (--data)"
    )


def test_a_folder_that_is_not_there_is_told_with_those_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert refusal(folder) == f"no folder {str(folder)!r}; {str(tmp_path)!r} holds no folder"
    touch(tmp_path, "file", ".hidden/x", "b/x", "a/x")
    assert refusal(folder) == f"no folder {str(folder)!r}; in {str(tmp_path)!r} there are a, b"
    assert refusal(folder / "bars") == f"no folder {str(folder / 'bars')!r}"


def test_series_are_found_by_resolution_then_ticker(tmp_path: Path) -> None:
    touch(tmp_path, "1h/a_1h.csv", "1h/b_1h.csv", "4h/a_4h.csv", "4h/b_4h.json")
    assert find_series(tmp_path, ["b", "a"], ["4h", "1h"]) == [
        ("4h", "b", tmp_path / "4h" / "b_4h.json"),
        ("4h", "a", tmp_path / "4h" / "a_4h.csv"),
        ("1h", "b", tmp_path / "1h" / "b_1h.csv"),
        ("1h", "a", tmp_path / "1h" / "a_1h.csv"),
    ]
    with pytest.raises(ConfigError, match=r"^resolution: found 'hourly', should be a whole number"):
        find_series(tmp_path / "nowhere", ["a"], ["1h", "hourly"])


def test_series_that_are_not_there_are_told_with_what_is(tmp_path: Path) -> None:
    where = repr(str(tmp_path))
    assert refusal(tmp_path) == (
        f"no bars at resolution '1h' in {where}; there are no bars at all; a file is called {LAYOUT}; "
        f"of other names: {IMPORT}"
    )
    touch(tmp_path, "4h/eth_usd_4h.csv", "4h/btc_usd_4h.csv", "1d/sol_1d.csv")
    assert refusal(tmp_path) == f"no bars at resolution '1h' in {where}; there are 4h, 1d"
    absent = f"at 4h in {where}; there are btc_usd, eth_usd"
    assert refusal(tmp_path, "btc_ust", "4h") == f"no ticker 'btc_ust' {absent}. Did you mean 'btc_usd'?"
    assert refusal(tmp_path, "zzz", "4h") == f"no ticker 'zzz' {absent}"
    two = touch(tmp_path, "1d/sol_1d.csv", "1d/sol_1d.parquet")
    assert refusal(tmp_path, "sol", "1d") == f"2 files for one series: {two[0]} and {two[1]}; keep one"


def test_the_bars_of_a_run_are_where_they_were_or_where_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert existing_folder("bars", None) == existing_folder("bars", os.path.abspath("bars")) == "bars"
    recorded = str(tmp_path / "before" / "bars")
    with pytest.raises(DataError) as caught:
        existing_folder("bars", recorded)
    assert str(caught.value) == (
        f"no folder {recorded!r}, where the bars were when the run was trained, and no 'bars' in {str(tmp_path)!r}"
    )
    (tmp_path / "bars").mkdir()
    assert existing_folder("bars", recorded) == "bars"
    Path(recorded).mkdir(parents=True)
    assert existing_folder("bars", recorded) == recorded
