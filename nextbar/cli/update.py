"""The commands ``nextbar update`` and ``nextbar watch``."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextbar.cli.answer import answer
from nextbar.cli.exits import clean_exit, immediate_interrupt
from nextbar.cli.options import Data, FitScaler, Levels, LocalRun, Named, Now, Quiet, Tickers, listed, set_level
from nextbar.folders import told_as_damage

if TYPE_CHECKING:
    from rich.table import Table

    from nextbar.updating.watching import Watched

NOTHING_LOST = "interrupted; what is in the log stays, and the same command goes on from there"


def update(
    path: LocalRun,
    run: Named = None,
    data: Data = None,
    tickers: Tickers = None,
    refit_every: Annotated[
        str | None,
        typer.Option(
            "--refit-every",
            metavar="LENGTH",
            help="Refit on all bars once the model's last bar is so long ago, e.g. 30d; goes on from its weights.",
            show_default="never",
        ),
    ] = None,
    revised: Annotated[
        bool, typer.Option("--revised", help="Go on although bars were revised that the log knows; they are named.")
    ] = False,
    fit_scaler: FitScaler = False,
    now: Now = None,
    levels: Levels = None,
    quiet: Quiet = False,
) -> None:
    """Bring a run up to date, as a daily job: check the new bars, forecast, score what has come due, refit when told.

    All is kept in a log beside the run; nextbar watch shows it. Prints the newest forecast of each ticker as CSV. Warns
    when the forecasts have become worse than those of the strongest simple rival.
    """
    with clean_exit(interrupted=NOTHING_LOST):
        set_level(quiet)
        with immediate_interrupt(NOTHING_LOST):
            from nextbar.forecasts.writing import to_csv
            from nextbar.updating.updater import update as update_run

        options: Any = {"refit_every": refit_every, "revised": revised, "fit_scaler": fit_scaler, "now": now}
        options |= {"levels": None if levels is None else levels.split(","), "show": False if quiet else None}
        with told_as_damage(path):
            updated = update_run(path, data=data, run=run, tickers=listed(tickers), **options)
        answer(to_csv(updated.forecasts), nl=False)


def watch(
    path: LocalRun,
    run: Named = None,
    last: Annotated[int, typer.Option("--last", min=0, metavar="N", help="Bars that are shown.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print all but the bars as JSON.")] = False,
) -> None:
    """Show the log of a run: forecasts beside outcomes, running scores beside the rival's, coverage, evidence."""
    with clean_exit():
        with immediate_interrupt():
            from nextbar.updating.watching import watch as watch_run

        with told_as_damage(path):
            watched = watch_run(path, run=run)
        if as_json:
            typer.echo(json.dumps(_plain(watched), indent=2, allow_nan=False))
        else:
            _show(watched, last)


def _plain(watched: Watched) -> dict[str, Any]:
    """All but the forecasts, in plain values."""
    values = {name: value for name, value in vars(watched).items() if name != "forecasts"}
    return values | {
        "run": str(watched.run),
        "log": str(watched.log),
        "scores": [dict(vars(score)) for score in watched.scores],
    }


def _show(watched: Watched, last: int) -> None:
    """Print what the log says, in at most 80 columns where names allow it."""
    from nextbar.metrics.betting import ALPHA
    from nextbar.tables import print_line, print_whole, stdout

    out = stdout()
    say = partial(print_line, out)
    say(
        f"{watched.run.name}: forecasts: {watched.made:,}, late: {watched.late:,}, waiting: {watched.waiting:,}"
        + (f", without an outcome: {watched.missed:,}" if watched.missed else "")
    )
    if watched.refits:
        say(f"{len(watched.refits):,} refit{'s'[: len(watched.refits) - 1]}; {watched.model} forecasts now")
    say("")
    if last:
        bars, keys = _bars(watched, last)
        print_whole(out, bars, keys)
        say("")
    if watched.scores:
        print_whole(out, _scores(watched))
        say("")
    for sentence in watched.revisions[-last:] if last else ():
        say(f"revised: {sentence}")
    state = f"alarm since {watched.alarm}" if watched.alarm else "no alarm"
    say(f"evidence of being worse than {watched.rival or 'a rival'}: {watched.evidence:.3g}; {state}")
    say(f"(alarm at {1 / ALPHA:g}: while the forecasts are no worse, its chance is at most {100 * ALPHA:g} %, ever)")


def _bars(watched: Watched, last: int) -> tuple[Table, int]:
    """The newest bars that were forecast, beside what came; and how many columns say which bar it is."""
    from nextbar.tables import plain_table, rounded

    table = watched.forecasts.tail(last)
    names = [name for name in ("ticker", "resolution", "date", "step") if name in table]
    if "step" in names and watched.forecasts["step"].max() == 1:
        names.remove("step")
    ends = {name: name.replace("close-lo-", "low ").replace("close-hi-", "high ") for name in table if "close-" in name}
    numbers = [name for name in ("close", *ends, "came", "rival") if name in table]
    bins = [name for name in table if name.startswith("p_")]
    heads = [ends.get(name, name) for name in numbers]
    shown = plain_table([*names, *bins, *heads], right=["step", *bins, *heads])
    is_day = (table["date"] == table["date"].dt.normalize()).all()
    date = "%Y-%m-%d" if is_day else "%Y-%m-%d %H:%M"
    for _, row in table.iterrows():
        cells = [f"{row[name]:{date}}" if name == "date" else str(row[name]) for name in names]
        chances = [f"{100 * row[name]:.0f} %" for name in bins]
        shown.add_row(*cells, *chances, *("" if row[name] != row[name] else rounded(row[name]) for name in numbers))
    return shown, len(names)


def _scores(watched: Watched) -> Table:
    """Running scores beside the rival's, and the percentage of outcomes inside the interval of each level."""
    from nextbar.tables import plain_table, rounded, signed

    levels = list(watched.scores[0].coverage)
    names = ("forecasts", watched.error, "rival", "skill", *(f"{level} %" for level in levels))
    table = plain_table(("scored", *names), right=names)
    for score in watched.scores:
        cells = [f"{score.forecasts:,}", rounded(score.model), rounded(score.rival), signed(score.skill)]
        table.add_row(score.name, *cells, *(f"{score.coverage[level]:.1f}" for level in levels))
    return table
