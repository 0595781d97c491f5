"""Configurations: names, defaults, checks."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_config
from sample_configs import DATA, experiment

from nextbar.bars import dates
from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config import values as config_values
from nextbar.config.commented import meanings
from nextbar.errors import ConfigError

REQUIRED = object()

# field -> default
MODEL_FIELDS = dict(
    d_model=128, num_layers=2, head_layers=2, n_heads=4, dim_feedforward=512, dropout=0.05, max_seq_len=None,
    flatten_encoder_output=False, average_encoder_output=False, fe_blocks=0, use_resblocks_in_fe=False,
    use_resblocks_in_head=False, use_time2vec=False, norm_encoder_prev=True, use_extra_tokens=False,
    output_mode=None, tail="normal", start="auto", precision="fp32",
)  # fmt: skip
DATASET_FIELDS = dict(
    datapath=REQUIRED, tickers=REQUIRED, resolution=REQUIRED, seq_len=24, context_resolutions=(), context_len=None,
    horizon=1,
    norm_mode="window_minmax", output_mode="mean", target="close", discrete_grid_levels=None,
    initial_date=None, final_date=None, indicators=None, unscaled=None, known_ahead=None, empty_values="last",
    features="ohlcv", price="close", clock=True,
    time_feature="none", calendar="auto", timezone="auto",
)  # fmt: skip
EXPERIMENT_FIELDS = dict(
    model_config=REQUIRED, dataset_config=REQUIRED, log_dir=REQUIRED, experiment_name=REQUIRED,
    num_epochs=50, batch_size=128, learning_rate=5e-4, weight_decay=1e-4, lr_mode="cosine", warmup_epochs=5,
    range_loss=0.0, gradient_clip=None, test_split=0.15, validation_split=0.1, test_tickers=None, seed=0, seeds=1,
    save_weights=True,
    early_stopper=10, final_fit=False, max_device_bytes=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "table"),
    [(ModelConfig, MODEL_FIELDS), (DatasetConfig, DATASET_FIELDS), (ExperimentConfig, EXPERIMENT_FIELDS)],
)
def test_names_and_defaults_are_the_specifications(cls: Any, table: dict[str, Any]) -> None:
    declared = {f.name: REQUIRED if f.default is dataclasses.MISSING else f.default for f in dataclasses.fields(cls)}
    assert declared == table
    assert all(meanings(cls)[name] for name in table), "every field says what it means"


ALLOWED: dict[str, list[Any]] = {
    "model.d_model": [8, 512],
    "model.num_layers": [1],
    "model.head_layers": [0],
    "model.n_heads": [1],
    "model.dim_feedforward": [1],
    "model.dropout": [0, 0.0, 0.99],
    "model.max_seq_len": [24, 4096],
    "model.flatten_encoder_output": [True],
    "model.average_encoder_output": [True],
    "model.fe_blocks": [0, 3],
    "model.tail": ["normal", "student_t", "skew_t"],
    "model.start": ["auto", "constant"],
    "model.precision": ["fp32", "bf16"],
    "data.datapath": ["~/bars", Path("bars")],
    "data.tickers": [["a", "b"], ("a",)],
    "data.resolution": ["30m", ["1h", "4h"], ("1d",)],
    "data.seq_len": [2, 24],
    "data.context_resolutions": [[], (), ["1d"], ["8h", "1d", "1w"]],
    "data.context_len": [None],
    "data.horizon": [1, 12],
    "data.norm_mode": [
        "window_minmax", "window_meanstd", "window_mean", "global_minmax", "global_meanstd", "none",
    ],
    "data.target": ["close", "log_return"],
    "data.discrete_grid_levels": [None, []],
    "data.initial_date": [
        None, "2018-01-01", "2018-01-01T04:00:00+02:00", "2018-01-01 04:00", "1900-01-01", "2018-01-01T04:00:00.000Z",
    ],
    "data.final_date": ["2199-12-31", "2200-01-01T00:59:59+01:00"],
    "data.indicators": [None, [], ["rsi"]],
    "data.unscaled": [None, []],
    "data.known_ahead": [None, []],
    "data.empty_values": ["last", "mean", "drop"],
    "data.features": ["ohlcv", "ohlc", "close", "returns"],
    "data.price": ["close", "adjusted"],
    "data.time_feature": ["none", "position", "span"],
    "data.calendar": ["auto", "24/7", "sessions", "XNYS", "24/5"],
    "data.timezone": ["auto", "UTC", "America/New_York", "Asia/Kolkata", "Etc/GMT+5"],
    "log_dir": [Path("runs"), "s3://bucket/runs", Path("s3://bucket/runs")],
    "experiment_name": ["btc 4h, mean", "2018-01-01"],
    "num_epochs": [1],
    "batch_size": [1],
    "learning_rate": [1, 1e-30],
    "weight_decay": [0],
    "lr_mode": ["linear", "cosine", "constant"],
    "warmup_epochs": [0, 0.25, 10**6],
    "gradient_clip": [None, 1, 0.5],
    "test_split": [0.01, 0.99],
    "validation_split": [0.5],
    "test_tickers": [None, ["x"]],
    "seed": [0, 2**32 - 1],
    "early_stopper": [0, 10_000],
    "max_device_bytes": [0, 1, 10**12],
}  # fmt: skip

WHOLE = [-1, 1.0, "1", True, None, math.nan, [1]]
FLAG = [0, 1, "true", None]
SHARE = [0, 1, 0.0, 1.0, -0.1, math.nan, "0.1", True]
REFUSED: dict[str, list[Any]] = {
    "model.d_model": [7, *WHOLE],
    "model.num_layers": [0, *WHOLE],
    "model.head_layers": WHOLE,
    "model.n_heads": [0, 3, *WHOLE],
    "model.dim_feedforward": [0, *WHOLE],
    "model.dropout": [1, 1.0, -0.1, math.nan, math.inf, True, "0.1", None],
    "model.max_seq_len": [1, *(value for value in WHOLE if value is not None)],
    "model.flatten_encoder_output": FLAG,
    "model.average_encoder_output": FLAG,
    "model.fe_blocks": WHOLE,
    "model.use_resblocks_in_fe": FLAG,
    "model.use_resblocks_in_head": FLAG,
    "model.use_time2vec": FLAG,
    "model.norm_encoder_prev": FLAG,
    "model.use_extra_tokens": FLAG,
    "model.output_mode": ["Mean", 1],
    "model.tail": ["students_t"],
    "model.precision": ["fp16", 32],
    "data.datapath": ["", 1, None, "a\0b", "~\0", "\ud800", "~\ud800"],
    "data.tickers": ["btc_usd", [], ["a", "a"], [1], [""], None, {"a"}],
    "data.resolution": ["4x", [], ["1h", "1h"], 4, None, ["1h", 4]],
    "data.seq_len": [1, *WHOLE],
    "data.context_resolutions": ["1d", None, [1], ["1x"], ["1d", "24h"], ["4h"], ["6h"], ["2h"], {"1d"}],
    "data.context_len": [0, *(value for value in WHOLE if value is not None)],
    "data.horizon": [0, *WHOLE],
    "data.norm_mode": ["minmax", None],
    "data.output_mode": ["discrete", True],
    "data.target": ["open"],
    "data.initial_date": ["01/02/2018", "2018-13-01", "20180101", "2018-W01-1", "", 20180101, True],
    "data.final_date": [
        "soon", "9999-12-31", "1899-12-31", "0001-01-01T00:00+02:00", "1900-01-01T00:00+00:01",
        "2199-12-31T23:59-00:01", "2018-01-01T00:00:00.5Z", "2018-01-01T00:00:00,5", "2018-01-01T00:00+01:00:30",
    ],
    "data.indicators": ["rsi", [1], ["rsi", "rsi"]],
    "data.unscaled": ["rsi", ["rsi"]],
    "data.known_ahead": ["rsi", ["rsi"]],
    "data.empty_values": ["zero", None],
    "data.features": ["ohlcvt"],
    "data.clock": FLAG,
    "data.price": ["adj close", None],
    "data.time_feature": ["time", None, True],
    "data.calendar": ["nyse", "always open", "", 247, None],
    "data.timezone": [
        "", None, 1, "EST5", "New York", "America", "America/Nowhere", "../UTC", "/etc/localtime", "localtime", "a\0b",
        "\ud800",
    ],
    "model_config": [None, 3, "small"],
    "dataset_config": [None, [1]],
    "log_dir": ["", None, 1, "a\0b", "s3://", "s3://a/../b", "file:///a"],
    "experiment_name": ["", ".", "..", "a/b", "a\\b", "a\n", " a", 1],
    "num_epochs": [0, *WHOLE],
    "batch_size": [0, *WHOLE],
    "learning_rate": [0, -1e-3, math.inf, math.nan, "1e-3", True],
    "weight_decay": [-1e-9, math.inf],
    "lr_mode": ["step"],
    "warmup_epochs": [-1, -0.5, "1", True, None, math.nan, math.inf],
    "range_loss": [-0.1, math.inf],
    "gradient_clip": [0, -1.0, math.inf],
    "test_split": SHARE,
    "validation_split": SHARE,
    "test_tickers": ["a", [], ["a", "a"]],
    "seed": [2**32, *WHOLE],
    "seeds": [0, 2**32 + 1, *WHOLE],
    "save_weights": FLAG,
    "early_stopper": WHOLE,
    "final_fit": FLAG,
    "max_device_bytes": [*WHOLE, 2e9],
}  # fmt: skip


def pairs(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in table.items() for value in values]


def build(name: str, value: Any) -> ExperimentConfig:
    section, _, leaf = name.rpartition(".")
    return experiment(**({section: {leaf: value}} if section else {leaf: value}))


@pytest.mark.parametrize(("name", "value"), pairs(ALLOWED))
def test_allowed_values_are_taken(name: str, value: Any) -> None:
    built = build(name, value)
    assert ExperimentConfig.from_dict(built.to_dict()) == built


@pytest.mark.parametrize("name", ["data.initial_date", "data.final_date"])
def test_dates_out_of_reach_are_told_with_the_limits(name: str) -> None:
    for value in ("9999-12-31", "1899-12-31T23:59:59Z"):
        with pytest.raises(ConfigError, match=f"found '{value}', should be within the years 1900 to 2199"):
            build(name, value)
    with pytest.raises(ConfigError, match="should be a whole second"):
        build(name, dt.datetime(2018, 1, 1, microsecond=1))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("New York", "America/New_York"), ("America/NewYork", "America/New_York"), ("Asia/Tokio", "Asia/Tokyo"),
        ("Auto", "auto"), ("utc", "UTC"), ("europe/london", "Europe/London"),
    ],
)  # fmt: skip
def test_a_time_zone_is_found_by_its_city(text: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"timezone: found '{text}', should be auto, UTC.*did you mean '{name}'\?"):
        build("data.timezone", text)


@pytest.mark.parametrize("text", ALLOWED["data.initial_date"][1:] + ALLOWED["data.final_date"])
def test_bars_read_a_date_as_the_configuration_does(text: str) -> None:
    assert dates.instant(text) == config_values.instant(text, dt.time.min).timestamp()


@pytest.mark.parametrize(("name", "value"), pairs(REFUSED))
def test_other_values_are_refused_by_name_value_and_what_is_allowed(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as told:
        build(name, value)
    shown = value[0] if isinstance(value, list) and len(value) == 1 else value
    assert re.search(rf"{name.rpartition('.')[2]}.*: found .*{re.escape(repr(shown))}.*, should ", str(told.value))


def test_no_default_is_forgotten_and_missing_fields_are_all_told() -> None:
    with pytest.raises(ConfigError) as told:
        ExperimentConfig()  # type: ignore[call-arg]
    for name in ("model_config", "dataset_config", "log_dir", "experiment_name"):
        assert f"{name}: must be given" in str(told.value)
    with pytest.raises(ConfigError, match="tickers: must be given"):
        DatasetConfig(datapath="x", resolution="1h")  # type: ignore[call-arg]


def test_what_the_model_is_not_told_follows_from_the_data_set() -> None:
    law = {"output_mode": "distribution", "seq_len": 48}
    follows, told = experiment(data=law), experiment(model={"output_mode": "distribution", "max_seq_len": 48}, data=law)
    assert follows == told
    assert follows.digest() == told.digest()
    assert follows.to_dict()["model_config"]["max_seq_len"] == 48
    assert experiment(model={"max_seq_len": 100}, data=law).model_config.max_seq_len == 100


def test_what_is_not_said_of_contexts_is_twenty_bars_of_each() -> None:
    def of(**fields: Any) -> ExperimentConfig:
        return experiment(data={"context_resolutions": ["1w"], **fields})

    assert of() == of(context_len=20) and of().digest() == of(context_len=20).digest()
    assert [of(context_len=n).dataset_config.context_len for n in (1, 200)] == [1, 200]
    assert experiment().dataset_config.context_len is None


def test_keywords_only() -> None:
    with pytest.raises(ConfigError, match="by keyword"):
        ModelConfig(128)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("build", "suggestion"),
    [
        (lambda: ModelConfig(d_modl=3), "d_modl: no such field; did you mean d_model?"),
        (lambda: experiment(batchsize=3), "batchsize: no such field; did you mean batch_size?"),
        (lambda: experiment(n_heads=3), "n_heads: no such field; did you mean model_config.n_heads?"),
        (lambda: DatasetConfig(**DATA, horizont=2), "did you mean horizon?"),
        (
            lambda: ExperimentConfig.from_dict({**experiment().to_dict(), "model_config": {"dropuot": 0}}),
            "model_config.dropuot: no such field; did you mean model_config.dropout?",
        ),
        (lambda: ModelConfig(xyzzy=1), "there are d_model, num_layers"),
        (lambda: ModelConfig(tail="student"), "did you mean 'student_t'?"),
    ],
)
def test_the_nearest_name_is_suggested(build: Any, suggestion: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(suggestion)):
        build()


def test_all_problems_are_in_one_error() -> None:
    with pytest.raises(ConfigError) as told:
        ExperimentConfig(
            model_config={"d_model": 4, "n_haeds": 2},
            dataset_config={**DATA, "seq_len": 1},  # type: ignore[arg-type]
            log_dir="x",
            experiment_name="x",
            test_split=2,
        )
    lines = str(told.value).splitlines()
    assert "4 problems" in lines[0] and len(lines) == 5
    assert "model_config.d_model: found 4, should be a whole number >= 8" in lines[1]


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: ModelConfig(d_model=30), "n_heads: found 4, should divide d_model \\(30\\)"),
        (lambda: ModelConfig(flatten_encoder_output=True, average_encoder_output=True), "both are True"),
        (
            lambda: experiment(model={"max_seq_len": 24}, data={"seq_len": 25}),
            "dataset_config.seq_len: found 25.*max_seq_len \\(24\\)",
        ),
        (
            lambda: experiment(model={"output_mode": "distribution"}),
            "dataset_config.output_mode: found 'mean'.*'distribution'",
        ),
        (
            lambda: DatasetConfig(**DATA, initial_date="2020-01-02", final_date="2020-01-01"),
            "after final_date",
        ),
        (
            lambda: DatasetConfig(**DATA, initial_date="2020-01-01T12:00+02:00", final_date="2020-01-01T09:59"),
            "after final_date",
        ),
        (lambda: DatasetConfig(**DATA, discrete_grid_levels=[-1, 1]), "None or \\[\\] with output_mode mean"),
        (lambda: DatasetConfig(**DATA, output_mode="discrete_grid"), "found None, should be bin edges"),
        (
            lambda: DatasetConfig(**DATA, context_len=5),
            "context_len: found 5, should be None without context_resolutions",
        ),
    ],
)
def test_fields_at_odds_are_refused(build: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build()


def test_a_final_day_without_a_time_lasts_to_its_end() -> None:
    DatasetConfig(**DATA, initial_date="2020-01-01T23:00:00Z", final_date="2020-01-01")


@pytest.mark.parametrize(
    "grid", [[0], [1, 0], [0, 0], [0, math.nan], [math.nan, 0, 1], [0, "1"], [False, True], "0, 1", [], None]
)
def test_a_grid_is_at_least_two_ascending_numbers(grid: Any) -> None:
    with pytest.raises(ConfigError, match="discrete_grid_levels"):
        DatasetConfig(**DATA, output_mode="discrete_grid", discrete_grid_levels=grid)


def test_a_grid_may_end_in_infinities_and_be_an_array() -> None:
    grid = np.array([-np.inf, -0.5, 0.5, np.inf])
    built = DatasetConfig(**DATA, output_mode="discrete_grid", discrete_grid_levels=grid)
    assert built.discrete_grid_levels == (-math.inf, -0.5, 0.5, math.inf)


def test_empty_lists_that_mean_nothing_become_none() -> None:
    built = DatasetConfig(**DATA, discrete_grid_levels=[], indicators=[])
    assert built.discrete_grid_levels is None and built.indicators is None


def test_problems_of_all_configurations_are_one_list() -> None:
    """Also those between fields, which are looked for once each field is right; none about a field that is wrong."""
    good = make_config().to_dict()

    def problems(**fields: Any) -> list[str]:
        data = {name: dict(value) if isinstance(value, dict) else value for name, value in good.items()}
        for name, value in fields.items():
            section, _, leaf = name.rpartition("__")
            (data[section] if section else data)[leaf] = value
        with pytest.raises(ConfigError) as error:
            ExperimentConfig.from_dict(data)
        return str(error.value).replace(":\n", "\n").partition("problems")[2].split("\n  ")[1:]

    assert problems(model_config__n_heads=3, dataset_config__seq_len=60) == [
        "model_config.n_heads: found 3, should divide d_model (8)",
        "dataset_config.seq_len: found 60, should be at most model_config.max_seq_len (6)",
    ]
    dates = {"dataset_config__initial_date": "2020-01-02", "dataset_config__final_date": "2020-01-01"}
    found = problems(model_config__n_heads=3, **dates, dataset_config__resolution="1x", num_epochs=0)
    assert [line.partition(":")[0] for line in found] == [
        "model_config.n_heads", "dataset_config.resolution", "num_epochs", "dataset_config.initial_date"
    ]  # fmt: skip
    # heads may divide a width that is no number, and a context may fit a length that is none
    found = problems(model_config__d_model="x", model_config__n_heads=3, model_config__max_seq_len="y",
                     dataset_config__seq_len=60, dataset_config__discrete_grid_levels=[])  # fmt: skip
    assert [line.partition(":")[0] for line in found] == ["model_config.d_model", "model_config.max_seq_len"]
    found = problems(model_config=3, dataset_config__output_mode="distribution", dataset_config__resolution="1x")
    assert [line.partition(":")[0] for line in found] == ["model_config", "dataset_config.resolution"]


def test_a_long_value_is_cut_in_a_message() -> None:
    with pytest.raises(ConfigError) as error:
        ExperimentConfig.of({**make_config().to_dict(), "num_epochs": "x" * 100_000})
    assert len(str(error.value)) < 300 and "(100,002 characters)" in str(error.value)
