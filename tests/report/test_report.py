"""Reports of runs and backtests: what stands in them, and that a real browser shows them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from browser import ALL_DRAWN, Browser, open_browser
from builders import make_bars, make_config, make_frame, with_columns
from contrast import colour, contrast, over
from experiments import GRID
from page_text import Text, unpacked
from trainings import train

from nextbar.backtesting import backtest
from nextbar.checksums import write_json, write_text
from nextbar.display.folds import fold_figure
from nextbar.errors import DataError, RunError
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.move_bins import bin_labels
from nextbar.report import write_report
from nextbar.report.explorer import Explorer
from nextbar.report.page import Section, page
from nextbar.report.tracks import Step, Track
from nextbar.runs.summary import read_summary

HOSTILE = "a<b>&c"
"""a ticker that must not become markup"""
KINDS = ("law", "bins", "line", "backtest")
OF_A_RUN = {"fan", "price", "learning-loss", "learning-metric", "learning-rate", "explorer", "by-hour", "by-weekday",
            "by-volatility"}  # fmt: skip
PLOTS = {
    "law": OF_A_RUN | {"by-step", "by-ticker", "direction", "coverage", "pit"},
    "bins": OF_A_RUN | {"explorer-bins", "direction", "reliability", "by-bin"},
    "line": OF_A_RUN,
    "backtest": {"price", "fold-leading", "fold-direction", "by-ticker", "explorer", "direction", "coverage", "pit",
                 "equity"},
}  # fmt: skip


class Made(NamedTuple):
    """A folder, the bars it is about, and its report."""

    folder: Path
    bars: pd.DataFrame
    page: Path

    @property
    def html(self) -> str:
        return self.page.read_text(encoding="utf-8")

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script reads."""
        return json.loads(re.search(r'id="report-data">(.*?)</script>', self.html)[1])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """A run of each output mode and a backtest, with their reports."""
    folder = tmp_path_factory.mktemp("reports")
    two = make_frame(make_bars(HOSTILE, n=400), make_bars("calm", n=400, seed=1, move=0.002))
    one = make_frame(make_bars(n=400))
    flat = make_bars(n=400)
    flat = make_frame(with_columns(flat, close=flat.columns["close"] - 100))[["ticker", "resolution", "date", "close"]]
    law = {"output_mode": "distribution", "tail": "student_t", "tickers": [HOSTILE, "calm"]}
    runs = {
        "law": (train(folder, two, **law, horizon=2, num_epochs=3, experiment_name="law").run_dir, two),
        "bins": (train(folder, one, output_mode="discrete_grid", discrete_grid_levels=GRID, num_epochs=1).run_dir, one),
        "line": (train(folder, flat, features="close", num_epochs=1).run_dir, flat),
        "backtest": (
            backtest(
                make_config(log_dir=str(folder), **law, test_split=0.4, num_epochs=1), two, folds=2, refit_every=2,
                conformal=True, levels=[0.5, 0.8], baselines=["persistence", "constant_t", "always_up"], show=False,
            ).path,
            two,
        ),
    }  # fmt: skip
    return {kind: Made(run, bars, write_report(run, bars=bars)) for kind, (run, bars) in runs.items()}


