"""The series of a study's experiments, read once for each process and handed over to worker processes as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nextbar.bars.bars import Bars, is_bars
from nextbar.bars.columns import FrameNames, TableNeeds
from nextbar.bars.series import series_of, series_tickers
from nextbar.config import ExperimentConfig


class BarsCache:
    """Reads the series of experiments, and those of the same dataset only once.

    Args:
        bars: a frame or a list of ``Bars``; None: the files under ``datapath``.
        names: of the frame's columns.
    """

    def __init__(self, bars: Any = None, **names: Unpack[FrameNames]) -> None:
        self._bars, self._names = bars, names
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
            self._read[key] = series_of(config, self._bars, **self._names)
        return self._read[key]

    def hand_over(self, folder: Path) -> dict[str, Any]:
        """Write the given bars to a folder, for another process.

        Returns:
            Plain values that ``taken_over`` reads.
        """
        if self._bars is None:
            return {}
        if is_bars(self._bars):
            files = []
            for i, bars in enumerate(self._bars):
                np.savez(
                    folder / f"{i}.npz",
                    allow_pickle=False,
                    time_N=bars.time_N,
                    **{f"column {k}": v for k, v in bars.columns.items()},
                )
                files.append({"file": str(folder / f"{i}.npz"), "ticker": bars.ticker, "resolution": bars.resolution,
                              "notices": list(bars.notices)})  # fmt: skip
            return {"series": files}
        path = folder / "bars.parquet"
        if hasattr(self._bars, "to_parquet"):  # pandas, whose index may be the dates
            self._bars.to_parquet(path)
        else:
            import narwhals as nw

            nw.from_native(self._bars, eager_only=True).write_parquet(path)
        return {"frame": str(path), "names": dict(self._names)}

    @classmethod
    def taken_over(cls, handed_over: Mapping[str, Any]) -> BarsCache:
        """The cache of another process, from what its ``hand_over`` returned."""
        if "series" in handed_over:
            return cls([_load(series) for series in handed_over["series"]])
        if "frame" not in handed_over:
            return cls()
        import pandas as pd

        return cls(pd.read_parquet(handed_over["frame"]), **handed_over["names"])


def _load(series: Mapping[str, Any]) -> Bars:
    with np.load(series["file"], allow_pickle=False) as arrays:
        columns = {name.removeprefix("column "): arrays[name] for name in arrays if name.startswith("column ")}
        return Bars(series["ticker"], series["resolution"], arrays["time_N"], columns, tuple(series["notices"]))
