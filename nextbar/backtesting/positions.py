"""Positions by a stated simple rule from the forecasts of each participant, and their accounts beside buy and hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.tried import Tried
from nextbar.bars.bars import Bars
from nextbar.bars.calendars import learn_together
from nextbar.bars.dates import iso
from nextbar.bars.frames import epoch_seconds, frame_like
from nextbar.config import ExperimentConfig
from nextbar.forecasts import bin_columns
from nextbar.metrics.bins import direction
from nextbar.metrics.comparison import finite
from nextbar.metrics.task import Task
from nextbar.positions.account import Account, account, combined, returns_together
from nextbar.positions.options import PositionOptions
from nextbar.positions.performance import figures
from nextbar.positions.rules import BUY_AND_HOLD, Expectation, positions
from nextbar.positions.year import bars_per_year

FORMAT = 3
"""of the figures; a nextbar whose rules give other figures of the same forecasts counts it up, and they are taken anew.
Earlier backtests have none: years of series with several clocks were counted otherwise"""


class Decided(NamedTuple):
    """Positions of one participant in one series."""

    row_M: np.ndarray
    """origins, counted within the series"""
    position_M: np.ndarray


@dataclass(frozen=True, eq=False)
class PositionJudge:
    """Takes positions by forecasts that were made, and keeps their accounts.

    Args:
        panel: all bars.
        config: the experiment.
        options: rule and costs.
        tried: of how many configurations the model is the chosen one.
        known_until: closing time before which all bars are known to everybody: the first fold's cutoff.
    """

    panel: BacktestPanel
    config: ExperimentConfig
    options: PositionOptions
    tried: Tried
    known_until: int

    def judge(self, forecasts: Any, model: str) -> tuple[dict[str, Any], Any]:
        """Accounts of all participants, from the table of their forecasts.

        Args:
            forecasts: as a backtest keeps them; the first step alone is used.
            model: name of the participant that was chosen among the configurations tried.

        Returns:
            Plain values for the summary, and the accounts as a frame: a row for each participant, series and holding
            period with ``model``, ``ticker``, (``resolution``,) ``origin`` (the bar at whose close the position was
            decided), ``entry`` and ``exit`` (bars at whose opens it begins and ends), ``position``, ``traded``,
            ``return``, ``equity``. Where no position can be taken the reason is in ``left_out``, and there is no frame.
        """
        terms = self.terms
        if reason := self._reason():
            return terms | {"left_out": reason}, None
        first = forecasts[forecasts["step"] == 1]
        rows = {str(name): first[first["model"] == name] for name in forecasts["model"].unique()}
        expected = {name: self._expectation(rows_of_name) for name, rows_of_name in rows.items()}
        without_law = [name for name in rows if self.options.rule != "sign" and not expected[name].is_law]
        held = {BUY_AND_HOLD: self._always(rows[model])}
        held |= {name: self._decided(rows[name], expected[name]) for name in rows if name not in without_law}
        accounts = {name: self._accounts(of_series, self.options.cost) for name, of_series in held.items()}
        market = accounts[BUY_AND_HOLD]
        if not market:
            return terms | {"left_out": "the bars end before a position could be held to the next open"}, None
        free = {name: self._accounts(of_series, 0.0) for name, of_series in held.items()}
        nodes = {name: self._node(accounts[name], free[name], name == model) for name in accounts}
        whole = combined(list(market.values()))
        return terms | {
            "from": iso(int(whole.entry_T[0])),
            "until": iso(int(whole.exit_T[-1])),
            "bars_per_year": {self.panel.names[s]: self._per_year[s] for s in market},
            "periods_per_year": self._periods_per_year(market),
            "buy_and_hold": nodes.pop(BUY_AND_HOLD),
            "predictors": nodes,
            "without_law": without_law,
        }, self._frame(accounts)

    @property
    def terms(self) -> dict[str, Any]:
        """What decides the accounts beside forecasts and bars: options, rule, number of tries and the format of the
        figures; plain values."""
        return {
            "format": FORMAT,
            "options": self.options.to_dict(),
            "rule": self.options.in_words,
            "tried": self.tried._asdict(),
        }

    @cached_property
    def _scored(self) -> list[int]:
        """Numbers of the series that are forecast."""
        return [s for s, b in enumerate(self.panel.bars) if b.ticker in self.config.scored_tickers]

    @cached_property
    def _per_year(self) -> dict[int, float]:
        """Bars a year of each series, by those that are known before anything is forecast."""
        times = [b.time_N[b.close_time_N < self.known_until] for b in self._series]
        dataset = self.config.dataset_config
        calendars = learn_together(times, [b.step for b in self._series], dataset.calendar, dataset.timezone)
        return {
            s: bars_per_year(time_N, calendar)
            for s, time_N, calendar in zip(self._scored, times, calendars, strict=True)
            if calendar  # a fold has bars of all of them in its history
        }

    @property
    def _series(self) -> Sequence[Bars]:
        return [self.panel.bars[s] for s in self._scored]

    def _reason(self) -> str:
        """Why no position can be taken; empty where it can."""
        for b in self._series:
            if "open" not in b.columns:
                features = self.config.dataset_config.features
                return f"{b.name} has no opens to trade at: none are read with features {features!r}"
            if not (b.columns["open"] > 0).all():
                return f"{b.name} has opens that are not above zero, and so no returns"
        return ""

    def _expectation(self, rows: Any) -> Expectation:
        """Expectation of the next bar by a participant's rows of the table."""
        last_N = rows["last_close"].to_numpy(np.float64)
        nothing_N = np.full(len(rows), np.nan)
        names = bin_columns(Task.of(self.config).edges) if Task.of(self.config).edges else []
        if names and rows[names].notna().all(axis=None):
            return Expectation(direction(rows[names].to_numpy(np.float64), Task.of(self.config).edges), nothing_N)
        scale_N = rows["scale"].to_numpy(np.float64) if "scale" in rows else nothing_N
        if self.config.dataset_config.target != "log_return":
            scale_N = scale_N / last_N
        return Expectation(rows["close"].to_numpy(np.float64) / last_N - 1, scale_N)

    def _decided(self, rows: Any, expected: Expectation) -> list[Decided]:
        """The positions in each scored series."""
        return [
            Decided(row_M, positions(Expectation(*(a_N[own_N] for a_N in expected)), self.options, self._per_year[s]))
            for s, (own_N, row_M) in zip(self._scored, self._origins(rows), strict=True)
        ]

    def _always(self, rows: Any) -> list[Decided]:
        """The whole equity in each series, from the first origin to the last."""
        spans = [np.arange(row_M[0], row_M[-1] + 1) if len(row_M) else row_M for _, row_M in self._origins(rows)]
        return [Decided(row_M, np.ones(len(row_M))) for row_M in spans]

    def _origins(self, rows: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each scored series its rows of a participant's table, and the origins in them, counted within it."""
        origin_N = epoch_seconds(rows["origin"])
        origins = []
        for b in self._series:
            own_N = (rows["ticker"] == b.ticker).to_numpy()
            if "resolution" in rows:
                own_N = own_N & (rows["resolution"] == b.resolution).to_numpy()
            origins.append((own_N, np.searchsorted(b.time_N, origin_N[own_N])))
        return origins

    def _accounts(self, decided: Sequence[Decided], cost: float) -> dict[int, Account]:
        """By series; without those that end before anything could be held."""
        accounts = {}
        for s, b, held in zip(self._scored, self._series, decided, strict=True):
            made = account(b.columns["open"], b.time_N, held.row_M, held.position_M, cost)
            if made is not None:
                accounts[s] = made
        return accounts

    def _periods_per_year(self, accounts: Mapping[int, Account]) -> float:
        """Holding periods a year of accounts side by side: years are those of the longest, times how much more of the
        clock all of them cover."""
        years, longest = max((len(part.exit_T) / self._per_year[s], s) for s, part in accounts.items())
        joined = combined(list(accounts.values()))
        more = _covered(list(accounts.values())) / _covered([accounts[longest]])
        return len(joined.exit_T) / (years * more)

    def _node(self, accounts: Mapping[int, Account], free: Mapping[int, Account], chosen: bool) -> dict[str, Any]:
        """Figures of all series together, and of each."""
        trials = self.tried.configurations if chosen else 1
        variance = self.options.sharpe_variance if chosen else None

        def plain(
            with_costs: Account, costless: Account, per_year: float, return_U: Any = None
        ) -> dict[str, float | None]:
            return {
                name: finite(value)
                for name, value in figures(with_costs, costless, per_year, trials, variance, return_U).items()
            }  # fmt: skip

        joined, joined_free = (combined(list(some.values())) for some in (accounts, free))
        return_U = returns_together(joined, list(accounts.values()))
        return {
            "combined": plain(joined, joined_free, self._periods_per_year(accounts), return_U),
            "by_ticker": {
                self.panel.names[s]: plain(with_costs, free[s], self._per_year[s]) for s, with_costs in accounts.items()
            },
        }  # fmt: skip

    def _frame(self, accounts: Mapping[str, Mapping[int, Account]]) -> Any:
        import pandas as pd

        tables = []
        for name, by_series in accounts.items():
            for s, series_account in by_series.items():
                b, size = self.panel.bars[s], len(series_account.entry_T)
                table = {"model": np.full(size, name, object), "ticker": np.full(size, b.ticker, object)}
                if self.panel.several:
                    table["resolution"] = np.full(size, b.resolution, object)
                table |= {
                    "origin": b.time_N[np.searchsorted(b.time_N, series_account.entry_T) - 1],
                    "entry": series_account.entry_T,
                    "exit": series_account.exit_T,
                    "position": series_account.position_T,
                    "traded": series_account.traded_T,
                    "return": series_account.return_T,
                    "equity": series_account.equity_T,
                }
                tables.append(frame_like(table, dates=("origin", "entry", "exit")))
        return pd.concat(tables, ignore_index=True)


def _covered(accounts: Sequence[Account]) -> float:
    """Seconds in which at least one of the accounts has a holding period."""
    entry_P = np.concatenate([part.entry_T for part in accounts])
    exit_P = np.concatenate([part.exit_T for part in accounts])
    order = np.argsort(entry_P, kind="stable")
    reached_P = np.maximum.accumulate(exit_P[order])
    before_P = np.concatenate([entry_P[order][:1], reached_P[:-1]])
    return float(np.maximum(reached_P - np.maximum(before_P, entry_P[order]), 0).sum())
