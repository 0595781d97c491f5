"""Where new bars come from: files by their name or columns, folders by what the run knows, frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from bar_files import write
from builders import make_bars, make_config, make_frame
from layout_files import FILES

from nextbar.bars.bars import Bars
from nextbar.bars.new_bars import own_bars, read_new_bars, tables_of, trained_on
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError


def save(path: Path, *series: Bars, keys: bool = False) -> Path:
    frame = make_frame(*series)
    path.parent.mkdir(exist_ok=True, parents=True)
    (frame if keys else frame.drop(columns=["ticker", "resolution"])).to_csv(path, index=False)
    return path


def names(config: ExperimentConfig, data: Path, **options: object) -> list[str]:
    return [b.name for b in read_new_bars(config, data=data, **options)]  # type: ignore[arg-type]


def test_a_file_is_the_series_its_name_says(tmp_path: Path) -> None:
    config = make_config(tickers=["aaa", "bbb"])
    assert names(config, save(tmp_path / "b_c_1h.csv", make_bars())) == ["b_c_1h"]
    assert names(make_config(tickers="only"), save(tmp_path / "export.csv", make_bars())) == ["only_1h"]
    with pytest.raises(DataError, match=r"which series is it\? The model knows aaa, bbb at 1h; .* such as aaa_1h\.csv"):
        read_new_bars(config, data=tmp_path / "export.csv")
    four = save(tmp_path / "aaa_4h.csv", make_bars(resolution="4h"))
    with pytest.raises(DataError, match=r"bars at 4h, by its name; the model was trained on bars at 1h"):
        read_new_bars(config, data=four)
    with pytest.raises(DataError, match="no file or folder"):
        read_new_bars(config, data=tmp_path / "nothing.csv")


def test_a_long_file_is_told_by_its_columns_and_lines(tmp_path: Path) -> None:
    config = make_config(tickers=["aaa", "bbb"])
    path = save(tmp_path / "export.csv", make_bars("ccc", n=20), make_bars("aaa", n=30), keys=True)
    assert names(config, path) == ["ccc_1h", "aaa_1h"]
    assert names(config, path, tickers=["aaa"]) == ["aaa_1h"]
    frame = pd.read_csv(path)
    frame.loc[24, "high"] = 0.5  # on line 26, below the names of the columns
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"export\.csv, aaa at 1h: \d problem(.|\n)*line 26: high 0\.5 is below"):
        read_new_bars(config, data=path)


def test_a_folder_holds_what_the_run_knows(tmp_path: Path) -> None:
    config = make_config(tickers=["aaa", "bbb"], test_tickers=["bbb"], resolution=["1h", "4h"])
    save(tmp_path / "1h" / "aaa_1h.csv", make_bars())
    save(tmp_path / "4h" / "bbb_4h.csv", make_bars(resolution="4h"))
    save(tmp_path / "1h" / "zzz_1h.csv", make_bars())
    assert names(config, tmp_path) == ["aaa_1h", "bbb_4h"]
    assert names(config, tmp_path, scored_only=True) == ["bbb_4h"]
    assert names(make_config(), tmp_path, tickers=["zzz"]) == ["zzz_1h"]
    with pytest.raises(DataError, match=r"no bars of made_up at 1h, .* there are aaa_1h, bbb_4h, zzz_1h"):
        read_new_bars(make_config(), data=tmp_path)
    with pytest.raises(DataError, match=r"no ticker 'yyy' at 1h"):
        read_new_bars(make_config(), data=tmp_path, tickers=["yyy"])


def test_one_of_bars_and_data_is_given(tmp_path: Path) -> None:
    for bars, data in ((None, None), (make_frame(make_bars()), tmp_path)):
        with pytest.raises(ConfigError, match=r"^give bars or data: one of the two$"):
            read_new_bars(make_config(), bars, data)


def test_a_runs_own_bars_end_where_its_dates_do(tmp_path: Path) -> None:
    write(tmp_path, make_frame(make_bars(n=100)).drop(columns=["ticker", "resolution"]), "csv", "made_up")
    config = make_config(datapath=str(tmp_path), initial_date="2020-01-07", final_date="2020-01-08")
    (bars,) = own_bars(config)
    assert pd.to_datetime(bars.time_N[[0, -1]], unit="s").astype(str).tolist() == [
        "2020-01-07 00:00:00",
        "2020-01-08 23:00:00",
    ]
    with pytest.raises(DataError, match=r"the run's own bars: made_up_1h in .* has none of its dates any more"):
        own_bars(make_config(datapath=str(tmp_path), initial_date="2030-01-01"))
    with pytest.raises(DataError, match=r"the run's own bars: no folder .*\n  give the bars themselves"):
        own_bars(make_config(datapath=str(tmp_path / "gone")))


TWO = make_config(tickers=["aaa", "bbb"], test_tickers=["ccc"], resolution=["1h", "4h"], features="close")
TRAINED = "\n  the model was trained on bars at 1h and 4h, features close"


def refusal(config: ExperimentConfig, *arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_new_bars(config, *arguments, **options)
    return str(caught.value)


def test_bars_are_taken_as_they_are() -> None:
    aaa, bbb = make_bars("aaa", "4h", n=5), make_bars("bbb", n=5)
    assert read_new_bars(TWO, (bbb, aaa)) == [bbb, aaa]
    assert read_new_bars(TWO, [bbb, aaa], tickers=["aaa"]) == [aaa]
    assert read_new_bars(TWO, [bbb, aaa], tickers="aaa") == [aaa]
    assert refusal(TWO, [bbb, aaa], tickers=["aaa", "x", "y"]) == "no ticker x, y; there are bbb, aaa"
    for read in (partial(read_new_bars, TWO, [aaa]), partial(own_bars, TWO)):
        with pytest.raises(ConfigError, match="tickers is empty; name at least one"):
            read(tickers=[])
    for source in ({"bars": [aaa]}, {"data": "nowhere"}):
        with pytest.raises(ConfigError) as caught:
            read_new_bars(TWO, **source, id_col="uid")  # type: ignore[arg-type]
        assert str(caught.value) == "id_col: names of a frame's columns, but the bars do not come as a frame"


def test_frames_are_read_with_the_needs_of_the_run() -> None:
    """All tickers there are; of the run's resolutions those that are there."""
    hour, four, day = make_bars("aaa", n=5), make_bars("zzz", "4h", n=5), make_bars("aaa", "1d", n=5)
    for form in (pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).lazy()):
        read = read_new_bars(TWO, form(make_frame(four, hour, hour_of("bbb"))))
        assert [b.name for b in read] == ["aaa_1h", "bbb_1h", "zzz_4h"]
        assert [list(b.columns) for b in read] == [["close"]] * 3
        assert [b.name for b in read_new_bars(TWO, form(make_frame(four, day)))] == ["zzz_4h"]
        assert refusal(TWO, form(make_frame(day))) == f"frame: no resolution '1h'; there are 1d{TRAINED}"
    read = read_new_bars(TWO, make_frame(four, hour).set_index(["resolution", "date"]))
    assert [b.name for b in read] == ["aaa_1h", "zzz_4h"]
    renamed = make_frame(hour).rename(
        columns={"ticker": "uid", "date": "ds", "close": "y", "resolution": "Resolution "}
    )
    (read,) = read_new_bars(TWO, renamed, id_col="uid", time_col="ds", target_col="y")
    assert read.name == "aaa_1h" and read.columns["close"].tolist() == hour.columns["close"].tolist()
    frame = make_frame(hour).drop(columns=["ticker", "resolution"])
    assert refusal(TWO, frame) == (
        "frame: resolutions 1h, 4h are asked for, but there is no column 'resolution' that says which row is of which"
        + TRAINED
    )
    frame.loc[2, "close"] = float("nan")
    assert refusal(make_config(tickers="only", features="close"), frame) == (
        "frame: 1 problem\n  record 3: close is empty or NaN\n  the model was trained on bars at 1h, features close"
    )


