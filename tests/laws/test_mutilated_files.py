"""Files of bars as they come: each is read right, refused with one clear message, or reported as suspicious."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mutilated import GROUPS, SOUND, Case, cases, prices, rows
from typer.testing import CliRunner

from nextbar.bars.bars import load_bars
from nextbar.bars.inventory import take_inventory
from nextbar.cli.app import app
from nextbar.errors import DataError

SUSPICIONS = ("leaps", "stand still", "is 0 in", "hold the prices", "swapped", "in the future")


def _written(folder: Path, case: Case) -> Path:
    path = folder / "1h" / f"abc_1h.{case.extension}"
    path.parent.mkdir(parents=True)
    path.write_bytes(case.content)
    return path


def _judge(folder: Path, case: Case) -> str:
    """What is wrong with what became of a file; empty where nothing is."""
    path = _written(folder, case)
    try:
        bars = load_bars(folder, ["abc"], ["1h"])[0]
    except DataError as error:
        message = str(error)
        if case.becomes != "refused":
            return f"refused: {message}"
        untold = [words for words in case.told if words not in message]
        lines = message.splitlines()
        if untold or not message.startswith(str(path)) or len(lines) > 12 or max(map(len, lines)) > 1000:
            return f"refused without {untold}: {message}"
        return ""
    if case.becomes == "refused":
        return f"read, with the notices {bars.notices}"
    notices = [notice for notice in bars.notices if any(word in notice for word in SUSPICIONS)]
    untold = [words for words in case.told if words not in "\n".join(notices)]
    if untold or bool(notices) != (case.becomes == "suspicious"):
        return f"notices {bars.notices} without {untold}"
    truth = (SOUND if case.truth is None else case.truth).sort_values("time")
    wrong = [name for name in ("open", "high", "low", "close", "volume")
             if not np.array_equal(bars.columns[name], truth[name].to_numpy(float))]  # fmt: skip
    wrong += [] if np.array_equal(bars.time_N, truth.time) else ["time"]
    return f"wrong numbers in {', '.join(wrong)}" if wrong else ""


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_each_file_is_read_right_refused_or_reported(tmp_path: Path, group) -> None:
    wrong = {}
    for number, case in enumerate(group()):
        verdict = _judge(tmp_path / str(number), case)
        if verdict:
            wrong[case.name] = verdict
    assert not wrong, "\n".join(f"{name}: {verdict}" for name, verdict in wrong.items())


def test_there_are_many_and_no_two_are_alike() -> None:
    every = cases()
    assert len({case.name for case in every}) == len(every)
    assert len({(case.content, case.extension) for case in every}) > 400
    assert {case.becomes for case in every} == {"read", "refused", "suspicious"}


def test_the_inventory_shows_what_is_refused_and_what_is_suspicious(tmp_path: Path) -> None:
    for number, case in enumerate((*rows(), *prices())):
        path = _written(tmp_path / str(number), case)
        (holding,) = take_inventory(tmp_path / str(number))
        assert bool(holding.problems) == (case.becomes == "refused"), case.name
        result = CliRunner().invoke(app, ["data", "check", str(path)])
        assert result.exit_code == (case.becomes == "refused"), case.name
        assert all(words in result.output for words in case.told), case.name
