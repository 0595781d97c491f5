"""Files read within bounds: what is no regular file, too large, or no plain JSON is refused and never waited for."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextbar.checksums import read_json, write_json
from nextbar.files import LEVELS, append_whole, read_bytes, sweep_parts, write_parts, write_whole


def test_what_is_written_is_read(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "é"], "b": {"c": True}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert read_bytes(tmp_path / "x.json", 1000) == (tmp_path / "x.json").read_bytes()


def test_parts_become_a_file_together_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "the disk is gone")

    write_parts(tmp_path / "x", [b"all ", memoryview(b"of it")])
    with pytest.raises(OSError, match="the disk is gone"):
        write_parts(tmp_path / "x", broken())
    assert (tmp_path / "x").read_text() == "all of it" and len([*tmp_path.iterdir()]) == 1


def test_what_is_added_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "no room")

    (tmp_path / "x").write_bytes(b"one half")
    append_whole(tmp_path / "x", b" two", end=3)
    append_whole(tmp_path / "x", b" three")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no room"):
        append_whole(tmp_path / "x", b" four")
    assert (tmp_path / "x").read_text() == "one two three"
    with pytest.raises(FileNotFoundError):
        append_whole(tmp_path / "y", b"one")
    assert not (tmp_path / "y").exists()


def test_what_is_written_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("all of it")
    (tmp_path / "x.json").symlink_to(tmp_path / "precious")
    write_json(tmp_path / "x.json", {"a": 1})
    assert (tmp_path / "precious").read_text() == "all of it"
    assert read_json(tmp_path / "x.json") == {"a": 1} and not (tmp_path / "x.json").is_symlink()


def test_the_largest_file_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 1000)
    assert len(read_bytes(path, 1000)) == 1000
    with pytest.raises(OSError, match="larger than 999 bytes"):
        read_bytes(path, 999)


def test_what_would_be_waited_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
        listener.bind("socket")
        refused = {"pipe": "a pipe", "link": "a pipe", "socket": "a socket", "/dev/zero": "a device"}
        for name, word in refused.items():
            with pytest.raises(OSError, match=f"it is {word}, should be a regular file"):
                read_bytes(name, 10)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, 10)


def test_a_pipe_that_a_shell_made_is_read() -> None:
    reader, writer = os.pipe()
    threading.Thread(target=lambda: (os.write(writer, b"a: 1"), os.close(writer))).start()
    assert read_bytes(f"/dev/fd/{reader}", 10) == b"a: 1"
    os.close(reader)


def _nested(levels: int) -> str:
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def test_json_may_be_nested_so_deep_and_no_deeper(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(_nested(LEVELS))
    assert read_json(path) == json.loads(_nested(LEVELS))
    for levels in (LEVELS + 1, 200_000):
        path.write_text(_nested(levels))
        with pytest.raises(ValueError, match=f"nested deeper than {LEVELS} levels"):
            read_json(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ('{"a": NaN}', "NaN stands in it"),
        ('{"a": -Infinity}', "-Infinity stands in it"),
        ("[1]", "no JSON object"),
        ("3", "no JSON object"),
        ('{"a": ' + "9" * 5000 + "}", "4300 digits"),
        ("\udcff", "decode"),
    ],
)
def test_what_is_no_plain_json_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=re.escape(told)):
        read_json(path)


def test_parts_of_one_file_are_swept_and_no_others(tmp_path: Path) -> None:
    """Also where its name has what a pattern would take for one."""
    path = tmp_path / "log[1].jsonl"
    own, other = tmp_path / ".log[1].jsonl.abc.part", tmp_path / ".log1.jsonl.abc.part"
    for file in (path, own, other):
        file.touch()
    sweep_parts(path)
    assert path.exists() and other.exists() and not own.exists()


def test_files_have_the_modes_that_the_process_gives_and_threads_never_meet_another_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").touch()
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("it holds of all threads"))
    write_whole(tmp_path / "it", "text")
    assert (tmp_path / "it").stat().st_mode == (tmp_path / "own").stat().st_mode
