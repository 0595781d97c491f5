"""``ExperimentConfig``: a whole run. Every hyper-parameter is declared once: meaning, default, allowed values."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from nextbar.config.base import Checked, field_names
from nextbar.config.check import checked
from nextbar.config.choices import OUTPUT_MODES
from nextbar.config.dataset import DatasetConfig
from nextbar.config.model import ModelConfig
from nextbar.config.values import (
    Count,
    Flag,
    Float,
    FolderName,
    FolderPath,
    Names,
    Natural,
    Seed,
    Share,
)
from nextbar.config.yaml_file import override, read_yaml, write_yaml
from nextbar.errors import ConfigError, short

FOLLOWS = {"max_seq_len": "seq_len", "output_mode": "output_mode"}
"""fields of the model that are those of the data set where they are not given"""

PLACES = ("log_dir", "experiment_name", "dataset_config.datapath", "max_device_bytes")
"""fields that say where things lie; they change no result"""


@checked
class ExperimentConfig(Checked):
    """A whole run: model, data and training.

    Raises:
        ConfigError: an unknown or missing field, a wrong type, an impossible value, or fields at odds.
    """

    model_config: ModelConfig
    """The transformer."""
    dataset_config: DatasetConfig
    """The bars."""
    log_dir: FolderPath
    """Folder of all experiments, or its address in object storage, such as ``s3://bucket/runs``."""
    experiment_name: FolderName
    """Folder of this experiment's runs: ``log_dir/experiment_name/<run>``."""
    num_epochs: Count = 50
    """Passes over the training windows."""
    batch_size: Count = 128
    """Windows in one training step."""
    learning_rate: Annotated[Float, Field(gt=0)] = 5e-4
    """Highest learning rate of AdamW."""
    weight_decay: Annotated[Float, Field(ge=0)] = 1e-4
    """Weight decay of AdamW: each step takes this share, times the learning rate, off every parameter; biases, layer
    norms and embeddings too."""
    lr_mode: Literal["linear", "cosine", "constant"] = "cosine"
    """Schedule of the learning rate: linear to 0, a linear warm-up and then cosine to 0, or constant."""
    warmup_epochs: Annotated[Float, Field(ge=0)] = 5.0
    """Warm-up of ``cosine``, in epochs or parts of one; may be longer than the training."""
    range_loss: Annotated[Float, Field(ge=0)] = 0.0
    """Weight, in training, of the squared error of the log variance against the next bars' range variance; ranges tell
    a variance sooner than returns do. For ``distribution`` with a start at a range HAR."""
    gradient_clip: Annotated[Float, Field(gt=0)] | None = None
    """Largest global norm of a gradient."""
    test_split: Share = 0.15
    """Share of the scored bars that are test."""
    validation_split: Share = 0.1
    """Share of the remaining scored bars that are validation."""
    test_tickers: Names | None = None
    """Tickers that are scored (validation and test), trained on or not; None: all of ``tickers``."""
    seed: Seed = 0
    """Every random number of the run follows from it."""
    seeds: Count = 1
    """Members trained side by side as one run, with this and the following seeds; it forecasts their mixture."""
    save_weights: Flag = True
    """Keep checkpoints; without them nothing can be continued or loaded."""
    early_stopper: Natural = 10
    """Epochs without improvement before stopping; 0: never."""
    final_fit: Flag = False
    """Train anew on training and validation, for as many epochs as validation chose; that fit is scored on test and
    forecasts."""
    max_device_bytes: Natural = 0
    """Most bytes of bars on the device; where they are more, they stay on the host, each call of the compiled code gets
    those of its windows, and the result is the same; 0: half of the device's free memory, where that is known."""

    @property
    def scored_tickers(self) -> tuple[str, ...]:
        """Tickers of validation and test."""
        return self.dataset_config.tickers if self.test_tickers is None else self.test_tickers

    @property
    def members(self) -> tuple[ExperimentConfig, ...]:
        """The experiment of each member of the ensemble; they differ in their seeds."""
        if self.seeds == 1:
            return (self,)
        return tuple(replace(self, seed=self.seed + m, seeds=1) for m in range(self.seeds))

    @property
    def may_start_at_ranges(self) -> bool:
        """Whether the untrained model is a range HAR, provided that the training span has bars to fit one on."""
        can = OUTPUT_MODES[self.dataset_config.output_mode].from_law and self.dataset_config.features != "close"
        return bool(can) and self.model_config.start != "constant"

    def _complete(self) -> None:
        model, data = self.model_config, self.dataset_config
        missing: Any = {own: getattr(data, of) for own, of in FOLLOWS.items() if getattr(model, own) is None}
        if missing:
            object.__setattr__(self, "model_config", replace(model, **missing))

    def _conflicts(self) -> Iterator[str]:
        model, data = self.model_config, self.dataset_config
        if model.max_seq_len is not None and data.seq_len > model.max_seq_len:
            yield (
                f"dataset_config.seq_len: found {data.seq_len}, should be at most "
                f"model_config.max_seq_len ({model.max_seq_len})"
            )
        if self.seed + self.seeds > 2**32:
            yield f"seeds: found {self.seeds}, should be at most {2**32 - self.seed} with seed {self.seed}"
        at_ranges = model.start not in ("auto", "constant")
        if at_ranges and not OUTPUT_MODES[data.output_mode].from_law:
            able = ", ".join(name for name, output in OUTPUT_MODES.items() if output.from_law)
            mode = data.output_mode
            yield f"model_config.start: found {model.start!r} with output_mode {mode!r}, needs one of {able}"
        if at_ranges and data.features == "close":
            yield f"model_config.start: found {model.start!r} with features 'close', needs all four prices"
        if self.range_loss and data.kind != "distribution":
            yield f"range_loss: found {self.range_loss} with output_mode {data.output_mode!r}, needs a distribution"
        if self.range_loss and not self.may_start_at_ranges:
            yield f"range_loss: found {self.range_loss}, needs a model_config.start at a range HAR and all four prices"
        if model.output_mode not in (None, data.output_mode):
            yield (
                f"dataset_config.output_mode: found {data.output_mode!r}, should equal "
                f"model_config.output_mode ({model.output_mode!r})"
            )

    def compressed(self, epochs: int) -> ExperimentConfig:
        """The same experiment in so many epochs and nothing after them: warm-up and fall take the shares of the
        training that they have here, so that ``num_epochs`` gives the very schedule."""
        warmup = self.warmup_epochs * (epochs / self.num_epochs)
        return replace(self, num_epochs=epochs, warmup_epochs=warmup, early_stopper=0, final_fit=False)

    @classmethod
    def of(cls, source: Experiment) -> ExperimentConfig:
        """The experiment itself, or the one in a mapping of its fields or in a YAML file.

        Raises:
            ConfigError: it is none of these, or not a configuration (see ``from_dict`` and ``load``).
        """
        if isinstance(source, cls):
            return source
        if isinstance(source, Mapping):
            return cls.from_dict(source)
        if isinstance(source, str | os.PathLike):
            return cls.load(source)
        raise ConfigError(
            f"experiment: found {short(source)}, should be an ExperimentConfig, a mapping of its fields, or the path "
            "of a YAML file"
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ExperimentConfig:
        """The configuration whose ``to_dict`` is ``data``; fields left out have their defaults."""
        return cls(**{str(name): value for name, value in data.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> ExperimentConfig:
        """Read a YAML file, then put in overrides such as ``"model_config.d_model=64"``.

        Raises:
            ConfigError: a file that is missing or not YAML, an unknown name, or a value that is not allowed.
        """
        data = override(read_yaml(path), overrides, field_names(cls))
        try:
            return cls.from_dict(data)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a YAML file from which ``load`` gives an equal configuration.

        Raises:
            ConfigError: the folder is missing or cannot be written.
        """
        write_yaml(path, self.to_dict())

    def digest(self) -> str:
        """Hex SHA-256 of all that decides the result: not ``log_dir``, ``experiment_name``, ``datapath``,
        ``max_device_bytes``."""
        data = self.to_dict()
        for name in PLACES:
            section, _, leaf = name.rpartition(".")
            del (data[section] if section else data)[leaf]
        data["dataset_config"]["resolution"] = list(self.dataset_config.resolutions)
        text = json.dumps(_canonical(data), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


Experiment = ExperimentConfig | Mapping[str, Any] | str | os.PathLike[str]
"""what callables that want an experiment accept: the configuration, a mapping of its fields, or a YAML file"""


def _canonical(value: Any) -> Any:
    """Equal configurations, equal text: no negative zero, infinities by name."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        return str(value) if math.isinf(value) else value + 0.0
    return value
