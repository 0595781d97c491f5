"""The configurations: every hyper-parameter is declared here, once: meaning, default, allowed values."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from nextbar.config.check import Checked, checked, field_names
from nextbar.config.choices import OUTPUT_MODES
from nextbar.config.values import (
    CalendarName,
    Count,
    Date,
    Flag,
    Float,
    FolderName,
    FolderPath,
    Grid,
    Int,
    Names,
    Natural,
    NoneIfEmpty,
    NormMode,
    OutputMode,
    Resolutions,
    Seed,
    Share,
    TimeZone,
    instant,
)
from nextbar.config.yaml_file import override, read_yaml, write_yaml
from nextbar.errors import ConfigError, short


@checked
class ModelConfig(Checked):
    """The transformer.

    Raises:
        ConfigError: an unknown or missing field, a wrong type, an impossible value, or fields at odds.
    """

    d_model: Annotated[Int, Field(ge=8)] = 128
    """Width of the model."""
    num_layers: Count = 2
    """Encoder blocks."""
    head_layers: Natural = 2
    """Layers in the prediction head before the output layer."""
    n_heads: Count = 4
    """Attention heads; divides ``d_model``."""
    dim_feedforward: Count = 512
    """Hidden width of the feed-forward block."""
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Rate, everywhere dropout is used."""
    max_seq_len: Annotated[Int, Field(ge=2)] | None = None
    """Longest context the model accepts, in bars; None: the data set's ``seq_len``."""
    flatten_encoder_output: Flag = False
    """Flatten all positions into the vector the head sees."""
    average_encoder_output: Flag = False
    """Average all positions; with neither flag the head sees the last bar's position."""
    fe_blocks: Natural = 0
    """Blocks of the feature extractor, widths growing in equal steps to ``d_model``; 0: one dense layer."""
    use_resblocks_in_fe: Flag = False
    """Residual blocks instead of plain dense layers in the feature extractor."""
    use_resblocks_in_head: Flag = False
    """Residual blocks instead of plain dense layers in the head."""
    use_time2vec: Flag = False
    """Time2Vec embedding of the bar's place in the window and of its clock, instead of the sinusoidal encoding."""
    norm_encoder_prev: Flag = True
    """Layer norm before attention and feed-forward (pre-norm) instead of after (post-norm)."""
    use_extra_tokens: Flag = False
    """Tell the model how widely the window varies: tokens in front of the sequence, and numbers for the head."""
    output_mode: OutputMode | None = None
    """What is predicted: a value, a distribution, or the bin of the next move; None: the data set's."""
    tail: Literal["normal", "student_t", "skew_t"] = "normal"
    """Family of the ``distribution`` output: normal, Student-t, or a Student-t whose sides differ (Hansen 1994)."""
    start: Literal["auto", "constant", "range_har", "range_har_trailing"] = "auto"
    """What the untrained model forecasts: a constant law, or that of a range HAR fitted on the training span, whose
    regressors the head then sees, ``trailing``: with a level that follows what its forecasts of late were worth;
    ``auto``: ``range_har`` for distributions and bins of bars with four prices."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Compute type; parameters, softmax, losses and metrics stay fp32."""

    def _conflicts(self) -> Iterator[str]:
        if self.d_model % self.n_heads:
            yield f"n_heads: found {self.n_heads}, should divide d_model ({self.d_model})"
        if self.flatten_encoder_output and self.average_encoder_output:
            yield "flatten_encoder_output and average_encoder_output: both are True, at most one may be"


