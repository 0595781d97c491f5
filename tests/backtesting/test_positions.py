"""Positions of a whole backtest: independent loops over its forecasts and bars, and how they are kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import FIELDS, NAMES, OPTIONS, Own, make_market, run, run_whole, seconds, untrained, whole
from builders import make_bars, with_columns
from experiments import GRID

from nextbar.backtesting import Backtest
from nextbar.backtesting.folder import POSITIONS, BacktestFolder
from nextbar.backtesting.positions import _covered
from nextbar.backtesting.walk_forward import WalkForward
from nextbar.bars.bars import Bars
from nextbar.checksums import read_json, write_json
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, RunError
from nextbar.positions.account import Account
from nextbar.positions.rules import BUY_AND_HOLD
from nextbar.verification import verify

__all__ = ["untrained", "whole"]  # fixtures


def by_hand(
    rows: pd.DataFrame, bars: Bars, rule: Any, cost: float = 0.0005, always: bool = False
) -> Iterator[tuple[int, float, float]]:
    """Origin, position and equity of one participant in one series, one bar after the other, with cash and shares."""
    place = {int(t): i for i, t in enumerate(bars.time_N)}
    decided = {place[t]: rule(row) for t, row in zip(seconds(rows["origin"]), rows.itertuples(), strict=True)}
    opens = bars.columns["open"]
    cash, shares = 1.0, 0.0
    for t in range(min(decided), min(max(decided), len(opens) - 3) + 1):
        price = opens[t + 1]
        equity = cash + shares * price
        position = 1.0 if always else decided.get(t, 0.0)
        equity *= 1 - cost * abs(position - shares * price / equity)
        shares = position * equity / price
        cash = equity - shares * price
        yield int(bars.time_N[t]), position, cash + shares * opens[t + 2]


def first_steps(result: Backtest, name: str, ticker: str) -> pd.DataFrame:
    table = result.forecasts
    return table[(table["model"] == name) & (table["ticker"] == ticker) & (table["step"] == 1)]


def account_of(result: Backtest, name: str, ticker: str) -> pd.DataFrame:
    accounts = result.accounts
    return accounts[(accounts["model"] == name) & (accounts["ticker"] == ticker)]


def assert_by_hand(result: Backtest, market: list[Bars], rule: Any, names: Any = NAMES, **options: Any) -> None:
    for name in (*names, BUY_AND_HOLD):
        for bars in market:
            said = first_steps(result, "transformer" if name == BUY_AND_HOLD else name, bars.ticker)
            wanted = list(by_hand(said, bars, rule, always=name == BUY_AND_HOLD, **options))
            found = account_of(result, name, bars.ticker)
            assert seconds(found["origin"]).tolist() == [origin for origin, _, _ in wanted]
            np.testing.assert_allclose(found["position"], [position for _, position, _ in wanted], rtol=1e-9)
            np.testing.assert_allclose(found["equity"], [equity for *_, equity in wanted], rtol=1e-9)


def sign(row: Any) -> float:
    return float(np.sign(row.close - row.last_close))


def test_every_account_is_what_the_stated_rule_makes_of_the_forecasts(whole: Backtest) -> None:
    assert_by_hand(whole, make_market(), sign)
    assert list(whole.accounts["model"].unique()) == [BUY_AND_HOLD, *NAMES]
    assert not account_of(whole, "persistence", "aaa")["position"].any()
    node = whole.positions
    assert list(node["predictors"]) == NAMES and node["tried"] == {"configurations": 1, "by": "alone"}


def test_opens_and_dates_are_those_of_the_bars_after_the_origin(whole: Backtest) -> None:
    for bars in make_market():
        found = account_of(whole, "transformer", bars.ticker)
        at = np.searchsorted(bars.time_N, seconds(found["origin"]))
        for name, later in (("entry", 1), ("exit", 2)):
            assert (seconds(found[name]) == bars.time_N[at + later]).all()
        opens = bars.columns["open"]
        moved = found["position"] * (opens[at + 2] / opens[at + 1] - 1)
        np.testing.assert_allclose(found["return"], (1 - 0.0005 * found["traded"]) * (1 + moved) - 1, rtol=1e-9)
        assert seconds(found["exit"]).max() == bars.time_N[-1]  # beyond the last bar there is no open


def test_buy_and_hold_is_the_price_less_one_cost(whole: Backtest) -> None:
    for bars in make_market():
        found = account_of(whole, BUY_AND_HOLD, bars.ticker)
        opens = dict(zip(bars.time_N.tolist(), bars.columns["open"], strict=True))
        first, last = opens[int(seconds(found["entry"])[0])], opens[int(seconds(found["exit"])[-1])]
        assert found["equity"].iloc[-1] == pytest.approx((1 - 0.0005) * last / first, rel=1e-12)
        made = whole.positions["buy_and_hold"]["by_ticker"][bars.ticker]["return"]
        assert made == pytest.approx((1 - 0.0005) * last / first - 1)


def test_the_figures_are_those_of_the_accounts(whole: Backtest) -> None:
    for name in NAMES:
        node = whole.positions["predictors"][name]
        equities = [account_of(whole, name, ticker)["equity"].to_numpy() for ticker in ("aaa", "bbb")]
        for ticker, equity in zip(("aaa", "bbb"), equities, strict=True):
            assert node["by_ticker"][ticker]["return"] == pytest.approx(equity[-1] - 1)
        together = np.mean(equities, axis=0)
        returns = np.diff(together, prepend=1) / np.concatenate([[1.0], together[:-1]])
        assert node["combined"]["return"] == pytest.approx(together[-1] - 1)
        if name == "persistence":
            assert node["combined"]["sharpe"] is None and node["combined"]["exposure"] == 0
        else:
            ratio = returns.mean() / returns.std(ddof=1)
            assert node["combined"]["sharpe"] == pytest.approx(ratio * np.sqrt(8765.82))
    assert whole.positions["bars_per_year"] == pytest.approx({"aaa": 8765.82, "bbb": 8765.82})


def kelly(row: Any) -> float:
    return float(np.clip(0.5 * (row.close / row.last_close - 1) / (row.scale / row.last_close) ** 2, -2, 2))


def scaled(row: Any) -> float:
    return float(np.clip(sign(row) * 0.15 / (row.scale / row.last_close * np.sqrt(8765.82)), 0, 1))


LAWS = {"kelly": kelly, "volatility": scaled}
RULES: dict[str, dict[str, Any]] = {
    "kelly": {"rule": "kelly", "fraction": 0.5, "cap": 2, "cost_bps": 20},
    "volatility": {"rule": "volatility", "short": False},
}


@pytest.mark.parametrize("rule", RULES)
def test_other_rules_go_by_the_law_and_leave_out_who_has_none(whole: Backtest, tmp_path: Path, rule: str) -> None:
    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WalkForward, "run", lambda *_: pytest.fail("forecast again"))
        options = {**OPTIONS, "predictors": []}
        result = again(tmp_path / "copy", whole, positions=RULES[rule], **options)
    having = [name for name in NAMES if name != "reversal"]
    assert list(result.positions["predictors"]) == having and result.positions["without_law"] == ["reversal"]
    assert_by_hand(result, make_market(), LAWS[rule], having, cost=RULES[rule].get("cost_bps", 5) / 10_000)
    assert result.scores == whole.scores and result.path.name == whole.path.name
    pd.testing.assert_frame_equal(result.forecasts, whole.forecasts)


def again(log_dir: Path, former: Backtest, **options: Any) -> Backtest:
    """The backtest once more; predictors of one's own, which are always asked again, are written down as none."""
    folder = BacktestFolder(log_dir / "test" / former.path.name)
    folder.update(options=folder.read()["options"] | {"predictors": []})
    return run(log_dir, None, FIELDS, **options)


