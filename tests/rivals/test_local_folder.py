"""Folders of pretrained models: refused before a library opens them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nextbar.errors import ConfigError
from nextbar.rivals.local_folder import OFFLINE, model_config, model_folder, offline


def test_what_is_no_folder_is_never_looked_for_elsewhere(tmp_path: Path) -> None:
    for name in ("amazon/chronos-2", tmp_path / "none", "s3://bucket/model"):
        with pytest.raises(ConfigError, match=r"is no folder; name a folder on this disk .* Nothing is downloaded"):
            model_folder(name, "chronos")


def test_a_folder_needs_a_configuration_and_weights_that_hold_no_code(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no config\.json"):
        model_folder(tmp_path, "chronos")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ConfigError, match=r"no \*\.safetensors .* can hold code"):
        model_folder(tmp_path, "chronos")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert model_folder(tmp_path, "chronos") == tmp_path.resolve()


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "cannot be read"), ("[]", "holds no configuration"), ('{"auto_map": {}}', "has auto_map, code of its own")],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=words):
        model_config(tmp_path, "chronos")


def test_the_network_is_shut_while_a_model_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE[0], "0")
    monkeypatch.delenv(OFFLINE[1], raising=False)
    with offline():
        assert [os.environ[name] for name in OFFLINE] == ["1"] * len(OFFLINE)
    assert os.environ[OFFLINE[0]] == "0" and OFFLINE[1] not in os.environ
