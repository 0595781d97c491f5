"""One batch of random windows, and experiments that it fits."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from builders import make_config as builders_config
from experiments import GRID

from nextbar.config import ExperimentConfig
from nextbar.data.spreads import BINS
from nextbar.types import Batch

B, L, F, G, H, A = 4, 6, 5, 2, 2, 3


def make_config(**overrides: Any) -> ExperimentConfig:
    if overrides.get("output_mode") == "discrete_grid":
        overrides["discrete_grid_levels"] = GRID
    return builders_config(**{"horizon": H, "use_extra_tokens": True, **overrides})


def make_batch(config: ExperimentConfig, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    grid = config.model_config.output_mode == "discrete_grid"
    return Batch(
        x_BLF=jnp.float32(rng.normal(size=(B, L, F))),
        time_BL=jnp.float32(np.sort(rng.uniform(size=(B, L)), axis=1)),
        clock_BLC=jnp.float32(rng.normal(size=(B, L, 4))),
        tokens_BG=jnp.int32(rng.integers(0, BINS, (B, G))),
        spread_BG=jnp.float32(rng.normal(size=(B, G))),
        clock_BHC=jnp.float32(rng.normal(size=(B, H, 4))),
        ahead_BHA=jnp.float32(rng.normal(size=(B, H, A))),
        start_BHX=jnp.zeros((B, H, 0)),
        regressors_BK=jnp.zeros((B, 0)),
        range_BH=jnp.zeros((B, 0)),
        y_BH=jnp.int32(rng.integers(0, len(GRID) - 1, (B, H))) if grid else jnp.float32(rng.normal(size=(B, H))),
        unit_B=jnp.ones(B),
        weight_B=jnp.ones(B),
    )
