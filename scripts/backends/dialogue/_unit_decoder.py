"""LLaMA-Omni's speech decoder: discrete speech units from the language model's hidden states.

The last hidden state of each generated token is repeated `upsample` times (25); causal Llama layers
predict a unit or a blank for every position at once, and the CTC rule leaves the units.
"""

from __future__ import annotations

import copy
from itertools import groupby

from torch import nn


class UnitDecoder(nn.Module):
    """`config` is the language model's LlamaConfig with the decoder's published keys.

    `ctc_decoder_config` is a string, "(layers,width,heads,inner width)". The rotary embedding has
    the language model's settings, whether or not the heads have the same size.
    """

    def __init__(self, config):
        from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

        super().__init__()
        layers, width, heads, inner = map(int, config.ctc_decoder_config.strip("() ").split(","))
        own = copy.deepcopy(config)
        own.hidden_size, own.intermediate_size, own.head_dim = width, inner, width // heads
        own.num_hidden_layers = layers
        own.num_attention_heads = own.num_key_value_heads = heads
        own._attn_implementation = "sdpa"  # causal if there is no mask
        self.upsample = config.ctc_upsample_factor
        self.blank = config.unit_vocab_size
        self.input_proj = nn.Linear(config.hidden_size, width)
        self.layers = nn.ModuleList(LlamaDecoderLayer(own, i) for i in range(layers))
        self.output_proj = nn.Linear(width, config.unit_vocab_size + 1)
        self.rotary = LlamaRotaryEmbedding(own)  # has no parameters

    def forward(self, states):
        """(batch, tokens, model width) -> (batch, tokens * upsample) unit numbers or blanks.

        Padding on the right has no effect on what is left of it, since attention is causal.
        """
        import torch

        row = self.input_proj(states).repeat_interleave(self.upsample, dim=1)
        places = torch.arange(row.shape[1], device=row.device)[None]
        turns = self.rotary(row, places)
        for layer in self.layers:
            row = layer(row, position_embeddings=turns, position_ids=places)
        return self.output_proj(row).argmax(dim=-1)


def collapse(places: list[int], blank: int) -> list[int]:
    """The CTC rule: merge equal neighbours, then remove blanks."""
    return [unit for unit, _ in groupby(places) if unit != blank]
