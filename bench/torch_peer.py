"""The same encoder in plain PyTorch.

Pre-norm ``nn.TransformerEncoder`` with GELU on one dense layer of the features, sinusoidal positions and the spread
tokens' embeddings; the last position through the same head; squared error; AdamW. All windows lie in memory, cut and
normalised, so that a step only picks its rows. Other than nextbar's, the last block computes all positions, and
``nn.MultiheadAttention`` has biases.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from common import dataset_of

from nextbar import ExperimentConfig
from nextbar.data.spreads import BINS
from nextbar.data.windows import gather
from nextbar.engine.state import HyperParameters
from nextbar.model.layers import sinusoidal_encoding
from nextbar.types import Batch


def windows_of(config: ExperimentConfig, bars: int) -> Batch:
    """All windows of the training span, cut and normalised as nextbar does, on the host."""
    import jax

    dataset = dataset_of(config, bars)
    rows = dataset.origins["training"].astype(np.int32)
    cut = jax.jit(partial(gather, spec=dataset.preparation.spec))
    mode = HyperParameters.of(config).norm_mode
    return jax.device_get(cut(dataset.tape(), rows, np.ones(len(rows), np.float32), mode))


COMPILED = {"eager": None, "compiled": "default", "graphs": "reduce-overhead"}
"""modes of ``torch.compile``; the last replays CUDA graphs, so that a step's kernels need one call of the host"""


def torch_epoch(config: ExperimentConfig, windows: Batch, way: str) -> Callable[[], float]:
    """A function that trains one epoch on the windows (arrays of the host) and says how many windows a second.

    ``way``: one of ``COMPILED``.
    """
    import torch

    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cast = torch.autocast(device.type, torch.bfloat16, enabled=config.model_config.precision == "bf16")
    joined = np.concatenate([windows.clock_BHC.reshape(len(windows.y_BH), -1), windows.spread_BG], axis=1)
    tokens_BG = windows.tokens_BG
    if not config.model_config.use_extra_tokens:
        joined, tokens_BG = joined[:, : -tokens_BG.shape[1]], tokens_BG[:, :0]
    inputs = [torch.from_numpy(np.array(a)).to(device) for a in (windows.x_BLF, tokens_BG, joined)]
    model = _network(config.model_config, windows, *(a.shape[1] for a in (tokens_BG, joined))).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    labels = torch.from_numpy(np.array(windows.y_BH)).to(device)

    def step(rows: Any) -> Any:
        with cast:
            loss = torch.nn.functional.mse_loss(model(*(a[rows] for a in inputs)).float(), labels[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.detach()

    step = torch.compile(step, mode=COMPILED[way]) if COMPILED[way] else step
    n = len(labels) // config.batch_size * config.batch_size  # whole batches: another shape would compile again
    step(torch.arange(config.batch_size, device=device))

    def epoch() -> float:
        model.train()
        began = time.perf_counter()
        order = torch.randperm(len(labels), device=device)[:n]
        # copies, since a replayed graph writes over its result
        losses = [step(rows).clone() for rows in order.split(config.batch_size)]
        torch.stack(losses).cpu()
        return n / (time.perf_counter() - began)

    return epoch


def _network(c: Any, windows: Batch, groups: int, joined: int) -> Any:
    import torch
    from torch import nn

    layer = nn.TransformerEncoderLayer(
        c.d_model, c.n_heads, c.dim_feedforward, c.dropout, "gelu", batch_first=True, norm_first=True
    )
    length, features = windows.x_BLF.shape[1:]
    widths = [c.d_model + joined] + [c.d_model] * c.head_layers
    head: list[nn.Module] = []
    for a, b in pairwise(widths):
        head += [nn.Linear(a, b), nn.GELU(), nn.Dropout(c.dropout)]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.extract = nn.Linear(features, c.d_model)
            self.tokens = nn.ModuleList(nn.Embedding(BINS, c.d_model) for _ in range(groups))
            self.register_buffer("positions", torch.from_numpy(sinusoidal_encoding(length, c.d_model)))
            self.drop = nn.Dropout(c.dropout)
            self.encoder = nn.TransformerEncoder(layer, c.num_layers, nn.LayerNorm(c.d_model), False)
            self.head = nn.Sequential(*head, nn.Linear(widths[-1], windows.y_BH.shape[1]))

        def forward(self, x_BLF: Any, tokens_BG: Any, joined_BX: Any) -> Any:
            x = self.drop(self.extract(x_BLF) + self.positions)
            tokens = [table(tokens_BG[:, i])[:, None] for i, table in enumerate(self.tokens)]
            x = self.encoder(torch.cat([*tokens, x], dim=1))
            return self.head(torch.cat([x[:, -1], joined_BX], dim=-1))

    return Network()
