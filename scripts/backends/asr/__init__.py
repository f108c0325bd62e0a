"""Speech recognition.

Chinese comes in simplified characters. A clip without speech gives an empty text; if no language
was requested, its language is then meaningless. Clips of any length are transcribed in full.
UnknownLanguage, a UserError, for a language that the model does not support.

With the option `word_times`, if a backend has it, a transcription has its words, with their times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scripts.common.errors import UserError

KEPT = {"transcribe": 256}

RATE = 16_000
SHORTEST = 0.1  # seconds; models hallucinate words in shorter clips


@dataclass(frozen=True)
class Word:
    """A word of a text, without spaces (of Chinese, it may be one character), and its time in
    seconds from the start of the clip."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcription:
    """What is said in a clip; `words`, in order, only where `word_times` is asked for."""

    text: str
    language: str
    words: list[Word] | None = None


class UnknownLanguage(UserError):
    """A model does not support the requested language."""


class AsrBackend(Protocol):
    """A speech recogniser."""

    def transcribe(
        self, clips: list[np.ndarray], language: str | None = None
    ) -> list[Transcription]:
        """What is said in each clip, (n,) float32 at 16 kHz, in "English", "Chinese" or None (the
        backend detects the language)."""


def audible(clip: np.ndarray) -> bool:
    """Whether a clip is worth transcribing: not too short and not digital silence."""
    return len(clip) >= SHORTEST * RATE and bool(np.any(clip))


def speaks(who: str, language: str | None, languages) -> None:
    """Raise UnknownLanguage if a model does not support the requested language."""
    if language is not None and language not in languages:
        raise UnknownLanguage(
            f"{who} does not speak {language}; it speaks {' and '.join(languages)}. Choose another "
            "asr model for this language."
        )


def ideograph(letter: str) -> bool:
    """Whether a letter is a Chinese character."""
    return "\u3400" <= letter <= "\u9fff"


def accept(
    backend: AsrBackend, speech: np.ndarray, language: str = "English", word_times: bool = False
) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech` in a language it speaks."""
    clips = [np.zeros(16_000, np.float32), speech, speech[:0]]
    silence, heard, nothing = backend.transcribe(clips, language)
    assert heard.text.strip() and heard.language == language
    assert silence.text == nothing.text == ""
    (detected,) = backend.transcribe([speech])
    for item in (silence, heard, nothing, detected):
        assert (item.words is not None) == word_times
    assert backend.transcribe([], language) == []
    if heard.words is not None:
        assert silence.words == nothing.words == []
        assert "".join(item.word for item in heard.words) == "".join(heard.text.split())
        times = [time for item in heard.words for time in (item.start, item.end)]
        assert times == sorted(times) and 0 <= times[0] and times[-1] <= len(speech) / RATE
