"""The series of a study's experiments, read once for each process and handed over to worker processes as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from nextbar.bars.bars import Bars, is_bars
from nextbar.bars.columns import FrameNames, TableNeeds
from nextbar.bars.handed_over import hand_over, taken_over
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
            return {"series": hand_over(self._bars, folder / "bars")}
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
            return cls(taken_over(handed_over["series"]))
        if "frame" not in handed_over:
            return cls()
        import pandas as pd

        return cls(pd.read_parquet(handed_over["frame"]), **handed_over["names"])
