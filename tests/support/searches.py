"""Small searches: on made-up bars, or with a trainer that only pretends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import make_bars, make_frame
from spaces import given

from nextbar.checksums import write_json
from nextbar.config import ExperimentConfig
from nextbar.searching import Study, search
from nextbar.searching import trial_runner as trial
from nextbar.train.trainer import Result

BARS = make_frame(make_bars(n=150))
RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
"""varies nothing that is compiled"""


def searched(log_dir: Path, search_: Any = RATES, n_trials: int = 3, *, bars: Any = BARS, **options: Any) -> Study:
    """A search of the small experiment; options of ``search``, and ``base``: fields as in ``make_config``."""
    base = {"num_epochs": 2, "log_dir": str(log_dir), **options.pop("base", {})}
    return search(given(search_, **base), n_trials, bars=bars, **{"show": False, "population": 1, **options})


class Pretender:
    """Stands in for the trainer: notes what it is asked to train, and says what a test wants to hear.

    ``score`` gives the ranking score of an experiment after an epoch; what it raises, the training raises.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.trained: list[tuple[ExperimentConfig, int]] = []
        """every epoch, in order"""
        self.score: Callable[[ExperimentConfig, int], float] = lambda config, epoch: 1 - config.learning_rate / epoch
        self.scored_bars: Callable[[ExperimentConfig], str] = lambda config: "same"
        self.groups: list[int] = []
        """how many were trained side by side, each time"""

        def train_population(configs: Any, bars: Any, *, watches: Any, show: bool) -> list[Result]:
            self.groups.append(len(configs))
            return [self.train(config, watch) for config, watch in zip(configs, watches, strict=True)]

        patch.setattr(trial, "train_population", train_population)

    @property
    def configs(self) -> list[ExperimentConfig]:
        """The experiments, each as often as it was begun or gone on with at its first epoch."""
        return [config for config, epoch in self.trained if epoch == 1]

    def train(self, config: ExperimentConfig, watch: Any) -> Result:
        folder = Path(config.log_dir) / config.experiment_name / f"{config.digest()[:10]}-bars"
        folder.mkdir(parents=True, exist_ok=True)
        summary, told = folder / "summary.json", folder / "rankings.json"  # rankings may be NaN, summaries not
        rankings: list[float] = json.loads(told.read_text()) if told.exists() else []
        message = watch(len(rankings), rankings[-1]) if rankings else ""  # told once more, as by the trainer
        while not message and len(rankings) < config.num_epochs:
            epoch = len(rankings) + 1
            rankings.append(self.score(config, epoch))
            self.trained.append((config, epoch))
            told.write_text(json.dumps(rankings))
            write_json(summary, {"epochs": epoch, "scored_bars": self.scored_bars(config), "metrics": {}})
            message = watch(epoch, rankings[-1])
        if message and len(rankings) < config.num_epochs:
            return Result(folder, None, "pruned", {}, message)
        best = min(rankings)
        metrics = {span: _report(best) for span in ("validation", "test")}
        return Result(folder, rankings.index(best) + 1, "finished", metrics)


def _report(ranking: float) -> dict[str, Any]:
    skill = {"mae": 1 - ranking}
    return {"model": {"mae": ranking}, "baseline": {"mae": 1.0}, "skill": skill, "diebold_mariano": None,
            "by_ticker": {"made_up": {"skill": skill}}, "verdict": "pretended"}  # fmt: skip
