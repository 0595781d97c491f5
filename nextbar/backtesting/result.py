"""``Backtest``: the result of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbar.arguments import strict_arguments
from nextbar.backtesting.folder import BacktestFolder
from nextbar.backtesting.scores_table import scores_table
from nextbar.backtesting.times import KINDS, known_times, total
from nextbar.config.choices import OUTPUT_MODES
from nextbar.display.figure import Figure
from nextbar.display.folds import fold_figure
from nextbar.display.markup import Child
from nextbar.display.shown import Shown
from nextbar.errors import RunError
from nextbar.logger import console
from nextbar.metrics.superiority import p_head
from nextbar.storage.address import require_local
from nextbar.tables import print_whole, rounded, signed

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group

SHOWN = {
    "mean": ("mae", "rmse", "mape", "acc_dir"),
    "distribution": ("nll", "crps", "mae", "acc_dir"),
    "discrete_grid": ("log_loss", "brier", "acc", "acc_dir"),
}
"""metrics of the printed table, the leading metric first; ``summary.json`` has them all"""


@strict_arguments
@dataclass(frozen=True, repr=False)
class Backtest(Shown):
    """A finished backtest: its folder and what ``summary.json`` says."""

    path: Path
    summary: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> Backtest:
        """Open the folder of a finished backtest.

        Raises:
            RunError: it is none, is damaged or was not finished.
        """
        require_local(path, "a backtest", "copy it there")
        folder = Path(path)
        summary = BacktestFolder(folder).read()
        if not summary:
            raise RunError(f"{path} is no backtest: there is no summary.json in it")
        if summary.get("status") != "finished":
            raise RunError(
                f"{path} is not finished (status {summary.get('status')}); the same backtest once more goes on with it"
            )
        return cls(folder, summary)

    @cached_property
    def forecasts(self) -> Any:
        """Out-of-sample forecasts of all folds as a pandas frame, a row for each predictor, ticker, origin and step.

        ``model`` (the predictor), ``ticker``, (``resolution``,) ``cutoff`` (all that was learnt for the forecast
        comes from bars that close before it), ``origin``, ``step``, ``date``, ``last_close``, ``actual``; then, as far
        as the predictor has them, ``close``, ``scale``, ``df``, ``skew``, ``close-lo-80``, ``close-hi-80`` ...,
        or ``p_<lower>_<upper>``.

        Raises:
            RunError: the file is missing or damaged.
        """
        return BacktestFolder(self.path).read_forecasts()

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """By predictor: ``pooled``, ``by_fold``, ``by_ticker``; of the model beside it ``skill``, ``diebold_mariano``,
        ``beaten``, ``verdict``."""
        return self.summary["scores"]

    @property
    def strongest(self) -> str | None:
        """The baseline that was best on the first fold's validation span, which the verdict is against; None where
        none takes part, and in backtests of earlier versions."""
        return self.summary.get("strongest")

    @property
    def folds(self) -> list[dict[str, Any]]:
        """Of each fold its dates, cutoff, windows, and the run that forecast it."""
        return self.summary["folds"]

    @property
    def calibration(self) -> dict[str, Any]:
        """Of the model, see :func:`nextbar.metrics.calibration.calibration_report`."""
        return self.summary["calibration"]

    @property
    def tests(self) -> dict[str, Any]:
        """What statistical tests say, see :data:`nextbar.metrics.findings.TESTS`; empty of earlier versions."""
        return self.summary.get("tests", {})

    @property
    def positions(self) -> dict[str, Any]:
        """What a simple rule would have made of the forecasts, for judging them only; empty where that was not asked.

        ``rule`` in words, ``tried``, ``from``, ``until``, ``buy_and_hold``, and by predictor ``predictors``: each
        ``combined`` and ``by_ticker``, figures as in :func:`nextbar.positions.performance.figures`. ``left_out``
        instead says why no position could be taken.
        """
        return self.summary.get("positions", {})

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """The accounts behind ``positions`` as a pandas frame, a row for each predictor, series and holding period.

        ``model`` (the predictor, or ``buy and hold``), ``ticker``, (``resolution``,) ``origin`` (the position was
        decided at its close), ``entry`` and ``exit`` (it was held from open to open of these bars), ``position``,
        ``traded``, ``return`` (after costs), ``equity``.

        Raises:
            RunError: the file is missing or damaged; there are none of a backtest without positions.
        """
        return BacktestFolder(self.path).read_positions()

    @property
    def history(self) -> pd.DataFrame:
        """Scores by fold as a pandas frame, a row for each fold and predictor.

        ``fold``, ``cutoff``, ``test_from``, ``test_until``, ``windows``, ``predictor``, and its metrics, NaN where they
        are undefined.
        """
        import pandas as pd

        dates = ("fold", "cutoff", "test_from", "test_until", "windows")
        return pd.DataFrame(
            {**{name: fold[name] for name in dates}, "predictor": predictor, **node["by_fold"][i]}
            for i, fold in enumerate(self.folds)
            for predictor, node in self.scores.items()
        )

    @cached_property
    def seconds(self) -> dict[str, dict[str, dict[str, float]]]:
        """What each predictor took: ``fit`` and ``predict``, seconds by fold number; empty of earlier versions."""
        return known_times(self.path)

    def seconds_of(self, name: str) -> float | None:
        """What a predictor took over all folds, to be fitted and to forecast; None where it was not measured."""
        return total(self.seconds.get(name, {}), *KINDS)

    def by_fold(self, metric: str) -> dict[str, list[float | None]]:
        """A metric by predictor and fold, the model first; without the predictors that never have it."""
        model = self.summary["model"]
        ordered = {model: self.scores[model], **self.scores}
        values = {name: [fold.get(metric) for fold in node["by_fold"]] for name, node in ordered.items()}
        return {name: row for name, row in values.items() if name == model or any(value is not None for value in row)}

    def show(self) -> None:
        """Print predictors and metrics side by side to standard error, the best of each marked, and the verdicts."""
        print_whole(console(), self._table())

    def _title(self) -> str:
        windows = sum(fold["windows"] for fold in self.folds)
        return f"{self.path}, {len(self.folds)} folds, {windows:,} windows"

    def _headline(self) -> str:
        model, metric, rival = self.summary["model"], self._metrics[0], self.strongest
        own = f"{model}: {metric} {rounded(self.scores[model]['pooled'].get(metric)) or 'undefined'}"
        if rival is None:
            return own
        node = self.scores[rival]
        gain = node["skill"].get(metric)
        skill = "" if gain is None else f", skill {signed(gain)}"
        return f"{own} beside {rounded(node['pooled'].get(metric)) or 'undefined'} of {rival}{skill}"

    def _scores(self) -> tuple[Sequence[str], Sequence[Sequence[Child]]]:
        metric = self._metrics[0]
        rows = [
            (
                name,
                rounded(node["pooled"].get(metric)),
                signed(node["skill"].get(node.get("leading", metric))),
                f"{test['p_value']:.2g}" if (test := node["diebold_mariano"]) else "",
            )
            for name, node in self.scores.items()
        ]
        p = p_head(self.scores[self.summary["model"]], metric)
        return ("predictor", metric, "skill over it", p), rows

    def _chart(self) -> Figure | None:
        metric = self._metrics[0]
        return fold_figure("fold-leading", f"By fold: {metric}", metric, self.by_fold(metric), "Lower is better.")

    @property
    def _metrics(self) -> tuple[str, ...]:
        return SHOWN[OUTPUT_MODES[self.summary["config"]["output_mode"]].kind]

    def _table(self) -> Group:
        return scores_table(self, self._metrics)
