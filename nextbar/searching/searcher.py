"""``search``: checks its arguments, opens the study, has workers train its trials, and shows the result."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

from nextbar.arguments import strict_arguments
from nextbar.bars.columns import FrameNames
from nextbar.config import ExperimentConfig
from nextbar.errors import TrainingInterrupted
from nextbar.folders import writing
from nextbar.logger import get_logger
from nextbar.machine.clusters import LOCAL, Cluster, joined, require_place
from nextbar.machine.hosts import require_alone
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.cluster_team import ClusterTeam
from nextbar.searching.folder import StudyFolder
from nextbar.searching.leaderboard import write_leaderboard
from nextbar.searching.ledger import Ledger
from nextbar.searching.options import SAMPLERS, SearchOptions
from nextbar.searching.optuna_study import open_study
from nextbar.searching.parts import SearchParts
from nextbar.searching.progress import Progress
from nextbar.searching.proposals import COUNTED
from nextbar.searching.space.contradictions import require_possible
from nextbar.searching.space.space import Space
from nextbar.searching.storage import as_written_down, open_storage
from nextbar.searching.study import Study
from nextbar.searching.team import Team
from nextbar.searching.worker import Worker
from nextbar.searching.worker_lock import WorkerLock
from nextbar.storage.address import require_local


@strict_arguments
def search(
    space: str | os.PathLike[str] | Mapping[str, Any] | Space,
    n_trials: int = 20,
    *,
    sampler: str = "tpe",
    pruner: str = "none",
    storage: str | None = None,
    study_name: str | None = None,
    seed: int = 0,
    population: int | Literal["auto"] = "auto",
    workers: int | None = None,
    on: str = LOCAL,
    bars: Any = None,
    overrides: Iterable[str] = (),
    show: bool | None = None,
    **names: Unpack[FrameNames],
) -> Study:
    """Train different combinations from a space, and rank them by validation.

    The same call once more goes on where it stood: trials that ended stay, one that was interrupted continues from its
    last checkpoint, and with a larger ``n_trials`` there are more. Several machines that give the same storage share
    one study.

    Args:
        space: a YAML file or a mapping: ``base``, an experiment, and ``search``, dotted field to a list of choices, a
            range ``{low, high, log, step}``, or an expression of other fields such as ``"[2, 4] * d_model"``.
        n_trials: different combinations in all; a smaller space ends when it is used up.
        sampler: ``tpe`` (by the results so far), ``random``, or ``grid`` (every combination, in random order).
        pruner: ``none``, ``median`` or ``hyperband``, after each epoch on the best ranking score so far.
        storage: a database URL, or the path of a journal file; None: ``journal.log`` in the study's folder.
        study_name: its name in the storage; None: the experiment's.
        seed: of what is drawn.
        population: trials that share a program and are trained side by side, at most; ``auto``: as many as help on this
            device.
        workers: processes on this machine; on a cluster its processes that take part. None: one here, on a cluster all
            that it has at the start.
        on: where trials are trained: ``local``, or a cluster that is there, ``dask://HOST:PORT`` of its scheduler or
            ``ray://HOST:PORT`` of its client server. Its workers need the same versions, and this folder, ``log_dir``
            and ``datapath`` under the same paths.
        bars: a pandas or polars frame, or a list of ``Bars``, instead of the files under ``datapath``.
        overrides: fields of the base to change, such as ``"num_epochs=3"``.
        show: progress and the table at the end; None: where ``nextbar`` logs at INFO.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Returns:
        The study; it lies in ``log_dir/experiment_name`` of the base.

    Raises:
        ConfigError: an option or a space that cannot be used, a choice that the configuration refuses, a storage that
            cannot be reached, a study of this name with another space.
        DataError: bars that cannot be used.
        RunError: a folder or storage that cannot be written, a cluster that cannot be reached or is gone.
            What fails in a trial alone is noted there.
        TrainingInterrupted: Ctrl-C; the same call goes on.
    """
    require_alone("a search")
    require_place(on)
    options = SearchOptions(
        n_trials=n_trials, sampler=sampler, pruner=pruner, storage=storage, study_name=study_name, seed=seed,
        population=population, workers=workers,
    )  # fmt: skip
    space = Space.load(space, overrides)
    example = _require_searchable(space, options)
    cache = BarsCache(bars, **names)
    cache(example)  # bars that cannot be used are refused before anything is trained
    folder = StudyFolder(Path(example.log_dir) / example.experiment_name)
    ledger = _opened(folder, space, options.study_name or example.experiment_name, options.storage)
    try:
        with joined(on) as cluster:
            workers = options.workers or (min(cluster.workers, options.n_trials) if cluster else 1)
            options = replace(options, workers=workers)
            with Progress(options.n_trials, workers, show) as progress:
                parts = SearchParts(folder, ledger, space, options, cache, progress)
                used_up = _team(parts, cluster).work()
    except KeyboardInterrupt:
        done = sum(trial.state.is_finished() for trial in ledger.trials())
        raise TrainingInterrupted(
            f"interrupted; {done} of {options.n_trials} trials have ended and are kept in {folder.path}, "
            "the same command goes on from there"
        ) from None
    finally:
        ledger.lock.close()
    ledger.lock.clear()
    result = Study(folder.path, space, ledger.study, None if bars is None else cache)
    with writing(folder.path):
        write_leaderboard(folder.leaderboard, result.trials, space)
    if used_up:
        _warn_of_few_trials(len(result.trials), options.n_trials, space)
    if get_logger().isEnabledFor(logging.INFO) if show is None else show:
        result.show()
    return result


def _require_searchable(space: Space, options: SearchOptions) -> ExperimentConfig:
    """An experiment of a space that can be searched.

    Raises:
        ConfigError: a choice that the configuration refuses, a folder that is no local one, or a space that the sampler
            cannot draw from.
    """
    example = require_possible(space)
    require_local(
        example.log_dir,
        "log_dir: a search keeps a journal and locks there",
        "its winner can be trained there: nextbar train BEST/config.yaml log_dir=ADDRESS",
    )
    SAMPLERS.load(options.sampler)().require(space)
    return example


def _opened(folder: StudyFolder, space: Space, name: str, storage: str | None) -> Ledger:
    """The trials of the study, which is begun or gone on with; a storage that cannot be opened leaves no folder."""
    if storage is None:
        folder.make()
    opened = open_storage(storage or str(folder.journal))
    folder.make()
    study = open_study(opened, name, space.identity())
    folder.describe(space, name, None if storage is None else as_written_down(storage))
    return Ledger(study, opened, space, WorkerLock(folder.path))


def _team(parts: SearchParts, cluster: Cluster | None) -> Worker | Team | ClusterTeam:
    """Whoever has the trials trained."""
    if cluster is not None:
        return ClusterTeam(parts, cluster)
    return Worker(parts) if parts.options.workers == 1 else Team(parts)


def _warn_of_few_trials(n: int, n_trials: int, space: Space) -> None:
    """Warn that a search ended before ``n_trials``, and whether the space has no more or no more was found."""
    counted = space.size is not None and space.size <= COUNTED
    get_logger().warning(
        "%s %d different combinations, fewer than n_trials (%d)",
        "the space is used up: it has" if counted else "nothing new was found in the space after",
        n,
        n_trials,
    )
