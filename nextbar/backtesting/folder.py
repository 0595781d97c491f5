"""The folder of a backtest: its name, its files, and the lock on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from nextbar.checksums import digest, read_json, require_same, write_json
from nextbar.config import ExperimentConfig
from nextbar.errors import Damaged, RunError, TrainingInterrupted
from nextbar.files import write_whole
from nextbar.folders import claim, is_claimed, refuse_later_format, throw_away, writing
from nextbar.runs.kinds import BACKTEST
from nextbar.runs.records import write_config
from nextbar.runs.summary import SUMMARY

FORMAT = 2
"""of the folder; a later nextbar that changes what its files mean counts it up"""

FORECASTS = "forecasts.parquet"
POSITIONS = "positions.parquet"
FOLDS = "folds"
CHECKSUM = "forecasts_sha256"
"""key of the summary: the checksum of the forecasts; backtests of earlier versions have none"""
POSITIONS_CHECKSUM = "positions_sha256"
"""the same of positions; none where there are no positions"""

_DIGITS = 10


@dataclass(frozen=True)
class BacktestFolder:
    """``log_dir/experiment_name/backtest-<digest>``: ``config.yaml``, ``summary.json``, ``forecasts.parquet``,
    ``positions.parquet``, the runs of the folds in ``folds/<number>/``."""

    path: Path

    @classmethod
    def of(cls, config: ExperimentConfig, question: dict[str, Any], fingerprint: str) -> BacktestFolder:
        """The folder that belongs to an experiment, what decides its fits, and the bars."""
        text = f"{config.digest()} {json.dumps(question, sort_keys=True)} {fingerprint}"
        name = f"{BACKTEST}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"
        return cls(Path(config.log_dir) / config.experiment_name / name)

    @property
    def folds(self) -> Path:
        """Folder of the folds' runs."""
        return self.path / FOLDS

    @contextmanager
    def claimed(self, overwrite: bool) -> Iterator[None]:
        """Make the folder, or take it up again; no other process may until the block ends.

        Raises:
            RunError: the folder cannot be written, or another process is at it.
        """
        with claim(self.path, RunError(f"{self.path} is being written by another process; wait for it")):
            if overwrite:
                throw_away(self.path, "backtest")
            self.path.mkdir(exist_ok=True)
            yield

    def read(self) -> dict[str, Any]:
        """``summary.json``; empty where there is none.

        Raises:
            RunError: it is damaged, of a later version, or not that of a backtest.
        """
        try:
            summary = read_json(self.path / SUMMARY)
            kind, written = summary.get("kind"), int(summary.get("format", FORMAT))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise RunError(
                f"{self.path / SUMMARY} cannot be read ({error}); was the backtest folder copied whole?"
            ) from None
        if kind != BACKTEST:
            raise RunError(f"{self.path} is no backtest: its {SUMMARY} is of another kind")
        refuse_later_format(self.path, written, FORMAT)
        if summary.get("status") == "running" and not is_claimed(self.path):
            summary |= {
                "status": "interrupted",
                "message": "the process that ran it has gone; the same command goes on",
            }
        return summary

    def begin(self, config: ExperimentConfig, facts: dict[str, Any]) -> None:
        """Write configuration and summary before the first fit, with status ``running``, and delete earlier results.

        Args:
            config: the experiment.
            facts: further values of the summary.
        """
        state = {"kind": BACKTEST, "format": FORMAT, "status": "running", "message": ""}
        with writing(self.path):
            write_config(self.path, config)
            write_json(self.path / SUMMARY, state | {"config": _in_short(config)} | facts)
            for name in (FORECASTS, POSITIONS):
                (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def failures_noted(self) -> Iterator[None]:
        """Write status and message of a block that fails or is interrupted, unless an earlier backtest has finished.

        Raises:
            TrainingInterrupted: Ctrl-C.
        """

        def note(status: str, message: str) -> None:
            with suppress(RunError):  # what cannot be written is read as interrupted
                if self.read().get("status") != "finished":
                    self.update(status=status, message=message)

        try:
            yield
        except KeyboardInterrupt:
            message = f"interrupted; folds trained so far are kept in {self.path}, the same command goes on from there"
            note("interrupted", message)
            raise TrainingInterrupted(message) from None
        except BaseException as error:
            note("failed", f"{type(error).__name__}: {error}")
            raise

    def update(self, **values: Any) -> dict[str, Any]:
        """Change values of the summary; returns the whole of it."""
        summary = self.read() | values
        with writing(self.path):
            write_json(self.path / SUMMARY, summary)
        return summary

    def finish(self, forecasts: Any, **values: Any) -> dict[str, Any]:
        """Write the forecasts (a pandas frame), then the summary with ``values`` and status ``finished``."""
        return self.update(status="finished", **values, **{CHECKSUM: self._write(FORECASTS, forecasts)})

    def set_positions(self, positions: dict[str, Any] | None, accounts: Any = None) -> None:
        """Write the accounts (a pandas frame), then the summary with ``positions``; None: there are none.

        Those of before are taken out first, so that a kill leaves a whole backtest, with positions or without.
        """
        summary = {name: v for name, v in self.read().items() if name not in ("positions", POSITIONS_CHECKSUM)}
        with writing(self.path):
            write_json(self.path / SUMMARY, summary)
            (self.path / POSITIONS).unlink(missing_ok=True)
        if positions is not None:
            checksum = {} if accounts is None else {POSITIONS_CHECKSUM: self._write(POSITIONS, accounts)}
            self.update(positions=positions, **checksum)

    def read_forecasts(self) -> Any:
        """The forecasts as a pandas frame.

        Raises:
            Damaged: the file is missing or not as it was written.
        """
        return self._read(FORECASTS, CHECKSUM)

    def read_positions(self) -> Any:
        """The accounts of all participants as a pandas frame.

        Raises:
            Damaged: the file is missing or not as it was written.
        """
        return self._read(POSITIONS, POSITIONS_CHECKSUM)

    def _write(self, name: str, frame: Any) -> str:
        """Write a pandas frame; returns its checksum."""
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False, compression="zstd")
        data = buffer.getvalue()
        with writing(self.path):
            write_whole(self.path / name, data)
        return digest(data)

    def _read(self, name: str, checksum: str) -> Any:
        import pandas as pd

        path = self.path / name
        try:
            data = path.read_bytes()
            require_same(path, data, self.read().get(checksum, digest(data)))
            return pd.read_parquet(BytesIO(data))
        except (OSError, ValueError) as error:
            raise Damaged(f"{path} cannot be read ({error}); was the folder copied whole?") from None


def _in_short(config: ExperimentConfig) -> dict[str, Any]:
    """The fields of a configuration that readers of the summary need; ``config.yaml`` has them all."""
    dataset = config.dataset_config
    return {
        "experiment_name": config.experiment_name,
        "tickers": list(dataset.tickers),
        "test_tickers": list(config.scored_tickers),
        "resolution": list(dataset.resolutions),
        "seq_len": dataset.seq_len,
        "horizon": dataset.horizon,
        "output_mode": dataset.output_mode,
        "target": dataset.target,
    }
