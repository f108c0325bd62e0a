"""Moshi: a full-duplex model of text and speech, 7B; it takes no role and has a voice of its own.

Défossez et al., 2024 (https://arxiv.org/abs/2410.00037), as released in the voice "moshiko"
(https://huggingface.co/kyutai/moshiko-pytorch-bf16): weights under CC-BY-4.0, the package moshi
under MIT. English. About 16 GB of GPU memory, and 1.6 GB for each conversation of a batch. Sampling
is the authors'; temperatures of 0 take the most likely tokens.
"""

from __future__ import annotations

from scripts.backends.device import opened
from scripts.backends.duplex import DuplexBackend
from scripts.backends.duplex._conversations import Conversations
from scripts.backends.duplex._moshi_lm import BOOKS, Networks, Sampling

ENV = "personaplex"
GPU = True

WHO = "duplex/moshi"


def load(
    weights: str = "moshiko",
    temperature: float = 0.8,
    text_temperature: float = 0.7,
    top_k: int = 250,
    text_top_k: int = 25,
    device: str = "cuda",
    batch: int = 4,
) -> DuplexBackend:
    """Load the model. `batch` conversations are held at a time; the first two pairs of numbers are
    those of sampling, of audio and of text."""
    with opened(WHO, weights, device) as home:
        net = Networks(home, device, BOOKS)
    return Moshi(net, Sampling(temperature, text_temperature, top_k, text_top_k), batch)


class Moshi(Conversations):
    name = WHO
    voice_mode = "own"
    takes_role = False
