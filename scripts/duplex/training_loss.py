"""What fine-tuning a full-duplex model minimises (PersonaPlex, arXiv:2602.06053, training).

Two means of cross-entropies, of text and of audio, are added; each is weighted: a frame without
text counts little, as most have none, and so do all codebooks but the first of a speaker, which
alone carries the meaning. Prompts count nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.backends.duplex.personaplex import BOOKS, PAD
from scripts.duplex.training_tokens import END_PAD


@dataclass(frozen=True)
class Weights:
    """Of codebooks that are not a speaker's first, and of text tokens that are no text."""

    acoustic: float
    padding: float


@dataclass(frozen=True)
class Loss:
    text: Any
    audio: Any

    @property
    def total(self) -> Any:
        return self.text + self.audio


def loss(lm: Any, tokens: Any, learnt: Any, weights: Weights) -> Loss:
    """The loss of (examples, streams, frames) `tokens` in the frames that are `learnt`, (examples,
    frames)."""
    out = lm(tokens)
    return combined(out, tokens, learnt, weights)


def combined(out: Any, tokens: Any, learnt: Any, weights: Weights) -> Loss:
    """The loss of the model's logits for `tokens`; those at places that do not count may be NaN."""
    import torch

    said = tokens[:, :1]
    padded = (said == PAD) | (said == END_PAD)
    text = _mean(
        out.text_logits,
        said,
        out.text_mask & learnt[:, None],
        torch.where(padded, weights.padding, 1.0),
    )
    count = out.logits.shape[1]
    codes = tokens[:, 1 : 1 + count]
    first = torch.arange(count, device=tokens.device) % BOOKS == 0
    by_book = torch.where(first, 1.0, weights.acoustic)[None, :, None].expand(codes.shape)
    return Loss(text, _mean(out.logits, codes, out.mask & learnt[:, None], by_book))


def _mean(logits: Any, targets: Any, counted: Any, weights: Any) -> Any:
    """The weighted mean of the cross-entropies at the places that are `counted`."""
    from torch.nn.functional import cross_entropy

    # What is not counted is left out, not multiplied by 0: it may be NaN.
    each = cross_entropy(logits[counted].float(), targets[counted], reduction="none")
    own = weights[counted]
    return (each * own).sum() / own.sum()
