"""Any system that answers a turn at a time, behind streaming end-of-turn detection.

Voice activity detection (`vad`) follows the user in frames of 80 ms. Where the user pauses for
`pause` seconds, Smart Turn v3.2 decides whether the turn has ended; a silence of `longest_pause`
ends it in any case. Then the `dialogue` system answers the turn. Nothing depends on what the user
says later. The flow is that of common voice agents, e.g. pipecat's (https://github.com/pipecat-ai).

- The answer starts `delay` seconds after the decision. This is simulated, so that results do not
  depend on the machine; `compute` of a side is measured: the detection, and the answers' latencies.
  If the user goes on in this time, the answer is not given, and the turn goes on.
- A user who talks for `barge_in` seconds while the agent does stops it, and is answered when that
  turn ends. Of the interrupted answer, the history has only what was heard. The agent talks on
  through anything shorter, which is not answered.
- In a turn of more than `backchannel_after` seconds, at a pause that does not end it, the agent
  says "Mm-hm.", at most every `backchannel_every` seconds; only if there is a `tts` to say it.
- Words are those of the agent's texts, spread over the speech in proportion to their letters.

An answer that fails leaves silence, and the exchange out of the history; `reason` tells. If nothing
else was said either, the side has no audio. A call without a voice sample has the voice that the
dialogue system uses without one. `seed` is not used: dialogue systems have none. What was asked a
short while ago with the same history (sets ask the same question before different events) has the
same answer again.

Weights: `smart-turn` (`make weights`). Needs onnxruntime and faster-whisper (for its features).
"""

from __future__ import annotations

import functools

import numpy as np

from scripts import backends
from scripts.backends.dialogue import Answer, DialogueBackend, Request
from scripts.backends.duplex import RATE, Call, DuplexBackend, Side
from scripts.backends.duplex._agent import Agent, Policy
from scripts.backends.duplex._smart_turn import SmartTurn
from scripts.backends.duplex._user import HEARD, heard, refused
from scripts.backends.tts import TtsBackend
from scripts.backends.vad import VadBackend
from scripts.common.audio import resample
from scripts.common.weights import path
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.serialization import cache_key

ENV = ("core", "torch")
GPU = False  # its parts may use one

MANNER = {
    "English": (
        "You are talking with someone on the telephone. Answer in English with what you say aloud "
        "and nothing else: one or two short sentences. No stage directions, no lists, no notes."
    ),
    "Chinese": "你正在和人通电话。请用中文回答，只写你说出口的话：一两句短句。不要舞台说明或注释。",
}
RECENT = 64  # answers that are remembered
BACKCHANNEL = {"English": "Mm-hm.", "Chinese": "嗯。"}


def load(
    dialogue: ModelSpec,
    vad: ModelSpec,
    tts: ModelSpec | None = None,
    weights: str = "smart-turn",
    pause: float = 0.2,
    longest_pause: float = 3.0,
    delay: float = 0.8,
    barge_in: float = 0.5,
    backchannel_after: float = 4.0,
    backchannel_every: float = 5.0,
) -> DuplexBackend:
    """Load the parts (specs); `tts` speaks the backchannels. Times are in seconds."""
    policy = Policy(pause, longest_pause, delay, barge_in, backchannel_after, backchannel_every)
    return EndOfTurn(
        backends.load(dialogue),
        backends.load(vad),
        SmartTurn(path(weights)),
        backends.load(tts) if tts else None,
        policy,
    )


class EndOfTurn:
    """See the contract in scripts/backends/duplex/__init__.py."""

    takes_role = True

    def __init__(
        self,
        dialogue: DialogueBackend,
        vad: VadBackend,
        smart_turn: SmartTurn,
        tts: TtsBackend | None,
        policy: Policy,
    ):
        self.dialogue, self.vad, self.smart_turn, self.tts = dialogue, vad, smart_turn, tts
        self.policy = policy
        self.rate = dialogue.rate
        self.voice_mode = "own" if dialogue.voice_mode == "fixed" else dialogue.voice_mode
        self.nods: dict[str, np.ndarray] = {}  # role -> the speech of its backchannel
        self.recent: dict[str, Answer] = {}  # request -> answer, the latest last

    def converse(self, calls: list[Call]) -> list[Side]:
        """Its side of each call. All calls go on to their next answer, then those are given
        together, until every call has ended."""
        sides = [refused(call, self.dialogue.languages) for call in calls]
        agents = {i: self.agent(calls[i]) for i, side in enumerate(sides) if side is None}
        asked = {i: agent.advance() for i, agent in agents.items()}
        while requests := {i: request for i, request in asked.items() if request is not None}:
            answers = self.answers([*requests.values()])
            asked = {i: agents[i].advance(a) for i, a in zip(requests, answers, strict=True)}
        return [agents[i].side() if side is None else side for i, side in enumerate(sides)]

    def answers(self, requests: list[Request]) -> list[Answer]:
        """The answer to each request; equal ones are asked once."""
        keys = [cache_key(request) for request in requests]
        found = {key: self.recent[key] for key in keys if key in self.recent}
        new = {key: own for key, own in zip(keys, requests, strict=True) if key not in found}
        if new:
            found |= zip(new, self.dialogue.reply([*new.values()]), strict=True)
        self.recent |= {key: own for key, own in found.items() if own.reason is None}
        self.recent = dict([*self.recent.items()][-RECENT:])
        return [found[key] for key in keys]

    def agent(self, call: Call) -> Agent:
        """The agent of a call, before its first frame."""
        request = Request(
            # Dialogue systems make a role's voice once, so a role is what its voice is made of.
            role=cache_key(call.voice, call.voice_text, call.language),
            language=call.language,
            name="",
            role_prompt=call.role_prompt,
            manner=MANNER.get(call.language, MANNER["English"]),
            clip=resample(call.voice, RATE, HEARD),
            clip_text=call.voice_text,
            user=heard(call.user),
        )
        return Agent(
            request,
            len(call.user) / RATE,
            self.rate,
            self.policy,
            self.vad,
            self.smart_turn.complete,
            functools.partial(self.nod, request) if self.tts else None,
        )

    def nod(self, request: Request) -> tuple[str, np.ndarray]:
        """The text and the speech of a backchannel, in the role's voice."""
        text = BACKCHANNEL.get(request.language, BACKCHANNEL["English"])
        if request.role not in self.nods:
            assert self.tts is not None
            if self.tts.voice_mode == "fixed" or not len(request.clip):
                voice = self.tts.fixed_voice(request.language)
            else:
                voice = self.tts.voice(request.clip, request.clip_text, request.language)
            (sound,) = self.tts.speak([(text, voice, request.language)])
            self.nods[request.role] = resample(sound, self.tts.rate, self.rate)
        return text, self.nods[request.role]
