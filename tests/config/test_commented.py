from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nextbar.bars.recipes import recipe_names, recipe_path
from nextbar.config import ExperimentConfig
from nextbar.config.commented import WIDTH, commented_yaml
from nextbar.config.yaml_file import read_yaml


@pytest.mark.parametrize("name", recipe_names())
def test_it_is_the_same_configuration_and_each_field_has_a_comment(name: str, tmp_path: Path) -> None:
    fields = read_yaml(recipe_path(name))
    text = commented_yaml(fields)
    (tmp_path / "written.yaml").write_text(text)
    assert read_yaml(tmp_path / "written.yaml") == fields
    assert ExperimentConfig.load(tmp_path / "written.yaml") == ExperimentConfig.from_dict(fields)
    lines = text.splitlines()
    for i, line in enumerate(lines):
        assert len(line) <= WIDTH
        assert not line or "# " in line or lines[i - 1].lstrip().startswith("# "), line


def test_what_values_need_to_stay_the_same(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "tickers": ["no", "1e5", "ä: #b"],
        "datapath": "a: b # c",
        "discrete_grid_levels": [-1e-4, 1.0],
    }
    (tmp_path / "written.yaml").write_text(commented_yaml({"dataset_config": data}))
    assert read_yaml(tmp_path / "written.yaml") == {"dataset_config": data}
