"""Speech recognition.

A backend has `transcribe(clips, language=None)`: a list of (n,) float32 at 16 kHz and "English",
"Chinese" or None (detect) -> one dict a clip, in order: {"text": str, "language": str}, these two
keys and no other. Chinese comes in simplified characters. A clip without speech gives an empty
text; if no language was requested, its language is then meaningless. Clips of any length are
transcribed in full. UserError for a language that the model does not support.

With the option `word_times`, if a backend has it, there is a third key: "words", a list of
{"word": str, "start": float, "end": float} in order, in seconds from the start of the clip; the
words are those of the text, without spaces (of Chinese, a word may be one character).
"""

from __future__ import annotations

import numpy as np

from scripts.common.errors import UserError

KEPT = {"transcribe": 256}

RATE = 16_000
SHORTEST = 0.1  # seconds; models hallucinate words in shorter clips


def audible(clip: np.ndarray) -> bool:
    """Whether a clip is worth transcribing: not too short and not digital silence."""
    return len(clip) >= SHORTEST * RATE and bool(np.any(clip))


def speaks(who: str, language: str | None, languages) -> None:
    """Raise UserError if a model does not support the requested language."""
    if language is not None and language not in languages:
        raise UserError(
            f"{who} does not speak {language}; it speaks {' and '.join(languages)}. Choose another "
            "asr model for this language."
        )


def ideograph(letter: str) -> bool:
    """Whether a letter is a Chinese character."""
    return "\u3400" <= letter <= "\u9fff"


def accept(
    backend, speech: np.ndarray, language: str = "English", word_times: bool = False
) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech` in a language it speaks."""
    keys = {"text", "language"} | ({"words"} if word_times else set())
    clips = [np.zeros(16_000, np.float32), speech, speech[:0]]
    silence, heard, nothing = backend.transcribe(clips, language)
    assert [set(item) for item in (silence, heard, nothing)] == [keys] * 3
    assert heard["text"].strip() and heard["language"] == language
    assert silence["text"] == nothing["text"] == ""
    assert [set(item) for item in backend.transcribe([speech])] == [keys]
    assert backend.transcribe([], language) == []
    if word_times:
        words = heard["words"]
        assert silence["words"] == nothing["words"] == []
        assert "".join(item["word"] for item in words) == "".join(heard["text"].split())
        times = [time for item in words for time in (item["start"], item["end"])]
        assert times == sorted(times) and 0 <= times[0] and times[-1] <= len(speech) / RATE
