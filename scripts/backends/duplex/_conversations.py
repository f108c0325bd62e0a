"""Conversations with Moshi's networks, in batches: shared by moshi and personaplex."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from scripts.backends.asr import Word
from scripts.backends.device import in_batches
from scripts.backends.duplex import FRAME as SECONDS
from scripts.backends.duplex import RATE, Call, Side
from scripts.backends.duplex._moshi_lm import (
    BOOKS,
    FRAME,
    PAD,
    SILENCE,
    STREAMS,
    SYSTEM,
    UNKNOWN,
    Networks,
    Past,
    Sampling,
    delayed,
    frames,
)
from scripts.common.job import made

TRAINED = 2048  # frames of the longest conversation in PersonaPlex's training, with its prompt


class Conversations:
    """See the contract in scripts/backends/duplex/__init__.py.

    What is said in a frame depends on what was heard before that frame, as it would if it were
    played: the first frame is silence, and a side is 80 ms later than one of moshi's own script.
    """

    rate = RATE
    name: str

    def __init__(self, net: Networks, sampling: Sampling, batch: int, past: Past | None = None):
        self.net, self.sampling, self.batch = net, sampling, batch
        self.past = past or net.start

    def prompt_frames(self, call: Call) -> int:
        """The length of the prompt before a conversation, without the past that all have."""
        return 0

    def prompts(self, calls: list[Call]) -> list[np.ndarray]:
        """The tokens of each prompt, (streams, frames)."""
        return [np.empty((STREAMS, 0), np.int64) for _ in calls]

    def converse(self, calls: list[Call]) -> list[Side]:
        """The system's side of each conversation."""
        reasons = [self.refusal(call) for call in calls]
        places = [place for place, reason in enumerate(reasons) if not reason]
        left = [calls[place] for place in places]
        if long := sum(self.frames(call) > TRAINED for call in left):
            print(
                f"{self.name}: {long} of {len(calls)} conversations last, with their prompts, more "
                f"than the {TRAINED * SECONDS:.0f} s that the model was trained on"
            )
        found = iter(
            in_batches(
                self.sides,
                left,
                self.batch,
                self.frames,
                self.name,
                lambda n, side: made(self, "converse", places[n], side),
            )
        )
        return [Side(None, None, 0.0, reason) if reason else next(found) for reason in reasons]

    def frames(self, call: Call) -> int:
        """The frames of a conversation, with its prompt."""
        return self.past.length + self.prompt_frames(call) + -(-len(call.user) // FRAME)

    def refusal(self, call: Call) -> str | None:
        """Why there is no conversation, or None."""
        if call.language != "English":
            return f"the model does not speak {call.language}"
        if not len(call.user):
            return "the user's audio is empty"
        if not np.isfinite(call.user).all():
            return "the user's audio has samples that are not numbers"
        if (count := self.frames(call)) > self.net.lm.context:
            return (
                f"the conversation lasts {count * SECONDS:.0f} s with its prompt, and the model's "
                f"context holds {self.net.lm.context * SECONDS:.0f} s"
            )
        return None

    def sides(self, calls: list[Call]) -> list[Side]:
        """The system's side of a batch of conversations, each with an equal share of the time."""
        begun = time.monotonic()
        prompts, users = self.prompts(calls), self.net.codes([call.user for call in calls])
        plans = [self.plan(*both) for both in zip(prompts, users, strict=True)]
        seeds = [call.seed for call in calls]
        filled = self.net.generate(plans, seeds, self.sampling, self.past)
        said = [
            self.said(tokens, prompt.shape[1], user.shape[1])
            for tokens, prompt, user in zip(filled, prompts, users, strict=True)
        ]
        sounds = self.net.sounds([own[1:] for own in said])
        share = (time.monotonic() - begun) / len(calls)
        return [
            Side(sound[: len(call.user)], words(self.net.tokenizer, own[0].tolist()), share)
            for call, sound, own in zip(calls, sounds, said, strict=True)
        ]

    def plan(self, prompt: np.ndarray, user: np.ndarray) -> np.ndarray:
        """The tokens by position, (streams, n), of a prompt and then the user's codes."""
        rest = frames(user.shape[1], UNKNOWN, np.full(BOOKS, UNKNOWN), user)
        return delayed(np.hstack([prompt, rest]), self.net.lm.delays, self.past.tokens)

    def said(self, tokens: np.ndarray, prompt: int, count: int) -> np.ndarray:
        """The system's tokens in `count` frames, (1 + codebooks, count), of a plan that is filled
        in: a frame of silence, then what it says after a prompt of `prompt` frames."""
        found = frames(count, PAD, SILENCE, SILENCE)[SYSTEM]
        for own, stream, delay in zip(found, tokens, self.net.lm.delays, strict=False):
            own[1:] = stream[1 + prompt + delay :][: count - 1]
        return found


def words(tokenizer: Any, tokens: list[int]) -> list[Word]:
    """The words of a text stream, a token a frame: each from the start of its first token's frame
    to the end of its last one's."""
    found: list[list[tuple[int, int]]] = []
    for frame, token in enumerate(tokens):
        if token <= PAD:
            continue
        if not found or tokenizer.id_to_piece(token).startswith("▁"):
            found.append([])
        found[-1].append((frame, token))
    texts = [tokenizer.decode([token for _, token in word]).strip() for word in found]
    return [
        Word(text, word[0][0] * SECONDS, (word[-1][0] + 1) * SECONDS)
        for text, word in zip(texts, found, strict=True)
        if text
    ]
