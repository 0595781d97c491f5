"""Names that somebody else gave cannot steer the terminal that they are shown on."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from bar_files import bars_table
from rich.progress import Progress, TextColumn
from rich.text import Text
from summaries import make_run
from typer.testing import CliRunner

from nextbar.cli.app import app
from nextbar.errors import printable
from nextbar.tables import plain_table, print_whole
from nextbar.terminal import SafeConsole

NASTY = "a\x1b]0;owned\x07\x1b[31mb\x9b2J\u202ec\x7f"
WRITTEN = r"a\x1b]0;owned\x07\x1b[31mb\x9b2J\u202ec\x7f"


def test_what_steers_is_written_out_and_the_rest_is_left() -> None:
    assert printable(NASTY) == WRITTEN
    assert printable("é 日本\n\t\U0001f600 \\x1b") == "é 日本\n\t\U0001f600 \\x1b"
    assert printable("\r\udcff\u2028") == r"\r\udcff\u2028"


def test_tables_texts_and_progress_bars_are_cleaned_and_keep_their_styles() -> None:
    console = SafeConsole(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    table = plain_table((NASTY, "b"), title=NASTY)
    table.add_row(Text(NASTY, style="red"), NASTY)
    print_whole(console, table)
    console.print(NASTY, markup=False, style="bold")
    with Progress(TextColumn("{task.description}", markup=False), console=console) as progress:
        progress.add_task(NASTY)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert written.count(r"\x1b]0;owned") >= 5  # Rich leaves out \x07 by itself
    assert not [mark for mark in ("\x1b]0", "\x07", "\x9b", "\u202e", "\x7f") if mark in written]
    assert "\x1b[31m" in written and "\x1b[1m" in written  # its own


NAMES = [NASTY.replace("/", ""), os.fsdecode(b"a\xff\x1b[31m"), "a\r\x1b[2K"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_command_shows_a_name_as_it_is(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "bars" / "1h"
    folder.mkdir(parents=True)
    (folder / f"{name[:20]}_1h.csv").write_text(
        bars_table(40).to_csv(index=False).replace("volume", name), errors="replace"
    )
    (folder / f"b{name}_1h.csv").write_text("date," + name.encode("ascii", "ignore").decode() + "\n1,2\n")
    (folder / f"c{name}_1h.csv").write_bytes(b"\xff" + name.encode("utf-8", "surrogateescape"))
    run = make_run(tmp_path / "runs" / name)
    (make_run(tmp_path / "runs" / f"{name}x") / "summary.json").write_text("{")
    config = tmp_path / "x.yaml"
    config.write_text(f'"{name.encode("unicode_escape").decode()}": 1\n')
    for arguments in (
        ["data", "check", str(folder.parent)],
        ["data", "check", str(tmp_path / name)],
        ["runs", str(tmp_path / "runs")],
        ["report", str(run)],
        ["evaluate", str(tmp_path / name)],
        ["train", str(config)],
        ["train", str(tmp_path / name)],
        ["predict", str(run), "--data", str(tmp_path / name)],
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
        assert result.output and not set(result.output) & set("\x1b\x07\x9b\x7f\u202e\r\udcff"), arguments
