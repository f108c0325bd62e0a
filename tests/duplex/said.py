"""Words and utterances for tests of turn taking, from their times alone."""

from __future__ import annotations

from scripts.backends.asr import Word
from scripts.duplex.spans import spoken


def words(*times: tuple[float, float]) -> list[Word]:
    return [Word(f"w{number}", *own) for number, own in enumerate(times)]


def run(start: float, count: int, each: float = 0.3) -> list[Word]:
    """`count` words one after the other, each so many seconds long."""
    return words(*((start + i * each, start + (i + 1) * each) for i in range(count)))


def said(*parts: list[Word]):
    """The utterances of several stretches of words."""
    return spoken([word for part in parts for word in part])
