"""Names of series: the same in training, forecasts, evaluations, backtests and reports, whichever bars are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from backtests import Own, make_market
from backtests import run as run_backtest
from builders import make_bars
from made_runs import make_run
from trainings import make_config

from nextbar.backtesting.panel import BacktestPanel
from nextbar.bars.naming import Naming
from nextbar.checksums import write_json
from nextbar.data.dataset import build_dataset
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.conformal import Conformal
from nextbar.report import write_report
from nextbar.runs.records import read_conformal, read_reference
from nextbar.train.trainer import Trainer

TWO = ("1h", "4h")


def test_the_resolution_goes_without_saying_where_it_is_the_only_one() -> None:
    hour, four, other = make_bars("abc", "1h", n=1), make_bars("abc", "4h", n=1), make_bars("x", "1h", n=1)
    assert Naming.of(make_config(Path("runs"), resolution="1h").dataset_config) == Naming("1h")
    assert Naming.of(make_config(Path("runs"), resolution=["4h"]).dataset_config) == Naming("4h")
    assert Naming.of(make_config(Path("runs"), resolution=list(TWO)).dataset_config) == Naming(None)
    assert Naming.of_bars([hour, other]) == Naming.of_bars(iter([hour])) == Naming("1h")
    assert Naming.of_bars([hour, four]) == Naming.of_bars([]) == Naming(None)
    assert [Naming("1h")(bars) for bars in (hour, four, other)] == ["abc", "abc_4h", "x"]
    assert [Naming(None)(bars) for bars in (hour, four)] == ["abc_1h", "abc_4h"]


@pytest.mark.parametrize(
    ("resolutions", "there", "names"),
    [
        (("1h",), ("1h",), ["abc"]),
        (TWO, TWO, ["abc_1h", "abc_4h"]),
        (TWO, ("1h",), ["abc_1h"]),
        (TWO, ("4h",), ["abc_4h"]),
    ],
)
def test_the_configuration_names_series_whichever_bars_are_there(
    resolutions: tuple[str, ...], there: tuple[str, ...], names: list[str], tmp_path: Path
) -> None:
    bars = [make_bars("abc", one, n=150) for one in there]
    made = make_run(tmp_path, bars, tickers="abc", resolution=list(resolutions), output_mode="distribution")
    kept = read_conformal(made.run_dir)
    assert kept is not None
    assert list(made.dataset.names) == names == list(made.load().names(bars))
    assert list(read_reference(made.run_dir)[0]) == names
    assert set() < set(kept[1].series) <= set(names)
    assert list(BacktestPanel(tuple(bars), 1, Naming.of(made.config.dataset_config)).names) == names
    assert ("resolution" in made.load().predict(bars)) == (len(resolutions) > 1)


def test_a_run_whose_bars_lack_a_resolution_is_evaluated_as_it_was_trained(tmp_path: Path) -> None:
    """The same windows beside the same baseline: model, baseline and skill are those of the training."""
    bars = [make_bars("abc", "1h", n=150)]
    config = make_config(tmp_path, tickers="abc", resolution=list(TWO), output_mode="distribution", num_epochs=1)
    result = Trainer(config, bars, show=False).train_and_evaluate()
    again = evaluate(result.run_dir, bars).metrics
    for span in ("validation", "test"):
        assert again[span]["baseline"] == pytest.approx(result.metrics[span]["baseline"], rel=1e-12)
        assert again[span]["skill"] == pytest.approx(result.metrics[span]["skill"], abs=1e-6)
        assert list(again[span]["by_ticker"]) == list(result.metrics[span]["by_ticker"]) == ["abc_1h"]
    page = write_report(result.run_dir, bars=bars).read_text()
    assert "Nothing was learnt from" not in page and "was chosen without" not in page


def test_a_backtest_of_bars_that_lack_a_resolution(tmp_path: Path) -> None:
    """Its trained model, its baselines and a predictor of one's own see the same keys."""
    fields = {"resolution": list(TWO), "output_mode": "distribution"}
    result = run_backtest(tmp_path, make_market(), fields, folds=1, conformal=True, levels=[0.5], predictors=[Own()])
    assert set(result.forecasts["resolution"]) == {"1h"}
    assert set(result.scores["transformer"]["by_ticker"]) == {"aaa_1h", "bbb_1h"}


@pytest.mark.slow
def test_a_backtest_whose_coarse_bars_begin_late(tmp_path: Path) -> None:
    """The first fold knows one resolution, the second two."""
    fine = make_market()
    late = make_bars("aaa", "4h", n=60, seed=5)
    late = late.between(initial=int(fine[0].close_time_N[200]))
    fields = {"resolution": list(TWO), "test_tickers": ["bbb"]}
    result = run_backtest(tmp_path, [*fine, late], fields, predictors=[Own()])
    assert len(result.folds) == 2 and set(result.scores["own"]["by_ticker"]) == {"bbb_1h"}


def test_a_run_of_an_earlier_version_keeps_its_names(tmp_path: Path) -> None:
    """Runs used to name series by the resolutions of their bars, and saved no naming."""
    bars = [make_bars("abc", "1h", n=150)]
    made = make_run(tmp_path, bars, tickers="abc", resolution=list(TWO), output_mode="distribution")
    new = evaluate(made.run_dir, bars, conformal=True)
    path = made.run_dir / "normalisation.json"
    preparation = json.loads(path.read_text())
    del preparation["implied_resolution"]
    write_json(path, preparation)
    for name in ("reference.json", "conformal.json"):
        text = (made.run_dir / name).read_text()
        assert text.count('"abc_1h"') == 1
        write_json(made.run_dir / name, json.loads(text.replace('"abc_1h"', '"abc"')))
    old = evaluate(made.run_dir, bars, conformal=True)
    assert old.names == ("abc",) and new.names == ("abc_1h",)
    assert old.metrics["test"]["baseline"] == new.metrics["test"]["baseline"]
    assert old.metrics["test"]["skill"] == new.metrics["test"]["skill"]
    adjusted = old.spans["test"].conformal
    assert isinstance(adjusted, Conformal) and list(adjusted.series) == ["abc"]
    forecaster = Forecaster.load(made.run_dir)
    assert forecaster.names([*bars, make_bars("abc", "4h")]) == ("abc", "abc_4h")
    assert "resolution" in forecaster.predict(bars)


def test_a_dataset_names_as_its_preparation_says() -> None:
    config = make_config(Path("runs"), tickers="abc", resolution=list(TWO))
    dataset = build_dataset(config, [make_bars("abc", "4h", n=150)])
    assert dataset.preparation.naming == Naming(None) and dataset.names == ("abc_4h",)
