"""The encoder transformer, from a batch of windows to the outputs of its head."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nextbar.config import ExperimentConfig, ModelConfig
from nextbar.data.window_spec import LAYOUT, WindowSpec
from nextbar.model.encoder import ContextTokens, EncoderBlock
from nextbar.model.heads import Head, head_for
from nextbar.model.layers import Dense, DenseBlock, Dropout, ResidualBlock, Time2Vec, sinusoidal_encoding
from nextbar.model.precision import Precision
from nextbar.types import Array, Batch


class _Positions(NamedTuple):
    """What the encoder reads: T positions, and which of them there are."""

    x_BTD: Array
    known_BT: Array | None
    """False for missing longer bars; None: none is missing"""


class Transformer(nn.Module):
    """Feature extractor, positions, encoder blocks, one vector, head.

    Attributes:
        config: the architecture; ``dropout`` only says whether there is any (see ``architecture``).
        head: output layers and loss of the output mode.
        tokens: spread tokens of a group that there are.
        layout: of the windows.
    """

    config: ModelConfig
    head: Head
    tokens: int
    layout: int = LAYOUT

    @nn.compact
    def __call__(self, batch: Batch, rate: Array | None = None) -> dict[str, Array]:
        """Outputs of the head in label units.

        Args:
            batch: windows; only what is known at the origin is read.
            rate: dropout rate, traced; None where nothing is dropped.
        """
        positions = self._join_tokens(batch, self._embed_bars(batch, rate), rate)
        vector_BD = self._read_out(self._encode(positions, rate), positions.known_BT)
        starts_at_law = batch.start_BHX.shape[-1] > 0
        outputs = self._outputs(self._join_numbers(batch, vector_BD, starts_at_law), rate)
        return self.head.begin(outputs, batch.start_BHX) if starts_at_law else outputs

    @property
    def _precision(self) -> Precision:
        return Precision.of(self.config.precision)

    @property
    def _last_only(self) -> bool:
        """Whether the vector of a window is the encoder's last position alone."""
        return not (self.config.flatten_encoder_output or self.config.average_encoder_output)

    def _embed_bars(self, batch: Batch, rate: Array | None) -> Array:
        """(B, L, D): what the window's bars hold, and where each stands."""
        c, dtype = self.config, self._precision.activations
        length = batch.x_BLF.shape[1]
        if c.max_seq_len is not None and length > c.max_seq_len:
            raise ValueError(f"windows of {length} bars, but max_seq_len is {c.max_seq_len}")
        x = self._extract(batch.x_BLF.astype(dtype), rate)
        if c.use_time2vec:
            # turns from the start of what it reads to the end: two bars each at the most, or those of a training span
            turns = max(length / 2, 1) if self.layout > 1 else 1e4
            x = x + Time2Vec(c.d_model, turns, name="time2vec")(batch.time_BL, batch.clock_BLC).astype(dtype)
        else:
            x = x + jnp.asarray(sinusoidal_encoding(length, c.d_model), dtype)[None]
        return Dropout()(x, rate)

    def _extract(self, x: Array, rate: Array | None) -> Array:
        """(B, L, D): the features of each bar, (B, L, F), in the model's width."""
        c = self.config
        if c.fe_blocks == 0:
            return Dense.of(c.d_model, self._precision, name="extract")(x)
        block = ResidualBlock if c.use_resblocks_in_fe else DenseBlock
        widths = np.linspace(x.shape[-1], c.d_model, c.fe_blocks + 1).round().astype(int)[1:]
        for i, width in enumerate(widths):
            x = block(int(width), self._precision, name=f"extract_{i}")(x, rate)
        return x

    def _join_tokens(self, batch: Batch, x_BLD: Array, rate: Array | None) -> _Positions:
        """The closed longer bars, the spread tokens and the window's bars, in this order."""
        c, x = self.config, x_BLD
        if c.use_extra_tokens:
            x = jnp.concatenate([self._embed_tokens(batch.tokens_BG, self._precision.activations), x], axis=1)
        longer = [
            ContextTokens(c.d_model, self._precision, name=f"context_{i}")(context.x_BJF, rate)
            for i, context in enumerate(batch.contexts)
        ]
        known_BT = _mask(batch, x.shape[1])
        return _Positions(jnp.concatenate([*longer, x], axis=1) if longer else x, known_BT)

    def _embed_tokens(self, tokens_BG: Array, dtype: jnp.dtype) -> Array:
        """(B, G, D); by one-hot products, since the gradient of a look-up adds in no fixed order on a GPU."""
        one_hot_BGT = jax.nn.one_hot(tokens_BG, self.tokens, dtype=dtype)
        tables = [
            nn.Embed(self.tokens, self.config.d_model, name=f"token_{g}").embedding.astype(dtype)
            for g in range(tokens_BG.shape[1])
        ]
        return jnp.einsum("bgt,gtd->bgd", one_hot_BGT, jnp.stack(tables))

    def _encode(self, positions: _Positions, rate: Array | None) -> Array:
        """(B, T, D), or (B, 1, D) where the last position is all that is read out."""
        c, x = self.config, positions.x_BTD
        for i in range(c.num_layers):
            final = self._last_only and i == c.num_layers - 1
            x = EncoderBlock(c, self._precision, last_only=final, name=f"encoder_{i}")(x, rate, positions.known_BT)
        if c.norm_encoder_prev:
            x = nn.LayerNorm(dtype=self._precision.activations, name="norm_output")(x)
        return x

    def _read_out(self, x_BTD: Array, known_BT: Array | None) -> Array:
        """One vector of each window: all positions side by side, their mean, or the last."""
        if self._last_only:
            return x_BTD[:, -1]
        if known_BT is not None:  # the others say nothing, and count for nothing
            x_BTD = jnp.where(known_BT[..., None], x_BTD, 0)
        if self.config.flatten_encoder_output:
            return x_BTD.reshape(x_BTD.shape[0], -1)
        if known_BT is None:
            return jnp.mean(x_BTD, axis=1)
        sum_BD, n_known_B1 = jnp.sum(x_BTD, axis=1), jnp.sum(known_BT, axis=1, keepdims=True)
        return sum_BD / n_known_B1.astype(self._precision.activations)

    def _join_numbers(self, batch: Batch, vector_BD: Array, starts_at_law: bool) -> Array:
        """The vector, and what is known of a window beside its bars."""
        numbers = [ahead.reshape(vector_BD.shape[0], -1) for ahead in (batch.clock_BHC, batch.ahead_BHA)]
        if self.config.use_extra_tokens:
            numbers.append(batch.spread_BG)
        if starts_at_law:
            numbers.append(batch.regressors_BK)
        dtype = self._precision.activations
        return jnp.concatenate([vector_BD, *(number.astype(dtype) for number in numbers)], axis=-1)

    def _outputs(self, vector: Array, rate: Array | None) -> dict[str, Array]:
        """Outputs of the head, before it begins at a law."""
        c = self.config
        block = ResidualBlock if c.use_resblocks_in_head else DenseBlock
        for i in range(c.head_layers):
            vector = block(c.d_model, self._precision, name=f"head_{i}")(vector, rate)
        return self.head(vector.astype(jnp.float32))


def _mask(batch: Batch, others: int) -> Array | None:
    """Attention mask, bool (B, T): False for missing longer bars, which come first; None: none is missing."""
    if not batch.contexts:
        return None
    masks = [context.known_BJ for context in batch.contexts]
    return jnp.concatenate([*masks, jnp.ones((len(masks[0]), others), bool)], axis=1)


def architecture(config: ModelConfig) -> ModelConfig:
    """The part of a model's configuration that compiled code depends on: of dropout only whether there is any."""
    return replace(config, dropout=0.5 if config.dropout > 0 else 0.0)


def model_of(config: ExperimentConfig, spec: WindowSpec) -> Transformer:
    """The model of an experiment for its windows."""
    return Transformer(architecture(config.model_config), head_for(config), spec.tokens, spec.layout)
