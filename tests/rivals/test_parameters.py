"""Models of a library by name."""

from __future__ import annotations

from types import ModuleType

import pytest

from nextbar.errors import ConfigError
from nextbar.rivals.parameters import model_class


class Mean:
    def __init__(self, bars: int) -> None:
        self.bars = bars

    def fit(self) -> None: ...


def library() -> ModuleType:
    module = ModuleType("library")
    vars(module).update(Mean=Mean, Helper=int, _Hidden=Mean)
    return module


def test_a_model_is_made_of_its_parameters() -> None:
    assert model_class(library(), "Mean", "library", "fit")(bars=3).bars == 3


@pytest.mark.parametrize("name", ["Maen", "Helper", "_Hidden", "__builtins__"])
def test_what_is_no_model_is_none(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"library has no model '{name}'" + ("; did you mean Mean" * (name == "Maen"))
    ):
        model_class(library(), name, "library", "fit")


def test_parameters_that_it_does_not_take_are_said() -> None:
    with pytest.raises(ConfigError, match=r"library\.Mean\(baars=3\): TypeError, .*unexpected keyword argument"):
        model_class(library(), "Mean", "library", "fit")(baars=3)
