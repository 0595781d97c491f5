"""Configurations as YAML files, with overrides."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_configs import experiment

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config.yaml_file import read_yaml, write_yaml
from nextbar.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    experiment().save(path)
    return path


texts = st.text(min_size=1, max_size=12)
tricky = st.sampled_from(
    [
        "1e-4",
        "1E5",
        "no",
        "null",
        "None",
        "inf",
        "-inf",
        "+inf",
        "Infinity",
        "2018-01-01",
        "~",
        "1_000",
        "0x1",
        "a: b",
        "# x",
        "é",
        "é\u2028",
        "1:30",
        ".inf",
        "=",
        "<<",
        "[a]",
        "'",
    ]
)
names = st.lists(st.one_of(texts, tricky), min_size=1, max_size=3, unique=True)
positive = st.floats(1e-300, 1e300)
paths = st.one_of(texts.filter(lambda text: "\0" not in text), tricky, st.just("~/bars"))
days = st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)).map(str)


@st.composite
def experiments(draw: st.DrawFn) -> ExperimentConfig:
    mode = draw(st.sampled_from(["mean", "distribution", "discrete_grid"]))
    edges = draw(st.lists(st.floats(allow_nan=False), min_size=2, max_size=6, unique=True).map(sorted))
    heads, longest = draw(st.integers(1, 8)), draw(st.integers(2, 500))
    start, end = sorted(draw(st.tuples(days, days)))
    model = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "head_layers": st.integers(0, 9),
                "dropout": st.floats(0, 0.99),
                "use_time2vec": st.booleans(),
                "average_encoder_output": st.booleans(),
                "tail": st.sampled_from(["normal", "student_t"]),
            },
        )
    )
    data = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "horizon": st.integers(1, 9),
                "indicators": names | st.none(),
                "clock": st.booleans(),
                "initial_date": st.just(start),
                "final_date": st.just(end),
                "calendar": st.sampled_from(["auto", "24/7"]),
            },
        )
    )
    other = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "learning_rate": positive,
                "weight_decay": st.just(0) | positive,
                "gradient_clip": positive | st.none(),
                "test_split": st.floats(1e-9, 1 - 1e-9),
                "test_tickers": names | st.none(),
                "seed": st.integers(0, 2**32 - 1),
                "save_weights": st.booleans(),
            },
        )
    )
    plain_name = texts.filter(
        lambda s: s.isprintable() and s == s.strip() and not set(s) & set("/\\") and s not in (".", "..")
    )
    return ExperimentConfig(
        model_config=ModelConfig(
            d_model=heads * draw(st.integers(8, 64)),
            n_heads=heads,
            max_seq_len=longest,
            output_mode=mode,
            **model,
        ),
        dataset_config=DatasetConfig(
            datapath=draw(paths),
            tickers=draw(names),
            resolution=draw(st.sampled_from(["1h", ["1h", "1d"]])),
            seq_len=draw(st.integers(2, longest)),
            output_mode=mode,
            discrete_grid_levels=edges if mode == "discrete_grid" else None,
            **data,
        ),
        log_dir=draw(paths),
        experiment_name=draw(plain_name | st.sampled_from(["1e-4", "2018-01-01", "null", "é"])),
        **other,
    )


@pytest.mark.parametrize("text", ["\x85", "a\u2028b", " \u2029", "two\nlines", "tab\t"])
def test_every_line_break_survives(tmp_path: Path, text: str) -> None:
    write_yaml(tmp_path / "text.yaml", {"name": text})
    assert read_yaml(tmp_path / "text.yaml") == {"name": text}


@given(experiments())
@settings(deadline=None)
def test_a_saved_configuration_loads_equal(tmp_path_factory: pytest.TempPathFactory, built: ExperimentConfig) -> None:
    path = tmp_path_factory.getbasetemp() / "roundtrip.yaml"
    built.save(path)
    loaded = ExperimentConfig.load(path)
    assert loaded == built and hash(loaded) == hash(built) and loaded.digest() == built.digest()
    assert loaded.to_dict() == built.to_dict()
    yaml.safe_load(path.read_text("utf-8"))  # any YAML 1.1 reader takes it


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.e-4", "0.0001", ".1e-3", "1.0e-4", "+1e-4", "10e-5"])
def test_spellings_of_a_float(file: Path, text: str) -> None:
    assert ExperimentConfig.load(file, [f"learning_rate={text}"]).learning_rate == pytest.approx(1e-4, rel=1e-12)


def test_yaml_infinities_and_unquoted_dates(file: Path) -> None:
    loaded = ExperimentConfig.load(
        file,
        [
            "model_config.output_mode=discrete_grid",
            "dataset_config.output_mode=discrete_grid",
            "dataset_config.discrete_grid_levels=[-.inf, -1, 1e0, .inf]",
            "dataset_config.initial_date=2018-01-01",
        ],
    )
    assert loaded.dataset_config.discrete_grid_levels == (-math.inf, -1.0, 1.0, math.inf)
    assert loaded.dataset_config.initial_date == "2018-01-01"


@pytest.mark.parametrize("text", ["None", "inf", "-inf", "+inf", "Infinity", "-Infinity", "1e-4", "null", ".inf"])
def test_text_that_reads_as_none_or_a_number_is_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "text.yaml"
    write_yaml(path, {"name": text})
    assert path.read_text() == f"name: '{text}'\n" and read_yaml(path) == {"name": text}


def test_pythons_and_jsons_spellings_of_none_and_infinity(file: Path) -> None:
    loaded = ExperimentConfig.load(file, ["gradient_clip=None", "dataset_config.indicators=None"])
    assert loaded.gradient_clip is None and loaded.dataset_config.indicators is None
    mode = [f"{section}.output_mode=discrete_grid" for section in ("model_config", "dataset_config")]
    for edges in ("[-inf, 0, inf]", "[-inf, 0, +inf]", "[-Infinity, 0, Infinity]"):
        loaded = ExperimentConfig.load(file, [*mode, f"dataset_config.discrete_grid_levels={edges}"])
        assert loaded.dataset_config.discrete_grid_levels == (-math.inf, 0.0, math.inf)
    assert ExperimentConfig.load(file, ["dataset_config.tickers=['None', 'inf']"]).scored_tickers == ("None", "inf")


def test_overrides(file: Path) -> None:
    loaded = ExperimentConfig.load(
        file,
        [
            "model_config.d_model=64",
            "num_epochs = 3",
            "dataset_config.tickers=[a, b]",
            "gradient_clip=null",
            "num_epochs=4",
            "experiment_name=a=b",
            "model_config.use_time2vec=true",
        ],
    )
    assert loaded == experiment(
        model={"d_model": 64, "use_time2vec": True},
        data={"tickers": ["a", "b"]},
        num_epochs=4,
        experiment_name="a=b",
    )
    assert ExperimentConfig.load(file) == experiment(), "the file is as it was"


def test_an_override_may_give_what_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "part.yaml"
    path.write_text("log_dir: runs\nexperiment_name: first\nmodel_config: {}\n")
    loaded = ExperimentConfig.load(
        path,
        [
            f"dataset_config.{name}={value}"
            for name, value in {"datapath": "data", "tickers": "[btc_usd]", "resolution": "4h"}.items()
        ],
    )
    assert loaded == experiment()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("d_model=3", "no field 'd_model'; did you mean model_config.d_model?"),
        ("model_confg.d_model=3", "did you mean model_config.d_model?"),
        ("output_mode=mean", "model_config.output_mode or dataset_config.output_mode"),
        ("num_epochs", "should be name=value"),
        ("num_epochs=[", "not valid YAML"),
        ("num_epochs=", "num_epochs: found None"),
        ("num_epochs=0", "num_epochs: found 0, should be a whole number >= 1"),
        ("dataset_config.tickers=btc_usd", "should be a list of names, such as [btc_usd]"),
        ("dataset_config.tickers=[600519]", "needs quotes"),
        ("dataset_config.tickers=[inf]", "needs quotes"),
        ("dataset_config.discrete_grid_levels=[low, 0]", "found 'low', should be a number; the outermost may be -inf"),
        ("learning_rate=inf", "found inf, should be a finite number"),
        ('log_dir="a\\0b"', "log_dir: found 'a\\x00b', should be a path that a folder can have"),
    ],
)
def test_wrong_overrides(file: Path, override: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        ExperimentConfig.load(file, [override])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- 1\n", "found a list at the top"),
        (b"hello\n", "found 'hello' at the top"),
        (b"num_epochs: 3\nmodel_config: {d_model: 64\nseed: 1\n", "line 3"),
        (b"seed: 1\nseed: 2\n", "line 2, column 1: not valid YAML: 'seed' is given twice"),
        (b"seed: !!python/object:os.system {}\n", "not valid YAML"),
        (b"seed: !!int x\n", "line 1, column 7: not valid YAML: a tag (!)"),
        (b"a: \x00", "not valid YAML"),
        (b"\xff\xfe\x00", "not valid YAML"),
        (b"[" * 5000, "nested too deeply"),
        (b"model_config: &x {d_model: *x}\n", "an alias (*) stands inside the very value that it names"),
        (b"log_dir: &x [*x]\n", "an alias (*) stands inside the very value that it names"),
        (b"seed: &x {a: *x}\nnum_epochs: 0\n", "an alias (*) stands inside the very value that it names"),
        (b"1: 2\n", "1: no such field"),
        (b"model_config: 3\n", "model_config: found 3, should be a mapping of ModelConfig's fields"),
    ],
)
def test_wrong_files(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(told)) as error:
        ExperimentConfig.load(path)
    assert str(path) in str(error.value)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read the configuration"):
            ExperimentConfig.load(path)
    with pytest.raises(ConfigError, match="cannot write the configuration"):
        experiment().save(tmp_path / "none" / "x.yaml")


def test_saving_is_all_or_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigError, match="No space left"):
        experiment(seed=1).save(file)
    assert file.read_bytes() == before and os.listdir(file.parent) == [file.name]
