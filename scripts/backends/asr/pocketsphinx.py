"""PocketSphinx, a recogniser of hidden Markov models, for English.

Carnegie Mellon University (https://github.com/cmusphinx/pocketsphinx, BSD-2-Clause); the package
carries a small English model with a trigram language model. It makes many mistakes, and others than
neural networks make: what two so different recognisers agree on does not depend on either. It does
not invent sentences in silence.

Each clip is decoded alone by a decoder with fresh cepstral means, so its text never depends on
others. Words are lower case without punctuation. Options: `threads`, clips at once, a decoder each;
`word_times` (bool: words with their times, from the decoder's own frames of 10 ms). Needs
pocketsphinx.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

from scripts.backends.asr import RATE, AsrBackend, Transcription, Word, audible, speaks
from scripts.common.audio import pcm
from scripts.common.job import kept
from scripts.common.progress import progress

ENV = ("core", "torch")
GPU = False

FRAME = 0.01  # seconds
# A narrow search in one pass: twice as fast, 19 % of words wrong instead of 17 on synthetic speech.
SEARCH = {"fwdflat": False, "maxhmmpf": 3000, "maxwpf": 5, "ds": 2, "pl_window": 5}
FILLER = re.compile(r"<.*>|\[.*\]")  # silence, breath, noise
VARIANT = re.compile(r"\(\d+\)$")  # of a word's pronunciation


def load(threads: int = 1, word_times: bool = False) -> AsrBackend:
    from pocketsphinx import Decoder

    options = {"samprate": float(RATE), "loglevel": "FATAL", **SEARCH}
    decoders = [Decoder(**options) for _ in range(threads)]
    return PocketSphinx(decoders, word_times)


class PocketSphinx:
    """See the contract in scripts/backends/asr/__init__.py."""

    def __init__(self, decoders: list, word_times: bool):
        self.word_times = word_times
        self.threads = len(decoders)
        self.means = decoders[0].get_cmn()
        self.free: SimpleQueue = SimpleQueue()
        for decoder in decoders:
            self.free.put(decoder)

    def transcribe(
        self, clips: list[np.ndarray], language: str | None = None
    ) -> list[Transcription]:
        """Text of each (n,) float32 clip; see the contract. Whatever it hears is English to it."""
        speaks("asr/pocketsphinx", language, ["English"])
        with ThreadPoolExecutor(self.threads) as pool:
            found = pool.map(self._transcribe, clips)
            return kept(self, "transcribe", progress(found, len(clips), "clips heard"))

    def _transcribe(self, clip: np.ndarray) -> Transcription:
        words = self._words(clip) if audible(clip) else []
        text = " ".join(word.word for word in words)
        return Transcription(text, "English", words if self.word_times else None)

    def _words(self, clip: np.ndarray) -> list[Word]:
        decoder = self.free.get()
        try:
            decoder.set_cmn(self.means)
            decoder.start_utt()
            decoder.process_raw(pcm(clip), full_utt=True)
            decoder.end_utt()
            found = [(own.word, own.start_frame, own.end_frame) for own in decoder.seg() or ()]
        finally:
            self.free.put(decoder)
        longest = len(clip) / RATE
        return [
            Word(VARIANT.sub("", word), min(a * FRAME, longest), min((b + 1) * FRAME, longest))
            for word, a, b in found
            if not FILLER.fullmatch(word)
        ]
