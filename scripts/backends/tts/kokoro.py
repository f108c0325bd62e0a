"""Kokoro-82M, int8: 28 English and 8 Mandarin stock voices. Voice matching, not cloning.

Source: https://huggingface.co/hexgrad/Kokoro-82M (Apache-2.0), run by kokoro-onnx (MIT);
phonemisation by espeak-ng (GPL-3.0) for English, scripts/backends/tts/_mandarin.py for Mandarin. A
role gets the stock voice nearest to its reference clip, by cosine of speaker embeddings, but never
the user's voice. Two roles may get the same voice. The same line always sounds the same, down to
the last sample.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from scripts.backends.tts import TtsBackend
from scripts.common.errors import UserError
from scripts.common.job import kept
from scripts.common.paths import ROOT, sha256_of
from scripts.workflow.model_spec import ModelSpec

ENV = "core"
GPU = False

RATE = 24_000
PREFIX = {"English": ("a", "b"), "Chinese": ("z",)}  # a: American, b: British, z: Mandarin
UNCLEAR = {"zf_xiaoni"}  # 38 % character errors by a recogniser, 0 to 5 % for the others
SAMPLE = {  # what each stock voice says for its speaker embedding
    "English": "Good evening, my friend, where have you been?",
    "Chinese": "晚上好，我的朋友，你到哪里去了？",
}


def load(
    speaker: ModelSpec,
    weights: str = "kokoro",
    threads: int = 2,
    user_voice_english: str = "af_bella",
    user_voice_chinese: str = "zf_xiaoyi",
) -> TtsBackend:
    """Load weights/<weights>/; speaks `threads` lines in parallel. `speaker` compares voices."""
    import onnxruntime
    from kokoro_onnx import Kokoro as Model

    from scripts.common.weights import path

    folder = path(weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two lines in parallel are faster than two threads per line
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / "kokoro.onnx"), options, providers=["CPUExecutionProvider"]
    )
    model = Model.from_session(session, str(folder / "voices.npz"))
    model.voices = dict(model.voices)  # read once: the open archive is not thread-safe
    users = {"English": user_voice_english, "Chinese": user_voice_chinese}
    return Kokoro(model, folder, speaker, users, threads)


class Kokoro:
    """See the contract in scripts/backends/tts/__init__.py. A voice is {"voice": its name, ...}."""

    rate = RATE
    voice_mode = "matched"

    def __init__(
        self, model, folder: Path, speaker: ModelSpec, users: dict[str, str], threads: int
    ):
        self.model = model
        self.folder = folder
        self.speaker_spec = speaker
        self.users = users
        self.threads = threads
        self.stock = functools.cache(self._stock)

    @functools.cached_property
    def speaker(self):
        from scripts import backends

        return backends.load(self.speaker_spec)

    def fixed_voice(self, language: str) -> dict:
        """The voice of all users of `language`."""
        return {"voice": self.users[language]}

    def voices(self, language: str) -> list[dict]:
        """The clear voices of `language`, by name; the users' is one of them."""
        clear = sorted(set(self.model.voices) - UNCLEAR)
        return [{"voice": name} for name in clear if name.startswith(PREFIX[language])]

    def voice(self, clip: np.ndarray, text: str, language: str) -> dict:
        """The stock voice of `language` nearest to `clip`, with its cosine; `text` is not used."""
        names, vectors = self.stock(language)
        cosines = vectors @ self.speaker.embed([clip])[0]
        cosines[names.index(self.users[language])] = -1
        nearest = int(np.argmax(cosines))
        return {"voice": names[nearest], "cosine": round(float(cosines[nearest]), 3)}

    def speak(self, lines: list[tuple[str, dict, str]]) -> list[np.ndarray]:
        """(text, voice, language) -> (n,) float32 at 24 kHz; see the contract."""
        scripts = [(self._phonemes(*line), line[1]["voice"]) for line in lines]
        with ThreadPoolExecutor(self.threads) as pool:
            return kept(self, "speak", pool.map(self._say, scripts))

    def _phonemes(self, text: str, voice: dict, language: str) -> str:
        """The line's phonemes. Raises ValueError if there is nothing to say."""
        from scripts.backends.tts._mandarin import phonemes

        name = voice["voice"]
        if name not in self.model.voices:
            from scripts.common.documents import nearest

            raise UserError(f"kokoro has no voice '{name}'{nearest(name, self.model.voices)}")
        accent = "en-gb" if name.startswith("b") else "en-us"
        english = functools.partial(self.model.tokenizer.phonemize, lang=accent)
        read = phonemes(text, english) if language == "Chinese" else english(text)
        if not any(sound.isalpha() for sound in self.model.tokenizer.known(read)):
            raise ValueError(f"there is nothing to say in {text!r}")
        return read

    def _say(self, script: tuple[str, str]) -> np.ndarray:
        """More than 510 phonemes take several model calls, split at sentence ends if possible."""
        audio, _ = self.model.create(*script, is_phonemes=True)
        return np.clip(audio, -1, 1).astype(np.float32)

    def _stock(self, language: str) -> tuple[list[str], np.ndarray]:
        """The clear voices of a language and their embeddings (n, d), cached in .cache/."""
        import soxr

        from scripts.rows.jsonl import content_id

        names = [voice["voice"] for voice in self.voices(language)]
        key = content_id(*self._sums(), self.speaker_spec, SAMPLE[language], *names)
        file = ROOT / ".cache" / f"kokoro-{language}-{key}.npy"
        if not file.exists():
            said = self.speak([(SAMPLE[language], {"voice": name}, language) for name in names])
            vectors = self.speaker.embed([soxr.resample(x, RATE, 16_000) for x in said])
            file.parent.mkdir(exist_ok=True)
            part = file.with_suffix(f".part-{id(self)}.npy")
            np.save(part, vectors)
            part.rename(file)
        return names, np.load(file)

    def _sums(self) -> list[str]:
        return [sha256_of(self.folder / name) for name in ("kokoro.onnx", "voices.npz")]
