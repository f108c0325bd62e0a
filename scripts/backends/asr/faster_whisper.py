"""Whisper by faster-whisper (CTranslate2), English and Chinese, for clips of a few seconds.

Radford et al., 2022 (MIT); default: base, Systran's conversion of OpenAI's checkpoint. The paper
uses larger ones; any Whisper that CTranslate2 can read works.

Whisper's encoder always takes 30 s, mostly silence for a short clip, and that is nearly all of the
work. Here it takes 15 s, or the clip plus 5 s if that is longer. With so little padding it
sometimes repeats itself or rambles; it is then run again (see `doubtful`) on the full 30 s with a
wider beam, and the likelier result is kept. Clips of more than 25 s go through faster-whisper's own
long form. Each clip is decoded alone, without sampling, so its text never depends on others.

Options: `weights`, a name in config/weights.tsv or config/hub_weights.tsv (faster-whisper-large-v3)
or the path (with a /) of a folder; `threads`, the number of clips transcribed in parallel, one CPU
thread each (nearly twice as fast as two threads for one clip); `device`, "cpu" by default (int8) or
"cuda" (float16; a word may differ); `word_times` (bool: start and end of each word, aligned by the
package from the cross-attention; the text is the same without them). The alignment does not show
which words were invented in silence: who needs to know gives only what a detector calls speech.
Needs faster-whisper; opencc-python-reimplemented for simplified characters; torch for "cuda".
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np

from scripts.backends.asr import RATE, AsrBackend, Transcription, Word, audible, speaks
from scripts.backends.device import opened
from scripts.common.job import kept
from scripts.common.progress import progress

ENV = ("core", "torch")
GPU = True

WHOLE = 30  # seconds: the window that the model was trained on
SHORT, MARGIN = 15, 5  # seconds
BEAM, SECOND_BEAM = 1, 5  # beam sizes: greedy first, then for the second attempt
HOP = 160  # samples per feature frame
LANGUAGES = {"English": "en", "Chinese": "zh"}


def load(
    weights: str = "whisper-base", threads: int = 2, device: str = "cpu", word_times: bool = False
) -> AsrBackend:
    with opened("asr/faster_whisper", weights, device) as home:
        from faster_whisper import WhisperModel

        if not (home / "tokenizer.json").exists():
            raise ValueError("it has no tokenizer.json, and faster-whisper would ask a hub for one")
        kind, _, number = device.partition(":")
        net = WhisperModel(
            str(home),
            device=kind,
            device_index=int(number or 0),
            compute_type="int8" if kind == "cpu" else "float16",
            cpu_threads=1,
            num_workers=threads,
            local_files_only=True,
        )
    return FasterWhisper(net, threads, word_times)


@dataclass(frozen=True)
class Heard:
    """One attempt: mean log-probability per token, compression ratio (high for repetitive text) and
    probability of no speech."""

    text: str
    logprob: float
    compression: float
    no_speech: float
    endless: bool  # cut off at the token limit for a clip of this length
    words: tuple[Word, ...]  # only with word_times


class FasterWhisper:
    """See the contract in scripts/backends/asr/__init__.py."""

    def __init__(self, net, threads: int, word_times: bool = False):
        from opencc import OpenCC

        self.net, self.threads, self.word_times = net, threads, word_times
        self.simplify = OpenCC("t2s").convert

    def transcribe(
        self, clips: list[np.ndarray], language: str | None = None
    ) -> list[Transcription]:
        """Text of each (n,) float32 clip and its language; see the contract.

        If no language is given, each clip gets the likelier of English and Chinese.
        """
        speaks("asr/faster_whisper", language, LANGUAGES)
        with ThreadPoolExecutor(self.threads) as pool:
            found = pool.map(lambda clip: self._transcribe(clip, language), clips)
            return kept(self, "transcribe", progress(found, len(clips), "clips heard"))

    def _transcribe(self, clip: np.ndarray, language: str | None) -> Transcription:
        language = language or self._language(clip)
        text, words = self._said(clip, language)
        if language == "Chinese":
            text = self.simplify(text)
            words = tuple(replace(own, word=self.simplify(own.word)) for own in words)
        return Transcription(text, language, list(words) if self.word_times else None)

    def _said(self, clip: np.ndarray, language: str) -> tuple[str, tuple[Word, ...]]:
        if not audible(clip):
            return "", ()
        seconds = len(clip) / RATE
        if seconds + MARGIN > WHOLE:
            return self._long(clip, language)
        heard = self._hear(clip, language, max(SHORT, seconds + MARGIN), BEAM)
        if doubtful(heard):
            again = self._hear(clip, language, WHOLE, SECOND_BEAM)
            heard = min(heard, again, key=lambda one: (doubtful(one), -one.logprob))
        return ("", ()) if silent(heard) else (heard.text, heard.words)

    def _hear(self, clip: np.ndarray, language: str, seconds: float, beam: int) -> Heard:
        tokenizer = self._tokenizer(language)
        prompt = self.net.get_prompt(tokenizer, [], without_timestamps=True)
        # Nobody speaks more than eight tokens per second.
        most = int(8 * len(clip) / RATE) + 16
        encoded = self._encode(clip, seconds)
        (result,) = self.net.model.generate(
            encoded,
            [prompt],
            beam_size=beam,
            max_length=len(prompt) + most,
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = result.sequences_ids[0]
        said = [token for token in tokens if token < tokenizer.eot]
        text = tokenizer.decode(said).strip()
        written = text.encode()
        words: tuple[Word, ...] = ()
        if self.word_times and text:
            frames = max(2, len(clip) // HOP)
            (aligned,) = self.net.find_alignment(tokenizer, [said], encoded, frames)
            words = timed(aligned, len(clip) / RATE)
        return Heard(
            text,
            logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
            compression=len(written) / len(zlib.compress(written)),
            no_speech=result.no_speech_prob,
            endless=len(tokens) >= most,
            words=words,
        )

    def _encode(self, clip: np.ndarray, seconds: float):
        """The encoder's output for the clip, padded with silence to `seconds`."""
        frames = int(seconds * RATE) // HOP // 2 * 2
        padded = np.pad(clip, (0, max(0, frames * HOP - len(clip))))
        features = self.net.feature_extractor(padded, padding=HOP)[None, :, :frames]
        return self.net.encode(features)

    def _long(self, clip: np.ndarray, language: str) -> tuple[str, tuple[Word, ...]]:
        parts, _ = self.net.transcribe(
            clip,
            language=LANGUAGES[language],
            beam_size=BEAM,
            temperature=0,
            condition_on_previous_text=False,
            word_timestamps=self.word_times,
        )
        found = list(parts)
        aligned = [asdict(word) for part in found for word in part.words or []]
        return " ".join(part.text.strip() for part in found), timed(aligned, len(clip) / RATE)

    def _language(self, clip: np.ndarray) -> str:
        encoded = self._encode(clip[: WHOLE * RATE], WHOLE)
        likely = dict(self.net.model.detect_language(encoded)[0])
        return max(LANGUAGES, key=lambda name: likely[f"<|{LANGUAGES[name]}|>"])

    def _tokenizer(self, language: str):
        from faster_whisper.tokenizer import Tokenizer

        code = LANGUAGES[language]
        return Tokenizer(self.net.hf_tokenizer, True, task="transcribe", language=code)


def timed(aligned: list[dict], seconds: float) -> tuple[Word, ...]:
    """Aligned words in order, inside a clip of `seconds`; punctuation joins the word before it."""
    found: list[Word] = []
    for own in aligned:
        text = own["word"].strip()
        start = max(found[-1].end if found else 0.0, min(round(float(own["start"]), 2), seconds))
        end = max(start, min(round(float(own["end"]), 2), seconds))
        if found and not any(letter.isalnum() for letter in text):
            found[-1] = replace(found[-1], word=found[-1].word + text)
        elif text:
            found.append(Word(text, start, end))
    return tuple(found)


def doubtful(heard: Heard) -> bool:
    """Whisper's own tests (unlikely or repetitive text), and whether the token limit was hit."""
    return heard.endless or heard.logprob < -1 or heard.compression > 2.4


def silent(heard: Heard) -> bool:
    """Whisper's own test for a clip without speech."""
    return heard.no_speech > 0.6 and heard.logprob < -1
