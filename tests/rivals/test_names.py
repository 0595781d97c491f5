"""Rivals by the names that a command line has."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pytest
from rivals_of import FakeRival

from nextbar.errors import ConfigError
from nextbar.rivals import names, rival_called
from nextbar.rivals.names import LIBRARIES, split_rivals


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the made-up library is asked for."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def called(model: str, parameters: Mapping[str, Any]) -> FakeRival:
        calls.append((model, dict(parameters)))
        return FakeRival()

    monkeypatch.setitem(names.LIBRARIES, "fake", called)
    return calls


def test_parameters_are_read_as_yaml(asked: list[tuple[str, dict[str, Any]]]) -> None:
    text = " fake:Mean(bars=3, order=[1, 0, 2], seasonal=true, name=x) "
    assert rival_called(text).name == text.strip()
    assert rival_called("fake:Mean").name == "fake:Mean"
    assert asked == [("Mean", {"bars": 3, "order": [1, 0, 2], "seasonal": True, "name": "x"}), ("Mean", {})]


def test_a_folder_may_have_colons_and_spaces(asked: list[tuple[str, dict[str, Any]]]) -> None:
    rival_called("fake:C:/my models/chronos-2")
    rival_called("fake:~/chronos-2(context=64)")
    assert asked == [("C:/my models/chronos-2", {}), ("~/chronos-2", {"context": 64})]


def test_names_are_split_at_commas_outside_of_brackets() -> None:
    text = "a:B(x=1, y=[2, 3]), c:D,e:/f g"
    assert split_rivals(text) == ["a:B(x=1, y=[2, 3])", "c:D", "e:/f g"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("AutoETS", "should be a library and its model or folder, such as statsforecast:AutoETS"),
        ("", "found ''"),
        ("statforecast:AutoETS", "no library 'statforecast'; did you mean statsforecast"),
        ("chronos:amazon/chronos-2", "'amazon/chronos-2' is no folder"),
        ("timesfm:google/timesfm-3.0-pytorch", "is no folder"),
    ],
)
def test_what_stands_for_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        rival_called(text)


@pytest.mark.parametrize("library", ["statsforecast", "neuralforecast", "darts"])
def test_a_library_that_is_not_installed_is_said_with_what_installs_it(library: str) -> None:
    if find_spec(library) is not None:
        pytest.skip(f"{library} is installed")
    with pytest.raises(ConfigError, match=rf"pip install 'nextbar\[{library}\]'"):
        rival_called(f"{library}:Model")


def test_every_library_has_its_extra() -> None:
    import tomllib

    from doc_pages import ROOT

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(LIBRARIES) - {"kronos"} <= extras.keys()  # nobody is known to publish it
