"""PersonaPlex: Moshi, trained on to play a role that a text describes, with the voice of a sample.

Roy et al., 2026 (https://arxiv.org/abs/2602.06053), as released
(https://huggingface.co/nvidia/personaplex-7b-v1, asks for access): weights under the NVIDIA Open
Model License, on Moshi's under CC-BY-4.0; the package moshi under MIT, as is the authors' own fork
of it (https://github.com/NVIDIA/personaplex). The fork cannot be installed beside the package and
reads one file a process: its prompt is reimplemented here. English. About 18 GB of GPU memory, and
1.6 GB for each conversation of a batch. Sampling is the authors'; temperatures of 0 take the most
likely tokens.

Before the conversation the system's side is given a prompt, while the user's is a tone of 440 Hz: a
sample of the voice, half a second of silence, the role, a text token a frame, and half a second of
silence. The sample is normalised to -24 LUFS (ITU-R BS.1770, by the package pyloudnorm, as in the
fork). Unlike the fork, an empty role and a missing sample are left out (the fork fails), and the
first 80 ms of a sample are read (the fork overwrites them).

An adapter (rule finetune_duplex) makes another model of this kind: of Moshi, too, with `weights:
moshiko`.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from scripts.backends import moshi_adapter
from scripts.backends.device import opened
from scripts.backends.duplex import RATE, Call, DuplexBackend
from scripts.backends.duplex._conversations import Conversations
from scripts.backends.duplex._moshi_lm import (
    BOOKS,
    FRAME,
    PAD,
    SILENCE,
    STREAMS,
    Networks,
    Past,
    Sampling,
    frames,
)
from scripts.common import audio
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.weights import pinned

ENV = "personaplex"
GPU = True

WHO = "duplex/personaplex"
# Mimi's codes of 440 Hz at half of full scale: SINE_TOKENS beside SILENCE_TOKENS, see _moshi_lm.py.
SINE = np.array([430, 1268, 381, 1611, 1095, 1495, 56, 472])
PAUSE = 6  # frames: half a second
TAG = "<system>"  # at both ends of the role
LOUDNESS = -24.0  # LUFS
SHORTEST = 0.4  # seconds of a sample: the block in which loudness is measured
VOICES = "voices.tgz"


def load(
    weights: str = "personaplex-7b-v1",
    voice: str = "",
    voice_first: bool = True,
    adapter: str = "",
    temperature: float = 0.8,
    text_temperature: float = 0.7,
    top_k: int = 250,
    text_top_k: int = 25,
    device: str = "cuda",
    batch: int = 4,
) -> DuplexBackend:
    """Load the model. `voice`: a published voice (NATF0 to 3, NATM0 to 3, VARF0 to 4, VARM0 to 4)
    or a sound file, which all conversations get instead of their own. `voice_first`: the voice
    comes before the role. `adapter`: the folder of a LoRA adapter for `weights`. `batch`
    conversations are held at a time."""
    card: dict = (
        moshi_adapter.card_of(Path(adapter), weights) if adapter else {"predicted": 2 * BOOKS}
    )
    with opened(WHO, weights, device) as home:
        fixed = audio.read(Path(voice), rate=RATE) if Path(voice).suffix else None
        if fixed is not None and (reason := unfit(fixed) if len(fixed) else "it has no samples"):
            raise UserError(f"{WHO}: {voice}: {reason}.")
        net = Networks(home, device, card["predicted"])
        if adapter:
            moshi_adapter.merge(net.lm, Path(adapter), card["scaling"])
        past = published(home, voice, net) if voice and fixed is None else None
    if past and not voice_first:
        raise UserError(
            f"{WHO}: the published voice {voice} can only come first: set `voice_first: true`, or "
            "give a sound file as the `voice`."
        )
    sampling = Sampling(temperature, text_temperature, top_k, text_top_k)
    return PersonaPlex(net, sampling, batch, past, fixed, voice_first)


class PersonaPlex(Conversations):
    name = WHO
    takes_role = True

    def __init__(
        self,
        net: Networks,
        sampling: Sampling,
        batch: int,
        past: Past | None,
        fixed: np.ndarray | None,
        voice_first: bool,
    ):
        super().__init__(net, sampling, batch, past)
        self.fixed, self.voice_first = fixed, voice_first
        self.voice_mode = "cloned" if past is None and fixed is None else "own"

    def sample(self, call: Call) -> np.ndarray:
        """The voice sample of a call; empty if there is none, or a published voice instead."""
        if self.past.length:
            return call.voice[:0]
        return call.voice if self.fixed is None else self.fixed

    def role(self, call: Call) -> list[int]:
        """The text tokens of a call's role; none of an empty one."""
        text = call.role_prompt.strip()
        return self.net.tokenizer.encode(tagged(text)) if text else []

    def refusal(self, call: Call) -> str | None:
        return unfit(self.sample(call)) or super().refusal(call)

    def prompt_frames(self, call: Call) -> int:
        return -(-len(self.sample(call)) // FRAME) + len(self.role(call)) + 2 * PAUSE

    def prompts(self, calls: list[Call]) -> list[np.ndarray]:
        samples = [self.sample(call) for call in calls]
        voices = self.net.codes([levelled(sample) if len(sample) else sample for sample in samples])
        return [
            prompt(voice, self.role(call), self.voice_first)
            for voice, call in zip(voices, calls, strict=True)
        ]


def prompt(voice: np.ndarray, role: list[int], voice_first: bool = True) -> np.ndarray:
    """The tokens of a prompt, (streams, frames), of the codes of a voice, (codebooks, frames), and
    the text tokens of a role."""
    voiced = frames(voice.shape[1], PAD, voice, SINE)
    told = frames(len(role), role, SILENCE, SINE)
    pause = frames(PAUSE, PAD, SILENCE, SINE)
    first, second = (voiced, told) if voice_first else (told, voiced)
    return np.hstack([first, pause, second, pause])


def tagged(text: str) -> str:
    """A role between the model's tags, unless it has them."""
    text = text.strip()
    if len(text) > len(TAG) and text.startswith(TAG) and text.endswith(TAG):
        return text
    return f"{TAG} {text} {TAG}"


def unfit(sample: np.ndarray) -> str | None:
    """Why a voice sample cannot be used, or None; an empty one can."""
    if not len(sample):
        return None
    if not np.isfinite(sample).all():
        return "the voice sample has values that are not numbers"
    if len(sample) < SHORTEST * RATE:
        return f"the voice sample lasts {len(sample) / RATE:.2f} s, less than {SHORTEST} s"
    if not np.isfinite(loudness(sample)):
        return "the voice sample is silent"
    return None


def loudness(sample: np.ndarray) -> float:
    """Integrated loudness in LUFS of (n,) at 24 kHz; -inf of silence."""
    import pyloudnorm

    return float(pyloudnorm.Meter(RATE).integrated_loudness(sample))


def levelled(sample: np.ndarray) -> np.ndarray:
    """A voice sample at the loudness that the model was trained with."""
    return (sample * 10 ** ((LOUDNESS - loudness(sample)) / 20)).astype(np.float32)


def published(home: Path, voice: str, net: Networks) -> Past:
    """A voice of the authors: the embeddings of a sample that is not published itself."""
    import torch

    with tarfile.open(pinned(home / VOICES)) as archive:
        files = {Path(file.name).stem: file for file in archive if file.name.endswith(".pt")}
        if voice not in files:
            raise UserError(
                f"{WHO}: no voice '{voice}' in {home / VOICES}{nearest(voice, files)}; a sound "
                "file is given with its suffix."
            )
        data = archive.extractfile(files[voice])
        assert data, "it is a file"
        state = torch.load(io.BytesIO(data.read()), map_location="cpu", weights_only=True)
    embeddings = state["embeddings"].to(net.lm.device, net.lm.dtype).flatten(0, -2)
    # The tokens lie in a ring; the next position is that after the embeddings.
    ring, late = state["cache"].numpy()[0], max(net.lm.delays)
    places = [(len(embeddings) + step) % ring.shape[1] for step in range(1 + late)]
    if ring.shape[0] != STREAMS:
        raise ValueError(f"the voice {voice} has {ring.shape[0]} streams, not {STREAMS}")
    return Past(embeddings, ring[:, places])
