"""The report of a study: what stands in it, what it links, and that a real browser shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, open_browser
from searches import BARS, searched

from nextbar.display.trials import history_figure
from nextbar.errors import RunError
from nextbar.report import write_report
from nextbar.report.parallel import parallel_figure
from nextbar.report.trials import importance_figure
from nextbar.searching import Study

SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "model_config.dim_feedforward": "[1, 2] * d_model",
    "model_config.n_heads": [1, 3, 4],
    "model_config.d_model": [8, 12],  # which 3 does not divide, and does
    "dataset_config.norm_mode": ["window_minmax", "window_meanstd"],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Five trials, one of them refused."""
    study = searched(tmp_path_factory.mktemp("study"), SPACE, 5, sampler="random", seed=1, population=1)
    assert {row["status"] for row in study.leaderboard} == {"finished", "failed"}
    return study


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return write_report(study.path, bars=BARS).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as one:
        yield one


def test_every_trial_has_a_row(study: Study, page: str) -> None:
    rows = re.findall(r"<tr>(.*?)</tr>", page)[1:]
    assert len(rows) == len(study.trials)
    for row, html in zip(study.leaderboard, rows, strict=True):
        assert row["status"] in html and (row["reason"] or "") in html.replace("&gt;", ">")


def test_the_page_says_how_many_were_tried_and_how_sure_the_winner_is(study: Study, page: str) -> None:
    assert "5 configurations were tried" in page
    assert study.winner_interval is not None
    assert study.winner_interval.in_words() in page
    assert study.luck_in_words in page and 'id="luck"' in page


def test_the_winner_has_a_page_of_its_own_which_is_linked(study: Study, page: str) -> None:
    assert f'href="{study.best.name}/report.html"' in page
    assert (study.best / "report.html").is_file()


def test_links_start_from_where_the_page_lies(study: Study, tmp_path: Path) -> None:
    elsewhere = write_report(study.path, tmp_path / "deep" / "page.html", bars=BARS)
    (address,) = set(re.findall(r'href="([^"#]*report\.html)"', elsewhere.read_text()))
    assert (elsewhere.parent / address).resolve() == (study.best / "report.html").resolve()


def test_without_its_bars_the_page_says_what_is_missing(study: Study, tmp_path: Path) -> None:
    text = write_report(study.path, tmp_path / "page.html").read_text()
    assert "No interval" in text and "The winner's own page" in text
    assert "No forecast of the next bars: the run's own bars" in (study.best / "report.html").read_text()


def test_the_lines_go_through_what_was_drawn(study: Study) -> None:
    drawn = {trial.number: trial.params for trial in study.trials}
    figure = parallel_figure(study.leaderboard, study.space, drawn)
    assert figure is not None
    (drawing,) = figure.drawings.values()
    ranked = [row for row in study.leaderboard if row["rank"] is not None]
    assert len(drawing.data) == len(ranked)
    best = drawing.data[-1]["y"]  # drawn last, on top
    assert len(best) == len(study.space.dimensions) + 1 and best[-1] == 1
    heads = {1: 0.0, 3: 0.5, 4: 1.0}
    axis = list(study.space.dimensions).index("model_config.n_heads")
    assert best[axis] == heads[ranked[0]["model_config.n_heads"]]
    assert drawing.layout["xaxis"]["ticktext"][1] == "dim_feedforward = [1, 2] * d_model"


def test_a_chart_of_nothing_is_none(study: Study) -> None:
    assert importance_figure({}) is None
    assert history_figure(study.leaderboard[:1], 1.0) is None
    assert parallel_figure(study.leaderboard[:1], study.space, {}) is None


def test_a_study_without_a_finished_trial_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no trial of .* has finished"):
        searched(tmp_path, {"learning_rate": [1e30]}, 1, population=1).best  # noqa: B018
    with pytest.raises(RunError, match=r"no trial of .* has finished"):
        write_report(tmp_path / "test")


@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_draws_all_of_it(study: Study, page: str, browser: Browser, width: int) -> None:
    browser.open(study.path / "report.html", width)
    assert not browser.complaints()
    for plot in ("parallel", "history"):
        assert browser.ask(f"return document.querySelectorAll('#{plot} .main-svg').length") > 0
    lines = "return document.querySelectorAll('#parallel .scatterlayer .js-line').length"
    assert browser.ask(lines) == sum(row["rank"] is not None for row in study.leaderboard)
    assert browser.ask("return document.documentElement.scrollWidth") <= width
