"""A Kronos of random weights, made on the spot, held against the library asked directly."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rivals_of import instants, keys_between, obeys, options, panel
from tiny_models import save_kronos

from nextbar.errors import ConfigError, DataError
from nextbar.rivals.kronos import KronosRival


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        KronosRival.require_library()
    except ConfigError:
        pytest.skip("the code of Kronos is not on the path")
    return save_kronos(tmp_path_factory.mktemp("weights"))


def made(folder: Path) -> KronosRival:
    return KronosRival(folder / "model", folder / "tokenizer", context=40)


def test_the_laws_of_a_rival(folder: Path) -> None:
    assert made(folder).closes_only
    obeys(lambda: made(folder), options())


def test_it_is_the_library_with_the_likeliest_tokens(folder: Path) -> None:
    from model import Kronos, KronosPredictor, KronosTokenizer

    whole = panel(2)
    cutoff, end = instants(whole)
    rival = made(folder).for_task(options())
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, end), keys_between(whole, cutoff, end))
    bars = whole.bars[0]
    row = int(np.flatnonzero(bars.close_time_N >= cutoff)[0])
    predictor = KronosPredictor(
        Kronos.from_pretrained(str(folder / "model")),
        KronosTokenizer.from_pretrained(str(folder / "tokenizer")),
        device="cpu",
        max_context=40,
    )
    frame = pd.DataFrame({name: bars.columns[name][row - 39 : row + 1] for name in ("open", "high", "low", "close")})
    times = pd.Series(pd.to_datetime(bars.time_N, unit="s"))
    known, ahead = (
        times.iloc[span].reset_index(drop=True) for span in (slice(row - 39, row + 1), slice(row + 1, row + 3))
    )
    answer = predictor.predict(frame, known, ahead, 2, top_k=1, verbose=False)
    own = table[table["ticker"] == "aaa"].iloc[:2]
    np.testing.assert_allclose(own["close"], answer["close"], rtol=1e-5)


def test_it_needs_ranges(folder: Path) -> None:
    whole = panel(1)
    cutoff, end = instants(whole)
    rival = made(folder).for_task(options(horizon=1))
    rival.fit(whole.frame(0, cutoff).drop(columns="high"))
    with pytest.raises(DataError, match="aaa: kronos:model needs open, high and low"):
        rival.predict(whole.frame(0, end).drop(columns="high"), keys_between(whole, cutoff, end))


def test_folders_that_are_none_of_its_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="has no n_layers, so it is not that of a Kronos"):
        KronosRival(folder / "tokenizer", folder / "tokenizer")
    with pytest.raises(ConfigError, match="has no n_enc_layers, so it is not that of a tokenizer"):
        KronosRival(folder / "model", folder / "model")


def test_without_a_tokenizer_it_asks_for_one() -> None:
    with pytest.raises(ConfigError, match=r"kronos:FOLDER\(tokenizer=FOLDER\)"):
        KronosRival("anywhere")


def test_another_module_of_that_name_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("model") is not None:
        pytest.skip("a module model is installed")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "__init__.py").write_text("raise SystemExit('run')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"need its module model, which is another here .*: put its authors' code on PYTHONPATH"
    ):
        KronosRival.require_library()
