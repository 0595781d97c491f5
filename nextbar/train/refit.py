"""Refit: the configuration of a finished run, trained once more on all bars, for use."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames
from nextbar.bars.folder import existing_folder
from nextbar.bars.series import series_of
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.data.splits import Cuts
from nextbar.errors import RunError
from nextbar.logger import get_logger
from nextbar.machine.hosts import require_alone
from nextbar.runs.bars import ends
from nextbar.runs.copies import local_run
from nextbar.runs.records import read_config, read_preparation
from nextbar.runs.summary import ENDED, fit_folder, read_summary
from nextbar.storage.address import named, told_by_address
from nextbar.storage.bucket import require_writable
from nextbar.train.result import Plan, Result
from nextbar.train.trainer import Trainer


@strict_arguments
@told_by_address()
def refit(
    run_dir: str | Path,
    bars: Any = None,
    *,
    data: str | Path | None = None,
    warm: str | Path | None = None,
    overwrite: bool = False,
    show: bool | None = None,
    **names: Unpack[FrameNames],
) -> Result:
    """Train the configuration of a run on all bars, for as many epochs as its best checkpoint had.

    The learning rate follows the same schedule and stops where the best epoch did; that of a run with a final fit
    follows the final fit's, which is compressed to as many epochs. Nothing is left to score with:
    the metrics are empty, and the original run's are the estimate of the error. The new run lies beside the original.

    Args:
        run_dir: a finished run, or its address; the refit lies beside it.
        bars: a frame instead of files, or a sequence of ``Bars``.
        data: folder of the files; None: where the run's own lay, or its ``datapath`` from here. All bars in them are
            taken, also those that came after the run.
        warm: the run, or an earlier refit of it, whose weights it begins with. It then trains for fewer epochs: as many
            as the best checkpoint had, times the share of the bars that came after that run's, at least one; so that
            after refits at any distance a bar has been gone through about as often as in a refit that begins anew. The
            schedule is compressed to them. Where the windows are others than that run's, it begins anew all the same.
            Bars after a ``final_date`` are taken too.
        overwrite: throw an earlier refit on these bars away first.
        show: progress bar; None: on a terminal.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Raises:
        RunError: no run, one that is itself a refit, one that keeps no weights, or one without a best epoch; ``warm``
            is no run with weights for these bars.
        DataError: bars that cannot be used.
    """
    require_alone("a refit")
    path = local_run(run_dir).resolve()
    summary = read_summary(path)
    if not summary or not (path / "config.yaml").is_file():
        raise RunError(f"{run_dir} is no run folder: it has no config.yaml and summary.json; name a run's own folder")
    if summary.get("refit_of"):
        raise RunError(f"{run_dir} is itself a refit, of {summary['refit_of']}; refit that one")
    if summary.get("status") not in ENDED or not summary.get("best_epoch"):
        raise RunError(
            f"{run_dir} has status {summary.get('status', 'unknown')} and {_best_in_words(summary)}; "
            "only a run that has ended, with a whole epoch, says how long to train: finish it first"
        )
    config = read_config(path)
    if not config.save_weights:
        raise RunError(
            f"{run_dir} was trained with save_weights: false, and a refit would keep nothing to load either; "
            "train it with true"
        )
    config = replace(config, log_dir=named(path.parent.parent), experiment_name=path.parent.name)
    require_writable(config.log_dir)
    if data is None:
        data = existing_folder(config.dataset_config.datapath, summary.get("datapath")) if bars is None else None
    if data is not None:
        config = replace(config, dataset_config=replace(config.dataset_config, datapath=str(data)))
    start = None if warm is None else local_run(warm).resolve()
    if start is not None:
        config = replace(config, dataset_config=replace(config.dataset_config, final_date=None))
    series = series_of(config, bars, **names)
    end = _end(series, config) + 1
    layout = read_preparation(path).spec.layout
    plan = Plan(cuts=Cuts(end, end), epochs=summary["best_epoch"], refit_of=path.name, layout=layout)
    if start is not None:
        plan = _begun_with(start, plan, config, series)
    if config.final_fit or plan.start is not None:
        config = config.compressed(plan.epochs or 1)
    begun = "" if plan.start is None else f", from the weights of {plan.start.name} on"
    get_logger().info("refit of %s on all bars for %d epochs%s", path.name, plan.epochs, begun)
    return Trainer(config, series, plan=plan, show=show).train_and_evaluate(overwrite=overwrite)


def _best_in_words(summary: dict[str, Any]) -> str:
    best = summary.get("best_epoch")
    return "no best epoch" if best is None else f"best epoch {best}"


def _end(bars: list[Bars], config: ExperimentConfig) -> int:
    """When the last bar closes."""
    dataset = config.dataset_config
    kept = [b.between(dataset.initial_date, dataset.final_date) for b in bars]
    return max((int(b.close_time_N[-1]) for b in kept if len(b)), default=0)


def _begun_with(start: Path, plan: Plan, config: ExperimentConfig, series: list[Bars]) -> Plan:
    """The plan of a refit that begins with the weights of a run: with the share of the bars that the run has not seen,
    of the epochs. Where the windows are others, such as when there was too little history for a week's mean, it stays.

    Raises:
        RunError: the run has no record of its bars, or is damaged.
    """
    spec = build_dataset(config, series, plan.cuts, plan.layout).preparation.spec
    if spec != read_preparation(fit_folder(start, read_summary(start))).spec:
        get_logger().warning(
            "the windows are not those of %s any more: trained anew, not from its weights on", named(start)
        )
        return plan
    pairs = zip(series, ends([start], series), strict=True)
    share = sum(int((b.time_N > last).sum()) for b, last in pairs) / sum(map(len, series))
    return replace(plan, epochs=max(1, math.ceil((plan.epochs or 1) * share)), start=start)
