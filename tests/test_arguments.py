"""Keyword arguments of the public names: what a callable does not have is refused, and the nearest is named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import make_config

import nextbar
from nextbar import ExperimentConfig, Forecaster, Trainer, backtest, train_population, train_seeds
from nextbar.bars.columns import FrameNames
from nextbar.errors import ConfigError

CONFIGS = ("ModelConfig", "DatasetConfig", "ExperimentConfig")


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions, and of public classes what makes them and every public method."""
    for name in nextbar.__all__:
        value = getattr(nextbar, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and not issubclass(value, Exception):
            yield name, value
            for method, kind in inspect.getmembers(value, callable):
                if not method.startswith("_") and not inspect.isclass(kind):
                    yield f"{name}.{method}", kind


CALLABLES = dict(public_callables())


def parameters(name: str) -> list[str]:
    """Names by which arguments can be given, those of a frame's columns among them."""
    found = inspect.signature(CALLABLES[name]).parameters.values()
    names = [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    return names + list(FrameNames.__annotations__) * any(p.kind is p.VAR_KEYWORD for p in found)


def test_the_callables_are_those_that_users_know() -> None:
    assert {"Trainer", "Trainer.train_and_evaluate", "Forecaster.predict", "Forecaster.load", "evaluate", "backtest",
            "search", "refit", "train_seeds", "train_population", "write_report", "Study.load", "best_run",
            "ExperimentConfig.load", "create_warmup_cosine_schedule", "EarlyStopper"} <= set(CALLABLES)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CALLABLES if name not in CONFIGS])
def test_an_unknown_argument_is_refused_and_the_nearest_named(name: str) -> None:
    """Whatever else is given or missing: nothing is done before."""
    for argument in parameters(name):
        wrong = argument + "_"
        with pytest.raises(ConfigError) as error:
            CALLABLES[name](**{wrong: True})
        assert str(error.value) == f"{name}: no argument {wrong!r}; did you mean {argument}?"
        assert isinstance(error.value, TypeError)  # as Python's own refusal is
    with pytest.raises(ConfigError, match="qqq"):
        CALLABLES[name](qqq=1)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("level", "levels"), ("last_ony", "last_only"), ("conformall", "conformal"), ("idcol", "id_col")],
)
def test_forecasts_with_a_misspelt_option(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError, match=f"Forecaster.predict: no argument '{wrong}'; did you mean {right}?"):
        Forecaster.predict(None, None, **{wrong: [0.9]})  # type: ignore[arg-type]


def test_all_unknown_arguments_are_told() -> None:
    with pytest.raises(ConfigError) as error:
        nextbar.evaluate("run", tikers=["a"], fit_scalar=True)  # type: ignore[call-arg]
    assert str(error.value) == (
        "evaluate: no argument 'tikers'; did you mean tickers?\n  no argument 'fit_scalar'; did you mean fit_scaler?"
    )


def sources(folder: Path) -> dict[str, Any]:
    config = make_config(log_dir=str(folder / "runs"), save_weights=False, datapath="nowhere")
    config.save(folder / "experiment.yaml")
    return {
        "configuration": config,
        "mapping": config.to_dict(),
        "text": str(folder / "experiment.yaml"),
        "path": folder / "experiment.yaml",
    }


@pytest.mark.parametrize("kind", ["configuration", "mapping", "text", "path"])
def test_an_experiment_may_be_a_mapping_or_a_file(kind: str, tmp_path: Path) -> None:
    given = sources(tmp_path)
    config, experiment = given["configuration"], given[kind]
    assert Trainer(experiment).config == config == ExperimentConfig.of(experiment)
    assert nextbar.population_key(experiment) == nextbar.population_key(config)
    for train in (Trainer(experiment).train_and_evaluate, lambda: train_seeds(experiment, 1),
                  lambda: train_population([experiment])):  # fmt: skip
        with pytest.raises(nextbar.NextbarError, match="nowhere"):
            train()
    with pytest.raises(ConfigError, match="save_weights is False"):  # the first that a backtest looks at
        backtest(experiment)


@pytest.mark.parametrize("wrong", [3, None, ["experiment.yaml"], object()])
def test_what_is_no_experiment_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"experiment: found .*, should be an ExperimentConfig, a mapping of its"):
        Trainer(wrong)


@pytest.mark.parametrize("kind", ["configuration", "mapping", "text", "path"])
def test_a_population_is_a_list(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found a single experiment, should be a list of them"):
        train_population(sources(tmp_path)[kind])


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration none\.yaml: No such file"):
        Trainer("none.yaml")
