from __future__ import annotations

from pathlib import Path

import pytest
from bar_files import bars_table, write

from nextbar.bars.recipes import recipe_for, recipe_names, recipe_summary
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


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="found 'fx1h', no such recipe; did you mean fx_1h"):
        recipe_for("fx1h", folder)
    with pytest.raises(DataError, match="no bars of 1d, which recipe index_1d is for; it has 1h"):
        recipe_for("index_1d", folder)
    with pytest.raises(DataError, match="no bars of eur at 1h; it has abc, x y"):
        recipe_for("fx_1h", folder, ["eur", "abc"])
    with pytest.raises(DataError, match="no folder"):
        recipe_for("fx_1h", folder / "none")
