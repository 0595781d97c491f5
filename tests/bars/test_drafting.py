from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bar_files import START, bars_table
from exchange_bars import series_at, sessions_between

from nextbar.bars import drafting, suggestion
from nextbar.bars.bars import Bars
from nextbar.bars.drafting import Draft, draft_experiment
from nextbar.bars.importing import ImportOptions
from nextbar.bars.recipes import recipe_like
from nextbar.errors import ConfigError, DataError

DAY = 86_400


def first_try(*sources: Path, to: Path, **options: Any) -> Draft:
    return draft_experiment(sources, to, ImportOptions(guess=True, **options))


def save(path: Path, table: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path


def test_what_a_file_does_not_say_is_taken_from_its_name_and_dates(tmp_path: Path) -> None:
    file = save(tmp_path / "my.bars.csv", bars_table(400))
    draft = first_try(file, to=tmp_path / "out")
    dataset = draft.config.dataset_config
    assert (dataset.tickers, dataset.resolution) == (("my",), "1h")
    assert (tmp_path / "out/bars/1h/my_1h.csv").is_file()
    assert draft.config.log_dir == str(tmp_path / "out/runs")
    assert draft.config.early_stopper == drafting.PATIENCE
    assert "400 bars of my, 2020-09-13 to 2020-09-29" in draft.path.read_text()


def test_the_folder_is_named_by_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in" / "a_1h.csv", bars_table(50))
    save(tmp_path / "in" / "b_1h.csv", bars_table(60))
    assert draft_experiment(["in/a_1h.csv"], None, ImportOptions(guess=True)).path == Path("try-a-1h/experiment.yaml")
    both = draft_experiment(["in"], None, ImportOptions(guess=True))
    assert both.path == Path("try-2-series-1h/experiment.yaml")
    assert both.config.dataset_config.tickers == ("a", "b")


def test_a_changed_experiment_is_kept_and_one_about_others_is_not_used(tmp_path: Path) -> None:
    file = save(tmp_path / "a_1h.csv", bars_table(50))
    path = first_try(file, to=tmp_path / "out").path
    path.write_text(path.read_text().replace("d_model: 64", "d_model: 8"))
    again = first_try(file, to=tmp_path / "out")
    assert again.config.model_config.d_model == 8
    assert again.notices[-1] == f"{path}: kept as it is"
    with pytest.raises(ConfigError, match="trains a_1h, not b_1h: name another folder with --to"):
        first_try(save(tmp_path / "b_1h.csv", bars_table(50)), to=tmp_path / "out")


def test_what_is_refused_writes_nothing_and_another_resolution_is_another_experiment(tmp_path: Path) -> None:
    first_try(save(tmp_path / "a_1h.csv", bars_table(50)), to=tmp_path / "out")
    before = sorted((tmp_path / "out").rglob("*"))
    for file in (save(tmp_path / "b_1h.csv", bars_table(50)), save(tmp_path / "a_1d.csv", bars_table(50, DAY))):
        with pytest.raises(ConfigError, match="trains a_1h, not "):
            first_try(file, to=tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before


def test_a_grown_file_replaces_the_bars_where_that_is_said(tmp_path: Path) -> None:
    first_try(save(tmp_path / "a_1h.csv", bars_table(50)), to=tmp_path / "out")
    grown = save(tmp_path / "a_1h.csv", bars_table(60))
    with pytest.raises(DataError, match="say --overwrite"):
        first_try(grown, to=tmp_path / "out")
    draft_experiment([grown], tmp_path / "out", ImportOptions(guess=True), overwrite=True)
    assert len((tmp_path / "out/bars/1h/a_1h.csv").read_text().splitlines()) == 61


def test_a_series_that_ends_before_the_others_count_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "MOST_BARS", 100)
    table = bars_table(400)
    save(tmp_path / "in" / "old_1h.csv", table[:100])
    save(tmp_path / "in" / "new_1h.csv", table)
    draft = first_try(tmp_path / "in", to=tmp_path / "out")
    assert draft.config.dataset_config.tickers == ("new",)
    assert "old_1h: left out, it ends before the others begin to count" in draft.notices


def test_a_series_that_a_kept_experiment_does_not_train_is_named(tmp_path: Path) -> None:
    first_try(save(tmp_path / "in" / "a_1h.csv", bars_table(50)), to=tmp_path / "out")
    save(tmp_path / "in" / "b_1h.csv", bars_table(50))
    again = first_try(tmp_path / "in", to=tmp_path / "out")
    assert again.notices[-1].endswith("experiment.yaml: kept as it is; it does not train b_1h")


def test_one_resolution_at_a_time(tmp_path: Path) -> None:
    for resolution, step in (("1h", 3600), ("1d", DAY)):
        save(tmp_path / "in" / resolution / f"a_{resolution}.csv", bars_table(50, step))
    with pytest.raises(DataError, match="bars of 1h, 1d: one at a time; name it with --resolution"):
        first_try(tmp_path / "in", to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert first_try(tmp_path / "in", to=tmp_path / "out", resolution="1d").config.dataset_config.resolution == "1d"
    with pytest.raises(DataError, match="has no bars of 4h"):
        first_try(tmp_path / "in", to=tmp_path / "out", resolution="4h")


def test_a_file_without_dates_is_told_by_its_columns(tmp_path: Path) -> None:
    file = save(tmp_path / "mine.csv", pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(DataError, match=r"mine\.csv: no column of dates; the columns are a, b"):
        first_try(file, to=tmp_path / "out")


def test_an_exchange_that_knows_the_dates_is_the_calendar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the dates of the training span, of all series, and where no bar that is missing would become a hole."""
    monkeypatch.setattr(suggestion, "LIKELY", ("XNYS", "XTSE"))
    days, later = (
        sessions_between("XNYS", "2013-01-02", "2016-12-30"),
        sessions_between("XTSE", "2017-01-03", "2017-12-29"),
    )
    gone = np.delete(days, 200)  # no holiday

    def calendar_of(name: str, *time_SN: np.ndarray) -> str:
        for s, time_N in enumerate(time_SN):
            bars = series_at(time_N, "1d")
            save(tmp_path / name / f"{s}_1d.csv", pd.DataFrame({"date": bars.time_N, **bars.columns}))
        return first_try(tmp_path / name, to=tmp_path / f"{name}-out").config.dataset_config.calendar

    assert calendar_of("one", days) == calendar_of("two", days, days[5:]) == "XNYS"
    assert "days and hours of the bars are those of XNYS" in (tmp_path / "one-out/experiment.yaml").read_text()
    assert calendar_of("test", np.concatenate([days, later])) == "XNYS", "days that are test say nothing"
    assert (
        calendar_of("gone", gone)
        == calendar_of("another", days, sessions_between("XTSE", "2013-01-02", "2016-12-30"))
        == "auto"
    )
    monkeypatch.setattr(suggestion, "is_installed", lambda: False)
    assert calendar_of("without", days) == "auto"


def test_only_the_last_bars_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "MOST_BARS", 100)
    draft = first_try(save(tmp_path / "a_1h.csv", bars_table(400)), to=tmp_path / "out")
    first = pd.Timestamp(str(draft.config.dataset_config.initial_date), tz="UTC").timestamp()
    kept = START + 3600 * 399 - first
    assert 100 * 3600 <= kept < 124 * 3600  # from the beginning of a day on
    assert "remove initial_date for all of them" in draft.path.read_text()


def test_closes_alone_and_values_below_zero(tmp_path: Path) -> None:
    closes = bars_table(400)[["date", "close"]]
    config = first_try(save(tmp_path / "a_1h.csv", closes), to=tmp_path / "closes").config
    assert (config.dataset_config.features, config.dataset_config.target) == ("close", "log_return")
    assert config.model_config.start == "constant"
    # of a market whose recipe has a loss of ranges
    weekdays = closes[pd.to_datetime(closes["date"]).dt.day_of_week < 5]
    config = first_try(save(tmp_path / "a_1h.csv", weekdays), to=tmp_path / "weekdays").config
    assert (config.range_loss, config.dataset_config.features) == (0, "close")
    closes["close"] -= closes["close"].mean()
    config = first_try(save(tmp_path / "a_1h.csv", closes), to=tmp_path / "below").config
    assert (config.dataset_config.features, config.dataset_config.target) == ("close", "close")


@pytest.mark.parametrize(
    ("step", "open_hours", "recipe"),
    [
        (300, range(24), "intraday_5m"),
        (3600, range(24), "crypto_1h"),
        (3600, range(9, 16), "equity_1h"),
        (4 * 3600, range(24), "crypto_4h"),
        (DAY, range(24), "crypto_1d"),
    ],
)
def test_the_recipe_is_of_the_nearest_market(step: int, open_hours: range, recipe: str) -> None:
    time = START + step * np.arange(40 * DAY // step)
    time = time[np.isin(time % DAY // 3600, [*open_hours]) | (step >= DAY)]
    assert recipe_like(series(time, step)) == recipe


@pytest.mark.parametrize(("step", "recipe"), [(3600, "fx_1h"), (DAY, "index_1d")])
def test_weekends_tell_currencies_and_indices(step: int, recipe: str) -> None:
    time = START + step * np.arange(60 * DAY // step)
    weekday = (time // DAY + 3) % 7
    assert recipe_like(series(time[weekday < 5], step)) == recipe


def series(time_N: np.ndarray, step: int) -> Bars:
    names = {300: "5m", 3600: "1h", 4 * 3600: "4h", DAY: "1d"}
    return Bars("a", names[step], time_N, {"close": np.ones(len(time_N))})
