"""Values of a configuration: what users hand in, and what is kept."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_configs import DATA, experiment

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.errors import ConfigError


def test_numpy_and_dates_and_paths_become_plain() -> None:
    built = experiment(
        model={
            "d_model": np.int64(64),
            "dropout": np.float32(0.5),
            "use_time2vec": np.bool_(True),
            "tail": np.str_("normal"),
            "n_heads": np.array(2),
        },
        data={
            "tickers": np.array(["a", "b"]),
            "resolution": [np.str_("1h")],
            "initial_date": np.datetime64("2018-01-01"),
            "final_date": dt.date(2019, 1, 1),
            "datapath": Path("bars"),
            "seq_len": np.uint8(12),
        },
        learning_rate=np.longdouble(1),
        weight_decay=0,
        log_dir=Path("runs"),
        test_split=np.float16(0.5),
    )

    def types(value: Any) -> set[type]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(types, inner))

    assert types(built.to_dict()) <= {dict, list, str, int, float, bool, type(None)}
    assert type(built.learning_rate) is float and type(built.weight_decay) is float
    assert built.model_config.d_model == 64 and built.model_config.use_time2vec is True
    data = built.dataset_config
    assert (data.initial_date, data.final_date, data.datapath) == ("2018-01-01", "2019-01-01", "bars")
    assert data.tickers == ("a", "b") and data.resolution == ("1h",) and data.resolutions == ("1h",)


def test_a_path_begins_at_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    built = experiment(data={"datapath": "~"}, log_dir=Path("~/runs"))
    assert built.dataset_config.datapath == str(tmp_path / "me") and built.log_dir == str(tmp_path / "me" / "runs")
    built.save(tmp_path / "config.yaml")
    monkeypatch.setenv("HOME", str(tmp_path / "you"))
    assert ExperimentConfig.load(tmp_path / "config.yaml") == built, "whoever loads it, it is the same place"
    assert built.digest() == experiment().digest()
    assert experiment(log_dir="a/~b").log_dir == "a/~b"
    for address in ("s3://bucket/runs", "s3://bucket/runs/", Path("s3://bucket/runs")):
        assert experiment(log_dir=address).log_dir == "s3://bucket/runs"
    with pytest.raises(ConfigError, match=r"log_dir: found 's3://', should be s3://BUCKET/FOLDER"):
        experiment(log_dir="s3://")
    for act in (
        lambda: experiment(log_dir="s3://AKIA:secret@bucket/runs"),
        lambda: ExperimentConfig.load(tmp_path / "config.yaml", ["log_dir=s3://AKIA:secret@bucket/runs"]),
    ):
        with pytest.raises(ConfigError, match=r"log_dir: found s3://…, should be .* without credentials") as refusal:
            act()
        assert "secret" not in str(refusal.value) and "AKIA" not in str(refusal.value)


@pytest.mark.parametrize(
    "value", [np.bool_(True), np.float64("nan"), np.datetime64("NaT"), np.str_("1"), np.complex64(1)]
)
def test_numpy_is_checked_as_strictly(value: Any) -> None:
    for name in ("learning_rate", "num_epochs"):
        with pytest.raises(ConfigError, match=name):
            experiment(**{name: value})


def test_frozen_hashable_and_copied_by_keyword() -> None:
    built = experiment(
        data={"discrete_grid_levels": [-1, 1], "output_mode": "discrete_grid"},
        model={"output_mode": "discrete_grid"},
    )
    again = copy.deepcopy(built)
    assert built == again and hash(built) == hash(again) and len({built, again}) == 1
    with pytest.raises(AttributeError):
        built.seed = 3  # type: ignore[misc]
    assert dataclasses.replace(built, seed=3).seed == 3
    with pytest.raises(ConfigError, match="seed"):
        dataclasses.replace(built, seed=-3)


def test_scored_tickers() -> None:
    assert experiment().scored_tickers == ("btc_usd",)
    assert experiment(test_tickers=["eth_usd"]).scored_tickers == ("eth_usd",)


def test_a_plain_search_script_draws_every_field_with_numpy(tmp_path: Path) -> None:
    """Random choices by keyword, as users write it: NumPy scalars, every combination is accepted."""
    rng = np.random.default_rng(0)
    flags = [False, True]
    digests = set()
    for _ in range(200):
        seq_len, d_model = rng.choice([12, 24, 36, 48]), rng.choice([128, 256, 512])
        model_config = ModelConfig(
            d_model=d_model,
            num_layers=rng.choice([1, 2, 3]),
            head_layers=rng.choice([1, 2, 3]),
            n_heads=rng.choice([1, 2, 4]),
            dim_feedforward=rng.choice([2, 4]) * d_model,
            dropout=rng.choice([0, 0.05, 0.1]),
            max_seq_len=seq_len,
            flatten_encoder_output=False,
            fe_blocks=rng.choice([1, 2]),
            use_time2vec=rng.choice(flags),
            output_mode="mean",
            use_resblocks_in_head=rng.choice(flags),
            use_resblocks_in_fe=rng.choice(flags),
            average_encoder_output=rng.choice(flags),
            norm_encoder_prev=rng.choice(flags),
        )
        dataset_config = DatasetConfig(
            datapath=str(tmp_path),
            output_mode="mean",
            discrete_grid_levels=[],
            initial_date="2018-01-01",
            indicators=None,
            norm_mode=rng.choice(["global_minmax", "global_meanstd", "window_meanstd", "window_minmax"]),
            resolution="4h",
            tickers=[rng.choice(["btc_usd", "eth_usd"])],
            seq_len=seq_len,
        )
        config = ExperimentConfig(
            model_config=model_config,
            dataset_config=dataset_config,
            log_dir=tmp_path,
            experiment_name="search",
            num_epochs=rng.integers(1, 100),
            learning_rate=rng.choice([1e-4, 1e-5]),
            lr_mode=rng.choice(["linear", "cosine"]),
            warmup_epochs=rng.choice([5, 10, 20]),
            batch_size=rng.choice([64, 128]),
            early_stopper=10000,
            test_split=0.15,
            save_weights=True,
            test_tickers=["btc_usd"],
            seed=rng.integers(2**31),
        )
        config.save(tmp_path / "config.yaml")
        assert ExperimentConfig.load(tmp_path / "config.yaml") == config
        digests.add(config.digest())
    assert len(digests) == 200


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["model_config", "dataset_config", "log_dir", "experiment_name"]))
)
def test_keywords_in_any_order(order: tuple[str, ...]) -> None:
    given_fields = {
        "model_config": ModelConfig(),
        "dataset_config": DatasetConfig(**DATA),
        "log_dir": "runs",
        "experiment_name": "first",
    }
    assert ExperimentConfig(**{name: given_fields[name] for name in order}) == experiment()
