"""Log lines before the first epoch: the run folders, series and windows, and what is unusual about them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from nextbar.bars.suggestion import suggestion
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.engine.engine import Engine
from nextbar.engine.tapes import Excerpts, tape_bytes
from nextbar.errors import listed
from nextbar.logger import get_logger
from nextbar.runs.folder import RunFolder
from nextbar.storage.address import named
from nextbar.tables import byte_size


def announce(runs: Sequence[RunFolder], facts: dict[str, Any]) -> None:
    """Log what is about to be trained, and on what.

    Args:
        runs: folders of the trainings.
        facts: of their dataset, see ``Dataset.describe``.
    """
    log = get_logger()
    for run in runs:
        log.info("run %s%s", run.place, f", {run.config.seeds} members" if run.config.seeds > 1 else "")
    for series in facts["series"]:
        log.info(
            "%s: %d bars, %s to %s, calendar %s in %s, %d holes",
            *(series[k] for k in ("name", "bars", "first", "last", "calendar", "timezone", "holes")),
        )
        if series["outside"]:
            log.warning("%s: %s", series["name"], series["notices"][-1])
        if series["trained"] and not series["training_windows"]:
            log.warning("%s has no training window: nothing is learnt from it", series["name"])
    for series in facts["series"]:
        empty = {name: f"{name} is empty in {n} bars" for name, n in series["empty_bars"].items()}
        filled = [text for name, text in empty.items() if name in series["filled"]]
        if filled:
            log.info(
                "%s: %s; filled as empty_values says: %s", series["name"], ", ".join(filled), facts["empty_values"]
            )
        if series["windows_lost"]:
            columns = ", ".join(text for name, text in empty.items() if name not in series["filled"])
            log.warning("%s: %d windows are left out: %s", series["name"], series["windows_lost"], columns)
    _warn_of_warmup([run.config for run in runs])
    for name, since in facts["scored_late"].items():
        log.info("%s is scored from %s on, so that rivals could be fitted on the bars before", name, since[:10])
    for name, lacking in facts["dropped_features"].items():
        log.info("feature %s left out: not in %s", name, ", ".join(lacking))
    windows = facts["windows"]
    for resolution, short in facts["contexts_short"].items():
        log.log(
            logging.WARNING if short == windows["training"] else logging.INFO,
            "context: the last %d closed bars of %s beside each window; %d of %d training windows have fewer",
            facts["context_len"],
            resolution,
            short,
            windows["training"],
        )
    if not any(series["scored"] for series in facts["series"]):
        log.info("windows: %d, all of them training", windows["training"])
        return
    log.info(
        "windows: %d training, %d validation (from %s), %d test (from %s)",
        windows["training"],
        windows["validation"],
        facts["validation_from"],
        windows["test"],
        facts["test_from"],
    )


def suggest_exchanges(dataset: Dataset) -> None:
    """Log which exchanges' sessions the dates of series are, once for each exchange; by the dates of the training span
    alone."""
    names: dict[str, list[str]] = {}
    for name, bars, calendar in zip(dataset.names, dataset.bars, dataset.calendars, strict=True):
        time_N = bars.time_N[bars.close_time_N <= dataset.preparation.last_time]
        if len(time_N) and (sentence := suggestion(time_N, bars.step, calendar)):
            names.setdefault(sentence, []).append(name)
    for sentence, of in names.items():
        get_logger().info("%s: %s", listed(of), sentence)


def announce_bars(engine: Engine) -> None:
    """Log how much stays on the host, where the device does not have all bars."""
    if isinstance(engine.tapes, Excerpts):
        windows = len(engine.configs) * engine.program.batch_size * engine.program.steps_a_call
        whole, each = byte_size(tape_bytes(engine.tape)), byte_size(engine.tapes.size(windows))
        get_logger().info("bars: %s stay on the host; %s a call", whole, each)


def announce_final(runs: Sequence[RunFolder], facts: dict[str, Any]) -> None:
    """Log which final fits are about to be made, and on what.

    Args:
        runs: their folders.
        facts: of their dataset, see ``Dataset.describe``.
    """
    for run in runs:
        get_logger().info(
            "final fit of %s: training and validation, %d windows before %s, epochs: %d",
            named(run.path.parent),
            facts["windows"]["training"],
            facts["test_from"],
            run.config.num_epochs,
        )


def _warn_of_warmup(configs: Sequence[ExperimentConfig]) -> None:
    """Warn where the learning rate never falls; once for each pair of warm-up and training lengths."""
    pairs = dict.fromkeys((c.warmup_epochs, c.num_epochs) for c in configs if c.lr_mode == "cosine")
    for warmup, epochs in pairs:
        if warmup >= epochs:
            get_logger().warning(
                "warmup_epochs (%g) is not below num_epochs (%d): the learning rate only rises, to %.0f %% of "
                "learning_rate, and never falls; use fewer warmup_epochs, or lr_mode linear or constant",
                warmup,
                epochs,
                100 * epochs / warmup,
            )
