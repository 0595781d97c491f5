"""The command ``nextbar evaluate``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import Conformal, Data, Epoch, FitScaler, Named, Revised, Runs, Tickers, called, listed
from nextbar.folders import told_as_damage
from nextbar.tables import plain_table, print_findings, print_whole, span_table, stdout

if TYPE_CHECKING:
    from rich.table import Table

NOTHING_CHANGED = "interrupted; evaluating changes nothing, the same command starts again"


def evaluate(
    path: Runs,
    run: Named = None,
    data: Data = None,
    tickers: Tickers = None,
    fit_scaler: FitScaler = False,
    conformal: Conformal = False,
    epoch: Epoch = None,
    new: Annotated[bool, typer.Option("--new", help="Score only what came after the run's last bar.")] = False,
    revised: Revised = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as in summary.json.")] = False,
) -> None:
    """Score a run beside the plain baseline and its strongest simple rival, on the bars of its training or on new ones.

    The spans are the run's own, and nothing is fitted. Of files that have grown since, what came later is left out;
    files whose bars were revised are refused. Bars given with --data count as test from the run's test span on.
    """
    with clean_exit(interrupted=NOTHING_CHANGED):
        with immediate_interrupt(NOTHING_CHANGED):
            from nextbar.inference.evaluator import evaluate as evaluate_run
            from nextbar.machine.interruptible import run_interruptible

        options: Any = {
            "run": run, "tickers": listed(tickers), "epoch": epoch, "fit_scaler": fit_scaler, "conformal": conformal,
            "new": new, "revised": revised,
        }  # fmt: skip
        with told_as_damage(called(path)):
            reports = run_interruptible(
                lambda: {
                    name: span.report | {"calibration": span.calibration, "tests": span.tests}
                    for name, span in evaluate_run(
                        path if len(path) > 1 else path[0], data=data, **options
                    ).spans.items()
                },
                lambda: None,
            )
        if as_json:
            typer.echo(json.dumps(reports, indent=2, allow_nan=False))
        else:
            _show(reports)


def _show(reports: dict[str, dict[str, Any]]) -> None:
    """Print the scores, coverage, reliability and tests of each span."""
    from nextbar.metrics.calibration import conformal_in_words

    console = stdout()
    for span, report in reports.items():
        print_whole(console, span_table(span, report))
        calibration = report["calibration"]
        for table in (_coverage(calibration), _reliability(calibration)):
            if table is not None:
                print_whole(console, table)
                console.print()
        words = conformal_in_words(calibration)
        for line in ["conformal intervals", *words, ""] if words else []:
            console.print(line, markup=False, highlight=False)
        print_findings(console, report["tests"])


def _coverage(calibration: dict[str, Any]) -> Table | None:
    """Share of outcomes inside each interval; None for other modes than ``distribution``."""
    if "coverage" not in calibration:
        return None
    names = ("interval", "covers", "luck explains")
    table = plain_table(names, right=names)
    for level, interval in calibration["coverage"].items():
        table.add_row(f"{level} %", f"{interval['coverage']:.1f} %", f"± {interval['half_width']:.1f}")
    return table


def _reliability(calibration: dict[str, Any]) -> Table | None:
    """Observed frequencies of bins by forecast probability; None for other modes than bins."""
    if "reliability" not in calibration:
        return None
    names = ("probability", "came", "luck explains", "forecasts")
    table = plain_table(names, right=names)
    for group in calibration["reliability"]:
        probability, frequency = (f"{group[name]:.1f} %" for name in ("forecast", "frequency"))
        table.add_row(probability, frequency, f"± {group['half_width']:.1f}", f"{group['count']:,}")
    return table
