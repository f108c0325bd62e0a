"""Paraformer realtime v2 of Alibaba Cloud Model Studio: Chinese and English (as in the paper).

https://help.aliyun.com/zh/model-studio/paraformer-real-time-speech-recognition-python-sdk, called
over a websocket through Alibaba's SDK. Billed by seconds of audio; the clips go to Alibaba, under
Model Studio's terms. Needs dashscope, opencc-python-reimplemented, and a key in the environment.

Clips are sent as fast as the connection allows; the sentences that the service marks as ended are
joined. The service does not report the language, so it is guessed from the script of the text.
Options: `model`; `address` of the service, of another region or of a server with the same protocol
(HTTP and websocket addresses are derived from it); `key`, the name of the environment variable.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from typing import Any

import numpy as np

from scripts.backends.asr import RATE, AsrBackend, Transcription, audible, speaks
from scripts.common import job, json_path
from scripts.common.audio import pcm
from scripts.common.errors import UserError
from scripts.services import model_studio
from scripts.services.client import Call, Client, Response
from scripts.services.daemon_threads import DaemonThreadPool
from scripts.services.prices import used_or_reserved
from scripts.services.stop_messages import is_refusal

ENV = ("api", "core", "torch")
GPU = False

CODES = {"English": "en", "Chinese": "zh"}
FRAME = 12_800  # bytes per message, as in the SDK


def load(
    model: str = "paraformer-realtime-v2",
    address: str = "https://dashscope.aliyuncs.com",
    key: str = "DASHSCOPE_API_KEY",
    version: str | None = None,
) -> AsrBackend:
    """Ask `model` at `address` with the key in the environment variable `key`."""
    return Paraformer(Client("asr/dashscope", model, address, key, version))


class Paraformer:
    """See the contract in scripts/backends/asr/__init__.py."""

    def __init__(self, client: Client):
        from opencc import OpenCC

        self.client = client
        self.simplify = OpenCC("t2s").convert
        self.audio = model_studio.connect(client)

    def transcribe(
        self, clips: list[np.ndarray], language: str | None = None
    ) -> list[Transcription]:
        """Text of each (n,) float32 clip and its language; see the contract.

        A clip that the service's content filter refuses gets an empty text and a printed message.
        Raises UserError for a clip that has no result after all retries.
        """
        speaks("asr/dashscope", language, CODES)
        heard = [number for number, clip in enumerate(clips) if audible(clip)]
        results = self.client.ask(
            [self.call(pcm(clips[number]), language) for number in heard], "clips heard"
        )
        sentences: list[list[str]] = [[] for _ in clips]
        for number, result in zip(heard, results, strict=True):
            if result.value is None:
                seconds = len(clips[number]) / RATE
                words = f"asr/dashscope: a clip of {seconds:.1f} s has no text: {result.reason}."
                if not is_refusal(result.reason):
                    raise UserError(f"{words} The others are kept; run the same command again.")
                print(words, file=job.screen())
            sentences[number] = result.value or []
        return [self.merge_sentences(own, language) for own in sentences]

    def call(self, sound: bytes, language: str | None) -> Call:
        hints = [CODES[language]] if language else list(CODES.values())
        parts = {"audio": hashlib.sha256(sound).hexdigest(), "language_hints": hints}

        async def send(_: int) -> Response:
            line = model_studio.Line(self.client)
            sentences: list[str] = []
            session = self.audio.asr.recognize(
                model=self.client.model,
                format="pcm",
                sample_rate=RATE,
                parameters={"language_hints": hints},
                **line.options,
            )
            try:
                await asyncio.to_thread(hear, session, sound, sentences)
            except Exception as error:
                raise model_studio.fault(error, begun=bool(sentences)) from error
            finally:
                line.cut()  # also ends the thread after a timeout
            told = json_path.number(session.usage, "duration")
            return Response(sentences, used_or_reserved({"audio second": told}, most))

        most = {"audio second": billed(sound)}
        return Call(parts, send, most)

    def merge_sentences(self, sentences: list[str], language: str | None) -> Transcription:
        """One transcription from the sentences of a clip."""
        language = language or guessed("".join(sentences))
        parts = [sentence.strip() for sentence in sentences]
        text = ("" if language == "Chinese" else " ").join(part for part in parts if part)
        return Transcription(self.simplify(text) if language == "Chinese" else text, language)


def hear(session: Any, sound: bytes, sentences: list[str]) -> None:
    """Send 16-bit PCM at 16 kHz; recognised sentences are appended to `sentences` as they arrive.

    Results are read while the audio is sent, so that a refusal is noticed at once.
    """
    with session, DaemonThreadPool(1) as pool:
        sent = pool.submit(feed, session, sound)
        for result in session.results():
            if result.is_sentence_end():
                sentences.append(json_path.text(result.get_sentence(), "text"))
        sent.result()


def feed(session: Any, sound: bytes) -> None:
    for start in range(0, len(sound), FRAME):
        session.send_audio_frame(sound[start : start + FRAME])
    session.stop()


def billed(sound: bytes) -> int:
    """Billed seconds of 16-bit PCM at 16 kHz, rounded up."""
    return math.ceil(len(sound) / 2 / RATE)


def guessed(text: str) -> str:
    """The language of a transcript: Chinese if it has at least one Chinese character for every two
    words in Latin letters, since Chinese sentences may contain English names."""
    characters = sum("\u3400" <= letter <= "\u9fff" for letter in text)
    words = len("".join(c if c.isascii() else " " for c in text).split())
    return "Chinese" if characters and characters >= words / 2 else "English"
