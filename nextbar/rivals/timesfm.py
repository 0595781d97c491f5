"""TimesFM 3, pretrained, from a folder on this disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task
from nextbar.rivals.base import Ahead
from nextbar.rivals.contexts import ContextRival, from_quantiles
from nextbar.rivals.local_folder import model_config, model_folder, offline
from nextbar.rivals.scaled_series import ScaledSeries

FIELDS = ("input_patch_len", "output_patch_len", "quantiles")
"""of the configuration of a TimesFM 3; that of earlier ones has none of them"""


@strict_arguments
class TimesFMRival(ContextRival):
    """A TimesFM 3 that lies in a folder: nothing is trained, and nothing is downloaded.

    It is given the last log prices up to each origin, standardised, many origins in one call. It answers with the
    quantiles that it was trained for.

    Args:
        folder: of ``config.json`` and ``model.safetensors``, as its ``save_pretrained`` writes them.
        context: bars up to an origin that it is given.
        device: where it computes, as PyTorch names it; None: the CPU.
        name: in tables; None: ``timesfm:`` and the folder's name.

    Raises:
        ConfigError: no such folder, or one of another model.
    """

    library = "timesfm3"
    extra = "timesfm"

    def __init__(
        self, folder: str | Path, *, context: int = 512, device: str | None = None, name: str | None = None
    ) -> None:
        self.folder = model_folder(folder, "timesfm")
        lacking = [field for field in FIELDS if field not in model_config(self.folder, "timesfm")]
        if lacking:
            raise ConfigError(
                f"timesfm: config.json in {self.folder} has no {', '.join(lacking)}, so it is no TimesFM 3; save the "
                "model with TimesFM3Torch.save_pretrained"
            )
        super().__init__(name, self.folder.name)
        self.context, self.device = context, device

    def _prepare(self, task: Task) -> None:
        with offline():
            from timesfm3 import TimesFM3Forecaster

            self._model = TimesFM3Forecaster.from_pretrained(
                str(self.folder), device=self.device or "cpu", local_files_only=True, per_core_batch_size=64
            )
        self.shares = tuple(map(float, self._model.config.quantiles))

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        """Nothing: it is pretrained."""

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        answers = self._model.predict_batch(list(contexts), horizon, return_quantiles=True, use_znorm=True)
        return from_quantiles(np.stack([answer.quantiles for answer in answers]), self.shares)
