"""Paraformer (Chinese) and SenseVoice (Chinese and English) by FunASR.

Gao et al., 2022 and Shi et al., 2023: https://huggingface.co/funasr/paraformer-zh, a
SeACo-Paraformer of 220M parameters, Chinese with some English words, no punctuation. FunAudioLLM,
2024: https://huggingface.co/FunAudioLLM/SenseVoiceSmall, 234M parameters, Chinese, Cantonese,
English, Japanese and Korean, with punctuation and numbers as digits. Both under the FunASR model
licence 1.1. config.yaml tells which of the two a folder holds.

Needs torch, torchaudio, funasr and opencc-python-reimplemented; each takes 1 GB of GPU memory.
Always float32, as in FunASR. Options: `weights`, `device`, `batch` (clips per batch), `languages`
(that the model supports; by default Chinese for a Paraformer, both for a SenseVoice; an English
Paraformer needs `languages: [English]`) and `word_times` (bool: start and end of each word).

A clip of more than 30 s is cut where it is quietest and the texts of its parts are joined, instead
of FunASR's way, a second model for voice activity detection. The dither that FunASR adds to clips
(if config.yaml sets `dither`) is the same for every clip, so a text depends neither on chance nor
on the rest of the batch; a Paraformer's word times may shift by some hundredths of a second.
SenseVoice's tags for emotion and sounds are dropped.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from scripts.backends.asr import RATE, AsrBackend, Transcription, Word, audible, ideograph, speaks
from scripts.common.errors import UserError
from scripts.common.job import made

ENV = "torch"
GPU = True

BOTH = ("English", "Chinese")
SENSEVOICE = "SenseVoiceSmall"
# The models' names in config.yaml; these two can give word times.
TIMED = ("SeacoParaformer", "BiCifParaformer")
LANGUAGES = {SENSEVOICE: BOTH, "Paraformer": ("Chinese",)} | dict.fromkeys(TIMED, ("Chinese",))
CODES = {"English": "en", "Chinese": "zh"}
TAG = re.compile(r"<\|(\w+)\|>")
CHINESE = "[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]"
TAGS = 4  # before SenseVoice's text: language, emotion, sound, numbers as digits
FRAME = 0.06  # seconds per output frame of either encoder
LONGEST, SEARCH, QUIET = 30 * RATE, 10 * RATE, RATE // 5  # samples


def load(
    weights: str = "paraformer-zh",
    device: str = "cuda",
    batch: int = 16,
    languages: list[str] | None = None,
    word_times: bool = False,
) -> AsrBackend:
    """Load weights/<weights>/; see the docstring of this file for the options."""
    from scripts.backends.device import opened
    from scripts.common.weights import pinned

    for language in languages or ():
        speaks("asr/funasr", language, BOTH)
    with opened("asr/funasr", weights, device) as home:
        import torch
        import yaml

        settings = yaml.safe_load((home / "config.yaml").read_text("utf-8"))
        kind = settings["model"]
        if kind not in LANGUAGES:
            raise ValueError(f"config.yaml calls it a {kind}; known are {', '.join(LANGUAGES)}")
        if word_times and kind == "Paraformer":
            raise UserError(f"asr/funasr: {home} has no word_times; {', '.join(TIMED)} have.")
        file = pinned(home / "model.pt")
        from funasr import AutoModel

        net = AutoModel(
            model=str(home),
            init_param=str(file),
            device=device,
            frontend_conf={"dither": 0.0},
            ignore_init_mismatch=False,
            disable_update=True,
            disable_pbar=True,
            log_level="ERROR",
            ncpu=torch.get_num_threads(),
        )
        # FunASR only prints which weights a checkpoint lacks, and leaves them random.
        state = torch.load(file, weights_only=True, mmap=True, map_location="cpu")
        state = state.get("state_dict", state)
        missing = sorted(set(net.model.state_dict()) - set(state))
        if missing:
            raise ValueError(f"it lacks {missing[:3]}")
    dither = settings["frontend_conf"].get("dither", 1.0)
    spoken = tuple(languages or LANGUAGES[kind])
    return FunAsr(weights, kind, net, batch, spoken, dither, word_times)


class FunAsr:
    """See the contract in scripts/backends/asr/__init__.py."""

    def __init__(self, name, kind, net, batch, languages, dither: float, word_times: bool):
        from opencc import OpenCC

        self.name, self.kind, self.net = name, kind, net
        self.batch, self.languages, self.word_times = batch, languages, word_times
        self.simplify = OpenCC("t2s").convert
        noise = np.random.default_rng(0).standard_normal(LONGEST)
        net.model.encoder.register_forward_hook(self.mask_padding)
        self.noise = (noise * dither / 2**15).astype(np.float32)  # dither is in units of 16-bit PCM

    def transcribe(
        self,
        clips: list[np.ndarray],
        language: str | None = None,
    ) -> list[Transcription]:
        """Text of each (n,) float32 clip and its language; see the contract."""
        from scripts.backends.device import in_batches_of_pieces

        speaks(f"asr/funasr with {self.name}", language, self.languages)
        parts = [
            [(start, part) for start, part in cut(clip) if audible(part)] if audible(clip) else []
            for clip in clips
        ]

        def whole(number: int, heard: list[Transcription]) -> Transcription:
            starts = [start / RATE for start, _ in parts[number]]
            return self.merge_parts(list(map(moved, heard, starts)), language)

        found = in_batches_of_pieces(
            lambda batch: self.hear([part for _, part in batch], language),
            parts,
            self.batch,
            lambda part: len(part[1]),
            f"clips heard by {self.name}",
            lambda number, heard: made(self, "transcribe", number, whole(number, heard)),
        )
        return [whole(number, heard) for number, heard in enumerate(found)]

    def mask_padding(self, encoder, inputs, output) -> tuple:
        """Keep the encoder's output, with zeros for padding: Paraformer counts characters by
        looking one frame ahead, into it."""
        import torch

        encoded, lengths, *rest = output
        frames = torch.arange(encoded.shape[1], device=encoded.device)
        encoded = encoded * (frames[:, None] < lengths[:, None, None])
        self.encoded = (encoded, lengths)
        return (encoded, lengths, *rest)

    def merge_parts(self, parts: list[Transcription], language: str | None) -> Transcription:
        """One transcription from the parts of a clip; its language is that of the longest text."""
        longest = max(parts, key=lambda part: len(part.text), default=None)
        language = language or (longest.language if longest else self.languages[0])
        plain = self.simplify if language == "Chinese" else str
        text = plain(tidy(" ".join(part.text for part in parts)))
        words = [replace(w, word=plain(w.word)) for part in parts for w in part.words or []]
        return Transcription(text, language, words if self.word_times else None)

    def hear(self, clips: list[np.ndarray], language: str | None) -> list[Transcription]:
        """Transcribe clips of at most LONGEST samples; words are [] without `word_times`."""
        noisy = [clip + self.noise[: len(clip)] for clip in clips]
        if self.kind == SENSEVOICE:
            heard = self.sensevoice(noisy, CODES.get(language or "", "auto"))
            # A third language is mostly misheard Chinese: Cantonese is, and its text is in Chinese.
            others = [i for i, one in enumerate(heard) if one.language not in BOTH]
            for i in others:
                heard[i] = replace(self.sensevoice([noisy[i]], "zh")[0], language="Chinese")
            return heard
        return self.paraformer(noisy, language)

    def paraformer(self, clips: list[np.ndarray], language: str | None) -> list[Transcription]:
        found = self.net.generate(clips, batch_size=len(clips))
        if len(found) < len(clips):  # FunASR stops if no clip of a batch has a word
            found = [{"text": ""}] * len(clips)
        results = []
        for clip, one in zip(clips, found, strict=True):
            words: list[Word] = []
            if self.word_times and one["text"]:
                pieces = zip(one["text"].split(), one["timestamp"], strict=True)
                words = timed(
                    [(f"\u2581{word}", start / 1000, end / 1000) for word, (start, end) in pieces],
                    len(clip) / RATE,
                )
            own = "Chinese" if any(map(ideograph, one["text"])) else "English"
            own = language or (own if own in self.languages else self.languages[0])
            results.append(Transcription(one["text"], own, words))
        return results

    def sensevoice(self, clips: list[np.ndarray], code: str) -> list[Transcription]:
        """The language is that of SenseVoice's tag; for other languages, the tag itself."""
        found = self.net.generate(clips, language=code, use_itn=True, batch_size=len(clips))
        encoded, lengths = self.encoded
        names = {tag: name for name, tag in CODES.items()} | {"nospeech": self.languages[0]}
        results = []
        for i, (clip, one) in enumerate(zip(clips, found, strict=True)):
            tags = TAG.findall(one["text"])
            tag = code if code != "auto" else (tags or ["nospeech"])[0]
            text = "" if "nospeech" in tags[:1] else TAG.sub("", one["text"]).strip()
            words: list[Word] = []
            if self.word_times and text:
                pieces = self.aligned(encoded[i, TAGS : int(lengths[i])])
                words = timed(pieces, len(clip) / RATE)
            results.append(Transcription(text, names.get(tag, tag), words))
        return results

    def aligned(self, encoded) -> list[tuple[str, float, float]]:
        """SenseVoice's word pieces and their times: the frames at which CTC emits them.

        FunASR's own alignment fails if the text, tokenised again, has more tokens than frames.
        """
        import torch

        with torch.inference_mode():
            path = self.net.model.ctc.argmax(encoded[None])[0].tolist()
        tokenizer, blank = self.net.kwargs["tokenizer"].sp, self.net.model.blank_id
        pieces: list[list] = []
        before = blank
        for frame, number in enumerate(path):
            if number != blank and number == before:
                pieces[-1][2] = (frame + 1) * FRAME
            elif number != blank:
                piece = tokenizer.id_to_piece(number)
                pieces.append([piece, frame * FRAME, (frame + 1) * FRAME])
            before = number
        return [(word, start, end) for word, start, end in pieces if not TAG.search(word)]


