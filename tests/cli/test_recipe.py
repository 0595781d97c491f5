from __future__ import annotations

from pathlib import Path

from bar_files import bars_table, write
from typer.testing import CliRunner

from nextbar.cli.app import app
from nextbar.config import ExperimentConfig

cli = CliRunner(env={"COLUMNS": "200"})


def test_they_are_listed_and_one_is_written_once(tmp_path: Path) -> None:
    write(tmp_path, bars_table())
    listing = cli.invoke(app, ["recipe"])
    assert listing.exit_code == 0 and "fx_1h          Hourly bars of a currency pair" in listing.stdout
    out = tmp_path / "mine.yaml"
    written = cli.invoke(app, ["recipe", "fx_1h", "--data", str(tmp_path), "--out", str(out)])
    assert (written.exit_code, written.stdout) == (0, f"{out}\n")
    assert ExperimentConfig.load(out).dataset_config.tickers == ("abc",)
    assert cli.invoke(app, ["recipe", "fx_1h", "--data", str(tmp_path)]).stdout == out.read_text()
    again = cli.invoke(app, ["recipe", "fx_1h", "--data", str(tmp_path), "--out", str(out)])
    assert again.exit_code == 1 and "exists already" in again.output


def test_a_recipe_is_for_bars() -> None:
    result = cli.invoke(app, ["recipe", "fx_1h"])
    assert result.exit_code == 1 and "Name their folder with --data DIR" in result.output
    assert "did you mean fx_1h" in cli.invoke(app, ["recipe", "fx1h"]).output
