"""``ModelConfig``: the transformer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from nextbar.config.base import Checked
from nextbar.config.check import checked
from nextbar.config.values import Count, Flag, Float, Int, Natural, OutputMode


@checked
class ModelConfig(Checked):
    """The transformer.

    Raises:
        ConfigError: an unknown or missing field, a wrong type, an impossible value, or fields at odds.
    """

    d_model: Annotated[Int, Field(ge=8)] = 128
    """Width of the model."""
    num_layers: Count = 2
    """Encoder blocks."""
    head_layers: Natural = 2
    """Layers in the prediction head before the output layer."""
    n_heads: Count = 4
    """Attention heads; divides ``d_model``."""
    dim_feedforward: Count = 512
    """Hidden width of the feed-forward block."""
    dropout: Annotated[Float, Field(ge=0, lt=1)] = 0.05
    """Rate, everywhere dropout is used."""
    max_seq_len: Annotated[Int, Field(ge=2)] | None = None
    """Longest context the model accepts, in bars; None: the data set's ``seq_len``."""
    flatten_encoder_output: Flag = False
    """Flatten all positions into the vector the head sees."""
    average_encoder_output: Flag = False
    """Average all positions; with neither flag the head sees the last bar's position."""
    fe_blocks: Natural = 0
    """Blocks of the feature extractor, widths growing in equal steps to ``d_model``; 0: one dense layer."""
    use_resblocks_in_fe: Flag = False
    """Residual blocks instead of plain dense layers in the feature extractor."""
    use_resblocks_in_head: Flag = False
    """Residual blocks instead of plain dense layers in the head."""
    use_time2vec: Flag = False
    """Time2Vec embedding of the bar's place in the window and of its clock, instead of the sinusoidal encoding."""
    norm_encoder_prev: Flag = True
    """Layer norm before attention and feed-forward (pre-norm) instead of after (post-norm)."""
    use_extra_tokens: Flag = False
    """Tell the model how widely the window varies: tokens in front of the sequence, and numbers for the head."""
    output_mode: OutputMode | None = None
    """What is predicted: a value, a distribution, or the bin of the next move; None: the data set's."""
    tail: Literal["normal", "student_t", "skew_t"] = "normal"
    """Family of the ``distribution`` output: normal, Student-t, or a Student-t whose sides differ (Hansen 1994)."""
    start: Literal["auto", "constant", "range_har", "range_har_trailing"] = "auto"
    """What the untrained model forecasts: a constant law, or that of a range HAR fitted on the training span, whose
    regressors the head then sees, ``trailing``: with a level that follows what its forecasts of late were worth;
    ``auto``: ``range_har`` for distributions and bins of bars with four prices."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Compute type, on CPUs that of products' factors alone; parameters, softmax, losses and metrics stay fp32."""

    def _conflicts(self) -> Iterator[str]:
        if self.d_model % self.n_heads:
            yield f"n_heads: found {self.n_heads}, should divide d_model ({self.d_model})"
        if self.flatten_encoder_output and self.average_encoder_output:
            yield "flatten_encoder_output and average_encoder_output: both are True, at most one may be"
