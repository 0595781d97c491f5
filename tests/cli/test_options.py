"""Options that commands share: ``--on``, as it is refused; what the help says of all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml
from builders import make_config
from spaces import given
from typer.testing import CliRunner

from nextbar.cli.app import app

cli = CliRunner()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "config.yaml", "--on", "dask://lead:8786"], "add --seeds K, without --distributed"),
        (["train", "config.yaml", "--seeds", "2", "--on", "lead:8786"], "on: found 'lead:8786', should be local, or"),
        (["search", "space.yaml", "--on", "slurm://lead:1"], "on: found 'slurm://lead:1', should be local, or"),
        (["backtest", "config.yaml", "--on", "dask://lead"], "on: found 'dask://lead', should be local, or"),
    ],
)
def test_what_is_no_cluster_is_refused_before_anything_is_read_or_written(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_config().save(tmp_path / "config.yaml")
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(given({"seed": [1, 2]})))
    before = sorted(tmp_path.iterdir())
    result = cli.invoke(app, words)
    assert result.exit_code == 1 and message in result.output
    assert sorted(tmp_path.iterdir()) == before


def test_a_paragraph_of_the_help_breaks_where_the_terminal_ends() -> None:
    commands = cast(Any, typer.main.get_command(app)).commands
    texts = {name: command.help.split("\n\n") for name, command in commands.items() if command.help}
    assert max(map(len, texts["runs"])) > 120  # more than a line of the docstring
    assert not [name for name, paragraphs in texts.items() if any("\n" in part for part in paragraphs)]


@pytest.mark.parametrize(("command", "works"), [("update", False), ("watch", False), ("refit", True), ("report", True)])
def test_the_help_offers_an_address_where_one_is_taken(command: str, works: bool) -> None:
    path, *_ = cast(Any, typer.main.get_command(app)).commands[command].params
    assert ("address" in path.help) is works
