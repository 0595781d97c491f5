"""How many configurations were tried: stated, those of a search, or one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from searches import Pretender, searched

from nextbar.backtesting.tried import Tried
from nextbar.errors import ConfigError
from nextbar.positions.options import PositionOptions
from nextbar.runs.kinds import STUDY


def test_a_configuration_in_the_folder_of_a_search_is_one_of_those_it_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pretender(monkeypatch)
    study = searched(tmp_path, n_trials=4)
    assert Tried.of(PositionOptions(), study.path) == (4, "search")
    assert Tried.of(PositionOptions(sharpe_variance=0.5), study.path) == (4, "search")
    assert Tried.of(PositionOptions(trials=70), study.path) == (70, "stated")
    assert Tried.of(PositionOptions(), tmp_path) == (1, "alone")


def test_a_variance_of_one_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sharpe_variance: found 0\.5, but .* holds no search"):
        Tried.of(PositionOptions(sharpe_variance=0.5), tmp_path)
    assert Tried.of(PositionOptions(sharpe_variance=0.5, trials=3), tmp_path) == (3, "stated")


def test_a_variance_beside_a_search_of_one_trial_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pretender(monkeypatch)
    study = searched(tmp_path, n_trials=1)
    with pytest.raises(ConfigError, match="holds a search of one trial"):
        Tried.of(PositionOptions(sharpe_variance=0.5), study.path)


def test_a_search_that_cannot_be_read_is_told_and_counts_for_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / STUDY).write_text("format: 1\n")
    with caplog.at_level(logging.WARNING, "nextbar"):
        assert Tried.of(PositionOptions(), tmp_path) == (1, "alone")
    assert "cannot be read" in caplog.text and "positions.trials says otherwise" in caplog.text
