"""``nextbar backtest``: what is the backtest's and what the experiment's, and what reaches the library."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
import typer
from builders import make_config
from doc_pages import ROOT
from made_up_forecasts import table
from typer.testing import CliRunner

import nextbar.backtesting
from nextbar.backtesting import BacktestOptions
from nextbar.cli.app import app
from nextbar.cli.options import split_settings
from nextbar.config import ExperimentConfig
from nextbar.config.base import field_names
from nextbar.errors import ConfigError, DataError
from nextbar.forecasts.formats import forecasts_as

cli = CliRunner()


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    make_config().save(path)
    return path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Notes how the backtest was called, and does what a test tells it to."""
    seen = SimpleNamespace(error=None)

    def stand_in(config: ExperimentConfig, **options: Any) -> SimpleNamespace:
        seen.config, seen.options = config, options
        if seen.error:
            raise seen.error
        return SimpleNamespace(path=Path("runs/test/backtest-1"))

    monkeypatch.setattr(nextbar.backtesting, "backtest", stand_in)
    return seen


def test_settings_are_told_from_fields_of_the_experiment(experiment: Path, seen: SimpleNamespace) -> None:
    settings = ["num_epochs=7", "folds=3", "window=sliding", "model_config.d_model=16", "refit_every=2", "embargo=4"]
    result = cli.invoke(app, ["backtest", str(experiment), *settings, "conformal=true", "--quiet", "--overwrite"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "runs/test/backtest-1\n", "")
    assert seen.config == ExperimentConfig.load(experiment, ["num_epochs=7", "model_config.d_model=16"])
    given = {"folds": 3, "window": "sliding", "refit_every": 2, "embargo": 4, "conformal": True}
    assert seen.options == {**given, "on": "local", "overwrite": True, "show": False}


def test_positions_are_set_by_fields_of_their_own(experiment: Path, seen: SimpleNamespace) -> None:
    settings = ["positions.rule=kelly", "positions.cost_bps=2.5", "positions.short=false", "folds=3"]
    assert cli.invoke(app, ["backtest", str(experiment), *settings]).exit_code == 0
    rule = {"rule": "kelly", "cost_bps": 2.5, "short": False}
    assert seen.options == {"positions": rule, "folds": 3, "on": "local", "overwrite": False, "show": None}


def test_without_settings_the_library_decides(experiment: Path, seen: SimpleNamespace) -> None:
    assert cli.invoke(app, ["backtest", str(experiment)]).exit_code == 0
    assert seen.options == {"on": "local", "overwrite": False, "show": None}
    assert seen.config == ExperimentConfig.load(experiment)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fold=3", "'fold=3': neither a backtest nor an experiment has 'fold'; did you mean folds?"),
        ("refit=3", "did you mean refit_every?"),
        ("num_epoch=3", "did you mean num_epochs?"),
        ("model_config.d_modl=3", "did you mean model_config.d_model?"),
        ("positions.rul=sign", "did you mean positions.rule?"),
        ("cost_bps=3", "did you mean positions.cost_bps?"),
        ("folds", "override 'folds': should be name=value"),
        ("folds=[", "not valid YAML"),
    ],
)
def test_what_is_not_understood_is_told_with_what_is_nearest(
    experiment: Path, seen: SimpleNamespace, setting: str, message: str
) -> None:
    result = cli.invoke(app, ["backtest", str(experiment), setting])
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr and not hasattr(seen, "config")


@pytest.mark.parametrize(
    "setting", ["folds=0", "folds=many", "window=weekly", "refit_every=-1", "conformal=1", "positions.cap=0"]
)
def test_an_impossible_option_is_told(experiment: Path, setting: str) -> None:
    result = cli.invoke(app, ["backtest", str(experiment), setting])
    name, _, value = setting.partition("=")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{name}: found" in result.stderr and value in result.stderr


def test_errors_and_ctrl_c_end_it_in_words(
    experiment: Path, seen: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.error = DataError("too few bars for 5 folds")
    result = cli.invoke(app, ["backtest", str(experiment)])
    assert (result.exit_code, result.stderr) == (1, "too few bars for 5 folds\n")
    monkeypatch.setattr("os._exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    seen.error = KeyboardInterrupt()
    result = cli.invoke(app, ["backtest", str(experiment)])
    assert result.exit_code == 130
    assert result.stderr.endswith("folds that were trained are kept, and the same command goes on with the others\n")


def test_the_values_of_settings_are_read_as_in_yaml() -> None:
    assert split_settings(["embargo = 3", "seed=1"], BacktestOptions, "backtest") == ({"embargo": 3}, ["seed=1"])
    with pytest.raises(ConfigError, match="folds"):
        split_settings(["fold=1"], BacktestOptions, "backtest")


def test_forecasts_are_written_as_another_program_takes_them(
    experiment: Path, seen: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = SimpleNamespace(path=Path("runs/test/backtest-1"), forecasts=table("normal").assign(model="own"))
    monkeypatch.setattr(nextbar.backtesting, "backtest", lambda config, **options: result)
    out = tmp_path / "f.feather"
    done = cli.invoke(app, ["backtest", str(experiment), "--as", "freqtrade", "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, f"runs/test/backtest-1\n{out}\n")
    pd.testing.assert_frame_equal(pd.read_feather(out), forecasts_as(result.forecasts, "freqtrade"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as", "nixtla"], "--as nixtla: where to? Name a file with --out"),
        (["--as", "nixtl", "--out", "f.csv"], "did you mean nixtla?"),
        (["--as", "freqtrade", "--out", "f.csv"], "must be one of .feather"),
    ],
)
def test_where_forecasts_cannot_be_written_is_told_before_the_work(
    arguments: list[str], said: str, experiment: Path, seen: SimpleNamespace
) -> None:
    done = cli.invoke(app, ["backtest", str(experiment), *arguments])
    assert done.exit_code == 1 and said in done.stderr.replace("\n", " ") and not hasattr(seen, "options")


def test_rivals_are_named_with_commas_between_them(experiment: Path, seen: SimpleNamespace) -> None:
    names = "statsforecast:ARIMA(order=[1, 0, 1]),chronos:my models/chronos-2"
    done = cli.invoke(app, ["backtest", str(experiment), "rivals=[darts:LightGBMModel(lags=3)]", "--rivals", names])
    assert done.exit_code == 0
    assert seen.options["rivals"] == [
        "darts:LightGBMModel(lags=3)", "statsforecast:ARIMA(order=[1, 0, 1])", "chronos:my models/chronos-2",
    ]  # fmt: skip


def test_a_folder_that_is_none_is_refused_before_anything_is_trained(experiment: Path, tmp_path: Path) -> None:
    done = cli.invoke(app, ["backtest", str(experiment), f"log_dir={tmp_path / 'runs'}", "--rivals", "chronos:none"])
    assert done.exit_code == 1 and "'none' is no folder" in done.stderr and not (tmp_path / "runs").exists()


def test_help_and_page_name_every_option() -> None:
    settings = cast(Any, typer.main.get_command(app)).commands["backtest"].params[1].help
    page = (ROOT / "docs" / "how-to" / "backtest.md").read_text()
    for name in field_names(BacktestOptions):
        option = name.partition(".")[0]
        assert option == "rivals" or f"{option}=" in settings or f"{option}." in settings
        assert f"| `{option}=" in page or f"| `{option}." in page
