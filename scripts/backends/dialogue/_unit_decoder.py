"""LLaMA-Omni's speech decoder: units of speech from what the language model has in mind.

For each token that the language model writes, its last hidden state is repeated `upsample` times
(25); causal Llama layers turn the row into a unit or a blank for each place, all at once; the units
are what is left by CTC's rule.
"""

from __future__ import annotations

import copy
from itertools import groupby

from torch import nn


class UnitDecoder(nn.Module):
    """`config` is the language model's LlamaConfig with the published keys of the decoder.

    `ctc_decoder_config` is a text, "(layers,width,heads,inner width)". The rotary embedding is the
    language model's, heads of the same size or not.
    """

    def __init__(self, config):
        from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

        super().__init__()
        layers, width, heads, inner = map(int, config.ctc_decoder_config.strip("() ").split(","))
        own = copy.deepcopy(config)
        own.hidden_size, own.intermediate_size, own.head_dim = width, inner, width // heads
        own.num_hidden_layers = layers
        own.num_attention_heads = own.num_key_value_heads = heads
        own._attn_implementation = "sdpa"  # causal where it is given no mask
        self.upsample = config.ctc_upsample_factor
        self.blank = config.unit_vocab_size
        self.input_proj = nn.Linear(config.hidden_size, width)
        self.layers = nn.ModuleList(LlamaDecoderLayer(own, i) for i in range(layers))
        self.output_proj = nn.Linear(width, config.unit_vocab_size + 1)
        self.rotary = LlamaRotaryEmbedding(own)  # holds no parameters

    def forward(self, states):
        """(batch, tokens, model width) -> (batch, tokens * upsample) numbers of units or blank.

        What is padded on the right changes nothing on its left: each place looks back only.
        """
        import torch

        row = self.input_proj(states).repeat_interleave(self.upsample, dim=1)
        places = torch.arange(row.shape[1], device=row.device)[None]
        turns = self.rotary(row, places)
        for layer in self.layers:
            row = layer(row, position_embeddings=turns, position_ids=places)
        return self.output_proj(row).argmax(dim=-1)


def collapse(places: list[int], blank: int) -> list[int]:
    """CTC's rule: neighbours that are equal count once, then blanks are taken out."""
    return [unit for unit, _ in groupby(places) if unit != blank]
