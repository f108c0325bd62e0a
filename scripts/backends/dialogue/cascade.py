"""A cascaded system: speech recognition, a language model in the role, speech synthesis.

Paper, section 5.1 (there: whisper-large-v3-turbo, an 8B model, F5-TTS in the role's voice). The
parts are three models of the config; the requirements are theirs.

The history is text: the user's turns as recognised and the system's own replies as spoken. Replies
are not corrected: one in the wrong language or out of character is spoken as it is. Only what
cannot be spoken is removed (stage directions, the role's name before its line, markup), and a last
sentence that the token limit cut off, unless it is the only one.

All requests of a call are answered together. `latency` of an answer: an equal share of the
recogniser's and language model's time, and a share of the synthesiser's in proportion to the length
of the speech. This is the cost of a reply in a batch: a single request would take longer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np

from scripts import backends
from scripts.backends.asr import AsrBackend
from scripts.backends.dialogue import Answer, DialogueBackend, Request
from scripts.backends.llm import LlmBackend, why_none
from scripts.backends.tts import Line, TtsBackend, Unvoiced, Voice
from scripts.common.job import made, passed_on
from scripts.common.spoken_text import aloud
from scripts.workflow.model_spec import ModelSpec

ENV = ("core", "torch", "cosyvoice", "vllm", "api")  # those of its parts
GPU = False  # its parts may use one

QUOTED = re.compile(r"[\"“「]([^\"“”「」]*)[\"”」]")
WHOLE = re.compile(r".*(?:[.!?…][\"'”’]*(?=\s|$)|[。！？][”’」]*)", re.DOTALL)  # whole sentences


def load(
    asr: ModelSpec, llm: ModelSpec, tts: ModelSpec, role_prompt: bool = True, max_tokens: int = 40
) -> DialogueBackend:
    """Load the three parts (specs). `role_prompt` False omits the role's description, for an
    ablation; `max_tokens` limits the language model's reply."""
    ear, mind, voice = (backends.load(spec) for spec in (asr, llm, tts))
    return Cascade(ear, mind, voice, role_prompt, max_tokens)


class Cascade:
    languages = ("English", "Chinese")

    def __init__(
        self, asr: AsrBackend, llm: LlmBackend, tts: TtsBackend, role_prompt: bool, max_tokens: int
    ):
        self.asr, self.llm, self.tts = asr, llm, tts
        self.role_prompt = role_prompt
        self.max_tokens = max_tokens
        self.voice_mode = tts.voice_mode
        self.rate = tts.rate
        self.voices: dict[str, Voice] = {}  # role -> the synthesiser's voice

    def reply(self, requests: list[Request]) -> list[Answer]:
        """Answer each request; see the contract in scripts/backends/dialogue/__init__.py."""
        begun = time.monotonic()
        heard = self.hear(requests)
        chats = [self.chat(request, text) for request, text in zip(requests, heard, strict=True)]
        written = self.llm.generate(chats, self.max_tokens)
        share = (time.monotonic() - begun) / max(1, len(requests))
        lines = [
            (speakable(text, request.name), self.voice(request), request.language)
            for text, request in zip(written, requests, strict=True)
        ]
        begun = time.monotonic()
        lengths: dict[int, int] = {}

        def whole(place: int, sound: np.ndarray | ValueError, seconds: float) -> Answer:
            text = lines[place][0]
            if isinstance(sound, ValueError):
                return unspoken(sound, written[place], text, heard[place], share)
            pace = seconds / max(1, sum(lengths.values()))
            return Answer(sound, text, heard[place], share + pace * len(sound))

        def keep(place: int, sound: np.ndarray) -> None:
            lengths[place] = len(sound)
            made(self, "reply", place, whole(place, sound, time.monotonic() - begun))

        spoken = self.speak(lines, keep)
        seconds = time.monotonic() - begun
        lengths |= {n: len(x) for n, x in enumerate(spoken) if not isinstance(x, ValueError)}
        return [whole(place, sound, seconds) for place, sound in enumerate(spoken)]

    def hear(self, requests: list[Request]) -> list[str]:
        """What the user says in each request."""
        heard = [""] * len(requests)
        for language in sorted({request.language for request in requests}):
            own = [i for i, request in enumerate(requests) if request.language == language]
            results = self.asr.transcribe([requests[i].user for i in own], language)
            for i, result in zip(own, results, strict=True):
                heard[i] = result.text
        return heard

    def chat(self, request: Request, heard: str) -> list[dict[str, str]]:
        """The language model's messages: instruction, history, and the user's words."""
        instruction = [request.role_prompt] if self.role_prompt and request.role_prompt else []
        messages = [{"role": "system", "content": "\n\n".join([*instruction, request.manner])}]
        for _, answer in request.history:
            messages.append({"role": "user", "content": answer.heard or ""})
            messages.append({"role": "assistant", "content": answer.text or ""})
        return [*messages, {"role": "user", "content": heard}]

    def speak(
        self, lines: list[Line], keep: Callable[[int, np.ndarray], None]
    ) -> list[np.ndarray | ValueError]:
        """The speech of each line, or the error that says why there is none; `keep` gets the
        speech of each place when it is there."""
        if len(lines) == 1 and not lines[0][0]:
            return [ValueError("it is empty")]
        try:
            with passed_on(self.tts, "speak", keep):
                return [*self.tts.speak(lines)]
        except ValueError as error:
            if len(lines) == 1:
                return [error]

        def alone(place: int) -> np.ndarray | ValueError:
            (sound,) = self.speak([lines[place]], lambda _, own: keep(place, own))
            return sound

        return list(map(alone, range(len(lines))))

    def voice(self, request: Request):
        """The role's voice, computed once (its time is not part of any latency); without a clip it
        is the users' voice."""
        if request.role not in self.voices:
            self.voices[request.role] = (
                self.tts.voice(request.clip, request.clip_text, request.language)
                if len(request.clip)
                else self.tts.fixed_voice(request.language)
            )
        return self.voices[request.role]


def unspoken(error: ValueError, reply: str, text: str, heard: str, latency: float) -> Answer:
    """The Answer without speech for a model's `reply`, of which `text` was to be spoken."""
    if text:
        reason = f"the reply cannot be spoken: {error}"
        return Answer(None, text, heard, latency, reason, voiced=not isinstance(error, Unvoiced))
    reason = why_none(reply) or "the language model's reply is empty"
    if reply.strip():
        reason = f"there is nothing to say in {reply!r}"
    return Answer(None, text, heard, latency, reason)


def speakable(text: str, name: str) -> str:
    """The part of a model's reply that is spoken, in the role called `name`; may be empty."""
    text = aloud(text)
    text = re.sub(rf"^{re.escape(name)}\s*[:：]\s*", "", text) if name else text
    quoted = QUOTED.fullmatch(text)
    text = quoted[1] if quoted else text
    whole = WHOLE.match(text)
    return whole[0].strip() if whole else text