def hour_of(ticker: str) -> Bars:
    return make_bars(ticker, n=5)


def test_a_frame_without_tickers_is_the_only_one_of_the_run() -> None:
    frame = make_frame(hour_of("x"), hour_of("y"))
    bare = frame.iloc[:5].drop(columns="ticker")
    one, two = make_config(tickers="only").dataset_config, make_config(tickers=["aaa", "bbb"]).dataset_config
    for config, table, names, tickers in (
        (one, bare, {}, ["only"]),
        (two, bare, {}, ["series"]),
        (one, frame, {}, ["x", "y"]),
        (one, frame.rename(columns={"ticker": "uid"}), {"id_col": "uid"}, ["x", "y"]),
        (one, bare.assign(uid="z"), {}, ["only"]),
    ):
        assert [ticker for _, ticker, _ in tables_of(table, config, **names)] == tickers  # type: ignore[arg-type]
    ((resolution, _, table),) = tables_of(bare.set_index("date").rename_axis(None), one, time_col="when")
    assert resolution == "1h" and "when" in table.frame
    ((_, _, table),) = tables_of(bare.set_index("date").rename_axis(None), one)
    assert "date" in table.frame


def test_errors_within_tell_what_the_model_was_trained_on() -> None:
    with pytest.raises(DataError) as caught, trained_on(TWO.dataset_config):
        raise DataError("no bars")
    assert str(caught.value) == "no bars" + TRAINED and caught.value.__suppress_context__
    with pytest.raises(ConfigError, match=r"^no bars$"), trained_on(TWO.dataset_config):
        raise ConfigError("no bars")


