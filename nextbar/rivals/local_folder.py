"""Weights of a pretrained model in a folder on this disk: checked before a library opens it, never downloaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nextbar.errors import ConfigError

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
"""variables that keep Hugging Face's libraries from the network"""


def model_folder(folder: str | Path, model: str) -> Path:
    """The folder of a pretrained model, with its configuration and weights in it.

    Args:
        folder: where it should be.
        model: what kind of model, for messages.

    Raises:
        ConfigError: there is no such folder, no ``config.json`` or no ``*.safetensors`` in it; weights in other
            formats are pickles, which can hold code, and are not opened.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ConfigError(
            f"{model}: {str(folder)!r} is no folder; name a folder on this disk that holds the model's config.json and "
            "*.safetensors. Nothing is downloaded: fetch the model first"
        )
    if not (path / "config.json").is_file():
        raise ConfigError(f"{model}: there is no config.json in {path}; name the folder that the model was saved to")
    if not any(path.glob("*.safetensors")):
        raise ConfigError(
            f"{model}: there are no *.safetensors in {path}; weights in other formats can hold code and are not "
            "opened. Save the model as safetensors"
        )
    return path.resolve()


def model_config(path: Path, model: str) -> dict[str, Any]:
    """``config.json`` of a model's folder.

    Raises:
        ConfigError: it is no JSON object, or asks for code in the folder to be run.
    """
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{model}: {path / 'config.json'} cannot be read ({error}); was it copied whole?") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{model}: {path / 'config.json'} holds no configuration; was it copied whole?")
    if "auto_map" in config:
        raise ConfigError(f"{model}: {path / 'config.json'} has auto_map, code of its own, which is not run")
    return config


@contextmanager
def offline() -> Iterator[None]:
    """Keep Hugging Face's libraries from the network while a model is opened."""
    before = {name: os.environ.get(name) for name in OFFLINE}
    os.environ.update(dict.fromkeys(OFFLINE, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