def moved(heard: Transcription, start: float) -> Transcription:
    """A transcription whose words are `start` seconds later."""
    words = [
        Word(word.word, round(start + word.start, 2), round(start + word.end, 2))
        for word in heard.words or []
    ]
    return replace(heard, words=words)


def cut(clip: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Parts of at most LONGEST samples, each with its start; a part is cut at the quietest fifth of
    a second in its last ten seconds."""
    parts, start = [], 0
    while len(clip) - start > LONGEST:
        last = clip[start + LONGEST - SEARCH : start + LONGEST]
        energy = np.square(last).reshape(-1, QUIET).sum(axis=1)
        end = start + LONGEST - SEARCH + int(energy.argmin()) * QUIET + QUIET // 2
        parts.append((start, clip[start:end]))
        start = end
    return [*parts, (start, clip[start:])]


def timed(pieces: list[tuple[str, float, float]], seconds: float) -> list[Word]:
    r"""Words from SentencePiece pieces: "\u2581" and every ideograph begin a new word; other pieces
    continue a word that is not Chinese."""
    words: list[Word] = []
    new = True
    for piece, start, end in pieces:
        text = piece.replace("\u2581", "")
        new = new or piece.startswith("\u2581")
        if not text:
            continue
        marks = not any(letter.isalnum() for letter in text)
        new = new or ideograph(text[0]) or (bool(words) and ideograph(words[-1].word[0]))
        if words and (marks or not new):
            words[-1] = Word(words[-1].word + text, words[-1].start, min(end, seconds))
        else:
            words.append(Word(text, min(start, seconds), min(end, seconds)))
        new = False
    return words


def tidy(text: str) -> str:
    """The text without spaces between Chinese characters and punctuation."""
    return re.sub(f"(?<={CHINESE}) (?={CHINESE})", "", " ".join(text.split()))
