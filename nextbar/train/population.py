"""Populations: trainings that share every shape, done by one compiled program."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from nextbar.arguments import strict_arguments
from nextbar.bars.columns import FrameNames
from nextbar.bars.series import series_of
from nextbar.config import ExperimentConfig
from nextbar.config.experiment import Experiment
from nextbar.data.dataset import build_dataset
from nextbar.data.scaling import needs_training
from nextbar.errors import ConfigError
from nextbar.storage.bucket import require_writable
from nextbar.train.loop import train_together
from nextbar.train.result import Plan, Result, Watch

OWN = (
    "learning_rate", "lr_mode", "warmup_epochs", "weight_decay", "num_epochs", "seed", "early_stopper", "save_weights",
    "log_dir", "experiment_name",
)  # fmt: skip
"""fields of an experiment in which the members of a population may differ; so may ``norm_mode``, and ``dropout`` and
``gradient_clip`` where all have some"""


@strict_arguments
def population_key(config: Experiment) -> str:
    """What the members of a population have in common: experiments with equal keys can be trained together."""
    return json.dumps(_shared(ExperimentConfig.of(config)), sort_keys=True)


@strict_arguments
def train_population(
    configs: Sequence[Experiment],
    bars: Any = None,
    *,
    watches: Sequence[Watch | None] | None = None,
    show: bool | None = None,
    overwrite: bool = False,
    **names: Unpack[FrameNames],
) -> list[Result]:
    """Train experiments side by side in one compiled program, each as it would be alone.

    Every one has its own run folder, which is that of ``Trainer``: what was begun here can be gone on with there, and
    the other way round, and they need not have come equally far. One that diverges, stops early, is pruned or has
    fewer epochs leaves the others as they are.

    Args:
        configs: experiments with equal ``population_key``, at least one, no two the same; each as for ``Trainer``.
        bars: as for ``Trainer``.
        watches: one for each experiment, or None; looks on after each of its epochs and may end it.
        show: progress bar; None: on a terminal, where ``nextbar`` logs at INFO.
        overwrite: throw earlier runs of these configurations on these bars away first.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Returns:
        A result for each experiment, in their order.

    Raises:
        ConfigError: experiments that cannot share a program, or two that are the same.
        NextbarError: bars or folders that cannot be used; the message says what to do.
        TrainingInterrupted: Ctrl-C; the state after each one's last whole epoch is saved.
    """
    if isinstance(configs, str | os.PathLike | Mapping | ExperimentConfig):
        raise ConfigError("configs: found a single experiment, should be a list of them; put it into one: [experiment]")
    experiments = [ExperimentConfig.of(config) for config in configs]
    watches = [None] * len(experiments) if watches is None else list(watches)
    if not experiments or len(watches) != len(experiments):
        raise ConfigError(f"found {len(experiments)} experiments and {len(watches)} watches; give one of each, or more")
    for config in experiments[1:]:
        _require_alike(experiments[0], config)
    require_writable(experiments[0].log_dir)
    series = series_of(experiments[0], bars, **names)
    # the windows are the same for all; a global normalisation alone asks something of the bars
    strictest = next((c for c in experiments if needs_training(c.dataset_config.norm_mode)), experiments[0])
    return train_together(
        experiments,
        build_dataset(strictest, series),
        plan=Plan(),
        watches=watches,
        show=show,
        overwrite=overwrite,
    )


def _shared(config: ExperimentConfig) -> dict[str, Any]:
    """All that compiled code and windows depend on, by dotted name."""
    fields: dict[str, Any] = config.to_dict()
    model, data = fields.pop("model_config"), fields.pop("dataset_config")
    del data["norm_mode"]
    data["resolution"] = list(config.dataset_config.resolutions)
    model["dropout"] = "0" if not model["dropout"] else "above 0"
    fields["gradient_clip"] = "none" if fields["gradient_clip"] is None else "some"
    shared = {name: value for name, value in fields.items() if name not in OWN}
    shared |= {f"model_config.{name}": value for name, value in model.items()}
    return shared | {f"dataset_config.{name}": value for name, value in data.items()}


def _require_alike(first: ExperimentConfig, other: ExperimentConfig) -> None:
    """Refuse an experiment that another program computes."""
    mine, others = _shared(first), _shared(other)
    differing = [f"{name}: {mine[name]} and {others[name]}" for name in mine if mine[name] != others[name]]
    if differing:
        raise ConfigError(
            f"experiments of one population must agree in {'; '.join(differing)}; they may differ in "
            f"{', '.join(OWN)}, dataset_config.norm_mode, and where all have some in model_config.dropout and "
            "gradient_clip; train the others apart"
        )
