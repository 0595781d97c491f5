"""Pretrained models of other libraries with a handful of random weights, saved to a folder on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DECILES = [round(0.1 * k, 1) for k in range(1, 10)]


def save_chronos(folder: Path, seed: int = 0) -> Path:
    """A Chronos-2 of random weights."""
    import torch
    from chronos.chronos2 import Chronos2Model
    from chronos.chronos2.config import Chronos2CoreConfig

    torch.manual_seed(seed)
    forecasting: dict[str, Any] = {
        "context_length": 64, "output_patch_size": 4, "input_patch_size": 4, "input_patch_stride": 4,
        "quantiles": DECILES, "use_reg_token": True, "use_arcsinh": True, "max_output_patches": 2,
    }  # fmt: skip
    config = Chronos2CoreConfig(
        d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, chronos_config=forecasting,
        chronos_pipeline_class="Chronos2Pipeline", architectures=["Chronos2Model"],
    )  # fmt: skip
    Chronos2Model(config).save_pretrained(folder)
    return folder


def save_bolt(folder: Path, seed: int = 0) -> Path:
    """A Chronos-Bolt of random weights."""
    import torch
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    torch.manual_seed(seed)
    forecasting = {"context_length": 64, "prediction_length": 4, "input_patch_size": 4, "input_patch_stride": 4,
                   "quantiles": DECILES, "use_reg_token": True}  # fmt: skip
    config = T5Config(
        d_model=16, d_kv=8, d_ff=16, num_layers=1, num_decoder_layers=1, num_heads=2, vocab_size=2,
        chronos_config=forecasting, chronos_pipeline_class="ChronosBoltPipeline", pad_token_id=0,
        decoder_start_token_id=0,
    )  # fmt: skip
    config.architectures = ["ChronosBoltModelForForecasting"]
    ChronosBoltModelForForecasting(config).save_pretrained(folder)
    return folder


def save_timesfm(folder: Path, seed: int = 0) -> Path:
    """A TimesFM 3 of random weights."""
    import torch
    from timesfm3 import ResidualBlockConfig, StackedTransformersConfig, TimesFM3Torch, TransformerConfig

    torch.manual_seed(seed)
    block = ResidualBlockConfig(hidden_dims=16, output_dims=16, use_bias=False, activation="relu")
    transformer = TransformerConfig(
        model_dims=16, hidden_dims=16, num_heads=2, attention_norm="rms", feedforward_norm="rms", qk_norm="rms",
        use_rope_seq=True, use_rope_var=False, use_bias=False, ff_activation="relu", deterministic=True,
    )  # fmt: skip
    TimesFM3Torch(
        input_patch_len=8, output_patch_len=16, quantiles=DECILES, residual_block_config=block,
        transformer_config=StackedTransformersConfig(num_layers=1, transformer=transformer),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_kronos(folder: Path, seed: int = 0) -> Path:
    """A Kronos of random weights, in ``model`` and ``tokenizer``."""
    import torch
    from model import Kronos, KronosTokenizer

    torch.manual_seed(seed)
    dropout = {"ffn_dropout_p": 0.0, "resid_dropout_p": 0.0}
    KronosTokenizer(
        d_in=6, d_model=16, n_heads=2, ff_dim=16, n_enc_layers=2, n_dec_layers=2, attn_dropout_p=0.0, s1_bits=3,
        s2_bits=3, beta=0.05, gamma0=1.0, gamma=1.1, zeta=0.05, group_size=3, **dropout,
    ).save_pretrained(folder / "tokenizer")  # fmt: skip
    Kronos(
        s1_bits=3, s2_bits=3, n_layers=1, d_model=16, n_heads=2, ff_dim=16, attn_dropout_p=0.0, token_dropout_p=0.0,
        learn_te=True, **dropout,
    ).save_pretrained(folder / "model")  # fmt: skip
    return folder