@checked
class DatasetConfig(Checked):
    """The bars, what the model sees of them and what it is asked.

    Raises:
        ConfigError: an unknown or missing field, a wrong type, an impossible value, or fields at odds.
    """

    datapath: FolderPath
    """Folder of the bars: ``<datapath>/<resolution>/<ticker>_<resolution>.<ext>``."""
    tickers: Names
    """Instruments to train on."""
    resolution: Resolutions
    """Bar interval, such as ``4h``; or a list, all trained together."""
    seq_len: Annotated[Int, Field(ge=2)] = 24
    """L, bars of context; at most the model's ``max_seq_len``."""
    horizon: Count = 1
    """H, bars predicted."""
    norm_mode: NormMode = "window_minmax"
    """Normalisation of prices and volumes."""
    output_mode: OutputMode = "mean"
    """What is predicted; the model's equals it."""
    target: Literal["close", "log_return"] = "close"
    """What a label is: the next closes, or their log returns from the last close."""
    discrete_grid_levels: Annotated[Grid | None, NoneIfEmpty] = None
    """K+1 ascending bin edges of the next move in percent, ±inf allowed; for ``discrete_grid`` only."""
    initial_date: Date | None = None
    """Bars before it are dropped; ISO 8601, UTC where no zone is given."""
    final_date: Date | None = None
    """Bars after it are dropped; a date without a time of day is kept to its end."""
    indicators: Annotated[Names | None, NoneIfEmpty] = None
    """Further columns, own or computed: ``rsi``, ``bb_upper``, ``bb_middle``, ``bb_lower``, ``ema_N``."""
    unscaled: Annotated[Names | None, NoneIfEmpty] = None
    """Own columns of ``indicators`` that enter as they are; the others are standardised on the training span."""
    known_ahead: Annotated[Names | None, NoneIfEmpty] = None
    """Own columns of ``indicators`` that are known before their bar, such as a calendar of events: the model gets their
    values at the predicted bars too."""
    empty_values: Literal["last", "mean", "drop"] = "last"
    """What stands where an own column is empty: its last value before, or its mean in training, beside a number that
    says so; ``drop``: no window covers such a bar."""
    features: Literal["ohlcv", "ohlc", "close", "returns"] = "ohlcv"
    """Columns the model sees; with ``close`` any numeric series will do."""
    price: Literal["close", "adjusted"] = "close"
    """Of files and frames with an adjusted close (``Adj Close``) beside the close: which of the two is the close; with
    ``adjusted`` open, high and low are scaled alike."""
    clock: Flag = True
    """Tell the model the hour and weekday of the bar it predicts."""
    time_feature: Literal["none", "position", "span"] = "none"
    """Column of time: the bar's place in the window, or the share of the training span that has passed; both 0 to 1."""
    calendar: CalendarName = "auto"
    """Whether the market closes at nights and weekends: ``24/7``, ``sessions``, ``auto``, which decides from the
    training dates; or the exchange whose sessions, holidays and half days it keeps, such as ``XNYS``."""
    timezone: TimeZone = "auto"
    """Time zone of the market's hours, an IANA name such as ``Europe/London``; ``auto``: the training dates tell."""

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolution or resolutions, always as a tuple."""
        return (self.resolution,) if isinstance(self.resolution, str) else self.resolution

    @property
    def kind(self) -> str:
        """What forecasts of the output mode consist of: ``mean``, ``distribution`` or ``discrete_grid``."""
        return str(OUTPUT_MODES[self.output_mode].kind)

    def _conflicts(self) -> Iterator[str]:
        grid, mode = self.discrete_grid_levels, self.output_mode
        binned = self.kind == "discrete_grid"
        if binned and grid is None:
            yield f"discrete_grid_levels: found None, should be bin edges with output_mode {mode}"
        if not binned and grid is not None:
            yield f"discrete_grid_levels: found {list(grid)}, should be None or [] with output_mode {mode}"
        own = [name.lower() for name in self.indicators or ()]
        for field in ("unscaled", "known_ahead"):
            if others := [name for name in getattr(self, field) or () if name.lower() not in own]:
                yield f"{field}: found {', '.join(map(repr, others))}, should be among indicators"
        if self.initial_date and self.final_date:
            first, last = instant(self.initial_date, dt.time.min), instant(self.final_date, dt.time.max)
            if first > last:
                yield f"initial_date: found {self.initial_date}, is after final_date ({self.final_date})"


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
    """Folder of all experiments."""
    experiment_name: FolderName
    """Folder of this experiment's runs: ``log_dir/experiment_name/<run>``."""
    num_epochs: Count = 50
    """Passes over the training windows."""
    batch_size: Count = 128
    """Windows in one training step."""
    learning_rate: Annotated[Float, Field(gt=0)] = 5e-4
    """Highest learning rate of AdamW."""
    weight_decay: Annotated[Float, Field(ge=0)] = 1e-4
    """Weight decay of AdamW."""
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
        longest = data.seq_len if model.max_seq_len is None else model.max_seq_len
        complete = replace(model, max_seq_len=longest, output_mode=model.output_mode or data.output_mode)
        object.__setattr__(self, "model_config", complete)

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
        """Hex SHA-256 of all that decides the result: not ``log_dir``, ``experiment_name``, ``datapath``."""
        data = self.to_dict()
        del data["log_dir"], data["experiment_name"], data["dataset_config"]["datapath"]
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
