"""``metrics.csv``: one row per finished epoch, the same bytes whether or not the run was interrupted.

Its values follow from configuration and bars alone, none from the clock. Numbers are written with ``repr``, so that
reading gives back the very float; a metric that an epoch does not have is an empty cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nextbar.errors import RunError
from nextbar.files import LARGEST, append_whole, read_bytes, write_whole
from nextbar.runs.records import METRICS
from nextbar.storage.address import named

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ("epoch", "step")


class MetricsCsv:
    """The file of a run, cut back to the epochs that are committed and then appended to.

    Args:
        run_dir: folder of the run.
        first_epoch: first epoch to come; rows of this and later epochs, which a killed process left, are dropped.

    Raises:
        RunError: the file is not one of nextbar's, or lacks committed epochs.
    """

    def __init__(self, run_dir: Path, first_epoch: int) -> None:
        self.path = Path(run_dir) / METRICS
        self._columns, rows = _read(self.path) if self.path.exists() else (list(_KEYS), [])
        kept = [row for row in rows if int(row["epoch"]) < first_epoch]
        if len(kept) != first_epoch - 1:
            raise RunError(
                f"{self.path} has {len(kept)} of the {first_epoch - 1} epochs the checkpoint stands for; "
                "restore the file, or train anew with overwrite"
            )
        self._rewrite(kept)

    def append(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Add the row of an epoch; it is on the disk when this returns, or nothing of it after an OSError."""
        row = {"epoch": repr(epoch), "step": repr(step)}
        row |= {name: repr(float(value)) for name, value in values.items()}
        new_columns = [name for name in row if name not in self._columns]
        if new_columns:  # the first epoch, or a metric that did not exist before
            rows = _read(self.path)[1]
            self._columns += new_columns
            self._rewrite([*rows, row])
        else:
            append_whole(self.path, _csv_text(self._columns, [row]).encode())

    def _rewrite(self, rows: Iterable[Mapping[str, str]]) -> None:
        write_whole(self.path, _csv_text(self._columns, [dict(zip(self._columns, self._columns, strict=True)), *rows]))


def read_metrics(run_dir: Path | str) -> list[dict[str, float]]:
    """Return the rows of a run's ``metrics.csv``: column name to value, without the metrics an epoch lacks.

    Raises:
        RunError: no such file, or not one of nextbar's.
    """
    return [
        {name: int(cell) if name in _KEYS else float(cell) for name, cell in row.items() if cell}
        for row in _read(Path(run_dir) / METRICS)[1]
    ]


def read_history(run_dirs: Sequence[Path]) -> pd.DataFrame:
    """``metrics.csv`` as a frame, a row for each epoch; NaN where an epoch lacks a metric.

    Args:
        run_dirs: of one run; or of several, whose folders then stand in a first column ``run``.

    Raises:
        RunError: no run, or one without such a file.
    """
    import pandas as pd

    if not run_dirs:
        raise RunError("the model has no run folder, so its epochs are not known; load it from one")
    frames = [pd.DataFrame(read_metrics(run_dir)) for run_dir in run_dirs]
    if len(run_dirs) > 1:
        for run_dir, frame in zip(run_dirs, frames, strict=True):
            frame.insert(0, "run", named(run_dir))
    return pd.concat(frames, ignore_index=True)


def _csv_text(columns: list[str], rows: Iterable[Mapping[str, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writerows(rows)
    return buffer.getvalue()


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return columns and rows; a last row that a killed process left half written is dropped."""
    try:
        text = read_bytes(path, LARGEST).decode()
    except FileNotFoundError:
        raise RunError(f"{path.parent} has no {METRICS}: it is no run folder, or no epoch was finished.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    whole = text[: text.rfind("\n") + 1]
    try:
        columns, *rows = list(csv.reader(io.StringIO(whole))) or [[]]
    except csv.Error as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    table = [dict(zip(columns, row, strict=False)) for row in rows]
    if tuple(columns[:2]) != _KEYS or not all(len(row) == len(columns) and _is_row(row) for row in rows):
        raise RunError(f"{path} is no list of epochs as nextbar writes it; move it away and train again.")
    return columns, table


def _is_row(row: list[str]) -> bool:
    """Whether the cells are an epoch, a step and numbers."""
    try:
        return all(int(cell) >= 0 for cell in row[:2]) and all(float(cell or 0) is not None for cell in row[2:])
    except ValueError:
        return False
