"""Options that commands share: ``--on``, as it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
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
