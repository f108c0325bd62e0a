"""A pair to judge, and the services used to test judges."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from scripts.backends.judge import Pair, Side, Sound, gemini, openai_audio_judge, read_metrics
from scripts.common.paths import ROOT
from tests.servers.gemini import Asked, Gemini
from tests.servers.openai_judge import Chat

TABLE = read_metrics(ROOT / "config/metrics.tsv")[:8]  # the paper's
KEY = "canary-5f1d9a"
GOOD = "A is livelier.\n[Scores]: (8, 6)"


def listen(service: str, server, **options):
    """The judge under test, connected to `server`."""
    module = {"gemini": gemini, "openai": openai_audio_judge}[service]
    return module.load(address=server.address, **options)


def ended(why: str, text: str = "A is") -> dict:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": why}]}


def said(why: str | None, text: str | None = "A is", **message) -> dict:
    return {"choices": [{"message": {"content": text, **message}, "finish_reason": why}]}


def tone(samples: int, height: float = 0.3) -> Sound:
    return Sound((height * np.sin(np.arange(samples) / 9)).astype(np.float32))


PAIR = Pair(
    id="d1",
    language="English",
    name="Joe",
    work="A Game",
    profile="Joe flies.",
    lines=("Hey.",),
    clips=(tone(1600),),
    questions=("Who are you?", "Where to?"),
    test=Side((tone(16000), tone(8000)), ("Joe.", "Away.")),
    reference=Side((tone(12000), tone(9000)), ("A pilot.", "Home.")),
)
TESTED = {sound.wav() for sound in PAIR.test.audio}


def of_sides(test: int, reference: int):
    """A server's answer that recognizes the sides by their sound: the tested one gets `test`."""

    def answer(asked: Asked) -> str:
        a, b = (test, reference) if asked.wavs[0] in TESTED else (reference, test)
        return f"I know them.\n[Scores]: ({a}, {b})"

    return answer


def always_a(asked: Asked) -> str:
    return GOOD


def as_json(asked: Asked) -> str:
    rows = enumerate((metric.id for metric in TABLE), 1)
    rows = {name: {"rationale": "So.", "score_a": i, "score_b": 10 - i} for i, name in rows}
    return f"```json\n{json.dumps(rows)}\n```"


# How each service is told what to do, and how its server says that a reply is none.
SERVICES = {
    "gemini": SimpleNamespace(
        name="gemini",
        server=Gemini,
        cut=lambda asked: ended("MAX_TOKENS"),
        refusals=[
            ended("SAFETY"),
            ended("PROHIBITED_CONTENT"),
            {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "g"},
        ],
        empty=[
            {"candidates": []},
            {},
            ended("STOP", ""),
            {"candidates": [{"finishReason": "STOP"}]},
            {"candidates": "none"},
            ended("OTHER", GOOD),
        ],
        limit=lambda asked: asked.json["generationConfig"]["maxOutputTokens"],
        temperature=lambda asked: asked.json["generationConfig"].get("temperature"),
    ),
    "openai": SimpleNamespace(
        name="openai",
        server=Chat,
        cut=lambda asked: said("length"),
        refusals=[said("content_filter"), said("stop", None, refusal="I cannot help with that.")],
        empty=[
            {"choices": []},
            {},
            said("stop", None),
            said("stop", " "),
            {"choices": "none"},
            said(None, GOOD),
        ],
        limit=lambda asked: asked.json["max_tokens"],
        temperature=lambda asked: asked.json.get("temperature"),
    ),
}
