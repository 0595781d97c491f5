"""The run that an experiment stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nextbar.errors import RunError
from nextbar.logger import get_logger
from nextbar.runs.copies import Cards, local_cards, local_run
from nextbar.runs.info import RunInfo
from nextbar.runs.kinds import is_backtest, is_run
from nextbar.runs.listing import best_among, best_run_in, runs_in
from nextbar.runs.summary import WHOLE
from nextbar.storage.address import named, origin_of, told_by_address

Purpose = Literal["use", "scores"]
"""``use``: to forecast with; ``scores``: to be evaluated and reported, which a run trained on all bars cannot be"""


class Choice(NamedTuple):
    """A run, and the reason why it was chosen."""

    path: Path
    reason: str


@told_by_address()
def chosen_run(folder: str | Path, run: str | None = None, purpose: Purpose = "use", epoch: int | None = None) -> Path:
    """The run that an experiment stands for; a run folder stands for itself. Logs the choice and its reason.

    Of an address the run is copied, with what it forecasts and is scored with.

    For use: the latest refit, else the best by validation among the runs on the newest bars. For scores: the run that
    the latest refit repeats, where no run is on newer bars; else that same best.

    Args:
        folder: of a run or an experiment, or its address.
        run: name of another run in the experiment's folder, or the beginning of it.
        purpose: what it is chosen for.
        epoch: the checkpoint that is asked for; None: the best one.

    Raises:
        RunError: no run to choose from, no such run, or runs that cannot be ranked together (see ``best_run``).
    """
    if origin_of(folder) is None:
        return _chosen(Path(folder), run, purpose)
    cards = local_cards(folder).folder
    return local_run(named(_chosen(cards, run, purpose)), epoch)


def _chosen(folder: Path, run: str | None, purpose: Purpose) -> Path:
    """As ``chosen_run``, in a folder on a disk."""
    if run is not None:
        return _named(folder, run)
    if is_run(folder) or not folder.is_dir() or is_backtest(folder):
        return best_run_in(folder)
    choice = choose(folder, runs_in(Cards(folder, None)), purpose)
    get_logger().info("%s: run %s, %s", named(folder), choice.path.relative_to(folder), choice.reason)
    return choice.path


def choose(folder: Path, runs: Sequence[RunInfo], purpose: Purpose) -> Choice:
    """As ``chosen_run``, among the runs in an experiment's folder and inside it.

    Raises:
        RunError: as ``best_run``.
    """
    own = [info for info in runs if info.path.parent == folder]
    refit = _latest_refit(own)
    ranked = [info for info in own if info.ranking is not None]
    newest = max((info.until or "" for info in ranked), default="")
    if refit is None:
        return _best(folder, runs)
    original = next((info for info in ranked if info.path.name == refit.refit_of), None)
    if purpose == "use":
        reason = f"the latest refit, of {refit.refit_of}, on bars until {refit.until or 'a date unknown'}"
        if newest > (refit.until or ""):
            reason += f"; another run is on bars until {newest}: refit it, or name it (run=, --run)"
        return Choice(refit.path, reason)
    if original is not None and (original.until or "") == newest:
        return Choice(original.path, f"which the latest refit, {refit.path.name}, repeats on all bars")
    return _best(folder, runs)


def _best(folder: Path, runs: Sequence[RunInfo]) -> Choice:
    """The best run by validation."""
    best = best_among(folder, runs)
    until = f", until {best.until}" if best.until else ""
    return Choice(best.path, f"the best by validation of those on the newest bars{until}")


def _latest_refit(runs: Sequence[RunInfo]) -> RunInfo | None:
    """The refit on the newest bars; of several, that of the run with the best validation score."""
    refits = [info for info in runs if info.refit_of and info.status in WHOLE and info.best_epoch]
    newest = max((info.until or "" for info in refits), default="")
    score = {info.path.name: info.ranking for info in runs if info.ranking is not None}
    latest = [info for info in refits if (info.until or "") == newest]
    return min(latest, key=lambda info: (score.get(info.refit_of or "", float("inf")), info.path), default=None)


def _named(folder: Path, run: str) -> Path:
    """The run of an experiment with this name, or the only one whose name begins with it.

    Raises:
        RunError: there is none, or several.
    """
    if is_run(folder):
        raise RunError(f"{folder} is a run itself, so it holds no run {run!r}; name the experiment's folder, or no run")
    if is_run(folder / run):
        return folder / run
    runs = [info.path for info in runs_in(Cards(folder, None)) if info.path.parent == folder]
    alike = [path for path in runs if run and path.name.startswith(run)]
    if len(alike) == 1:
        return alike[0]
    names = ", ".join(path.name for path in alike or runs) or "none"
    which = f"{len(alike)} runs of {folder} begin with {run!r}" if alike else f"no run {run!r} in {folder}"
    raise RunError(f"{which}; there are {names}")
