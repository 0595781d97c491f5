"""Chronos-2 and Chronos-Bolt, pretrained, from a folder on this disk."""

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

PIPELINES = ("Chronos2Pipeline", "ChronosBoltPipeline")
"""those that forecast quantiles; the first Chronos draws samples, which are others each time"""


@strict_arguments
class ChronosRival(ContextRival):
    """A Chronos-2 or Chronos-Bolt that lies in a folder: nothing is trained, and nothing is downloaded.

    It is given the last log prices up to each origin, many origins in one call, and each by itself. It answers with the
    quantiles that it was trained for.

    Args:
        folder: of ``config.json`` and ``model.safetensors``.
        context: bars up to an origin that it is given.
        device: where it computes, as ``device_map`` of transformers has it; None: the CPU.
        name: in tables; None: ``chronos:`` and the folder's name.

    Raises:
        ConfigError: no such folder, or one of another model.
    """

    library = "chronos"
    extra = "chronos"

    def __init__(
        self, folder: str | Path, *, context: int = 512, device: str | None = None, name: str | None = None
    ) -> None:
        self.folder = model_folder(folder, "chronos")
        self._pipeline_name = _pipeline_of(self.folder)
        super().__init__(name, self.folder.name)
        self.context, self.device = context, device

    def _prepare(self, task: Task) -> None:
        with offline():
            from chronos import BaseChronosPipeline

            self._pipeline = BaseChronosPipeline.from_pretrained(
                str(self.folder), device_map=self.device or "cpu", local_files_only=True, use_safetensors=True
            )
        self._weight = next(self._pipeline.inner_model.parameters())
        self.shares = tuple(map(float, self._pipeline.quantiles))

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        """Nothing: it is pretrained."""

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        tensors = [self._weight.new_tensor(context, device="cpu").float() for context in contexts]
        quantiles, _ = self._pipeline.predict_quantiles(tensors, horizon, quantile_levels=list(self.shares))
        quantiles_NHQ = np.stack([of_one.numpy() for of_one in quantiles])
        return from_quantiles(quantiles_NHQ.reshape(len(contexts), horizon, len(self.shares)), self.shares)


def _pipeline_of(folder: Path) -> str:
    config = model_config(folder, "chronos")
    pipeline = config.get("chronos_pipeline_class", "ChronosPipeline" if "chronos_config" in config else None)
    if pipeline not in PIPELINES:
        kind = "no Chronos" if pipeline is None else f"a {pipeline}"
        raise ConfigError(
            f"chronos: {folder} holds {kind}; the models that forecast quantiles are Chronos-2 and Chronos-Bolt"
        )
    return str(pipeline)
