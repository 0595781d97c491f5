"""A space: what people write, the experiments it stands for, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from builders import make_config
from spaces import given, make_space

from nextbar.errors import ConfigError
from nextbar.searching.space.contradictions import TRIES, most_epochs, require_possible, samples
from nextbar.searching.space.fields import NAMES, PLACES, SCORING
from nextbar.searching.space.space import Space

WIDE = {
    "model_config.d_model": [8, 16],
    "dim_feedforward": "[2, 4] * d_model",
    "dataset_config": {"seq_len": [4, 6]},
    "max_seq_len": "seq_len",
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}


def test_a_combination_is_an_experiment_with_its_fields_changed() -> None:
    space = make_space(WIDE)
    params = {"model_config.d_model": 16, "model_config.dim_feedforward": 4, "dataset_config.seq_len": 4}
    found = space.config(params | {"learning_rate": 2e-3})
    assert found == make_config(d_model=16, dim_feedforward=64, seq_len=4, max_seq_len=4, learning_rate=2e-3)
    assert space.fields == (
        "model_config.d_model", "model_config.dim_feedforward", "dataset_config.seq_len", "learning_rate",
        "model_config.max_seq_len",
    )  # fmt: skip


def test_fields_follow_through_each_other_and_from_the_base() -> None:
    space = make_space({"seq_len": "n_heads * 3", "max_seq_len": "seq_len + num_epochs", "n_heads": [2, 4]})
    found = space.config({"model_config.n_heads": 4})
    assert (found.dataset_config.seq_len, found.model_config.max_seq_len) == (12, 14)  # num_epochs 2, in the base


def test_a_field_that_the_base_leaves_out_has_its_default_in_expressions() -> None:
    plain = given({"batch_size": "num_epochs * 2"})
    del plain["base"]["num_epochs"]
    assert Space.from_dict(plain).config({}).batch_size == 100
    plain = given({"learning_rate": [0.1]} | {"num_epochs": "dataset_config.tickers"})
    del plain["base"]["dataset_config"]["tickers"]
    with pytest.raises(ConfigError, match=r"dataset_config\.tickers is needed, but the base does not have it"):
        require_possible(Space.from_dict(plain))


@pytest.mark.parametrize(
    ("search", "size"),
    [
        ({"d_model": [8, 16, 24]}, 3),
        ({"d_model": [8, 16], "dropout": {"low": 0, "high": 0.3, "step": 0.1}}, 8),
        ({"num_epochs": {"low": 1, "high": 5}}, 5),
        ({"num_epochs": {"low": 1, "high": 6, "step": 2}}, 3),
        ({"learning_rate": {"low": 0.1, "high": 0.1}}, 1),
        ({"dim_feedforward": "[2, 4] * d_model"}, 2),
        ({"dim_feedforward": "2 * d_model"}, 1),
        ({"learning_rate": {"low": 0.1, "high": 0.2}}, None),
        ({"learning_rate": {"low": 1e-4, "high": 0.1, "step": 1e-8}, "d_model": [8]}, None),
        (WIDE, None),
    ],
)
def test_its_size_is_the_number_of_combinations(search: dict[str, Any], size: int | None) -> None:
    space = make_space(search)
    assert space.size == size
    if size is not None:
        points = list(space.points())
        assert len(points) == size == len({repr(point) for point in points})
        for point in points:
            assert list(point) == list(space.dimensions)
            for name, label in point.items():
                assert space.dimensions[name].distribution._contains(
                    space.dimensions[name].distribution.to_internal_repr(label)
                )


def test_lists_flags_and_none_are_choices_as_they_are_written() -> None:
    space = make_space({"features": ["close", "ohlc"], "indicators": [None, ["rsi"]], "gradient_clip": [None, 1.0],
                        "clock": [True, False], "tickers": [["made_up"], ["made_up", "b"]]},
                       test_tickers=["made_up"])  # fmt: skip
    seen = [space.config(point) for point in space.points()]
    assert {c.dataset_config.indicators for c in seen} == {None, ("rsi",)}
    assert {c.dataset_config.tickers for c in seen} == {("made_up",), ("made_up", "b")}
    assert {c.gradient_clip for c in seen} == {None, 1.0}
    assert len({c.digest() for c in seen}) == space.size == 32


def test_numpy_values_are_plain() -> None:
    space = make_space({"d_model": np.array([8, 16]), "learning_rate": {"low": np.float64(0.1), "high": np.int64(1)}})
    assert yaml.safe_load(yaml.safe_dump(space.to_dict())) == space.to_dict()
    assert space.to_dict()["search"] == {"model_config.d_model": [8, 16], "learning_rate": {"low": 0.1, "high": 1.0}}


def test_a_file_says_the_same_as_a_mapping_and_needs_no_quotes(tmp_path: Path) -> None:
    base = yaml.safe_dump({"base": make_config().to_dict()})
    (tmp_path / "space.yaml").write_text(
        base + "search:\n  d_model: [8, 16]\n  dim_feedforward: [2, 4] * d_model  # wider\n"
        "  dataset_config:\n    seq_len: [4, 6]\n  max_seq_len: seq_len\n"
        "  learning_rate: {low: 1e-4, high: 1e-2, log: true}\n"
    )
    space = Space.load(tmp_path / "space.yaml")
    assert space == Space.from_dict(given({"model_config.d_model": [8, 16], **WIDE}))
    assert Space.load(space) is space
    space.save(tmp_path / "again.yaml")
    assert Space.load(tmp_path / "again.yaml").identity() == space.identity()


def test_overrides_change_the_base_of_any_source(tmp_path: Path) -> None:
    space = make_space()
    space.save(tmp_path / "space.yaml")
    for source in (given({"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}), space, tmp_path / "space.yaml"):
        found = Space.load(source, ["num_epochs=7", "model_config.d_model=16"])
        assert (found.base["num_epochs"], found.base["model_config"]["d_model"]) == (7, 16)
    assert space.base["num_epochs"] == 2
    with pytest.raises(ConfigError, match="learning_rate is varied by the search"):
        Space.load(space, ["learning_rate=1"])
    with pytest.raises(ConfigError, match="did you mean num_epochs"):
        Space.load(space, ["num_epoch=1"])


def test_where_things_lie_is_no_part_of_a_space_and_all_else_is() -> None:
    one = make_space({"d_model": [8, 16]})
    assert make_space({"d_model": [8, 16]}, log_dir="x", experiment_name="y", datapath="z").identity() == one.identity()
    assert make_space({"model_config": {"d_model": [8, 16]}}).identity() == one.identity()
    others = [
        make_space({"d_model": [8, 24]}),
        make_space({"d_model": [8, 16], "n_heads": [2]}),
        make_space({"d_model": [8, 16]}, dropout=0.5),
        make_space({"d_model": [8, 16]}, test_split=0.3),
        make_space({"d_model": {"low": 8, "high": 16}}),
        make_space({"d_model": "[1, 2] * 8"}),
    ]
    assert all(other.identity() != one.identity() for other in others)
    assert len({repr(other.identity()) for other in others}) == len(others)


def test_a_default_that_is_written_out_changes_nothing() -> None:
    bare = given({"d_model": [8, 16]})
    del bare["base"]["weight_decay"], bare["base"]["model_config"]["tail"]
    assert Space.from_dict(bare).identity() == make_space({"d_model": [8, 16]}).identity()


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({}, "no field to vary"),
        ({"d_modl": [8]}, "no field 'd_modl'; did you mean d_model?"),
        ({"model_config.d_modl": [8]}, "did you mean model_config.d_model?"),
        ({"model_config": {"learning_rate": [1]}}, "did you mean learning_rate?"),
        ({"output_mode": ["mean"]}, "did you mean model_config.output_mode or dataset_config.output_mode?"),
        ({"model_config": 3}, "model_config: found 3, should be a mapping"),
        ({"d_model": [8], "model_config.d_model": [8]}, "model_config.d_model is given twice"),
        ({"d_model": []}, "model_config.d_model: the list of choices is empty"),
        ({"d_model": [8, 16, 8]}, "the choice 8 is there twice"),
        ({"learning_rate": [1, 1.0]}, "the choice 1.0 is there twice"),
        ({"tickers": [["a"], ["a"]]}, "there twice"),
        ({"d_model": None}, "found None, should be a list of choices, a range"),
        ({"d_model": 8}, "found 8, should be a list of choices"),
        ({"learning_rate": [object()]}, "should be a number, text, a flag, None or a list of those"),
        ({"learning_rate": [{"low": {1}}]}, "should be a number, text"),
        ({"learning_rate": {"low": 1e-2, "high": 1e-3}}, "the range is upside down: low 0.01 is above high 0.001"),
        ({"learning_rate": {"low": 1e-2}}, "a range needs high"),
        ({"learning_rate": {}}, "a range needs low and high"),
        ({"learning_rate": {"low": 1, "high": 2, "lgo": True}}, "a range has no lgo"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, "low: found 0, should be above 0"),
        ({"learning_rate": {"low": 0.1, "high": 1, "log": "yes"}}, "log: found 'yes', should be true or false"),
        ({"learning_rate": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "at most one may be"),
        ({"learning_rate": {"low": 0.1, "high": 1, "step": 0}}, "step: found 0, should be above 0"),
        ({"learning_rate": {"low": 0.1, "high": float("nan")}}, "high: found nan, should be a finite number"),
        ({"learning_rate": {"low": 0.1, "high": float("inf")}}, "high: found inf, should be a finite number"),
        ({"learning_rate": {"low": 0.1, "high": 10**400}}, "should be a finite number"),
        ({"learning_rate": {"low": "a", "high": 1}}, "low: found 'a', should be a finite number"),
        ({"d_model": {"low": 8, "high": 16.5}}, "high: found 16.5, should be a whole number"),
        ({"d_model": {"low": True, "high": 16}}, "low: found True"),
        ({"d_model": "[2, 4] * d_modl"}, "no field 'd_modl'; did you mean d_model?"),
        ({"d_model": "[2, 4"}, "is no expression"),
        ({"d_model": "[2, 2] * n_heads"}, "there twice"),
        ({"lr_mode": "cosine"}, "no field 'cosine'"),
        ({"tickers": [["a"], ["b"]]}, "name those to score in the base: test_tickers"),
    ],
)  # fmt: skip
def test_what_is_no_space_is_told(search: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_space(search)
    assert words in str(error.value) and str(error.value).startswith("search")


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        ({}, "found nothing"),
        ({"base": {}}, "a space has the keys base (an experiment) and search (fields to vary); found base"),
        ({"base": {}, "search": {}, "sampler": "tpe"}, "found base, search, sampler"),
        ({"base": [], "search": {}}, "base: found []"),
        ({"base": {}, "search": None}, "search: found None"),
        ({"base": {"model_config": None}, "search": {"d_model": [8]}}, "base: model_config: found None"),
    ],
)
def test_what_is_around_it_is_told_too(whole: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        Space.from_dict(whole)
    assert words in str(error.value)
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(whole))
    with pytest.raises(ConfigError) as error:
        Space.load(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", [*PLACES, *SCORING])
def test_what_decides_nothing_or_what_is_scored_is_not_varied(name: str) -> None:
    assert name in NAMES
    with pytest.raises(ConfigError, match=r"set it in the base|make it a study each"):
        make_space({name: ["a", "b"]})


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"lr_mode": ["cosine", "sine"]}, ["lr_mode: 'sine' is refused whatever the other fields are"]),
        ({"n_heads": [2, 3], "d_model": [8, 16]}, ["n_heads: 3 is refused", "should divide d_model"]),
        ({"dropout": {"low": 0, "high": 1}}, ["dropout: 1.0 is refused"]),
        ({"seq_len": {"low": 4, "high": 7}}, ["seq_len: 7 is refused", "at most model_config.max_seq_len (6)"]),
        ({"d_model": "3 * n_heads"}, ["d_model: found 6, should be a whole number >= 8"]),
        ({"d_model": "n_heads / 2"}, ["d_model: found 1.0, should be a whole number"]),
        ({"d_model": "n_heads", "n_heads": "d_model"}, ["d_model and model_config.n_heads depend on each other"]),
        ({"d_model": "d_model * 2"}, ["model_config.d_model depends on itself"]),
        ({"learning_rate": [float("nan"), 0.1]}, ["learning_rate", "found nan"]),
        ({"num_epochs": "4 // (seq_len - 6)"}, ["cannot be worked out"]),
        ({"n_heads": list(range(1, 60))}, ["n_heads: 3 is refused", "and 45 more"]),
    ],
)
def test_a_contradiction_is_told_before_anything_is_trained(search: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        require_possible(make_space(search))
    assert all(word in str(error.value) for word in words), error.value
    assert len(str(error.value).splitlines()) <= 12


def test_a_wrong_base_is_told_as_train_tells_it() -> None:
    wrong = given({"d_model": [8, 16]})
    wrong["base"]["learning_rate"] = -1
    with pytest.raises(ConfigError, match=r"ExperimentConfig: learning_rate: found -1, should be a finite number > 0$"):
        require_possible(Space.from_dict(wrong))


def test_a_choice_that_one_combination_in_many_takes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """n_heads 7 divides d_model 56 alone, one of 49 widths; the space is small enough to be looked through."""
    space = make_space({"d_model": list(range(8, 57)), "n_heads": [1, 7]})
    assert space.size is not None and space.size <= TRIES
    assert require_possible(space).model_config.n_heads in (1, 7)
    assert len(list(samples(space))) == space.size


def test_the_longest_training_is_known() -> None:
    assert most_epochs(make_space({"d_model": [8, 16]}, num_epochs=3)) == 3
    assert most_epochs(make_space({"num_epochs": [3, 9, 4]})) == 9
    assert most_epochs(make_space({"num_epochs": {"low": 2, "high": 700, "log": True}, **WIDE})) == 700
    assert most_epochs(make_space({"num_epochs": "[2, 5] * seq_len"})) == 30


def test_a_length_that_is_not_given_is_that_of_the_context() -> None:
    """``max_seq_len`` follows ``seq_len``: where that is drawn too, and in the identity of a study."""
    space = make_space({"dataset_config.seq_len": [8, 16], "num_epochs": "max_seq_len * 2"})
    space.base["model_config"].pop("max_seq_len", None)
    assert space.values({"dataset_config.seq_len": 16})["num_epochs"] == 32
    fixed = make_space({"num_epochs": "max_seq_len * 2"}, seq_len=12)
    fixed.base["model_config"].pop("max_seq_len", None)
    assert fixed.values({})["num_epochs"] == 24
    assert fixed.identity()["base model_config.max_seq_len"] == 12
