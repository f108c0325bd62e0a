"""Shared by synthesisers that clone voices: voices, long texts, the same audio every time.

A backend derives from `Cloning` and defines how a reference is encoded (`prompt`), how much text
fits into one call (`room`) and how pieces of text are spoken (`say`).
"""

from __future__ import annotations

import functools
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends.device import in_batches_of_pieces
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.common.job import made

BREAKS = (  # where text may be split, best first: after a sentence, after a clause, between words
    r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”’)])\s+|(?<=[。！？])(?![。！？”’」』）])|(?<=[。！？][”’」』）])",
    r"(?<=[,;:—])\s+|(?<=[，；：、])",
    r"\s+",
    r"(?<=.)",
)


def pieces(
    text: str, most: int, size: Callable[[str], int] = len, breaks: tuple[str, ...] = BREAKS
) -> list[str]:
    """Split `text` into as few pieces of `size` at most `most` as possible, at the best breaks.

    Joined, they give the text. A single character may exceed `most`.
    """
    if size(text) <= most or not breaks:
        return [text]
    ends = [match.end() for match in re.finditer(breaks[0], text, re.DOTALL)]
    bounds = sorted({0, *ends, len(text)})
    parts = [
        part
        for start, end in pairwise(bounds)
        for part in pieces(text[start:end], most, size, breaks[1:])
    ]
    packed = [parts[0]]
    for part in parts[1:]:
        if size(packed[-1] + part) <= most:
            packed[-1] += part
        else:
            packed.append(part)
    return packed


def join(sounds: list[np.ndarray], overlap: int) -> np.ndarray:
    """Join (n,) sounds with cross-fades of `overlap` samples, or less if one is short."""
    joined = [sounds[0]]
    for sound in sounds[1:]:
        common = min(overlap, len(joined[-1]), len(sound))
        rise = np.linspace(0, 1, common, dtype=np.float32)
        last, cut = joined[-1], len(joined[-1]) - common
        joined[-1] = last[:cut]
        joined += [last[cut:] * (1 - rise) + sound[:common] * rise, sound[common:]]
    return np.concatenate(joined)


@dataclass(frozen=True)
class Piece:
    """Text that is spoken in one call, with the model's encoding of the reference."""

    text: str
    prompt: Any
    language: str
    seed: int  # the same for the same text and voice


class Cloning(ABC):
    """See the contract in scripts/backends/tts/__init__.py.

    A voice is {"clip": a digest of the reference clip, "text": its transcript, "language"}; it is
    written beside each spoken line, so it does not contain the clip. `voice` computes its features
    once and keeps them in memory: only the object that made a voice can speak with it.
    """

    voice_mode = "cloned"
    name: str  # capability/backend, for errors
    rate: int
    longest: float  # maximum seconds of a reference
    languages: dict[str, str]
    overlap = 0.0  # seconds of cross-fade between the pieces of a line

    def __init__(self, users: dict[str, tuple[str | None, str | None]], batch: int):
        """`users`: language -> file of the users' reference clip and its transcript."""
        self.users, self.batch = users, batch
        self.prompts: dict[tuple[str, str, str], Any] = {}
        self.fixed_voice = functools.cache(self._fixed_voice)

    @abstractmethod
    def prompt(self, clip: np.ndarray, text: str, language: str) -> Any:
        """The model's encoding of a reference clip (n,) at 16 kHz and its transcript."""

    @abstractmethod
    def room(self, prompt: Any) -> tuple[int, Callable[[str], int]]:
        """The most text for one call with this prompt, and the function that measures text."""

    @abstractmethod
    def say(self, some: list[Piece]) -> list[np.ndarray]:
        """The audio of each piece, (n,) float32 at `rate`."""

    def voice(self, clip: np.ndarray, text: str, language: str) -> dict[str, str]:
        """A voice from a reference clip (n,) float32 at 16 kHz and its transcript."""
        self.check(language)
        seconds = len(clip) / audio.RATE
        if not 0.5 <= seconds <= self.longest:
            raise UserError(
                f"{self.name}: a reference clip of {seconds:.1f} s cannot be cloned; it must last "
                f"0.5 to {self.longest:g} s (set roles' clips by segment.shortest and .longest)."
            )
        if not sounds(text):
            raise UserError(f"{self.name}: a reference clip needs its transcript, not {text!r}.")
        clip = np.ascontiguousarray(clip, dtype=np.float32)
        voice = {
            "clip": hashlib.sha256(clip.tobytes()).hexdigest()[:16],
            "text": text.strip(),
            "language": language,
        }
        if key(voice) not in self.prompts:
            self.prompts[key(voice)] = self.prompt(clip, voice["text"], language)
        return voice

    def _fixed_voice(self, language: str) -> dict[str, str]:
        """The voice of all users of `language`, given in the options."""
        self.check(language)
        file, text = self.users[language]
        if not file or not text:
            word = language.lower()
            raise UserError(
                f"{self.name} clones voices and has none of its own for the users of {language} "
                f"dialogues: give a clip and what is said in it, user_clip_{word} and "
                f"user_text_{word}."
            )
        return self.voice(audio.read(Path(file)), text, language)

    def speak(self, lines: list[tuple[str, dict[str, str], str]]) -> list[np.ndarray]:
        """(text, voice, language) -> (n,) float32 at `rate`; see the contract."""
        cut = [self._cut(*line) for line in lines]

        def whole(said: list[np.ndarray]) -> np.ndarray:
            joined = join(said, round(self.overlap * self.rate))
            return np.clip(joined, -1, 1).astype(np.float32, copy=False)

        spoken = in_batches_of_pieces(
            self.say,
            cut,
            self.batch,
            lambda piece: len(piece.text.encode()),
            self.name,
            lambda place, said: made(self, "speak", place, whole(said)),
        )
        return list(map(whole, spoken))

    def _cut(self, text: str, voice: dict[str, str], language: str) -> list[Piece]:
        self.check(language)
        if not sounds(text):
            raise ValueError(f"there is nothing to say in {text!r}")
        if key(voice) not in self.prompts:
            raise UserError(f"{self.name}: the voice {voice} was made elsewhere: make it anew.")
        prompt = self.prompts[key(voice)]
        most, size = self.room(prompt)
        parts = [
            part.strip() for part in pieces(" ".join(text.split()), most, size) if sounds(part)
        ]
        return [Piece(part, prompt, language, seed(part, *key(voice))) for part in parts]

    def check(self, language: str) -> None:
        """Raise UserError for a language that the model does not support."""
        if language not in self.languages:
            raise UserError(
                f"{self.name} does not speak {language}; it speaks {', '.join(self.languages)}."
            )


def key(voice: dict[str, str]) -> tuple[str, str, str]:
    """What identifies a voice."""
    return voice["clip"], voice["text"], voice["language"]


def seed(*parts: str) -> int:
    """A number below 2^63 that depends only on the parts."""
    text = "\x1f".join(parts).encode("utf-8")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def sounds(text: str) -> bool:
    """Whether a text has any letter, character or digit."""
    return any(symbol.isalnum() for symbol in text)
