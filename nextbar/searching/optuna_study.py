"""The Optuna study of a search: loaded or made in its storage, and refused where it has another space."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage

from nextbar.errors import ConfigError, RunError
from nextbar.searching.storage import storage_failures

SPACE = "nextbar space"
"""attribute of a study: identity of its space"""


def open_study(storage: BaseStorage, name: str, identity: Mapping[str, Any]) -> optuna.Study:
    """The study of this name, made where the storage has none; its values are minimised.

    Args:
        storage: where it is kept.
        name: of the study.
        identity: of the space.

    Raises:
        ConfigError: the study has another space, and the message lists the differences; or it is not nextbar's.
    """
    with warnings.catch_warnings(), storage_failures():
        warnings.simplefilter("ignore")
        try:
            study = optuna.load_study(storage=storage, study_name=name)
        except KeyError:  # made by another worker in this moment, perhaps
            study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
        # trials first: a worker that makes one has set the space before
        trials = study.get_trials(deepcopy=False)
        existing = study.user_attrs.get(SPACE)
        if existing is None:
            if trials:
                raise ConfigError(f"the study {name!r} is there, but not one of nextbar's; choose another study_name")
            study.set_user_attr(SPACE, _plain(identity))
    if existing is not None and existing != _plain(identity):
        different = "\n".join(_differences(existing, _plain(identity)))
        raise ConfigError(
            f"the study {name!r} has another space:\n{different}\n"
            "  choose another study_name or experiment_name, or search the space that it has"
        )
    return study


def load_study(storage: BaseStorage, name: str) -> optuna.Study:
    """A study of this name.

    Raises:
        RunError: the storage has none.
    """
    try:
        with storage_failures():
            return optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        with storage_failures():
            names = [study.study_name for study in storage.get_all_studies()]
        raise RunError(f"the storage has no study {name!r}; it has {', '.join(map(repr, names)) or 'none'}") from None


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*theirs, *ours}):
        if theirs.get(name) != ours.get(name):
            yield f"  {name}: {theirs.get(name)!r} in the study, {ours.get(name)!r} here"


def _plain(value: Any) -> Any:
    """A value as JSON gives it back: lists for tuples, names for infinities."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value
