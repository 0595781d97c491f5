"""The encoder transformer, from a batch of windows to the outputs of its head."""

from __future__ import annotations

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nextbar.config import ExperimentConfig, ModelConfig
from nextbar.data.window_spec import LAYOUT, WindowSpec
from nextbar.model.heads import Head, head_for
from nextbar.model.layers import Attention, Dense, DenseBlock, Dropout, ResidualBlock, Time2Vec, sinusoidal_encoding
from nextbar.model.precision import Precision
from nextbar.types import Array, Batch


class EncoderBlock(nn.Module):
    """Attention and feed-forward with residuals; ``last_only``: computed for the last position alone.

    Keys and values always come from all positions, so ``last_only`` gives exactly the last row of the whole block.
    """

    config: ModelConfig
    precision: Precision
    last_only: bool = False

    @nn.compact
    def __call__(self, x_BLD: Array, rate: Array | None, known_BL: Array | None = None) -> Array:
        c = self.config
        norm_attention = nn.LayerNorm(dtype=self.precision.activations, name="norm_attention")
        norm_feedforward = nn.LayerNorm(dtype=self.precision.activations, name="norm_feedforward")
        attention = Attention(c.n_heads, self.precision, self.last_only, name="attention")
        inner = attention(norm_attention(x_BLD) if c.norm_encoder_prev else x_BLD, rate, known_BL)
        x = x_BLD[:, -1:] if self.last_only else x_BLD
        x = x + Dropout()(inner, rate)
        if not c.norm_encoder_prev:
            x = norm_attention(x)
        inner = norm_feedforward(x) if c.norm_encoder_prev else x
        inner = DenseBlock(c.dim_feedforward, self.precision, name="feedforward")(inner, rate)
        x = x + Dropout()(Dense.of(c.d_model, self.precision, name="project")(inner), rate)
        return x if c.norm_encoder_prev else norm_feedforward(x)


class ContextTokens(nn.Module):
    """Closed longer bars as positions of the encoder, (B, J, D): each projected, and where it stands among them.

    They have no order of time with the window's bars, so each resolution learns its own positions.
    """

    width: int
    precision: Precision

    @nn.compact
    def __call__(self, x_BJF: Array, rate: Array | None) -> Array:
        position_JD = self.param("position", nn.initializers.normal(0.5), (x_BJF.shape[1], self.width))
        x = Dense.of(self.width, self.precision, name="project")(x_BJF.astype(self.precision.activations))
        return Dropout()(x + position_JD.astype(self.precision.activations)[None], rate)


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
        c = self.config
        precision = Precision.of(c.precision)
        dtype = precision.activations
        length = batch.x_BLF.shape[1]
        if c.max_seq_len is not None and length > c.max_seq_len:
            raise ValueError(f"windows of {length} bars, but max_seq_len is {c.max_seq_len}")
        x = self._extract(batch.x_BLF.astype(dtype), rate, precision)
        if c.use_time2vec:
            # turns from the start of what it reads to the end: two bars each at the most, or those of a training span
            turns = max(length / 2, 1) if self.layout > 1 else 1e4
            x = x + Time2Vec(c.d_model, turns, name="time2vec")(batch.time_BL, batch.clock_BLC).astype(dtype)
        else:
            x = x + jnp.asarray(sinusoidal_encoding(length, c.d_model), dtype)[None]
        x = Dropout()(x, rate)
        if c.use_extra_tokens:
            x = jnp.concatenate([self._embed_tokens(batch.tokens_BG, dtype), x], axis=1)
        tokens = [
            ContextTokens(c.d_model, precision, name=f"context_{i}")(context.x_BJF, rate)
            for i, context in enumerate(batch.contexts)
        ]
        known_BT = _mask(batch, x.shape[1])
        x = jnp.concatenate([*tokens, x], axis=1) if tokens else x
        last_only = not (c.flatten_encoder_output or c.average_encoder_output)
        for i in range(c.num_layers):
            final = last_only and i == c.num_layers - 1
            x = EncoderBlock(c, precision, last_only=final, name=f"encoder_{i}")(x, rate, known_BT)
        if c.norm_encoder_prev:
            x = nn.LayerNorm(dtype=dtype, name="norm_output")(x)
        if known_BT is not None and not last_only:  # the others say nothing, and count for nothing
            x = jnp.where(known_BT[..., None], x, 0)
        if c.flatten_encoder_output:
            vector = x.reshape(x.shape[0], -1)
        elif c.average_encoder_output and known_BT is not None:
            vector = jnp.sum(x, axis=1) / jnp.sum(known_BT, axis=1, keepdims=True).astype(dtype)
        else:
            vector = jnp.mean(x, axis=1) if c.average_encoder_output else x[:, -1]
        joined = [ahead.reshape(vector.shape[0], -1) for ahead in (batch.clock_BHC, batch.ahead_BHA)]
        if c.use_extra_tokens:
            joined.append(batch.spread_BG)
        starts_at_law = batch.start_BHX.shape[-1] > 0
        if starts_at_law:
            joined.append(batch.regressors_BK)
        vector = jnp.concatenate([vector, *(numbers.astype(dtype) for numbers in joined)], axis=-1)
        block = ResidualBlock if c.use_resblocks_in_head else DenseBlock
        for i in range(c.head_layers):
            vector = block(c.d_model, precision, name=f"head_{i}")(vector, rate)
        outputs = self.head(vector.astype(jnp.float32))
        return self.head.begin(outputs, batch.start_BHX) if starts_at_law else outputs

    def _extract(self, x: Array, rate: Array | None, precision: Precision) -> Array:
        c = self.config
        if c.fe_blocks == 0:
            return Dense.of(c.d_model, precision, name="extract")(x)
        block = ResidualBlock if c.use_resblocks_in_fe else DenseBlock
        widths = np.linspace(x.shape[-1], c.d_model, c.fe_blocks + 1).round().astype(int)[1:]
        for i, width in enumerate(widths):
            x = block(int(width), precision, name=f"extract_{i}")(x, rate)
        return x

    def _embed_tokens(self, tokens_BG: Array, dtype: jnp.dtype) -> Array:
        """(B, G, D); by one-hot products, since the gradient of a look-up adds in no fixed order on a GPU."""
        one_hot_BGT = jax.nn.one_hot(tokens_BG, self.tokens, dtype=dtype)
        tables = [
            nn.Embed(self.tokens, self.config.d_model, name=f"token_{g}").embedding.astype(dtype)
            for g in range(tokens_BG.shape[1])
        ]
        return jnp.einsum("bgt,gtd->bgd", one_hot_BGT, jnp.stack(tables))


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
