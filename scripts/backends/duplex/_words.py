"""Times of the words of a text that was spoken."""

from __future__ import annotations

import re

from scripts.backends.asr import Word

# A Chinese character with the punctuation around it, or letters up to the next space or character.
WORD = re.compile(r"[^\w\s\u3400-\u9fff]*[\u3400-\u9fff][^\w\s\u3400-\u9fff]*|[^\s\u3400-\u9fff]+")


def timed(text: str, start: float, end: float) -> list[Word]:
    """The words of `text` (of Chinese, its characters), spread evenly from `start` to `end`, in
    seconds: each takes time in proportion to its letters."""
    words = WORD.findall(text)
    letters = [max(1, sum(letter.isalnum() for letter in word)) for word in words]
    pace, place, found = (end - start) / max(1, sum(letters)), 0, []
    for word, count in zip(words, letters, strict=True):
        found.append(Word(word, start + place * pace, start + (place + count) * pace))
        place += count
    return found


def until(words: list[Word], end: float) -> list[Word]:
    """The words that begin before `end`; the last one may be cut short."""
    return [Word(w.word, w.start, min(w.end, end)) for w in words if w.start < end]


def joined(words: list[Word], language: str) -> str:
    """The text that words make."""
    return ("" if language == "Chinese" else " ").join(word.word for word in words)
