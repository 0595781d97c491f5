"""Folders that one process at a time may write: claimed, freed again, thrown away; later formats are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nextbar.errors import ConfigError, RunBusy, RunError
from nextbar.files import write_whole
from nextbar.folders import claim, is_claimed, refuse_later_format, throw_away, told_as_damage


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    folder, busy = tmp_path / "new" / "folder", RunBusy("somebody else is at it")
    for error in (None, ValueError("inside")):
        try:
            with claim(folder, busy):
                assert is_claimed(folder)
                with pytest.raises(RunBusy, match="somebody else"), claim(folder, busy):
                    pass
                if error is not None:
                    raise error
        except ValueError as raised:
            assert raised is error and not is_claimed(folder)  # although the error still refers to the block
    assert not is_claimed(folder) and not folder.exists()


@pytest.mark.parametrize(("way", "other"), [("here/run", "live"), ("live", "here/run")])
def test_a_claimed_folder_is_claimed_by_any_path_that_leads_there(way: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "here" / "run").mkdir(parents=True)
    (tmp_path / "live").symlink_to(tmp_path / "here" / "run")
    busy = RunBusy("somebody else is at it")
    with claim(tmp_path / way, busy):
        assert is_claimed(tmp_path / way) and is_claimed(tmp_path / other)
        with pytest.raises(RunBusy), claim(tmp_path / other, busy):
            pass
    assert not is_claimed(tmp_path / way) and not is_claimed(tmp_path / other)


def test_what_a_killed_process_left_half_written_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, busy = tmp_path / "folder", RunBusy("somebody else is at it")
    (folder / "inside").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("nextbar.files.os.replace", lambda *paths: os._exit(9))
        for path in (folder / "summary.json", folder / "inside" / "metrics.csv"):
            if os.fork() == 0:
                write_whole(path, "new")
            os.wait()
    whole = folder / "whole.part"
    whole.touch()
    assert len(list(folder.rglob(".*.part"))) == 2
    with claim(folder, busy):
        assert [path for path in folder.rglob("*") if path.is_file()] == [whole]
        part = folder / ".of_this_one.part"
        part.touch()
        with pytest.raises(RunBusy), claim(folder, busy):
            pass
        assert part.exists()


def test_where_no_folder_can_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write to the log folder .*file.*choose another log_dir") as error:
        claim(tmp_path / "file" / "folder", RunError("busy")).__enter__()
    assert "busy" not in str(error.value)
    with pytest.raises(RunError, match=r"the earlier run .*file cannot be thrown away"):
        throw_away(tmp_path / "file", "run")
    throw_away(tmp_path / "nothing", "run")


def test_a_later_format_is_refused() -> None:
    refuse_later_format(Path("x"), 2, 2)
    with pytest.raises(RunError, match=r"^x has format 3; this nextbar reads up to 2: update it$"):
        refuse_later_format(Path("x"), 3, 2)
    with pytest.raises(RunError, match=r"^x has format 3, written by nextbar 7; this nextbar reads up to 2: "):
        refuse_later_format(Path("x"), 3, 2, "7")


def test_files_that_do_not_fit_together_are_told_with_their_folder_and_pythons_own_error() -> None:
    for error in (KeyError("metrics"), TypeError("'int' object"), ZeroDivisionError("x"), RecursionError("deep")):
        words = rf"the files of a/b do not fit together \({type(error).__name__}: "
        with pytest.raises(RunError, match=words) as told, told_as_damage("a/b"):
            raise error
        assert told.value.__cause__ is error
    for passing in (RunBusy("busy"), ConfigError("mine"), OSError("disk"), KeyboardInterrupt()):
        with pytest.raises(type(passing)) as raised, told_as_damage("a/b"):
            raise passing
        assert raised.value is passing