def test_a_folder_that_holds_nothing_the_run_knows(tmp_path: Path) -> None:
    bare = "which the run knows; there are {}. Name the tickers (tickers=, --tickers), if it is others you mean"
    text = refusal(TWO, data=tmp_path)
    assert text == f"{tmp_path}: no bars of aaa, bbb, ccc at 1h or 4h, {bare.format('no bars at all')}"
    save(tmp_path / "1d" / "aaa_1d.csv", make_bars("aaa", "1d"))
    save(tmp_path / "1h" / "z_1h.csv", make_bars())
    text = refusal(TWO, data=str(tmp_path), scored_only=True)
    assert text == f"{tmp_path}: no bars of ccc at 1h or 4h, {bare.format('aaa_1d, z_1h')}"
    save(tmp_path / "4h" / "ccc_4h.csv", make_bars(resolution="4h"))
    save(tmp_path / "1h" / "ccc_1h.csv", make_bars())
    read = read_new_bars(TWO, data=tmp_path)
    assert [b.name for b in read] == ["ccc_1h", "ccc_4h"] and list(read[0].columns) == ["close"]
    assert names(TWO, tmp_path, tickers=["ccc"]) == ["ccc_1h", "ccc_4h"]


def test_a_file_is_told_by_its_name_or_its_columns_or_the_run(tmp_path: Path) -> None:
    absent = tmp_path / "nothing.csv"
    assert refusal(TWO, data=absent) == f"no file or folder {str(absent)!r}"
    path = save(tmp_path / "export.csv", make_bars(n=9))
    assert refusal(TWO, data=str(path)) == (
        f"{path}: which series is it? The model knows aaa, bbb at 1h and 4h; call the file <ticker>_<resolution>, such "
        "as aaa_1h.csv, or add a column 'ticker'"
    )
    for config in (make_config(tickers=["aaa", "bbb"]), make_config(tickers="aaa", resolution=["1h", "4h"])):
        assert "which series is it?" in refusal(config, data=path)
    (only,) = read_new_bars(make_config(tickers="only", resolution="60m"), data=path)
    assert only.name == "only_60m" and len(only) == 9
    day = save(tmp_path / "x_1d.csv", make_bars(resolution="1d"))
    assert refusal(TWO, data=day) == f"{day}: bars at 1d, by its name; the model was trained on bars at 1h and 4h"


