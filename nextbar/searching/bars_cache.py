"""The series of a study's experiments: read once in a process, and handed over to others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nextbar.bars.bars import Bars, is_bars
from nextbar.bars.columns import FrameNames, TableNeeds
from nextbar.bars.series import series_tickers
from nextbar.config import ExperimentConfig
from nextbar.train.trainer import Trainer


class BarsCache:
    """Gives experiments that want the same series the same series.

    Args:
        bars: a frame or a list of ``Bars``; None: the files under ``datapath``.
        names: what the frame calls its columns.
    """

    def __init__(self, bars: Any = None, **names: Unpack[FrameNames]) -> None:
        self._given, self._names = bars, names
        self._read: dict[Any, list[Bars]] = {}

    def __call__(self, config: ExperimentConfig) -> list[Bars]:
        """The series of an experiment.

        Raises:
            DataError: bars that cannot be used.
            ConfigError: names of columns, but no frame.
        """
        d = config.dataset_config
        key = (series_tickers(config), d.resolutions, TableNeeds.of(d))
        if key not in self._read:
            self._read[key] = Trainer(config, self._given, **self._names).read()
        return self._read[key]

    def hand_over(self, folder: Path) -> dict[str, Any]:
        """Write down, in a folder and in plain values, what another process needs for the same."""
        if self._given is None:
            return {}
        if is_bars(self._given):
            files = []
            for i, bars in enumerate(self._given):
                np.savez(folder / f"{i}.npz", time_N=bars.time_N, **{f"column {k}": v for k, v in bars.columns.items()})
                files.append({"file": str(folder / f"{i}.npz"), "ticker": bars.ticker, "resolution": bars.resolution,
                              "notices": list(bars.notices)})  # fmt: skip
            return {"series": files}
        path = folder / "bars.parquet"
        if hasattr(self._given, "to_parquet"):  # pandas, whose index may be the dates
            self._given.to_parquet(path)
        else:
            import narwhals as nw

            nw.from_native(self._given, eager_only=True).write_parquet(path)
        return {"frame": str(path), "names": dict(self._names)}

    @classmethod
    def taken_over(cls, said: Mapping[str, Any]) -> BarsCache:
        """What ``hand_over`` wrote down."""
        if "series" in said:
            return cls([_load(one) for one in said["series"]])
        if "frame" not in said:
            return cls()
        import pandas as pd

        return cls(pd.read_parquet(said["frame"]), **said["names"])


def _load(one: Mapping[str, Any]) -> Bars:
    with np.load(one["file"], allow_pickle=False) as found:
        columns = {name.removeprefix("column "): found[name] for name in found if name.startswith("column ")}
        return Bars(one["ticker"], one["resolution"], found["time_N"], columns, tuple(one["notices"]))
