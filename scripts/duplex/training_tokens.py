"""Training material as tokens: what Moshi's language model is to predict, and after which prompt.

A dialogue is a matrix of 17 streams by frames of 80 ms (scripts/backends/duplex/_moshi_lm.py): the
agent's text, its audio and the caller's, after the hybrid prompt that PersonaPlex begins with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from scripts.backends.duplex import FRAME, RATE
from scripts.backends.duplex.personaplex import (
    PAD,
    STREAMS,
    Networks,
    frames,
    levelled,
    prompt,
    tagged,
    unfit,
)
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.rows.duplex import TimedWord, TrainDuplex

END_PAD = 0  # text token: the next frame begins a word
NOTHING = -1  # behind the end of an example: no input, and nothing to predict


@dataclass(frozen=True)
class Example:
    """Tokens of a dialogue, (streams, frames); the first `prompt` frames are not learnt."""

    id: str
    tokens: np.ndarray
    prompt: int

    @property
    def length(self) -> int:
        return self.tokens.shape[1]


def text_stream(
    words: Sequence[TimedWord], count: int, encode: Callable[[str], list[int]]
) -> np.ndarray:
    """The agent's text in `count` frames: a word's tokens from the frame in which it begins, or
    behind those of the word before; the mark END_PAD in the frame before, if that is free; else
    PAD. Raises ValueError where the tokens do not end before the frames do."""
    found, free = np.full(count, PAD, np.int64), 0
    for word in words:
        tokens = encode(word.word)
        place = max(free, int(word.start / FRAME))
        if place + len(tokens) > count:
            raise ValueError(f"the tokens of '{word.word}' do not fit before the end")
        if place > free:
            found[place - 1] = END_PAD
        found[place : place + len(tokens)] = tokens
        free = place + len(tokens)
    return found


def stereo(file: Path) -> np.ndarray:
    """(2, n) float32 at RATE: agent, caller. Raises UserError for a file in another form."""
    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    if rate != RATE or samples.shape[1] != 2:
        raise UserError(
            f"{file} has {samples.shape[1]} channel(s) at {rate} Hz; training needs two (the agent "
            f"left, the caller right) at {RATE} Hz."
        )
    return samples.T


def example(net: Networks, row: TrainDuplex, folder: Path) -> Example:
    """The tokens of a dialogue in `folder`. Raises ValueError that says why there are none."""
    sample = audio.read(folder / row.voice, rate=RATE)
    if reason := unfit(sample) or (None if len(sample) else "the voice sample is empty"):
        raise ValueError(reason)
    agent, caller = stereo(folder / row.audio)
    voice, own, other = net.codes([levelled(sample), agent, caller])
    said = [word for line in row.lines if line.speaker == "agent" for word in line.words]
    text = text_stream(said, own.shape[1], net.tokenizer.encode)
    head = prompt(voice, net.tokenizer.encode(tagged(row.role_prompt)))
    body = frames(own.shape[1], text, own, other)
    return Example(row.id, np.hstack([head, body]).astype(np.int16), head.shape[1])


def examples(
    net: Networks, rows: Sequence[TrainDuplex], folder: Path, longest: int
) -> tuple[list[Example], Counter[str]]:
    """An example of each dialogue, and how many were left out, by reason: those of more than
    `longest` frames with their prompt, and those that have no tokens."""
    found, left = [], Counter[str]()
    for row in rows:
        try:
            if row.dropped is not None:
                raise ValueError("it was dropped")
            made = example(net, row, folder)
            if made.length > longest:
                raise ValueError(f"longer than {longest} frames with its prompt")
            found.append(made)
        except ValueError as error:
            left[str(error)] += 1
    return found, left


def batch(parts: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, (examples, streams, frames of the longest), and what is learnt, (examples, frames):
    all but the prompt and what is behind the end."""
    longest = max(part.length for part in parts)
    tokens = np.full((len(parts), STREAMS, longest), NOTHING, np.int64)
    learnt = np.zeros((len(parts), longest), bool)
    for row, mask, part in zip(tokens, learnt, parts, strict=True):
        row[:, : part.length] = part.tokens
        mask[part.prompt : part.length] = True
    return tokens, learnt
