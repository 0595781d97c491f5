"""Where new bars come from: files by their name or columns, folders by what the run knows, frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from bar_files import write
from builders import make_bars, make_config, make_frame

from nextbar.bars.bars import Bars
from nextbar.bars.new_bars import own_bars, read_new_bars
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
        with pytest.raises(ConfigError, match="give bars or data"):
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
