"""What a listener hears of a service that sends audio in pieces, and when.

A piece that arrives at t is heard from t on or, while others still play, after them. An
interruption drops what has not been heard by then. Positions are samples from the start of the
conversation, at the service's own rate. Nothing overlaps, and every sample received is heard,
dropped (by an interruption) or beyond the conversation's end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from scripts.backends.asr import Word
from scripts.common import audio
from scripts.services.errors import CallError
from scripts.services.keys import cleaned

TOKEN = re.compile(r"[\u3400-\u9fff][^\w\s]*|[^\s\u3400-\u9fff]+")  # a word, or a character


@dataclass
class Piece:
    """Audio that came in one message."""

    group: str  # the reply that it belongs to
    start: int
    sound: np.ndarray  # (n,) int16
    heard: int  # how many of its samples are heard

    @property
    def end(self) -> int:
        return self.start + self.heard


class Timeline:
    """The system's side of a conversation of `seconds`.

    A reply's text is spread over its audio; with `paired`, each piece of text over the piece of
    audio that came last, for systems that send both together.
    """

    def __init__(self, seconds: float, paired: bool = False):
        self.seconds, self.paired = seconds, paired
        self.rate = 0  # of the service, as its first piece says
        self.told = 0  # ... as it said before; 0: it did not
        self.turn, self.over = 0, ""  # of a service that does not number its replies; how it ended
        self.pieces: list[Piece] = []
        self.texts: dict[str, list[tuple[str, int]]] = {}  # by reply: text, pieces of it so far
        self.playing = 0  # where what has been received ends
        self.open: set[str] = set()  # replies that are being received
        self.begun: set[str] = set()
        self.stopped: set[str] = set()  # replies that were interrupted
        self._half: dict[str, bytes] = {}  # of a sample, by reply

    def begin(self, group: str) -> None:
        """A reply begins; audio of one that was not announced begins it, too."""
        if group not in self.begun:
            self.begun.add(group)
            self.open.add(group)

    def finish(self, group: str) -> None:
        """A reply has been received in full; one that was not begun stands for all."""
        self.open -= {group} if group in self.begun else set(self.open)

    def add(self, t: float, group: str, data: bytes, rate: int) -> None:
        """A piece of 16-bit PCM that arrives at `t` seconds. CallError if its rate differs from
        that of the pieces before."""
        if self.rate not in (0, rate):
            words = f"its audio changes from {self.rate} to {rate} Hz in mid-conversation"
            raise CallError("unusable", words)
        if not data:
            return
        self.rate = rate
        self.begin(group)
        data = self._half.pop(group, b"") + data
        whole = len(data) // 2 * 2
        self._half[group] = data[whole:]
        sound = np.frombuffer(data[:whole], "<i2")
        start = max(round(t * rate), self.playing)
        heard = 0 if group in self.stopped else len(sound)
        self.pieces.append(Piece(group, start, sound, heard))
        if heard:
            self.playing = start + heard

    def say(self, group: str, text: str) -> None:
        """A piece of a reply's text."""
        count = sum(piece.group == group for piece in self.pieces)
        self.texts.setdefault(group, []).append((text, count))

    def stop(self, t: float, only: str | None = None) -> dict[str, float]:
        """Drop what is not heard by `t` (of one reply, or of all) and what comes of these replies
        later. Returns the seconds that were heard of each reply that was cut off.

        A service that does not tell its replies apart (the group "") may go on. After the end
        nothing is dropped: it is beyond it.
        """
        if t >= self.seconds:
            return {}
        at, cut = round(t * self.rate), set()
        for piece in self.pieces:
            if piece.end > at and piece.heard and only in (None, piece.group):
                piece.heard = max(0, at - piece.start)
                cut.add(piece.group)
        self.playing = max((piece.end for piece in self.pieces if piece.heard), default=0)
        self.stopped |= (cut | (self.open if only is None else {only})) - {""}
        return {
            group: sum(piece.heard for piece in self.pieces if piece.group == group) / self.rate
            for group in sorted(cut)
        }

    def counts(self) -> dict[str, float]:
        """Seconds of audio: heard, dropped by interruptions, and beyond the conversation's end."""
        rate, end = self.rate or 1, round(self.seconds * self.rate)
        received = sum(len(piece.sound) for piece in self.pieces)
        played = sum(piece.heard for piece in self.pieces)
        heard = sum(max(0, min(piece.end, end) - piece.start) for piece in self.pieces)
        return {
            "heard": heard / rate,
            "dropped": (received - played) / rate,
            "beyond": (played - heard) / rate,
        }

    def side(self, rate: int, samples: int) -> np.ndarray:
        """The system's side, (`samples`,) float32 at `rate`."""
        own = self.rate or rate
        laid = np.zeros(round(self.seconds * own), np.float32)
        for piece in self.pieces:
            end = min(piece.end, len(laid))
            if end > piece.start:
                laid[piece.start : end] = piece.sound[: end - piece.start] / 32768.0
        found = audio.resample(laid, own, rate)[:samples]
        return np.pad(found, (0, samples - len(found)))

    def words(self) -> list[Word] | None:
        """The words that are heard, in order, with their times; None if there is audio, but the
        service gave no text."""
        if any(piece.heard for piece in self.pieces) and not any(
            text.strip() for texts in self.texts.values() for text, _ in texts
        ):
            return None
        found = [word for group in self.texts for word in self._words(group)]
        return sorted(found, key=lambda word: (word.start, word.end))

    def _words(self, group: str) -> list[Word]:
        pieces = [piece for piece in self.pieces if piece.group == group and len(piece.sound)]
        if not pieces:
            return []
        bounds = np.cumsum([0, *(len(piece.sound) for piece in pieces)])
        edges: list[tuple[float, float]] = []  # of each letter, in samples of the reply
        whole = "".join(text for text, _ in self.texts[group])
        for text, count in self.texts[group] if self.paired else [(whole, 0)]:
            at = min(max(count - 1, 0), len(pieces) - 1)
            first, last = (bounds[at], bounds[at + 1]) if self.paired else (0, bounds[-1])
            cuts = np.linspace(first, last, len(text) + 1)
            edges += zip(cuts[:-1], cuts[1:], strict=True)
        found = []
        for token in TOKEN.finditer(whole):
            first, last = edges[token.start()][0], edges[token.end() - 1][1]
            times = [span for span in map(self._span(first, last), pieces, bounds) if span]
            if times and self._is_heard(first, pieces, bounds):
                start, end = times[0][0] / self.rate, times[-1][1] / self.rate
                found.append(Word(cleaned(token[0]), start, end))
        return found

    def _span(self, first: float, last: float):
        """Function (piece, its place in the reply) -> where the samples `first` to `last` of the
        reply are heard in it, if they are."""

        def span(piece: Piece, place: int) -> tuple[float, float] | None:
            start = piece.start + max(0.0, first - place)
            end = piece.start + min(last - place, piece.heard)
            end = min(end, self.seconds * self.rate)
            return (start, end) if end > start else None

        return span

    def _is_heard(self, place: float, pieces: list[Piece], bounds: np.ndarray) -> bool:
        """Whether the sample at `place` of a reply is heard."""
        at = min(int(np.searchsorted(bounds, place, side="right")) - 1, len(pieces) - 1)
        return place - bounds[at] < pieces[at].heard
