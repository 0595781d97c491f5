from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bar_files import bars_table, write
from exchange_bars import series_at, sessions_between

from nextbar.bars.recipes import recipe_for, recipe_names, recipe_summary
from nextbar.bars.writing import write_series
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my \\ bars").mkdir()
    for name in ("abc", "x y"):
        write(tmp_path / "my \\ bars", bars_table(), name=name)
    return tmp_path / "my \\ bars"


def test_each_is_a_configuration_for_the_folder(folder: Path, tmp_path: Path) -> None:
    assert {"crypto_4h", "crypto_1h", "fx_1h", "equity_1h", "index_1d", "intraday_5m"} <= {*recipe_names()}
    for name in recipe_names():
        assert recipe_summary(name).endswith(".")
        (tmp_path / "made.yaml").write_text(recipe_for(name, folder, resolution="1h"))
        config = ExperimentConfig.load(tmp_path / "made.yaml")
        assert config.dataset_config.datapath == str(folder)
        assert config.dataset_config.tickers == ("abc", "x y")
        assert config.dataset_config.resolution == "1h"
        assert config.experiment_name == name


def test_only_some_tickers(folder: Path) -> None:
    assert '  tickers: ["x y"]\n' in recipe_for("fx_1h", folder, ["x y"])


def test_comments_stay(folder: Path) -> None:
    assert recipe_for("fx_1h", folder).startswith(f"# {recipe_summary('fx_1h')}\n#\n# Command ")


def test_an_exchange_is_written_by_the_days_of_the_training_span_alone(tmp_path: Path) -> None:
    days = sessions_between("XNYS", "2013-01-02", "2016-12-30")
    later = sessions_between("XTSE", "2017-01-03", "2017-12-29")
    expected = {
        "XNYS": ([days], [days, days[5:]], [np.concatenate([days, later])]),
        "auto": ([days[np.arange(len(days)) % 7 > 0]], [days, sessions_between("XTSE", "2013-01-02", "2016-12-30")]),
    }
    for calendar, folders in expected.items():
        for number, times in enumerate(folders):
            folder = tmp_path / calendar / str(number)
            write_series([series_at(time_N, "1d", f"s{k}") for k, time_N in enumerate(times)], folder)
            text = recipe_for("index_1d", folder)
            (tmp_path / "made.yaml").write_text(text)
            assert ExperimentConfig.load(tmp_path / "made.yaml").dataset_config.calendar == calendar
            assert f"  calendar: {calendar}  # the days and hours of the training span are those of" in text
    assert "calendar" not in recipe_for("crypto_1d", tmp_path / "XNYS" / "0")


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="found 'fx1h', no such recipe; did you mean fx_1h"):
        recipe_for("fx1h", folder)
    with pytest.raises(DataError, match="no bars of 1d, which recipe index_1d is for; it has 1h"):
        recipe_for("index_1d", folder)
    with pytest.raises(DataError, match="no bars of eur at 1h; it has abc, x y"):
        recipe_for("fx_1h", folder, ["eur", "abc"])
    with pytest.raises(DataError, match="no folder"):
        recipe_for("fx_1h", folder / "none")
