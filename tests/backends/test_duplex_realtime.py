"""Services with OpenAI's Realtime protocol, in full duplex, against a server that has a script."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import replace

import numpy as np
import pytest

from scripts.backends import duplex
from scripts.backends.duplex import RATE
from scripts.backends.duplex._session import WallClock
from tests.backends.duplex_script import CALL, USER, stored
from tests.servers.duplex import delta, done, started, words


def test_sessions_keep_the_contract(realtime):
    _, model = realtime()
    duplex.accept(model, CALL)


def test_the_side_is_what_a_listener_hears(realtime):
    server, model = realtime()
    (side,) = model.converse([CALL])
    expected = np.zeros(4 * RATE, np.float32)
    expected[round(1.6 * RATE) : round(2.4 * RATE)] = 0.25
    expected[round(3.2 * RATE) :] = -0.25
    assert np.array_equal(side.audio, expected)
    assert (side.asked, side.version) == (model.client.model, "duplex-x")
    value = stored(model)
    counts = {name: value[name] for name in ("heard", "dropped", "beyond")}
    assert counts == pytest.approx({"heard": 1.6, "dropped": 0.9, "beyond": 1.2})
    (held,) = server.sessions
    (cut,) = [event for event in held.events if event["type"] == "conversation.item.truncate"]
    assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == ("item-r1", 0, 800)


def test_words_have_the_times_of_their_audio(realtime):
    _, model = realtime()
    (side,) = model.converse([CALL])
    letter = 1.7 / len("one two three")  # with the piece that came late
    assert [word.word for word in side.words] == ["one", "two", "four"]
    one, two, four = side.words
    assert (one.start, one.end) == pytest.approx((1.6, 1.6 + 3 * letter), abs=1e-3)
    assert (two.start, two.end) == pytest.approx((1.6 + 4 * letter, 2.4), abs=1e-3)
    assert (four.start, four.end) == pytest.approx((3.2, 4.0), abs=1e-3)


def test_the_session_is_asked_for_with_role_voice_and_turn_detection(realtime):
    server, model = realtime(voice="cedar", max_tokens=5000)
    model.converse([CALL])
    session = server.sessions[0].events[0]["session"]
    assert session["instructions"] == "You are Joe." and session["max_output_tokens"] == "inf"
    assert session["audio"]["output"]["voice"] == "cedar"
    detection = session["audio"]["input"]["turn_detection"]
    assert detection["type"] == "server_vad" and detection["interrupt_response"]


def test_the_beta_dialect_and_another_input_rate(realtime):
    beta = [(1.6, {**delta("r1", 1.0, 8192), "type": "response.audio.delta"})]
    server, model = realtime(script=beta, dialect="beta", input_rate=16_000, voice=None)
    server.rate = 16_000
    (side,) = model.converse([CALL])
    session = server.sessions[0].events[0]["session"]
    assert session["input_audio_format"] == "pcm16" and "voice" not in session
    assert np.flatnonzero(side.audio).tolist() == list(range(round(1.6 * RATE), round(2.6 * RATE)))
    assert side.words is None  # it spoke, and gave no text


def test_a_model_in_vllm_hears_floats(realtime):
    server, model = realtime(dialect="vllm", turn_detection=None, words="paired", voice="NATF2.pt")
    server.width = 4
    (side,) = model.converse([CALL])
    first, *frames = server.sessions[0].events
    session = first["session"]
    assert (session["model"], session["voice"]) == (model.client.model, "NATF2.pt")
    assert (session["input_audio_format"], session["sample_rate_hz"]) == ("pcm_f32le", 24_000)
    sent = [base64.b64decode(event["audio"]) for event in frames if "audio" in event]
    assert np.allclose(np.frombuffer(b"".join(sent), "<f4"), USER, atol=1 / 32768)
    assert side.audio.any()


def test_a_model_that_takes_turns_by_itself_is_interrupted_by_its_own_decision(realtime):
    script = [
        (0.8, delta("r1", 1.0, 8192)),
        (1.2, started()),  # somebody talks: no reason to stop
        (1.52, done("r1", "cancelled")),
    ]
    server, model = realtime(script=script, turn_detection=None)
    (side,) = model.converse([CALL])
    assert np.flatnonzero(side.audio).tolist() == list(range(round(0.8 * RATE), round(1.52 * RATE)))
    assert server.sessions[0].events[0]["session"]["audio"]["input"]["turn_detection"] is None


def test_text_that_comes_with_its_audio(realtime):
    script = []
    for step, text in enumerate(("", " he", "llo", "", " you")):
        t = 0.8 + 0.08 * step
        script += [(t, delta("", 0.08, 100)), (t, words("", text))]
    _, model = realtime(script=script, words="paired", turn_detection=None)
    (side,) = model.converse([CALL])
    hello, you = side.words
    assert (hello.word, you.word) == ("hello", "you")
    assert (hello.start, hello.end) == pytest.approx((0.88 + 0.08 / 3, 1.04))
    assert (you.start, you.end) == pytest.approx((1.12 + 0.08 / 4, 1.2))


def test_one_that_never_speaks_is_silent(realtime):
    _, model = realtime(script=[])
    (side,) = model.converse([CALL])
    assert not side.audio.any() and len(side.audio) == len(USER) and side.words == []


def test_a_conversation_is_replayed_without_the_server(realtime):
    server, model = realtime()
    (first,) = model.converse([CALL])
    server.__exit__()
    (again,) = model.converse([CALL])
    assert np.array_equal(first.audio, again.audio) and first.words == again.words
    assert first.compute == again.compute and len(server.sessions) == 1
    value, store = stored(model), model.client.store
    ((blob,),) = store.db.execute("SELECT blob FROM answers").fetchall()
    line = model.replayed(value["events"], store.audio.get(blob), 4.0)
    assert line.counts() == {name: value[name] for name in ("heard", "dropped", "beyond")}
    other = replace(CALL, seed=1)  # is another conversation, and has to be held
    model.client.rules = replace(model.client.rules, tries=0)
    assert model.converse([other])[0].audio is None


def test_the_recording_has_all_events_and_no_audio(realtime):
    _, model = realtime()
    model.converse([CALL])
    events = stored(model)["events"]
    frames = [e for e in events if e[2].get("type") == "input_audio_buffer.append"]
    assert [t for t, *_ in frames] == pytest.approx([0.08 * n for n in range(1, 51)])
    assert all(way == ">" and size == 3840 and digest for _, way, _, size, digest in frames)
    pieces = [(t, size) for t, way, _, size, _ in events if way == "<" and size]
    assert pieces == [(1.6, 48_000), (1.6, 24_000), (2.4, 9600), (3.2, 96_000)]
    assert max(len(str(event)) for _, _, event, *_ in events) < 1000


def test_audio_of_another_rate_is_resampled(realtime):
    script = [(0.8, delta("r1", 1.0, 8192, rate=16_000, sample_rate_hz=16_000))]
    _, model = realtime(script=script)
    (side,) = model.converse([CALL])
    assert len(side.audio) == len(USER)
    loud = np.flatnonzero(abs(side.audio) > 0.1)
    assert loud[0] == pytest.approx(0.8 * RATE, abs=30)
    assert loud[-1] == pytest.approx(1.8 * RATE, abs=30)


def test_the_rate_may_be_that_of_the_session(realtime):
    server, model = realtime(script=[(0.8, delta("r1", 1.0, 8192, rate=16_000))])
    server.format = {"type": "audio/pcm", "rate": 16_000}
    (side,) = model.converse([CALL])
    assert np.flatnonzero(abs(side.audio) > 0.1)[-1] == pytest.approx(1.8 * RATE, abs=30)


def test_the_user_is_heard_at_the_pace_of_a_clock_and_calls_at_once(realtime):
    server, model = realtime(wall=True, pace=8.0)
    model.client.limits = replace(model.client.limits, at_once=4)
    calls = [replace(CALL, seed=n) for n in range(8)]
    begun = time.monotonic()
    sides = model.converse(calls)
    assert time.monotonic() - begun >= 1.0 and server.most == 4
    assert all(len(side.audio) == len(USER) and side.compute >= 0.5 for side in sides)
    begins = [np.flatnonzero(side.audio)[0] / RATE for side in sides]
    assert min(begins) >= 1.6  # never before it was said


class Slow(WallClock):
    """The first frame comes half a second late."""

    async def until(self, t: float) -> None:
        await super().until(t)
        await asyncio.sleep(0.5 * (t < 0.1))


def test_a_machine_that_cannot_keep_the_pace_is_told_of(realtime, screen):
    _, model = realtime(wall=True, pace=8.0)
    model.clock = Slow
    assert model.converse([CALL])[0].audio is not None
    assert "up to 0.5" in screen.getvalue() and "lower services.limits" in screen.getvalue()
    assert stored(model)["late"] >= 0.5


def test_a_role_may_have_no_text(realtime):
    _, model = realtime()
    assert model.converse([replace(CALL, role_prompt="")])[0].audio is not None
