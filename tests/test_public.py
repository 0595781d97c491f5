"""The public names: all there, and none of them costs anything before it is used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nextbar

HEAVY = ("jax", "flax", "optax", "orbax", "pandas", "polars", "pyarrow", "arch", "scipy", "optuna", "plotly")


@pytest.mark.parametrize("name", nextbar.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(nextbar, name)
    assert name in dir(nextbar)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Trainr'"):
        _ = nextbar.Trainr  # type: ignore[attr-defined]


def test_import_is_light() -> None:
    code = f"import sys, nextbar, nextbar.errors; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-3.13.txt"])
def test_constraints_are_plain_pins_of_every_dependency(file: str) -> None:
    root = Path(__file__).resolve().parents[1]
    lines = (root / file).read_text().splitlines()
    pins = dict(line.split("==") for line in lines)  # name==version, nothing else
    pinned = {name.lower().replace("_", "-") for name in pins}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for name in ("dev", "mutants") for one in project["optional-dependencies"][name]),
    ]
    assert {requirement.split(">=")[0].lower().replace("_", "-") for requirement in wanted} <= pinned
