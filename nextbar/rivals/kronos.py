"""Kronos, pretrained on bars of markets, from two folders on this disk."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn_together
from nextbar.bars.columns import PRICES
from nextbar.baselines.history import History
from nextbar.errors import ConfigError, DataError
from nextbar.metrics.task import Task
from nextbar.rivals.base import Ahead, LibraryRival
from nextbar.rivals.contexts import BATCH
from nextbar.rivals.local_folder import model_config, model_folder, offline
from nextbar.rivals.scaled_series import ScaledSeries

WHERE = "put its authors' code on PYTHONPATH"
"""no extra installs it: what is published under its name is not known to be theirs"""


@strict_arguments
class KronosRival(LibraryRival):
    """A Kronos that lies in a folder, and its tokenizer in another: nothing is trained, and nothing is downloaded.

    It is given open, high, low and close of the last bars up to each origin and the clock of the bars around it (UTC),
    many origins in one call. It draws paths of tokens; here each token is the likeliest, so that the same bars have the
    same forecast. That is one path: closes alone, and no law.

    Args:
        folder: of the model's ``config.json`` and ``model.safetensors``.
        tokenizer: the same of its tokenizer.
        context: bars up to an origin that it is given; as many as there are before the cutoff where those are fewer.
        device: where it computes, as PyTorch names it; None: the CPU.
        name: in tables; None: ``kronos:`` and the folder's name.

    Raises:
        ConfigError: no such folders, or those of another model.
    """

    library = "model"  # so its authors call it
    extra = "kronos"

    def __init__(
        self,
        folder: str | Path,
        tokenizer: str | Path | None = None,
        *,
        context: int = 512,
        device: str | None = None,
        name: str | None = None,
    ) -> None:
        if tokenizer is None:
            raise ConfigError("kronos: where is its tokenizer? Name that folder too: kronos:FOLDER(tokenizer=FOLDER)")
        self.folder = _checked(folder, "n_layers")
        self.tokenizer = _checked(tokenizer, "n_enc_layers")
        super().__init__(name, self.folder.name)
        self.context, self.device = context, device

    @classmethod
    def require_library(cls) -> None:
        """Check that the module ``model`` is there and is that of Kronos.

        Raises:
            ConfigError: it is not; says what to install.
        """
        spec = find_spec(cls.library)
        places = [] if spec is None else spec.submodule_search_locations or []
        if not any((Path(place) / "kronos.py").is_file() for place in places):
            other = f", which is another here ({spec.origin})" if spec else ""
            raise ConfigError(f"rivals of kronos need its module model{other}: {WHERE}")

    def _prepare(self, task: Task) -> None:
        with offline():
            from model import Kronos, KronosPredictor, KronosTokenizer

            self._predictor = KronosPredictor(
                Kronos.from_pretrained(str(self.folder), local_files_only=True),
                KronosTokenizer.from_pretrained(str(self.tokenizer), local_files_only=True),
                device=self.device or "cpu",
                max_context=self.context,
            )

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        histories = [series.history for series in all_series]
        calendars = learn_together([h.time_N for h in histories], [h.step for h in histories])
        self._learnt = {
            h.key: (calendar, min(self.context, len(h.time_N)))
            for h, calendar in zip(histories, calendars, strict=True)
            if calendar
        }

    def _ahead(self, series: ScaledSeries, row_M: np.ndarray, horizon: int) -> Ahead:
        history = series.history
        calendar, bars = self._learnt[history.key]
        if history.open_N is None:
            raise DataError(f"{history.name}: {self.name} needs open, high and low in every bar; leave this rival out")
        if row_M.min() + 1 < bars:
            raise DataError(f"{history.name}: {self.name} needs {bars} bars up to an origin, as before the cutoff")
        parts = [
            self._closes(series, calendar, bars, row_M[k : k + BATCH], horizon) for k in range(0, len(row_M), BATCH)
        ]
        close_MH, last_M1 = np.concatenate(parts), history.close_N[row_M, None]
        if not series.positive:
            return Ahead((close_MH - last_M1) / series.unit)
        if not (close_MH > 0).all():
            raise DataError(f"{history.name}: {self.name} forecasts a close of {close_MH.min():g}; leave it out")
        return Ahead(np.log(close_MH / last_M1) / series.unit)

    def _closes(
        self, series: ScaledSeries, calendar: Calendar, bars: int, row_B: np.ndarray, horizon: int
    ) -> np.ndarray:
        """Predicted closes (B, H). Prices are given in units of a bar's move, since 1e-5 is added to their spread."""
        import pandas as pd

        history = series.history
        unit_B = series.unit * (np.abs(history.close_N[row_B]) if series.positive else np.ones(len(row_B)))
        prices_N4 = np.stack(_prices(history), axis=-1)
        next_BH = calendar.next_times_after(history.time_N[row_B], horizon)
        spans = [slice(row + 1 - bars, row + 1) for row in row_B]
        frames = [
            pd.DataFrame(prices_N4[span] / unit, columns=PRICES) for span, unit in zip(spans, unit_B, strict=True)
        ]
        past, ahead = (
            [pd.Series(pd.to_datetime(times, unit="s")) for times in of_each]
            for of_each in ([history.time_N[span] for span in spans], next_BH)
        )
        answers = self._predictor.predict_batch(frames, past, ahead, horizon, top_k=1, sample_count=1, verbose=False)
        return np.stack([answer["close"].to_numpy(np.float64) for answer in answers]) * unit_B[:, None]


def _prices(history: History) -> list[np.ndarray]:
    prices = (history.open_N, history.high_N, history.low_N, history.close_N)
    return [values for values in prices if values is not None]


def _checked(folder: str | Path, field: str) -> Path:
    path = model_folder(folder, "kronos")
    if field not in model_config(path, "kronos"):
        what = "a Kronos" if field == "n_layers" else "a tokenizer of Kronos"
        raise ConfigError(f"kronos: config.json in {path} has no {field}, so it is not that of {what}")
    return path
