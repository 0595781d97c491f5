"""One experiment with several seeds: how much its scores vary with them."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from rich.table import Table

from nextbar.arguments import strict_arguments
from nextbar.bars.columns import FrameNames
from nextbar.config import ExperimentConfig
from nextbar.config.experiment import Experiment
from nextbar.errors import ConfigError, short
from nextbar.logger import console, get_logger
from nextbar.machine.clusters import LOCAL, joined
from nextbar.tables import plain_table, print_whole, rounded, signed
from nextbar.train.population import train_population
from nextbar.train.result import Result
from nextbar.train.seed_units import train_on_cluster

STATISTICS = ("mean", "std", "min", "max")


@dataclass(frozen=True)
class Seeds:
    """Results of an experiment with each of several seeds."""

    results: tuple[Result, ...]
    """one for each seed, in their order"""
    seeds: tuple[int, ...]

    @property
    def metrics(self) -> dict[str, Any]:
        """Over the seeds that have metrics (not those that diverged before an epoch was whole), by span.

        ``model`` and ``skill``: by metric, ``mean``, ``std`` (of a sample, n - 1; None for a single seed), ``min`` and
        ``max`` over the seeds; None where the metric is undefined for one of them; so ``skill_baseline``. ``baseline``
        and ``strongest``, the strongest simple rival, which ``strongest_name`` names: by metric, one number, since they
        have no seed. ``seeds``: how many.
        """
        judged = [result.metrics for result in self.results if result.metrics]
        spans = judged[0] if judged else {}
        return {span: _summary([metrics[span] for metrics in judged]) for span in spans}


@strict_arguments
def train_seeds(
    config: Experiment,
    seeds: int,
    bars: Any = None,
    *,
    on: str = LOCAL,
    show: bool | None = None,
    overwrite: bool = False,
    **names: Unpack[FrameNames],
) -> Seeds:
    """Train an experiment with the seeds ``config.seed``, ``config.seed + 1``, ..., as a population.

    Every seed is a run of its own in the experiment's folder, the same that ``Trainer`` makes of that seed. Ensembles
    (``config.seeds`` above 1) begin where the members of the one before end, so that no two have a member in common.

    Args:
        config: the experiment, as for ``Trainer``.
        seeds: how many.
        bars: as for ``Trainer``.
        on: ``local``, or the cluster whose workers train them, see :func:`nextbar.search`: each seed alone then, which
            is the same up to rounding.
        show: progress bar and closing table; None: the table where ``nextbar`` logs at INFO, the bar if that is on
            a terminal.
        overwrite: throw earlier runs of these seeds on these bars away first.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Raises:
        ConfigError: less than one seed, or one beyond the largest; no cluster's address.
        NextbarError: bars, folders or a cluster that cannot be used; the message says what to do.
        TrainingInterrupted: Ctrl-C; the state after each one's last whole epoch is saved.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ConfigError(f"seeds: found {short(seeds)}, should be how many to train, a whole number ≥ 1")
    experiment = ExperimentConfig.of(config)
    numbers = tuple(experiment.seed + i * experiment.seeds for i in range(seeds))
    configs = [replace(experiment, seed=number) for number in numbers]
    with joined(on) as cluster:
        if cluster is None:
            results = train_population(configs, bars, show=show, overwrite=overwrite, **names)
        else:
            results = train_on_cluster(cluster, configs, bars, overwrite, **names)
    trained = Seeds(tuple(results), numbers)
    if get_logger().isEnabledFor(logging.INFO) if show is None else show:
        for span, report in trained.metrics.items():
            print_whole(console(), seeds_table(span, report))
    return trained


def seeds_table(span: str, report: dict[str, Any]) -> Table:
    """One span's spread over the seeds: a row for each metric, its baseline and strongest rival, and the mean skill.

    Args:
        span: name of the span.
        report: of ``Seeds.metrics``.
    """
    rival = report.get("strongest_name")
    numbers = (*STATISTICS, "baseline", *(("rival", "skill") if rival else ("skill", "± std")))
    title = f"{span}: {report['seeds']} seeds" + (f"; the rival is {rival}" if rival else "")
    table = plain_table(("metric", *numbers), right=numbers, title=title)
    for name, values in report["model"].items():
        skill = report["skill"].get(name)
        mean, deviation = (skill[part] if skill else None for part in ("mean", "std"))
        last = [signed(mean), "" if deviation is None else f"{deviation:.4f}"]
        if rival:
            last = [rounded(report["strongest"].get(name)), signed(mean)]
        spread = (rounded(values and values[statistic]) for statistic in STATISTICS)
        table.add_row(name, *spread, rounded(report["baseline"][name]), *last)
    return table


def _summary(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def over(part: str) -> dict[str, dict[str, float | None] | None]:
        return {name: _spread([report[part].get(name) for report in reports]) for name in reports[0][part]}

    kinds = [kind for kind in ("model", "skill", "skill_baseline") if kind in reports[0]]
    fixed = [kind for kind in ("baseline", "strongest", "strongest_name") if kind in reports[0]]
    return {kind: over(kind) for kind in kinds} | {kind: reports[0][kind] for kind in fixed} | {"seeds": len(reports)}


def _spread(values: Sequence[float | None]) -> dict[str, float | None] | None:
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return None
    std = statistics.stdev(numbers) if len(numbers) > 1 else None
    return {"mean": statistics.fmean(numbers), "std": std, "min": min(numbers), "max": max(numbers)}
