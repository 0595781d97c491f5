"""Addresses: what is one, what is refused, and local folders that have them in their path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nextbar.errors import ConfigError
from nextbar.storage.address import (
    VARIABLE,
    CredentialsGiven,
    address_of,
    by_address,
    copy_folder,
    named,
    parent_of,
    require_local,
    scratch,
    told_by_address,
    working_folder,
)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("s3://bucket/runs", "s3://bucket/runs"),
        ("s3://bucket/runs/", "s3://bucket/runs"),
        (Path("s3://bucket/runs"), "s3://bucket/runs"),  # a path has a single slash left
        ("gs://bucket", "gs://bucket"),
        ("memory://a/b/c", "memory://a/b/c"),
        ("runs", None),
        ("S3://Bucket/runs", "s3://Bucket/runs"),
        ("./s3:/bucket/runs", None),
        (Path("/data/s3:/runs"), None),
        ("C:/runs", None),
        (Path("runs/first"), None),
    ],
)
def test_what_an_address_is(path: str | Path, address: str | None) -> None:
    assert address_of(path) == address


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://", "should be s3://BUCKET/FOLDER"),
        ("s3:/bucket/runs", "should be s3://BUCKET/FOLDER, with two slashes"),
        ("s3://bucket/../etc", "without empty parts, . and .."),
        ("s3://bucket//runs", "without empty parts"),
        ("s3://bucket/a\\b", "should be s3://BUCKET/FOLDER"),
        ("file:///tmp/runs", "should be a folder on a disk without file://"),
    ],
)
def test_an_address_that_can_be_no_folder_is_refused(path: str, words: str) -> None:
    with pytest.raises(ConfigError, match="found") as refusal:
        address_of(path)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "address", ["s3://AKIA:secret@bucket/runs", "S3://AKIA:sec/ret@bucket/runs", "s3:/AKIA:secret@b"]
)
def test_credentials_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    for path in (address, Path(address)):
        with pytest.raises(CredentialsGiven, match="read from the environment") as refusal:
            address_of(path)
        assert not re.search("sec|ret@|AKIA", str(refusal.value))


def test_local_folders_say_what_they_stand_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    for address in ("s3://bucket/runs/first/a-b", "gs://bucket/x"):
        assert named(working_folder(address)) == named(copy_folder("key", address)) == address
        assert working_folder(address).is_relative_to(tmp_path)
        assert copy_folder("key", address) != working_folder(address)
    assert named(working_folder("s3://bucket/runs") / "first") == "s3://bucket/runs/first"
    for path in (Path("runs/first"), tmp_path, tmp_path / "work", tmp_path / "copies" / "key"):
        assert named(path) == str(path)
    assert working_folder("runs/first") == Path("runs/first")


def test_a_text_speaks_of_addresses_instead_of_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Working folders it names as they are: what has not arrived lies there."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    address, work = "s3://bucket/runs/first/a-b", working_folder("s3://bucket/runs")
    copies = [copy_folder(key, address) for key in ("1-2", "3")]
    assert by_address(f"{copies[0]} and '{copies[1]}/x'; {work}, runs") == f"{address} and '{address}/x'; {work}, runs"
    with pytest.raises(ConfigError, match=rf"^{address}/config.yaml: no") as refusal, told_by_address():
        raise ConfigError(f"{copies[0]}/config.yaml: no")
    assert str(refusal.value.__cause__).startswith(str(tmp_path))


def test_the_users_cache_is_where_local_folders_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("nextbar.storage.address.cache_folder", lambda: tmp_path)
    assert scratch() == tmp_path / "nextbar" / "buckets"


def test_parts() -> None:
    assert parent_of("s3://bucket/runs/first") == ("s3://bucket/runs", "first")
    require_local("runs", "a search", "copy it")
    with pytest.raises(ConfigError, match=r"^a search: found s3://b/x, should be a folder on a disk; copy it$"):
        require_local(Path("s3://b/x"), "a search", "copy it")
