"""How a command ends: what a clean-up says after Ctrl-C is Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbar.cli import exits


class Left(Exception):
    """Stands for the end of the process."""


def test_an_error_of_cleaning_up_after_ctrl_c_is_ctrl_c(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def leave(message: str) -> None:
        raise Left(message)

    monkeypatch.setattr(exits, "_leave", leave)
    with pytest.raises(Left, match="nothing was written"), exits.clean_exit(interrupted=exits.NOTHING_WRITTEN):
        try:
            raise KeyboardInterrupt
        except BaseException:
            (tmp_path / "lock").unlink()
            raise