@pytest.mark.parametrize("lost", ["positions", "file", "format"])
def test_a_backtest_of_an_earlier_version_gets_its_positions_without_a_fit(
    whole: Backtest, tmp_path: Path, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read as it is; the same command adds what is missing and changes nothing else."""
    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    path = tmp_path / "copy" / "test" / whole.path.name
    summary = {name: v for name, v in read_json(path / "summary.json").items() if not name.startswith("positions")}
    write_json(path / "summary.json", summary)
    if lost == "positions":
        (path / POSITIONS).unlink()
    if lost == "format":  # figures by the rules of then
        summary["positions"] = {n: v for n, v in whole.positions.items() if n != "format"} | {"periods_per_year": 1.0}
        write_json(path / "summary.json", summary)
    earlier = Backtest.load(path)
    earlier.show()
    assert bool(earlier.positions) == ("judging" in capsys.readouterr().err) == (lost == "format")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WalkForward, "run", lambda *_: pytest.fail("forecast again"))
        result = again(tmp_path / "copy", whole, **{**OPTIONS, "predictors": []})
    assert result.positions == whole.positions
    assert (path / POSITIONS).read_bytes() == (whole.path / POSITIONS).read_bytes()
    assert {n: v for n, v in result.summary.items() if n != "options"} == {
        n: v for n, v in whole.summary.items() if n != "options"
    }


def test_a_kill_between_leaves_a_whole_backtest_and_the_same_bits_in_the_end(untrained: None, tmp_path: Path) -> None:
    """Killed before the accounts are written, and between them and the summary."""
    wanted = run(tmp_path)
    files = {name: (wanted.path / name).read_bytes() for name in (POSITIONS, "summary.json", "forecasts.parquet")}
    update, write = BacktestFolder.update, BacktestFolder._write

    def killed(folder: BacktestFolder, *values: Any, **named: Any) -> Any:
        if "positions" in named or POSITIONS in values[:1]:
            raise KeyboardInterrupt
        return (write if values else update)(folder, *values, **named)

    for method in ("update", "_write"):
        shutil.rmtree(tmp_path / "test", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(BacktestFolder, method, killed)
            run(tmp_path)
        assert Backtest.load(wanted.path).positions == {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(WalkForward, "run", lambda *_: pytest.fail("forecast again"))
            assert run(tmp_path).positions == wanted.positions
        assert {name: (wanted.path / name).read_bytes() for name in files} == files


def test_without_a_rule_there_are_none_and_none_are_left(untrained: None, tmp_path: Path) -> None:
    result = run(tmp_path, positions={"rule": "none"})
    assert result.positions == {} and not (result.path / POSITIONS).exists() and "positions" not in result.summary
    with_them = run(tmp_path)
    assert with_them.positions and with_them.path == result.path
    without = run(tmp_path, positions={"rule": "none"})
    assert without.summary == result.summary and not (result.path / POSITIONS).exists()
    with pytest.raises(RunError, match=r"positions\.parquet cannot be read"):
        without.accounts  # noqa: B018


def test_a_damaged_file_is_found(untrained: None, tmp_path: Path) -> None:
    result = run(tmp_path)
    data = bytearray((result.path / POSITIONS).read_bytes())
    data[50] ^= 1
    (result.path / POSITIONS).write_bytes(data)
    with pytest.raises(RunError, match=r"positions\.parquet"):
        Backtest.load(result.path).accounts  # noqa: B018
    (found,) = verify(result.path)
    assert [fault.path.name for fault in found.faults] == [POSITIONS] and not found.whole


def test_positions_by_bins_follow_the_larger_mass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bins(Own):
        """Probabilities of the bins that lean one way, then the other; flat at every fifth bar."""

        name = "transformer"

        def __init__(self, config: ExperimentConfig, folder: Path, cuts: Any, show: Any = None) -> None:
            super().__init__("transformer")
            self.forecaster, self.result = None, type("R", (), {"run_dir": folder / "run"})

        def untrained(self) -> None:
            """It has no start."""

        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            lean = np.array([0.0, 0.1, -0.1, 0.2, -0.3])[np.arange(len(frame)) % 5]
            masses = np.stack([0.25 - lean / 2, 0.25 - lean / 2, 0.25 + lean / 2, 0.25 + lean / 2], axis=1)
            names = ["p_-inf_-0.5", "p_-0.5_0", "p_0_0.5", "p_0.5_inf"]
            said = pd.DataFrame(masses, columns=names).assign(origin=frame["date"], ticker=frame["ticker"], step=1)
            return said

    monkeypatch.setattr("nextbar.backtesting.fold_work.ModelPredictor", Bins)
    overrides = {"output_mode": "discrete_grid", "discrete_grid_levels": GRID}
    result = run(tmp_path, None, overrides, baselines=["always_up", "frequencies"])

    for bars in make_market():
        said = first_steps(result, "transformer", bars.ticker)
        up = said["p_0_0.5"] + said["p_0.5_inf"]
        down = said["p_-inf_-0.5"] + said["p_-0.5_0"]
        wanted = dict(zip(seconds(said["origin"]).tolist(), np.sign((up - down).round(9)), strict=True))
        found = account_of(result, "transformer", bars.ticker)
        assert found["position"].tolist() == [wanted[t] for t in seconds(found["origin"]).tolist()]
        assert {-1.0, 0.0, 1.0} == set(found["position"])
        assert (account_of(result, "always_up", bars.ticker)["position"] == 1).all()


def test_in_a_hole_there_is_no_position_until_there_is_a_forecast_again(untrained: None, tmp_path: Path) -> None:
    whole_bars = make_bars("aaa", n=240)
    market = [make_bars("aaa", n=240, holes=range(200, 205))]
    result = run(tmp_path, market, {"tickers": ["aaa"]})
    found = account_of(result, "transformer", "aaa")
    origins = ((seconds(found["origin"]) - whole_bars.time_N[0]) // 3600).tolist()
    assert 198 in origins and 199 in origins and 205 in origins
    held = dict(zip(origins, found["position"], strict=True))
    assert held[198] != 0 and all(held[t] == 0 for t in (199, *range(205, 209)))
    assert held[210] != 0
    over = found[np.array(origins) == 198]  # until the next open that there is
    assert (seconds(over["exit"]) - seconds(over["entry"])).tolist() == [6 * 3600]
    assert_by_hand(result, market, sign, ["transformer"])


def test_series_of_several_resolutions_are_told_apart(untrained: None, tmp_path: Path) -> None:
    market = [make_bars("aaa", "1h", 400), make_bars("aaa", "2h", 200, seed=1)]
    result = run(tmp_path, market, {"tickers": ["aaa"], "resolution": ["1h", "2h"]})
    accounts = result.accounts
    assert set(accounts["resolution"]) == {"1h", "2h"}
    assert result.positions["bars_per_year"] == pytest.approx({"aaa_1h": 8765.82, "aaa_2h": 8765.82 / 2})
    assert result.positions["periods_per_year"] == pytest.approx(8765.82, rel=0.02)
    for bars in market:
        table = result.forecasts
        mine = (table["model"] == "transformer") & (table["resolution"] == bars.resolution)
        wanted = list(by_hand(table[mine], bars, sign))
        own = accounts[(accounts["model"] == "transformer") & (accounts["resolution"] == bars.resolution)]
        np.testing.assert_allclose(own["equity"], [equity for *_, equity in wanted], rtol=1e-9)


def test_bars_without_opens_or_returns_have_no_positions_and_the_reason_is_told(
    untrained: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = [make_bars("aaa", n=240)]
    closes = [Bars("aaa", "1h", market[0].time_N, {"close": market[0].columns["close"]})]
    for name, bars, words in (
        ("closes", closes, "aaa_1h has no opens to trade at: none are read with features 'close'"),
        ("below", [with_columns(market[0], open=market[0].columns["open"] - 100)], "opens that are not above zero"),
    ):
        result = run(tmp_path / name, bars, {"tickers": ["aaa"], "features": "close"})
        assert words in result.positions["left_out"] and not (result.path / POSITIONS).exists()
        result.show()
        assert " ".join(f"No positions: {result.positions['left_out']}.".split()) in " ".join(
            capsys.readouterr().err.split()
        )


def test_what_a_rule_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for positions, overrides, words in (
        ({"rule": "kelly"}, {"output_mode": "mean"}, "goes by the standard deviation of the forecast"),
        ({"rules": "sign"}, {}, "positions.rules: no such field; did you mean positions.rule"),
        ({"cost_bps": "5"}, {}, "positions.cost_bps: found '5'"),
        ("kelly", {}, "positions: found 'kelly', should be a mapping of PositionOptions's fields"),
        ({"sharpe_variance": 0.5}, {}, "holds no search, so that one configuration was tried"),
    ):
        with pytest.raises(ConfigError) as error:
            run(tmp_path, overrides=overrides, positions=positions)
        assert words in str(error.value) and not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="two are called 'buy and hold'"):
        run(tmp_path, predictors=[Own(BUY_AND_HOLD)])


def test_more_tries_deflate_the_model_and_nobody_else(untrained: None, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [{}, {"trials": 50}, {"trials": 50, "sharpe_variance": 400.0}]
    alone, stated, wide = (run(tmp_path, positions=one, predictors=[Own(bars=7)]) for one in asked)
    first, second, third = (
        r.positions["predictors"]["transformer"]["combined"]["deflated"] for r in (alone, stated, wide)
    )
    assert first == alone.positions["predictors"]["transformer"]["combined"]["probability"]
    assert first > second and first > third and second != third
    assert stated.positions["tried"] == {"configurations": 50, "by": "stated"}
    assert alone.positions["predictors"]["own"] == stated.positions["predictors"]["own"]
    assert alone.positions["buy_and_hold"] == stated.positions["buy_and_hold"]


def test_the_summary_is_plain(whole: Backtest) -> None:
    assert json.loads(json.dumps(whole.positions, allow_nan=False)) == whole.positions


def test_what_is_shown_names_rule_costs_and_everybody(whole: Backtest, capsys: pytest.CaptureFixture[str]) -> None:
    whole.show()
    shown = " ".join(capsys.readouterr().err.split())
    _, _, part = shown.partition("Positions, for judging forecasts only")
    assert all(name in part for name in (*NAMES, BUY_AND_HOLD))
    assert "by the sign of the predicted move; a trade costs 5 basis points of its value" in part
    assert "Never in the market: persistence." in part
    made = whole.positions["predictors"]["transformer"]["combined"]
    assert f"transformer would have made {100 * made['return']:+.2f} % (Sharpe ratio {made['sharpe']:.2f}) from" in part
    assert f"with probability {made['deflated']:.2f} (one configuration tried)" in part


def test_asking_again_with_predictors_gives_the_same_accounts(whole: Backtest, tmp_path: Path) -> None:
    shutil.copytree(whole.path.parents[1], tmp_path / "copy")
    same = run_whole(tmp_path / "copy")
    assert same.positions == whole.positions
    assert (same.path / POSITIONS).read_bytes() == (whole.path / POSITIONS).read_bytes()


def test_what_accounts_cover_together() -> None:
    """Two that lie on one another cover what one does, two apart the sum, two in part the hours of either."""
    one, same, apart, partly = (held(range(a, b)) for a, b in ((0, 10), (0, 10), (20, 25), (5, 15)))
    assert _covered([one]) == _covered([one, same]) == 10 * 3600
    assert _covered([one, apart]) == _covered([apart, one]) == 15 * 3600
    assert _covered([partly, one]) == 15 * 3600


def held(hours: range) -> Account:
    """An account that holds for these hours."""
    entry_T = 3600 * np.array(hours, np.int64)
    none_T = np.zeros(len(hours))
    return Account(entry_T, entry_T + 3600, none_T, none_T, none_T, none_T + 1)
