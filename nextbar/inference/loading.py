"""Opens a run folder, or several whose forecasts are to be averaged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from nextbar.bars.dates import iso
from nextbar.config import ExperimentConfig
from nextbar.data.preparation import Preparation
from nextbar.data.window_spec import LAYOUT
from nextbar.errors import ConfigError, RunError
from nextbar.inference.forward import Forward
from nextbar.inference.models import forwards_of
from nextbar.machine.hosts import require_alone
from nextbar.metrics.task import Task
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.choice import chosen_run
from nextbar.runs.records import read_config, read_cuts, read_preparation
from nextbar.runs.summary import fit_folder, read_summary
from nextbar.storage.address import told_by_address


class LoadedRun(NamedTuple):
    """The trained model in a run folder: its final fit's, where it has one."""

    path: Path
    config: ExperimentConfig
    preparation: Preparation
    params: Any
    """the model's parameters after ``epoch``, nested dicts of arrays; of an ensemble with an axis M in front"""
    epoch: int
    epochs: tuple[int, ...]
    """epochs whose parameters are kept"""

    @property
    def source(self) -> tuple[str, int]:
        """By which another process can load it: its absolute path and the epoch."""
        return str(self.path.absolute()), self.epoch

    def forwards(self) -> list[Forward]:
        """Its model, or those of its members, ready to forecast.

        Raises:
            RunError: the parameters are those of another architecture.
        """
        return forwards_of(self.config, self.preparation.spec, self.params)


@told_by_address()
def load_runs(paths: Sequence[str | Path], epoch: int | None = None, run: str | None = None) -> list[LoadedRun]:
    """Open the run folders of a deep ensemble.

    The runs may differ in architecture, hyper-parameters, seed and normalisation.

    Args:
        paths: the folders; see ``load_run``.
        epoch: an epoch that each of them kept; None: the best of each.
        run: name of another run of the experiment, where there is one folder.

    Raises:
        ConfigError: no folder, or ``run`` beside several.
        RunError: a folder that cannot be loaded, or runs whose windows, training spans or cuts differ.
    """
    if not paths:
        raise ConfigError("an ensemble needs at least one run; found none")
    refuse_one_name_for_several(run, paths)
    runs = [load_run(path, epoch, run) for path in paths]
    for other in runs[1:]:
        _require_alike(runs[0], other)
    return runs


def refuse_one_name_for_several(run: str | None, paths: Sequence[str | Path]) -> None:
    """Refuse the name of a run beside several folders.

    Raises:
        ConfigError: there is a name and more than one folder.
    """
    if run is not None and len(paths) > 1:
        raise ConfigError(f"run names one run of one experiment, but {len(paths)} folders are given")


@told_by_address()
def load_run(path: str | Path, epoch: int | None = None, run: str | None = None) -> LoadedRun:
    """Open the folder of a run, or the run that an experiment stands for.

    Args:
        path: the folder.
        epoch: one of the epochs kept; None: the best, or the next best where that is damaged, which is logged.
        run: name of another run of the experiment.

    Raises:
        RunError: no run, runs that cannot be ranked together, a run without a checkpoint, one that is damaged or of a
            later version.
    """
    require_alone("forecasting")
    run_dir = chosen_run(path, run, epoch=epoch)
    if not (run_dir / "config.yaml").is_file():
        raise RunError(f"{run_dir} has no config.yaml; was the run folder copied whole?")
    summary = read_summary(run_dir)
    config = read_config(run_dir)
    if not config.save_weights:
        raise RunError(
            f"{run_dir} was trained with save_weights: false, so there is nothing to load; train it with true"
        )
    fit = fit_folder(run_dir, summary)
    if fit != run_dir and summary["status"] == "diverged":
        raise RunError(f"{run_dir} has no model, since its final fit diverged: {summary['message']}")
    with closing(Checkpoints(fit / "checkpoints")) as checkpoints:
        epochs = checkpoints.epochs()
        if not epochs:
            status = summary.get("status", "unknown: it has no summary.json")
            raise RunError(
                f"{fit} has no checkpoint (status {status}); finish one epoch first, or copy the folder whole"
            )
        if epoch is None:
            epoch, params = checkpoints.restore_best(_best_epoch(fit, summary, checkpoints))
        else:
            params = checkpoints.restore_raw(epoch)
    return LoadedRun(run_dir, config, read_preparation(fit), params, epoch, tuple(epochs))


def _best_epoch(run_dir: Path, summary: dict[str, Any], checkpoints: Checkpoints) -> int:
    """The best epoch by the run's summary; of a run that has not ended, by its checkpoints.

    Raises:
        RunError: the checkpoint of the best epoch is missing.
    """
    best, epochs = summary.get("best_epoch"), checkpoints.epochs()
    if best is None:
        return next((epoch for epoch, _ in checkpoints.best()), epochs[-1])
    if best not in epochs:
        raise RunError(
            f"{run_dir} has no checkpoint of its best epoch {best}, only of {', '.join(map(str, epochs))}; "
            "was the run folder copied whole?"
        )
    return int(best)


def _require_alike(first: LoadedRun, other: LoadedRun) -> None:
    """Refuse to average two runs with different windows, training spans or cuts.

    Raises:
        RunError: they differ; names in what.
    """
    runs = first, other
    fields, others = (replace(r.config.dataset_config, datapath=".", norm_mode="none").to_dict() for r in runs)
    differing = [
        f"dataset_config.{name}: {fields[name]} and {others[name]}" for name in fields if fields[name] != others[name]
    ]
    tails = [r.config.model_config.tail for r in runs]
    if Task.of(first.config).output_mode == "distribution" and tails[0] != tails[1]:
        differing.append(f"model_config.tail: {tails[0]} and {tails[1]}")
    starts = ["a constant" if r.preparation.start is None else "a range HAR" for r in runs]
    if starts[0] != starts[1]:
        differing.append(f"model_config.start: {starts[0]} and {starts[1]}")
    differing += _moved_cuts(first, other)
    layouts = [r.preparation.spec.layout for r in runs]
    if layouts[0] != layouts[1]:
        differing.append(f"the layout of their windows: {layouts[0]} and {layouts[1]} (that of a new run is {LAYOUT})")
    if not differing and first.preparation.to_dict() != other.preparation.to_dict():
        differing.append("the bars of their training spans")
    if differing:
        raise RunError(
            f"{first.path} and {other.path} cannot be averaged: they differ in {'; '.join(differing)}. "
            "The runs of an ensemble are trained and chosen on the same bars for the same task"
        )


def _moved_cuts(first: LoadedRun, other: LoadedRun) -> list[str]:
    """Spans that begin at different times: one run was chosen by bars that the other is scored on."""
    cuts, others = read_cuts(first.path), read_cuts(other.path)
    starts = (("validation", cuts.validation, others.validation), ("test", cuts.test, others.test))
    return [f"where {span} begins: {iso(a)} and {iso(b)}" for span, a, b in starts if a != b]
