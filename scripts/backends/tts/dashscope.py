"""CosyVoice-v2 of Alibaba Cloud Model Studio: cloning by enrolment (in a cascade of the paper).

https://help.aliyun.com/zh/model-studio/cosyvoice-websocket-api for speech, .../cosyvoice-clone-api
for voices, through Alibaba's SDK. Chinese and English. Billed by characters (a Chinese one counts
as two); voices are free. Text and reference clips go to Alibaba, under Model Studio's terms, which
require the speaker's consent. Needs dashscope and a key in the environment.

A reference clip is uploaded to the service's storage (which deletes it after 48 hours) and enrolled
as a voice, once: the voice is named after the clip's digest, so it is found again even without our
store. An account holds 1000 voices, which stay until they are deleted there or unused for a year.
The service asks for 10 to 20 s of speech, five of them without a pause, so several clips of a role
are joined (REFERENCE). It refuses what is too short all the same, and then the role has no voice,
for that reason.

Options: `model`; `address` of the service, of another region or of a server with the same protocol
(HTTP and websocket addresses are derived from it); `key`, the name of the environment variable;
`rate`, the sample rate; the users' stock voices, see
https://help.aliyun.com/zh/model-studio/cosyvoice-voice-list.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import numpy as np

from scripts.backends.tts import TtsBackend
from scripts.backends.tts._service import TtsService, pieces
from scripts.common.audio import Sound, pcm
from scripts.common.errors import UserError
from scripts.common.json_path import number
from scripts.services import model_studio
from scripts.services.client import Call, CallError, Client, Response
from scripts.services.stop_messages import is_refusal

ENV = ("api", "core", "torch")
GPU = False
REFERENCE = (10.0, 20.0)  # seconds of a role's speech

ENROLMENT = "voice-enrollment"  # the model that creates voices
POLL = 1.0  # seconds between checks whether a voice is ready
FULL = "Throttling.AllocationQuota"  # error code if the account has no room for voices


def load(
    model: str = "cosyvoice-v2",
    address: str = "https://dashscope.aliyuncs.com",
    key: str = "DASHSCOPE_API_KEY",
    version: str | None = None,
    rate: int = 24_000,
    user_voice_english: str = "longxiaochun_v2",
    user_voice_chinese: str = "longxiaochun_v2",
) -> TtsBackend:
    """Ask `model` at `address` with the key in the environment variable `key`."""
    client = Client("tts/dashscope", model, address, key, version)
    return CosyVoice(client, rate, {"English": user_voice_english, "Chinese": user_voice_chinese})


class CosyVoice(TtsService):
    """See the contract in scripts/backends/tts/__init__.py, and `TtsService`."""

    voice_mode = "cloned"

    def __init__(self, client: Client, rate: int, users: dict[str, str]):
        super().__init__(client, rate, users)
        self.audio = model_studio.connect(client)

    def voice(self, clip: np.ndarray, text: str, language: str) -> dict[str, Any]:
        """The service's voice for `clip`, {"voice": its id}; `text` is not used.

        If the service refuses the clip: {"voice": None, "reason": ...}. Raises UserError if it
        still failed after all retries: a role is not given up for that.
        """
        digest = hashlib.sha256(pcm(clip)).hexdigest()

        async def send(_: int) -> Response:
            try:
                return Response(await asyncio.to_thread(self.enrolled, clip, digest), {})
            except Exception as error:
                raise model_studio.fault(error) from error

        (result,) = self.client.ask([Call({"enrol": digest}, send)], "voices enrolled")
        if result.value is None and not is_refusal(result.reason):
            raise UserError(
                f"tts/dashscope: a clip could not be enrolled: {result.reason}. Run the same "
                "command again."
            )
        if result.value is None:
            return {"voice": None, "reason": result.reason}
        return {"voice": result.value}

    def parts(self, voice: str, language: str) -> dict[str, Any]:
        return {"voice": voice, "rate": self.rate}

    async def send(self, text: str, voice: str, language: str) -> tuple[bytes, float | None]:
        line = model_studio.Line(self.client)
        heard: list[bytes] = []
        session = self.audio.tts.connect(
            model=self.client.model,
            voice=voice,
            format="pcm",
            sample_rate=self.rate,
            **line.options,
        )
        try:
            await asyncio.to_thread(hear, session, text, heard)
        except Exception as error:
            raise model_studio.fault(error, begun=bool(heard)) from error
        finally:
            line.cut()  # also ends the thread after a timeout
        return b"".join(heard), number(session.usage, "characters")

    def characters(self, text: str) -> int:
        return sum(2 if is_ideograph(letter) else 1 for letter in text)

    def enrolled(self, clip: np.ndarray, digest: str) -> str:
        """The id of the voice of a clip, an existing one or a new one."""
        name = f"r{digest[:8]}"  # at most ten lower-case letters and digits
        voices = self.audio.voices
        there = voices.list(prefix=name).voices
        own = [v["voice_id"] for v in there if v["voice_id"].startswith(f"{self.client.model}-")]
        voice = min(own, default=None) or self.create(clip, name)
        until = time.monotonic() + self.client.rules.timeout
        while time.monotonic() < until:
            status = voices.get(voice).status
            if status == "OK":
                return voice
            if status != "DEPLOYING":
                raise CallError("refused", f"the clip did not pass: the voice {voice} is {status}")
            time.sleep(POLL)
        raise CallError("transient", f"the voice {voice} is not ready in time")

    def create(self, clip: np.ndarray, name: str) -> str:
        """Create a voice from a clip; its id."""
        from dashscope.v2.errors import DashScopeError

        try:
            made = self.audio.voices.create(
                target_model=self.client.model,
                prefix=name,
                url=model_studio.uploaded(self.client, ENROLMENT, Sound(clip).wav()),
                headers={"X-DashScope-OssResourceResolve": "enable"},
            )
        except DashScopeError as error:
            if error.code == FULL:
                words = f"the account has no room for another voice ({error.message}): delete some"
                raise CallError("fatal", words, status=400) from error
            if (error.code or "").startswith(("Audio.", "BadRequest")):
                raise CallError("refused", f"{error.code}: {error.message}", status=400) from error
            raise
        return made.voice_id


def hear(session: Any, text: str, heard: list[bytes]) -> None:
    """Append the speech of a text to `heard` as it arrives. Raises the SDK's errors if it ends
    before the service says so."""
    with session:
        for piece in pieces(text):
            session.send_text(piece)
        session.stop()
        for sound in session.audio_chunks():
            heard.append(sound)


def is_ideograph(letter: str) -> bool:
    """Whether a character is Chinese (or kanji or hanja): the service bills it as two."""
    return "\u3400" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff" or letter > "\uffff"