def test_a_long_file_keeps_its_lines_and_its_resolutions(tmp_path: Path) -> None:
    path = tmp_path / "tickers.csv"
    make_frame(hour_of("x"), hour_of("y")).drop(columns="resolution").rename(columns={"ticker": "Ticker"}).to_csv(path)
    assert names(make_config(tickers="only"), path) == ["x_1h", "y_1h"]
    frame = make_frame(make_bars("aaa", n=4), make_bars("bbb", "4h", n=4))
    frame.loc[[1, 5], "close"] = None
    path = tmp_path / "export.csv"
    frame.to_csv(path, index=False)
    assert refusal(TWO, data=path) == f"{path}, aaa at 1h: 1 problem\n  line 3: close is empty or NaN{TRAINED}"
    path = tmp_path / "export.parquet"
    frame.drop(index=1).to_parquet(path, index=False)
    assert refusal(TWO, data=path) == f"{path}, bbb at 4h: 1 problem\n  record 5: close is empty or NaN{TRAINED}"
    frame.drop(index=[1, 5], columns="ticker").iloc[:3].rename(columns={"resolution": "Resolution"}).to_parquet(path)
    assert names(make_config(tickers="only", resolution=["1h", "4h"]), path) == ["only_1h"]


def test_a_runs_own_bars_are_where_they_were(tmp_path: Path) -> None:
    """Those that it was scored on or others, up to its last date or beyond."""
    folder = tmp_path / "before"
    for name in ("aaa", "bbb", "ccc"):
        save(folder / "1h" / f"{name}_1h.csv", make_bars(n=100))
        save(folder / "4h" / f"{name}_4h.csv", make_bars(resolution="4h", n=100))
    fields = {
        "resolution": ["1h", "4h"],
        "features": "close",
        "final_date": "2020-01-08",
        "datapath": str(tmp_path / "x"),
    }
    config = make_config(tickers=["aaa", "bbb"], test_tickers=["ccc"], **fields)
    read = own_bars(config, recorded=str(folder))
    assert [(b.name, len(b), list(b.columns)) for b in read] == [("ccc_1h", 72, ["close"]), ("ccc_4h", 18, ["close"])]
    later = own_bars(config, ["bbb", "aaa"], str(folder), later=True)
    assert [(b.name, len(b)) for b in later] == [("bbb_1h", 100), ("aaa_1h", 100), ("bbb_4h", 100), ("aaa_4h", 100)]
    with pytest.raises(DataError) as caught:
        own_bars(
            make_config(tickers=["aaa", "bbb"], **fields | {"initial_date": "2030-01-01", "final_date": None}),
            None,
            str(folder),
        )
    assert str(caught.value) == (
        f"the run's own bars: aaa_1h, bbb_1h, aaa_4h, bbb_4h in {str(folder)!r} has none of its dates any more"
    )
    with pytest.raises(DataError) as caught:
        own_bars(config, ["x"], str(folder))
    assert str(caught.value) == (
        f"the run's own bars: no ticker 'x' at 1h in {str(folder)!r}; there are aaa, bbb, ccc\n  give the bars "
        "themselves, or name their folder"
    )


@pytest.mark.parametrize(
    ("layout", "series"),
    [
        ("Stooq, bulk", ["aaa.us_1h"]),
        ("Binance, zip", ["AAAUSDT_1h"]),
        ("ccxt", ["AAA_1h"]),
        ("yfinance, two tickers", ["AAA_1h", "BBB_1h"]),
    ],
)
def test_a_file_of_another_program_is_read_as_well(tmp_path: Path, layout: str, series: list[str]) -> None:
    """By what that program calls its files; a ticker that a column alone has does not count beside it."""
    file = FILES[layout]()
    (tmp_path / file.name).write_bytes(file.content)
    assert names(make_config(tickers=["aaa", "bbb"]), tmp_path / file.name) == series
    assert read_new_bars(make_config(), data=tmp_path / file.name)[0].notices, "and it is said how"
