from __future__ import annotations

from pathlib import Path

from bar_files import bars_table
from typer.testing import CliRunner

from nextbar.bars.drafting import draft_experiment
from nextbar.bars.importing import ImportOptions
from nextbar.cli.app import app
from nextbar.config import ExperimentConfig

cli = CliRunner(env={"COLUMNS": "200"})


def test_from_a_file_to_a_page_and_again(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    bars_table(300).to_csv(file, index=False)
    folder = tmp_path / "out"
    draft = draft_experiment([file], folder, ImportOptions(guess=True))
    fields = draft.config.to_dict()
    fields["model_config"] |= {"d_model": 8, "num_layers": 1, "dim_feedforward": 8, "max_seq_len": 6}
    fields["dataset_config"]["seq_len"] = 6
    ExperimentConfig.from_dict(fields | {"num_epochs": 1, "final_fit": False}).save(draft.path)
    command = ["try", str(file), "--to", str(folder)]
    first = cli.invoke(app, command)
    assert first.exit_code == 0, first.output
    page = Path(first.stdout.splitlines()[-1])
    assert page.is_file() and page.is_relative_to(folder / "runs")
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "report.html"}
    again = cli.invoke(app, command)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, str(page))
    checkpoints = [path for path in written if "checkpoints" in path.parts]
    assert checkpoints and all(path.stat().st_mtime_ns == written[path] for path in checkpoints)


def test_what_cannot_be_tried_is_told_in_a_sentence(tmp_path: Path) -> None:
    missing = cli.invoke(app, ["try", str(tmp_path / "none.csv")])
    assert missing.exit_code == 1 and "no file" in missing.output
    (tmp_path / "empty.csv").write_text("")
    empty = cli.invoke(app, ["try", str(tmp_path / "empty.csv")])
    assert empty.exit_code == 1 and "the file is empty" in empty.output
    (tmp_path / "folder").mkdir()
    folder = cli.invoke(app, ["try", str(tmp_path / "folder")])
    assert folder.exit_code == 1 and "has no bars" in folder.output
