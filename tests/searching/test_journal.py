"""The journal of a study is opened where it lies, whatever was left of it, and no other file is taken for one."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from nextbar.errors import ConfigError, RunError
from nextbar.searching.journal import open_journal


def begun(path: Path) -> optuna.Study:
    return optuna.create_study(storage=open_journal(path, create=True), study_name="s")


def gone_on(path: Path) -> optuna.Study:
    return optuna.load_study(storage=open_journal(path, create=False), study_name="s")


def test_a_journal_of_which_nothing_is_there_but_half_a_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b'{"op_c')
    begun(path).enqueue_trial({"x": 1})
    assert len(gone_on(path).trials) == 1


def test_a_journal_that_may_only_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.log"
    begun(path).enqueue_trial({"x": 1})
    path.write_bytes(path.read_bytes() + b'{"op')
    open_ = Path.open

    def reading(path: Path, mode: str = "r", **options: object) -> object:
        if set(mode) & set("wa+x"):
            raise PermissionError(13, "Read-only file system")
        return open_(path, mode, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", reading)  # permissions do not bind everybody
    assert len(gone_on(path).trials) == 1
    with pytest.raises(ConfigError, match="cannot be written: Read-only"):
        begun(path)


def test_by_a_link_it_is_the_same_journal(tmp_path: Path) -> None:
    path, link = tmp_path / "there" / "journal.log", tmp_path / "journal.log"
    study = begun(path)
    link.symlink_to(path)
    path.write_bytes(path.read_bytes() + b'{"op')
    gone_on(link).enqueue_trial({"x": 1})
    assert link.is_symlink() and len(study.trials) == 1


@pytest.mark.parametrize("content", [b"date,close\n", b"{}\n"])
def test_another_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is no journal"):
        open_journal(path, create=True)
    assert path.read_bytes() == content
    with pytest.raises(RunError, match="no such journal"):
        open_journal(tmp_path / "other.log", create=False)
