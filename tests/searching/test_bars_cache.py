"""The series of a study: read once, and the same in another process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from builders import make_bars, make_config, make_frame
from refusals import save

from nextbar.bars.bars import Bars, fingerprint
from nextbar.bars.series import series_of
from nextbar.config import ExperimentConfig
from nextbar.searching import bars_cache
from nextbar.searching.bars_cache import BarsCache

FRAME = make_frame(make_bars("a", n=60), make_bars("b", n=70, seed=1))
INDEXED = make_frame(make_bars("a", n=60)).drop(columns=["ticker", "resolution"]).set_index("date")
CONFIG = make_config(tickers=["a", "b"])


@pytest.mark.parametrize(
    ("bars", "names"),
    [
        (FRAME, {}),
        (FRAME.rename(columns={"date": "when", "ticker": "name"}), {"time_col": "when", "id_col": "name"}),
        (pl.from_pandas(FRAME), {}),
        ([make_bars("a", n=60), make_bars("b", n=70, seed=1)], {}),
        (INDEXED, {}),
    ],
    ids=["pandas", "other names", "polars", "series", "index"],
)
def test_another_process_takes_over_the_same_series(bars: Any, names: Any, tmp_path: Path) -> None:
    config = make_config(tickers="a") if bars is INDEXED else CONFIG
    here = BarsCache(bars, **names)
    said = json.loads(json.dumps(here.hand_over(tmp_path)))
    assert fingerprint(BarsCache.taken_over(said)(config)) == fingerprint(here(config))


def test_files_need_no_handing_over(tmp_path: Path) -> None:
    assert BarsCache().hand_over(tmp_path) == {} and list(tmp_path.iterdir()) == []
    save(tmp_path)
    config = make_config(tickers="abc", datapath=str(tmp_path / "bars"))
    assert fingerprint(BarsCache.taken_over({})(config)) == fingerprint(BarsCache()(config))


def test_what_was_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counting(config: ExperimentConfig, *given: Any, **names: Any) -> list[Bars]:
        read.append(config)
        return series_of(config, *given, **names)

    monkeypatch.setattr(bars_cache, "series_of", counting)
    cache = BarsCache(FRAME)
    one = cache(CONFIG)
    assert cache(make_config(tickers=["a", "b"], d_model=16, seq_len=4)) is one
    assert len(cache(make_config(tickers="a"))) == 1 and len(read) == 2
