"""Earlier runs whose validation span reaches into this test span: who takes over their choice has seen the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nextbar.auditing.result import Leak
from nextbar.bars.dates import iso
from nextbar.config import ExperimentConfig
from nextbar.data.splits import Cuts
from nextbar.errors import NextbarError
from nextbar.runs.kinds import is_study
from nextbar.runs.listing import runs_below
from nextbar.runs.records import read_config, read_cuts


def chosen_on_test(config: ExperimentConfig, cuts: Cuts, end: int) -> Iterator[Leak]:
    """One leak for each study or experiment under ``log_dir`` whose validation span reaches into this test span.

    Args:
        config: the experiment.
        cuts: where its spans begin.
        end: when its last bar closes.
    """
    overlaps: dict[Path, tuple[int, int, int]] = {}
    for info in runs_below(config.log_dir):
        if info.ranking is None:  # nothing was chosen
            continue
        try:
            other, theirs = read_config(info.path), read_cuts(info.path)
        except NextbarError:
            continue
        first, last = max(theirs.validation, cuts.test), min(theirs.test, end)
        if first < last and _same_question(config, other):
            n, earliest, latest = overlaps.get(info.path.parent, (0, first, last))
            overlaps[info.path.parent] = (n + 1, min(earliest, first), max(latest, last))
    for folder, (n, first, last) in overlaps.items():
        whose = f"the study {folder}" if is_study(folder) else str(folder)
        yield Leak(
            "selection",
            "suspicious",
            f"{n} run{'s' if n > 1 else ''} of {whose} chose by validation on bars from {iso(first)} to {iso(last)}, "
            "which are test here: fields taken over from the best of them have seen the answers. Keep the splits "
            "that it was chosen with, or test on later bars",
            column=folder.name,
            time=first,
            amount=float(n),
        )


def _same_question(config: ExperimentConfig, other: ExperimentConfig) -> bool:
    """Whether two experiments are scored on a common series."""
    dataset, other_dataset = config.dataset_config, other.dataset_config
    return bool(
        set(config.scored_tickers) & set(other.scored_tickers)
        and set(dataset.resolutions) & set(other_dataset.resolutions)
    )
