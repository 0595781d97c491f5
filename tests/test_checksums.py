"""Checksums: no byte of a text or of a folder's files changes unseen, and what has none is told from what lost it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from nextbar.checksums import (
    KEY,
    LIST,
    digest,
    is_sealed,
    list_files,
    listed_faults,
    read_json,
    require_whole,
    unlisted,
    write_json,
    write_text,
)
from nextbar.errors import Damaged

VALUES = {"mean": 1.25, "names": ["a", "ü"], "none": None, "inside": {"sha256": "0" * 64}}


def test_values_come_back_without_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    write_json(path, VALUES)
    assert read_json(path, required=True) == VALUES
    assert list(json.loads(path.read_text())) == [*VALUES, KEY], "at the end, for everybody to read"
    write_json(path, json.loads(path.read_text()))
    assert read_json(path, required=True) == VALUES, "an old checksum among the values is none of them"
    write_json(path, {})
    assert read_json(path, required=True) == {}


def test_a_yaml_text_means_the_same_with_a_checksum_below_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_text(path, "a: 1\nb: [2, x]\n")
    assert yaml.safe_load(path.read_text()) == {"a": 1, "b": [2, "x"]}
    require_whole(path, path.read_bytes(), required=True)


@pytest.mark.parametrize("name", ["values.json", "config.yaml"])
def test_a_flip_of_any_bit_is_seen(name: str, tmp_path: Path) -> None:
    """Also in the checksum itself and in its name, which then looks like a text without one."""
    path = tmp_path / name
    write_json(path, VALUES) if path.suffix == ".json" else write_text(path, "a: 1\nb: x\n")
    data = path.read_bytes()
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(Damaged, match=name):
                require_whole(path, bytes(changed), required=True)
            if is_sealed(changed):
                with pytest.raises(Damaged, match="its checksum does not fit"):
                    require_whole(path, bytes(changed))
    for cut in range(len(data)):
        with pytest.raises(Damaged, match=name):
            require_whole(path, data[:cut], required=True)


def test_a_text_of_an_earlier_version_has_none_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text(json.dumps(VALUES, indent=2) + "\n")
    assert not is_sealed(path.read_bytes())
    assert read_json(path) == VALUES
    with pytest.raises(Damaged, match=r"the checksum at its end is missing"):
        read_json(path, required=True)


@pytest.mark.parametrize("text", ["[1]", "3", "[" * 100_000, "{", ""])
def test_what_is_no_json_object_is_a_value_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError):
        read_json(tmp_path / "x.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state" / "d").mkdir(parents=True)
    for name in ("top", "state/one", "state/d/two"):
        (tmp_path / name).write_bytes(name.encode() * 5)
    list_files(tmp_path)
    return tmp_path


def test_files_of_a_folder_are_compared_with_their_list(folder: Path) -> None:
    assert listed_faults(folder) == []
    assert json.loads((folder / LIST).read_text())["files"]["state/one"] == digest(b"state/one" * 5)
    (folder / "state" / "one").write_bytes(b"state/one" * 4 + b"state/onf")
    (folder / "top").unlink()
    assert listed_faults(folder) == ["state/one was changed since it was written", "top is missing"]
    assert listed_faults(folder, "state/d/") == []
    (folder / "state" / "new").touch()
    assert unlisted(folder) == ["state/new"]


def test_a_damaged_list_is_a_fault_and_none_at_all_is_not(folder: Path) -> None:
    text = (folder / LIST).read_text()
    for changed in (text.replace("top", "tpo"), text[:-5], "", "[]", '{"files": 3}'):
        (folder / LIST).write_text(changed)
        (fault,) = listed_faults(folder) or ()
        assert fault.startswith(f"{LIST} cannot be used (")
    write_json(folder / LIST, {"files": 3})
    assert listed_faults(folder) == [f"{LIST} cannot be used ('int' object is not iterable)"]
    (folder / LIST).unlink()
    assert listed_faults(folder) is None


def test_a_list_reaches_no_file_outside_its_folder(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(b"x")
    names = ["../outside", str(outside), "state/../../outside"]
    write_json(folder / LIST, {"files": dict.fromkeys(names, digest(b"x"))})
    assert listed_faults(folder) == [f"{name} is missing" for name in names]


def test_a_copy_of_a_folder_is_as_whole_as_it(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path.parent / f"{tmp_path.name}-copy")
    assert listed_faults(copy) == [] and unlisted(copy) == []