def copied(one: Made, target: Path, **changes: Any) -> Path:
    """A copy of a run folder with other values in its summary."""
    run = Path(shutil.copytree(one.folder, target / "run"))
    write_json(run / "summary.json", read_summary(run) | changes)
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def test_the_time_zone_of_hours_is_shown(made):
    assert "<td>24/7, UTC</td>" in made["law"].html
    assert all(f"{part} (UTC)" in made["law"].html for part in ("hour", "weekday"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_lies_in_the_folder_and_is_the_same_each_time(made, kind, tmp_path):
    one = made[kind]
    assert one.page == one.folder / "report.html"
    again = write_report(one.folder, tmp_path / "deep" / "again.html", bars=one.bars)
    assert again.read_bytes() == one.page.read_bytes()
    assert write_report(one.folder, tmp_path, bars=one.bars) == tmp_path / "report.html"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_asks_for_nothing(made, kind):
    html = made[kind].html
    own = html[: html.index('id="report-data"')] + html[html.index('"use strict";\n/*') :]  # without plotly.js
    assert not re.search(r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?!#|data:)\w*:?//", own)
    assert "Content-Security-Policy" in own and "default-src 'none'" in own


@pytest.mark.parametrize("kind", KINDS)
def test_charts_are_what_plotly_knows(made, kind):
    import plotly.graph_objects as go

    def coloured(node: Any) -> Any:
        if isinstance(node, str):
            return "#123456" if node.startswith("var(--") else node
        if isinstance(node, dict):
            return {key: coloured(value) for key, value in node.items()}
        return [coloured(value) for value in node] if isinstance(node, list) else node

    figures = made[kind].data["figures"]
    assert {figure["id"] for figure in figures} | {"explorer", "explorer-bins"} >= PLOTS[kind]
    for figure in figures:
        for drawing in figure["drawings"]:
            go.Figure(coloured(drawing["data"]), coloured(drawing["layout"]))  # refuses an unknown name or value


@pytest.mark.parametrize("kind", ["law", "bins", "line"])
def test_scores_and_verdict_are_those_of_the_evaluation(made, kind):
    one = made[kind]
    said = Text(one.html).said
    report = evaluate(one.folder, one.bars).spans["test"].report
    assert report["verdict"] in said
    for side in ("model", "baseline"):
        for value in report[side].values():
            assert value is None or f"{value:.5g}".lstrip("-") in said


@pytest.mark.parametrize("kind", KINDS)
def test_what_tests_say_stands_on_the_page_with_its_figures(made, kind):
    one = made[kind]
    if kind == "backtest":
        tests = read_summary(one.folder)["tests"]
        assert set(tests) == {"contest", "variance", "coverage", "pit", "parts"}
    else:
        tests = evaluate(one.folder, one.bars).spans["test"].tests
        expected = {"law": {"contest", "variance", "coverage", "pit", "parts"}, "bins": {"contest"}}  # with a rival
        assert set(tests) == expected.get(kind, set(tests))
        assert bool(tests) == ('id="tests"' in one.html)
    said = Text(one.html).said
    for finding in tests.values():
        assert finding["title"] in said and finding["sentence"] in said
        for row in finding["figures"]:
            for name, value in row.items():
                digits = ".2g" if name == "p" or name.endswith(", p") else ".5g"
                assert value is None or (value if isinstance(value, str) else f"{value:{digits}}".lstrip("-")) in said


def test_what_the_page_draws_is_what_predict_says(made):
    one = made["law"]
    forecasts = Forecaster.load(one.folder).predict(one.bars, levels=[0.8], last_only=False)
    test_from = evaluate(one.folder, one.bars).cuts.test
    for series, ticker in zip(one.data["explorer"]["series"], (HOSTILE, "calm"), strict=True):
        time_N = series["begin"] + series["unit"] * np.cumsum(unpacked(series["gaps"]).astype(np.int64))
        bars = one.bars[one.bars["ticker"] == ticker].set_index("date").loc[pd.to_datetime(time_N, unit="s", utc=True)]
        for name in ("open", "high", "low", "close"):
            np.testing.assert_array_equal(unpacked(series[name]), bars[name].to_numpy(np.float32))
        for step in series["steps"]:
            part = forecasts[(forecasts["ticker"] == ticker) & (forecasts["step"] == step["ahead"])].set_index("date")
            for name, column in (("point", "close"), ("low", "close-lo-80"), ("high", "close-hi-80")):
                drawn = pd.Series(unpacked(step[name]), bars.index).dropna()
                np.testing.assert_allclose(drawn, part[column].loc[drawn.index], rtol=1e-5)
                assert drawn.index[0].timestamp() == test_from - 3600 + 3600 * (step["ahead"] - 1)
            assert len(drawn) == len(bars) - 1


def test_each_bar_has_the_bin_it_fell_into(made):
    one = made["bins"]
    (series,) = one.data["explorer"]["series"]
    (step,) = series["steps"]
    bars = one.bars["close"].to_numpy()
    move = 100 * (bars[1:] / bars[:-1] - 1)[-len(unpacked(step["bin"])) :]
    np.testing.assert_array_equal(unpacked(step["bin"]), np.digitize(move, GRID[1:-1]))
    probs = sum(unpacked(row).astype(float) for row in step["probs"])
    assert np.abs(probs / 255 - 1).max() < 0.01


def test_the_best_epoch_and_the_strongest_rival_are_drawn_on_the_learning_curves(made):
    one = made["law"]
    summary = read_summary(one.folder)
    figures = {figure["id"]: figure["drawings"][0] for figure in one.data["figures"]}
    assert figures["learning-loss"]["layout"]["shapes"][0]["x0"] == summary["best_epoch"]
    reports = summary["metrics"].values()
    (name,) = {report["strongest_name"] for report in reports}
    rival = {tuple(trace["y"]) for trace in figures["learning-metric"]["data"] if trace["name"] == name}
    assert rival == {(report["strongest"]["nll"],) * 2 for report in reports}


def test_an_experiment_is_reported_by_its_best_run(made, tmp_path):
    one = made["law"]
    again = write_report(one.folder.parent, tmp_path / "page.html", bars=one.bars)
    assert again.read_bytes() == one.page.read_bytes()


def test_a_backtest_says_its_folds_its_rivals_and_every_verdict(made):
    one = made["backtest"]
    summary, said = json.loads((one.folder / "summary.json").read_text()), Text(one.html).said
    assert summary["verdict"] in said
    for name, node in summary["scores"].items():
        assert name in said and node["verdict"] in said
        assert all(f"{value:.5g}".lstrip("-") in said for value in node["pooled"].values())
    figures = {figure["id"]: figure["drawings"] for figure in one.data["figures"]}
    assert [shape["x0"] / 1000 for shape in figures["price"][0]["layout"]["shapes"]] == [
        pd.Timestamp(fold["test_from"]).timestamp() for fold in summary["folds"]
    ]
    for trace in figures["fold-leading"][0]["data"]:
        expected = [fold["nll"] for fold in summary["scores"][trace["name"]]["by_fold"]]
        np.testing.assert_allclose(unpacked(trace["y"]), expected)


@pytest.mark.parametrize(
    ("statistics", "tone"),
    [((9.0, 9.0), "good"), ((-0.5, 0.5), ""), ((-9.0, -0.5), "bad"), ((-9.0, 9.0), ""), ((0.5, 9.0), "")],
)
def test_a_verdict_is_red_only_where_somebody_is_better_by_more_than_luck(made, tmp_path, statistics, tone):
    scores = read_summary(made["backtest"].folder)["scores"]
    for node in scores.values():
        node.pop("tested", None)  # as in backtests of before
    judged = [node for node in scores.values() if node["beaten"] is not None]
    for node, statistic in zip(judged, statistics, strict=True):
        test = {"statistic": statistic, "p_value": 0.01 if abs(statistic) > 2 else 0.6}
        node["diebold_mariano"] |= test
        node["skill"]["nll"] = 0.01 * statistic
        node["beaten"] = statistic > 2
    of_before = copied(made["backtest"], tmp_path, scores=scores, strongest=None)
    html = write_report(of_before, bars=made["backtest"].bars).read_text()
    assert re.search(r'class="verdict ?(\w*)"', html)[1] == tone
    last = next(name for name, node in scores.items() if node is judged[-1])
    whole = json.loads((of_before / "summary.json").read_text()) | {"strongest": last}
    write_json(of_before / "summary.json", whole)
    html = write_report(of_before, bars=made["backtest"].bars).read_text()
    only = "good" if statistics[-1] > 2 else ""  # that of the strongest alone
    assert re.search(r'class="verdict ?(\w*)"', html)[1] == only
    assert f"{last} is the strongest simple rival, chosen on the validation span of the first fold" in html


@pytest.mark.parametrize(("every", "words"), [(1, "every fold,"), (2, "every 2 folds,")])
def test_how_often_a_backtest_fits_anew_is_said(made, tmp_path, every, words):
    one = made["backtest"]
    options = read_summary(one.folder)["options"] | {"refit_every": every}
    said = Text(write_report(copied(one, tmp_path, options=options), bars=one.bars).read_text()).said
    assert f"fitted anew {words}" in said


def test_a_backtest_whose_bars_are_gone_is_drawn_from_its_forecasts(made, tmp_path, caplog):
    one = made["backtest"]
    page = Made(one.folder, one.bars, write_report(one.folder, tmp_path / "page.html"))
    assert "without candles" in caplog.text
    with_bars, without = (m.data["explorer"]["series"] for m in (one, page))
    for whole, closes in zip(with_bars, without, strict=True):
        assert "open" in whole and "open" not in closes
        assert (closes["close"], closes["gaps"]) == (whole["close"], whole["gaps"])
        assert closes["steps"] == whole["steps"]


def test_without_checkpoints_the_rest_is_reported_and_the_lack_is_said(made, tmp_path):
    run = copied(made["line"], tmp_path)
    text = (run / "config.yaml").read_text()
    write_text(run / "config.yaml", text.replace("save_weights: true", "save_weights: false"))
    shutil.rmtree(run / "checkpoints")
    said = Text(write_report(run).read_text()).said
    verdict = read_summary(run)["metrics"]["test"]["verdict"]
    assert "Without forecasts" in said and "save_weights" in said and verdict in said
    assert "How it learnt" in said and "Forecast against truth" not in said


def test_an_unfinished_run_is_reported_by_its_best_epoch_so_far(made, tmp_path):
    one = made["law"]
    run = copied(one, tmp_path, metrics={}, status="interrupted", message="come back", best_epoch=None)
    page = Made(run, one.bars, write_report(run, bars=one.bars))
    said = Text(page.html).said
    assert "interrupted" in said and "come back" in said
    assert read_summary(one.folder)["metrics"]["test"]["verdict"] in said
    assert {figure["id"] for figure in page.data["figures"]} | {"explorer"} == PLOTS["law"]


def test_a_refit_has_no_scores_and_says_whose_count(made, tmp_path):
    run = copied(made["line"], tmp_path, refit_of="0123456789-0123456789", metrics={})
    said = Text(write_report(run).read_text()).said
    assert "the scores of 0123456789-0123456789 are the estimate" in said and "How it learnt" in said


def test_later_bars_are_scored_instead(made, tmp_path):
    one = made["bins"]
    longer = make_frame(make_bars(n=500))
    said = Text(write_report(one.folder, tmp_path / "page.html", bars=longer).read_text()).said
    assert "handed in: made_up 2020-01-06 to 2020-01-26" in said
    assert evaluate(one.folder, longer).spans["test"].report["verdict"] in said


def test_a_series_that_was_not_trained_on_is_not_called_training(made, tmp_path):
    one = made["law"]
    strange = make_frame(make_bars("strange", n=400, seed=2))
    both = pd.concat([one.bars[one.bars["ticker"] == "calm"], strange])
    for bars, labels in ((both, {"calm": {"training", "validation", "test"}, "strange": {"validation", "test"}}),
                         (strange, {"strange": {"validation", "test"}})):  # fmt: skip
        page = Made(one.folder, bars, write_report(one.folder, tmp_path, bars=bars))
        drawings = next(figure["drawings"] for figure in page.data["figures"] if figure["id"] == "price")
        found = [{note["text"] for note in drawing["layout"]["annotations"]} for drawing in drawings]
        assert dict(zip(labels, found, strict=True)) == labels
        said = Text(page.html).said
        lower = said.lower()
        assert ("learns from training bars" in lower) == ("validation chooses the epoch" in lower) == ("calm" in labels)
        assert "Nothing was learnt from strange. The epoch was chosen without strange." in said
    assert "Nothing was learnt" not in Text(one.html).said and "chosen without" not in Text(one.html).said


@pytest.mark.parametrize("lost", [None, "data", "metrics", "versions"])
def test_a_run_without_a_whole_summary_is_refused(made, tmp_path, lost):
    run = copied(made["line"], tmp_path)
    if lost is None:
        (run / "summary.json").unlink()
    else:
        write_json(run / "summary.json", {k: v for k, v in read_summary(run).items() if k != lost})
    with pytest.raises(RunError, match=r"run has no summary\.json, or not a whole one"):
        write_report(run, bars=made["line"].bars)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no run"):
        write_report(tmp_path)
    with pytest.raises(RunError, match="no run"):
        write_report(tmp_path / "absent")


def test_a_run_without_an_epoch_is_refused(made, tmp_path):
    run = copied(made["line"], tmp_path, metrics={}, status="running")
    (run / "metrics.csv").unlink()
    with pytest.raises(RunError, match="no epoch is finished"):
        write_report(run)


def test_bars_that_are_not_there_are_refused_and_nothing_is_written(made, tmp_path):
    target = tmp_path / "page.html"
    with pytest.raises(DataError):
        write_report(made["line"].folder, target, data=tmp_path / "absent")
    assert not target.exists()


def test_a_page_that_cannot_be_written_is_said(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_report(made["line"].folder, tmp_path / "file" / "page.html", bars=made["line"].bars)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("kind", KINDS)
def test_a_browser_shows_it_whole(made, browser, kind, width, scheme):
    page = made[kind].page
    browser.open(page, width, scheme)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.as_uri()]
    shown_whole(browser, kind, width, scheme)
    told_from_its_ground(browser, scheme)
    other_width, other_scheme = 1280 + 390 - width, {"light": "dark", "dark": "light"}[scheme]
    browser.scheme(other_scheme)
    shown_whole(browser, kind, width, other_scheme)
    browser.resize(other_width)
    browser.wait(
        "return [...document.querySelectorAll('.plot')].every("
        "(plot) => Math.abs(plot.querySelector('svg.main-svg').clientWidth - plot.clientWidth) < 2)"
    )
    shown_whole(browser, kind, other_width, other_scheme)
    assert browser.complaints() == []


def shown_whole(browser: Browser, kind: str, width: int, scheme: str) -> None:
    """Every chart is drawn and nothing is wider than the screen."""
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    sizes = browser.ask(
        "return Object.fromEntries([...document.querySelectorAll('.plot')].map((plot) => {"
        "const box = plot.querySelector('svg.main-svg').getBoundingClientRect();"
        "return [plot.id, [box.width, box.height, plot.querySelectorAll('.trace, .hm').length]] }))"
    )
    assert set(sizes) == PLOTS[kind]
    for name, (across, down, drawn) in sizes.items():
        assert 200 < across <= width and down > 100 and drawn > 0, name
    light = browser.ask("return getComputedStyle(document.body).backgroundColor") == "rgb(247, 247, 245)"
    assert light == (scheme == "light")


TEXT_ON_GROUND = """
const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !node.getClientRects().length || node.closest('script, style, option')) continue;
  const style = getComputedStyle(node), grounds = [];
  for (let at = node; at; at = at.parentElement) {
    const ground = getComputedStyle(at).backgroundColor;
    if (ground !== 'rgba(0, 0, 0, 0)') grounds.push(ground);
  }
  if (style.visibility === 'hidden' || Number(style.opacity) === 0) continue;
  found.push([walk.currentNode.data.trim().slice(0, 30), node.closest('svg') ? style.fill : style.color, grounds]);
}
return found;
"""


def told_from_its_ground(browser: Browser, scheme: str) -> None:
    """Every text, by a contrast of 4.5."""
    browser.ask("for (const box of document.querySelectorAll('details')) box.open = true")
    seen = browser.ask(TEXT_ON_GROUND)
    assert len(seen) > 100
    for text, ink, grounds in seen:
        below = colour("#ffffff" if scheme == "light" else "#121212")
        for ground in reversed(grounds):
            below = over(colour(ground), below)
        assert contrast(colour(ink), below) >= 4.5, (text, ink, grounds)


def test_charts_change_colour_with_the_readers_system(made, browser):
    ink = "return getComputedStyle(document.querySelector('#price .xtick text')).fill"
    browser.open(made["law"].page, scheme="light")
    light = browser.ask(ink)
    browser.scheme("dark")
    browser.wait(f"{ink} !== '{light}'")
    assert browser.complaints() == []


def test_sections_are_folded_until_they_are_asked_for(made, browser, tmp_path):
    page = Path(shutil.copy(made["law"].page, tmp_path / "moved.html"))  # it needs nothing that lay beside it
    browser.open(page, 390, unfold=False)
    is_open = "return Object.fromEntries([...document.querySelectorAll('section > details')].map("
    is_open += "(box) => [box.querySelector('h2').id, box.open]))"
    drawn = "return [...document.querySelectorAll('.plot')].filter((plot) => plot.querySelector('svg.main-svg')).length"
    folds = browser.ask(is_open)
    assert folds["forecasts"] and folds["scores"] and not folds["learning"] and not folds["reading"]
    assert 0 < browser.ask(drawn) < len(PLOTS["law"])
    browser.ask("document.querySelector('nav a[href=\"#learning\"]').click()")
    browser.wait("return document.getElementById('learning-loss').querySelectorAll('.trace').length > 0")
    assert browser.ask("return document.getElementById('learning-loss').clientWidth") > 200
    button = "document.querySelector('[data-fold]')"
    browser.ask(f"{button}.click()")
    browser.wait(ALL_DRAWN)
    assert browser.ask(drawn) == len(PLOTS["law"])
    browser.wait(f"return {button}.textContent === 'fold all'")
    browser.ask(f"{button}.click()")
    browser.wait(f"return {button}.textContent === 'unfold all'")
    assert not any(browser.ask(is_open).values())
    assert browser.ask("return document.documentElement.scrollHeight") < 5000 and browser.complaints() == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_has_words_in_its_place(made, kind):
    text = re.sub(r"<script.*?</script>", "", made[kind].html, flags=re.DOTALL)
    labels = dict(re.findall(r'<div id="([\w-]+)" class="plot"[^>]*role="img" aria-label="([^"]*)"', text))
    assert set(labels) == PLOTS[kind] and text.count('class="plot"') == len(labels)
    for key, label in labels.items():
        assert len(label) > 25 and len(label.split()) > 4, key
        assert key in ("explorer", "explorer-bins") or re.search(r"\d", label), key
    assert not re.search(r"<(svg|img)(?![^>]*aria-)", text)


def test_words_and_their_stand_in_follow_the_choice_of_a_series(made, browser):
    browser.open(made["law"].page, 390)
    words = "return [...document.querySelectorAll('[data-words=fan] > div')].filter((d) => d.offsetHeight)"
    words += ".map((d) => d.textContent)"
    label = "return document.getElementById('fan').getAttribute('aria-label')"
    for i, name in ((0, HOSTILE), (1, "calm")):
        browser.ask("const box = document.querySelector('select[data-choice=fan]'); box.value = String(arguments[0]);"
                    "box.dispatchEvent(new Event('change'));", i)  # fmt: skip
        (said,) = browser.ask(words)
        assert said.startswith(f"{name} stood at ") and "Two times in three the close after 2 bars lies within" in said
        assert browser.ask(label).startswith(f"The next 2 bars. {name} stood at ")
        wide = browser.ask("return document.getElementById('fan').data.find((t) => t.name === 'forecast').x.length")
        assert wide == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_all_is_unfolded_light_and_no_wider_than_the_sheet(made, browser, scheme):
    browser.open(made["law"].page, 1280, scheme, unfold=False)
    before = browser.ask("return [...document.querySelectorAll('details')].map((box) => box.open)")
    browser.ask("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.ask("return document.querySelectorAll('section > details:not([open])').length") == 0
    shown_whole(browser, "law", 1280, "light")
    right = "return Math.max(...[...document.querySelectorAll('.plot svg.main-svg')].map((svg) => svg.clientWidth))"
    assert 400 < browser.ask(right) <= 640
    browser.ask("window.dispatchEvent(new Event('afterprint'))")
    assert browser.ask("return [...document.querySelectorAll('details')].map((box) => box.open)") == before
    browser.wait(f"{right} > 1000")
    assert browser.complaints() == []


def test_the_last_two_hundred_bars_come_first_and_more_can_be_had(made, browser):
    browser.open(made["bins"].page)
    count = "return document.getElementById('explorer').data.find((t) => t.type === 'candlestick').x.length"
    state = "return document.querySelector('.state').textContent"
    n = len(unpacked(made["bins"].data["explorer"]["series"][0]["gaps"]))
    assert browser.ask(state) == f"each bar is drawn, {min(n, 200)} of {n} shown"
    browser.ask("Plotly.relayout('explorer', {'xaxis.range': ['2020-01-21 00:00', '2020-01-21 09:30']})")
    browser.wait(f"{state} === 'each bar is drawn, 10 of {n} shown'")
    assert browser.ask(count) == 12  # one more on either side, so that lines go on to the edge
    low, high = browser.ask("return document.getElementById('explorer').layout.yaxis.range")
    seen = made["bins"].bars.set_index("date").loc["2020-01-21 00:00":"2020-01-21 09:30"]
    assert low < seen["low"].min() < seen["high"].max() < high
    assert high - low < 1.09 * (seen["high"].max() - seen["low"].min())
    browser.ask("document.querySelector('button[data-bars=\"0\"]').click()")
    browser.wait(f"{state} === 'each bar is drawn, {n} of {n} shown'")
    assert browser.complaints() == []


def test_another_series_and_another_step_can_be_chosen(made, browser):
    browser.open(made["law"].page)
    drawn = "return document.getElementById('explorer').data.find((t) => t.name === 'forecast').y.slice(-3)"
    series = made["law"].data["explorer"]["series"]
    choose = "const box = arguments[0]; box.value = '1'; box.dispatchEvent(new Event('change'));"
    for control, expected in (("series", series[1]["steps"][0]), ("step", series[1]["steps"][1])):
        browser.ask(choose, browser.ask(f"return document.querySelector('[data-control={control}]')"))
        np.testing.assert_allclose(
            np.array(browser.ask(drawn), float), unpacked(expected["point"])[-3:].astype(float), rtol=1e-6
        )
    text = browser.ask("return document.querySelector('[data-control=series]').textContent")
    assert text == f"{HOSTILE}calm"


def written(folder: Path, part: Any) -> Path:
    """A page with nothing but this part in it."""
    target = folder / "page.html"
    target.write_text(page("a", [], [Section("s", "s", [part])], ""))
    return target


def test_seen_from_afar_bars_are_drawn_together(made, browser, tmp_path):
    bars = make_bars(n=20_000)
    track = Track("a", 3600, bars.time_N, bars.columns | {}, (Step(1, bars.columns["open"]),))
    track = replace(track, columns={name: bars.columns[name] for name in ("open", "high", "low", "close")})
    browser.open(written(tmp_path, Explorer.of([track], 0.8)))
    browser.ask("document.querySelector('button[data-bars=\"0\"]').click()")
    browser.wait("return document.querySelector('.state').textContent.startsWith('each candle is 50 bars, 20,000')")
    candles = browser.ask(
        "const t = document.getElementById('explorer').data.find((t) => t.type === 'candlestick');"
        "return [t.open, t.high, t.low, t.close].map((values) => Array.from(values))"
    )
    grouped = {name: values.astype(np.float32).reshape(400, 50) for name, values in track.columns.items()}
    expected = [grouped["open"][:, 0], grouped["high"].max(1), grouped["low"].min(1), grouped["close"][:, -1]]
    np.testing.assert_array_equal(np.float32(candles), expected)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("edges", [(-1, 1), (-0.78, -0.15, 0.25), (-0.123456, -0.012345, 0.5)])
def test_bins_are_named_whole_and_both_charts_have_one_time_axis(browser, tmp_path, width, edges):
    bars, bins = make_bars(n=60), bin_labels((-np.inf, *edges, np.inf))
    probs_NK = np.full((60, len(bins)), 1 / len(bins))
    track = Track("a", 3600, bars.time_N, {"close": bars.columns["close"]},
                  (Step(1, probs_NK=probs_NK, bin_N=np.zeros(60)),))  # fmt: skip
    browser.open(written(tmp_path, Explorer.of([track], 0.8, bins)), width)
    labels, cut = browser.ask(
        "const plot = document.getElementById('explorer-bins'), left = plot.getBoundingClientRect().left;"
        "const labels = [...plot.querySelectorAll('.ytick text')];"
        "return [labels.map((t) => t.textContent), labels.filter((t) => t.getBoundingClientRect().left < left).length]"
    )
    assert (labels, cut) == (bins, 0)
    left, right = browser.ask(
        "return ['left', 'right'].map((side) => ['explorer', 'explorer-bins'].map("
        "(id) => document.querySelector(`#${id} .nsewdrag`).getBoundingClientRect()[side]))"
    )
    assert left[0] == left[1] and right[0] == right[1]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_legend_of_many_lines_is_read_whole_under_its_chart_and_hides_lines(browser, tmp_path, width):
    names = ["transformer", *(f"constant_normal_{i}" for i in range(12))]
    figure = fold_figure("folds", "By fold", "%", {name: [i, i + 1] for i, name in enumerate(names)}, "Caption.")
    browser.open(written(tmp_path, figure), width)
    boxes = browser.ask(
        "const box = (one) => { const { left, right, top, bottom } = one.getBoundingClientRect();"
        "return [left, right, top, bottom] }, at = (s) => [...document.querySelectorAll(s)].map(box);"
        "return [at('.plot svg.main-svg')[0], at('.legend button'), at('figcaption')[0]]"
    )
    plot, buttons, caption = boxes
    assert len(buttons) == len(names) and plot[3] - plot[2] > 300
    for left, right, top, bottom in buttons:
        assert left >= 0 and right <= width and plot[3] <= top < bottom <= caption[2]
    assert browser.ask("return document.querySelectorAll('.plot .legend').length") == 0
    shown = "return document.querySelectorAll('#folds .trace').length"
    for count in (len(names) - 1, len(names)):
        browser.ask("document.querySelector('.legend button').click()")
        browser.wait(f"{shown} === {count}")
    assert browser.complaints() == []
