"""``nextbar audit``: table, findings, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import make_config
from typer.testing import CliRunner

import nextbar.auditing
from nextbar.auditing import Audit
from nextbar.auditing.result import STAGES, Leak
from nextbar.cli.app import app

LEAK = Leak("bars", "suspicious", "x of a knows later bars; leave it out", series="a", column="x", time=0, amount=0.5)


def command(folder: Path, monkeypatch: pytest.MonkeyPatch, leaks: tuple[Leak, ...], *options: str) -> Any:
    make_config().save(folder / "experiment.yaml")
    found = Audit(leaks, (0, 3_600), ("a_1h",), ("x of a_1h",), ("b_1h: its bars were not replaced",))
    monkeypatch.setattr(nextbar.auditing, "audit", lambda config, **asked: found)
    return CliRunner().invoke(app, ["audit", str(folder / "experiment.yaml"), *options])


def test_a_clean_audit_is_a_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = command(tmp_path, monkeypatch, ())
    assert result.exit_code == 0 and result.stdout.count("clean") == len(STAGES)
    assert "b_1h: its bars were not replaced" in result.stdout


def test_a_leak_is_told_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = command(tmp_path, monkeypatch, (LEAK,))
    assert result.exit_code == 1 and LEAK.text in result.stdout and result.stderr.startswith("1 finding")
    plain = json.loads(command(tmp_path, monkeypatch, (LEAK,), "--json").stdout)
    assert plain["clean"] is False and plain["stages"]["bars"] == "suspicious"
    assert plain["leaks"][0] | {"column": "x", "time": "1970-01-01T00:00:00Z"} == plain["leaks"][0]


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["audit", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1 and "none.yaml" in result.stderr and "Traceback" not in result.stderr
