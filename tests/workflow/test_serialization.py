"""Results and requests of models as JSON, bytes and digests."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from scripts.backends.dialogue import Answer
from scripts.common.audio import Sound
from scripts.workflow.serialization import cache_key, deserialize, serialize

ASR = importlib.import_module("scripts.backends.asr")
DIALOGUE = importlib.import_module("scripts.backends.dialogue")
DUPLEX = importlib.import_module("scripts.backends.duplex")
SPEAKER = importlib.import_module("scripts.backends.speaker")
CLIPS = [np.full(5, value, np.float32) for value in (1, 2, 3)]


plain = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_what_is_packed_is_unpacked(value):
    packed, blob = serialize(value)
    assert blob is None
    assert deserialize(json.loads(json.dumps(packed)), None, ASR) == value


@given(some.lists(some.floats(-1, 1, width=32), min_size=1, max_size=50))
def test_sound_is_quantised_once(samples):
    """What comes from the files is what the first run went on with."""
    sound = np.array(samples, np.float32)
    once = deserialize(*serialize(Answer(sound, "a", None, 0.5), True), DIALOGUE)
    twice = deserialize(*serialize(once, True), DIALOGUE)
    assert np.abs(once.audio - sound).max() <= 2 / 32768
    assert np.array_equal(once.audio, deserialize(*serialize(once.audio, False), SPEAKER))
    assert twice.text == "a" and np.abs(twice.audio - once.audio).max() <= 1 / 32767


@given(some.lists(plain, max_size=3), some.lists(plain, max_size=3))
def test_the_digest_tells_values_apart(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (cache_key(one) == cache_key(other)) == same


def test_sounds_and_arrays_have_digests(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    before = cache_key(Sound(tmp_path / "a"), CLIPS[0])
    assert before == cache_key(Sound(tmp_path / "a"), CLIPS[0].copy())
    assert before != cache_key(Sound(tmp_path / "a"), CLIPS[0].astype(np.float64))
    (tmp_path / "a").write_bytes(b"two")
    assert before != cache_key(Sound(tmp_path / "a"), CLIPS[0])


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(TypeError, match="a set cannot be kept"):
        serialize({1})
    with pytest.raises(TypeError, match="two arrays"):
        serialize(CLIPS)


def test_a_side_of_a_conversation_keeps_its_words():
    sound = np.array([0.0, 0.5, -0.5], np.float32)
    for audio, words in ((sound, [ASR.Word("Hello,", 0.1, 0.4)]), (sound[:0], []), (None, None)):
        side = DUPLEX.Side(audio, words, 0.5, reason="one of them failed", version="v1")
        packed, blob = serialize(side, True)
        found = deserialize(json.loads(json.dumps(packed)), blob, DUPLEX)
        assert np.array_equal(found.audio, audio) if audio is not None else found.audio is None
        assert (found.words, found.reason, found.version) == (words, side.reason, "v1")
        assert (found.compute, found.asked) == (0.5, None)
