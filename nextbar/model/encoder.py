"""What the encoder is made of: its blocks, and the positions of closed longer bars."""

from __future__ import annotations

import flax.linen as nn

from nextbar.config import ModelConfig
from nextbar.model.layers import Attention, Dense, DenseBlock, Dropout
from nextbar.model.precision import Precision
from nextbar.types import Array


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
