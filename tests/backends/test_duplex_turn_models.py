"""Smart Turn and the duplex systems on real speech, with the default models.

Kokoro synthesizes the speech once.
"""

from __future__ import annotations

import numpy as np
import pytest

from scripts import backends
from scripts.backends import duplex
from scripts.backends.duplex import RATE, Call, always_talking
from scripts.backends.duplex._smart_turn import SmartTurn
from scripts.backends.duplex._user import heard
from scripts.common import weights
from scripts.workflow.model_spec import ModelSpec
from tests.backends.calls import Talker, heard_at, system
from tests.default_models import spec_of

WHOLE = "Where did you hide the treasure, my old friend?"
HALF = "So yesterday I went to the shop, and then"
NONE = np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def said():
    """The two texts, (n,) float32 at 24 kHz, without the silence at their ends."""
    kokoro = backends.load(spec_of("kokoro"))
    lines = kokoro.speak([(text, {"voice": "af_heart"}, "English") for text in (WHOLE, HALF)])
    return [line[: np.flatnonzero(np.abs(line) > 0.02)[-1]] for line in lines]


@pytest.fixture(scope="module")
def smart_turn():
    return SmartTurn(weights.path("smart-turn"))


def side(*parts) -> np.ndarray:
    """Speech and seconds of silence, one after another."""
    return np.concatenate(
        [np.zeros(round(p * RATE), np.float32) if isinstance(p, float) else p for p in parts]
    )


def test_features_are_those_of_the_package(smart_turn):
    """The numbers are what pipecat-ai 1.14.0 computes."""
    tone = np.sin(np.arange(20_000) / 9).astype(np.float32) * 0.3
    features = smart_turn.features(tone)
    assert features.shape == (80, 800) and features.dtype == np.float32
    assert features[5, 790] == pytest.approx(1.6445174, abs=1e-5)
    assert features.mean() == pytest.approx(-0.13394476, abs=1e-5)
    assert smart_turn.complete(tone) == pytest.approx(0.046, abs=0.02)


def test_only_the_last_eight_seconds_count(smart_turn):
    noise = np.random.default_rng(0).normal(0, 0.1, 200_000).astype(np.float32)
    assert np.array_equal(smart_turn.features(noise), smart_turn.features(noise[-128_000:]))
    assert np.isfinite(smart_turn.features(noise[:0])).all()


def test_a_question_is_complete_and_half_a_sentence_is_not(smart_turn, said):
    whole, half = (smart_turn.complete(heard(side(0.3, line, 0.2))) for line in said)
    assert whole > 0.5 > half


def test_half_a_sentence_is_waited_for_and_a_question_is_answered(smart_turn, said):
    whole, half = said
    talker = Talker()
    turns = system(talker)
    turns.vad, turns.smart_turn = backends.load(spec_of("silero")), smart_turn
    call = Call(side(0.5, half, 0.6, whole, 3.0), "", NONE, "")
    (found,) = turns.converse([call])
    end = len(call.user) / RATE - 3
    ((start, _),) = heard_at(found.audio, 24_000)
    assert 1.0 <= start - end <= 1.3  # a pause of 0.2 s and `delay`
    duplex.accept(turns, call)


def test_the_default_cascade_is_a_duplex_system(said):
    parts = {
        "dialogue": spec_of("cascade-0.5b"),
        "vad": spec_of("silero"),
        "tts": spec_of("kokoro"),
    }
    whole, _ = said
    backend = backends.load(ModelSpec("duplex", "end_of_turn", parts))
    duplex.accept(backend, Call(side(0.3, whole, 3.0), "You are a pirate.", whole, WHOLE))


def test_always_talking_passes_with_the_default_voice(said):
    talking = always_talking.load(spec_of("kokoro"))
    duplex.accept(talking, Call(said[0], "", said[0], WHOLE))
