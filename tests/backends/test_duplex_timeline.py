"""Where a listener hears what a service sends in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.asr import Word
from scripts.backends.duplex._timeline import Timeline
from scripts.services.errors import CallError

RATE = 100  # small numbers: a sample is 10 ms


def pcm(samples: int, value: int = 1000) -> bytes:
    return np.full(samples, value, "<i2").tobytes()


def heard(line: Timeline) -> list[tuple[int, int]]:
    return [(piece.start, piece.end) for piece in line.pieces if piece.heard]


def test_a_piece_is_heard_when_it_comes_or_after_what_still_plays():
    line = Timeline(10.0)
    line.add(1.0, "a", pcm(200), RATE)  # 1 to 3 s
    line.add(1.5, "a", pcm(100), RATE)  # waits: 3 to 4 s
    line.add(6.0, "b", pcm(50), RATE)  # nothing plays
    assert heard(line) == [(100, 300), (300, 400), (600, 650)]
    assert line.counts() == {"heard": 3.5, "dropped": 0.0, "beyond": 0.0}


def test_an_interruption_drops_what_is_not_heard_and_what_comes_late():
    line = Timeline(10.0)
    line.add(1.0, "a", pcm(200), RATE)
    line.add(1.0, "a", pcm(100), RATE)
    assert line.stop(2.5) == {"a": 1.5}
    line.add(2.6, "a", pcm(40), RATE)  # was under way
    line.add(3.0, "b", pcm(10), RATE)
    assert heard(line) == [(100, 250), (300, 310)]
    assert line.counts() == pytest.approx({"heard": 1.6, "dropped": 1.9, "beyond": 0.0})
    assert line.stop(5.0) == {}  # nothing plays


def test_a_reply_that_is_only_announced_is_stopped_too():
    line = Timeline(10.0)
    line.begin("a")
    assert line.stop(1.0) == {}
    line.add(1.2, "a", pcm(50), RATE)
    assert heard(line) == [] and line.counts()["dropped"] == 0.5


def test_one_reply_can_be_stopped_alone():
    line = Timeline(10.0)
    line.add(1.0, "a", pcm(100), RATE)
    line.add(1.0, "b", pcm(100), RATE)
    assert line.stop(1.5, "a") == {"a": 0.5}
    assert heard(line) == [(100, 150), (200, 300)]


def test_a_service_that_does_not_tell_its_replies_apart_may_go_on():
    line = Timeline(10.0)
    line.add(1.0, "", pcm(100), RATE)
    assert line.stop(1.5) == {"": 0.5}
    line.add(1.6, "", pcm(20), RATE)
    assert heard(line) == [(100, 150), (160, 180)]


def test_what_comes_after_the_end_is_beyond_it():
    line = Timeline(2.0)
    line.add(1.5, "a", pcm(100), RATE)
    line.add(1.5, "a", pcm(10), RATE)
    assert line.stop(2.0) == {}
    assert line.counts() == pytest.approx({"heard": 0.5, "dropped": 0.0, "beyond": 0.6})
    side = line.side(RATE, 200)
    assert len(side) == 200 and np.flatnonzero(side).tolist() == list(range(150, 200))


def test_a_sample_may_be_split_over_two_pieces():
    line, data = Timeline(2.0), np.arange(10, dtype="<i2").tobytes()
    line.add(0.0, "a", data[:7], RATE)
    line.add(0.0, "a", data[7:], RATE)
    assert (line.side(RATE, 200)[:10] * 32768).tolist() == list(range(10))


def test_a_rate_that_changes_is_an_error():
    line = Timeline(2.0)
    line.add(0.0, "a", pcm(10), 16_000)
    with pytest.raises(CallError, match="from 16000 to 24000 Hz"):
        line.add(0.1, "a", pcm(10), 24_000)


def test_another_rate_is_resampled_to_the_same_length():
    line = Timeline(1.0)
    line.add(0.5, "a", pcm(8_000), 16_000)
    side = line.side(24_000, 24_000)
    assert len(side) == 24_000 and abs(side[:11_500]).max() < 1e-3
    assert side[13_000:23_000] == pytest.approx(1000 / 32768, abs=1e-3)


def test_text_is_spread_over_its_audio_and_what_is_not_heard_is_left_out():
    line = Timeline(10.0)
    line.add(1.0, "a", pcm(100), RATE)
    line.add(3.0, "a", pcm(30), RATE)  # late: 2 s of silence in between
    line.say("a", "one two")
    line.say("a", " three")  # 13 letters over 130 samples
    assert line.words() == [
        Word("one", pytest.approx(1.0), pytest.approx(1.3)),
        Word("two", pytest.approx(1.4), pytest.approx(1.7)),
        Word("three", pytest.approx(1.8), pytest.approx(3.3)),
    ]
    line = Timeline(10.0)
    line.add(1.0, "a", pcm(130), RATE)
    line.say("a", "one two three")
    line.stop(1.55)
    assert line.words() == [
        Word("one", pytest.approx(1.0), pytest.approx(1.3)),
        Word("two", pytest.approx(1.4), pytest.approx(1.55)),
    ]


def test_paired_text_is_where_its_audio_is():
    line = Timeline(10.0, paired=True)
    for t, text in ((1.0, "he"), (2.0, "llo"), (3.0, " you")):
        line.add(t, "a", pcm(8), RATE)
        line.say("a", text)
    assert line.words() == [
        Word("hello", pytest.approx(1.0), pytest.approx(2.08)),
        Word("you", pytest.approx(3.02), pytest.approx(3.08)),
    ]


def test_chinese_has_a_word_for_each_character():
    line = Timeline(10.0)
    line.add(0.0, "a", pcm(100), RATE)
    line.say("a", "你好，吗")
    assert [word.word for word in line.words()] == ["你", "好，", "吗"]


def test_audio_without_text_has_no_words_and_silence_has_none_to_say():
    line = Timeline(10.0)
    assert line.words() == []
    line.say("a", "never spoken")
    assert line.words() == []
    line = Timeline(10.0)
    line.add(0.0, "a", pcm(10), RATE)
    line.say("a", "  ")
    assert line.words() is None


STEPS = st.lists(
    st.tuples(
        st.floats(0, 1.5),
        st.sampled_from(["add", "add", "add", "say", "stop", "begin", "finish", "stop one"]),
        st.sampled_from(["a", "b", "c", ""]),
        st.integers(0, 301),
    ),
    max_size=30,
)


@given(STEPS, st.booleans())
def test_nothing_overlaps_and_every_sample_is_accounted_for(steps, paired):
    line, t, received = Timeline(5.0, paired), 0.0, 0
    for wait, what, group, size in steps:
        t += wait
        if what == "add":
            line.add(t, group, pcm(size), RATE)
            received += size
        elif what == "say":
            line.say(group, "one two")
        elif what == "begin":
            line.begin(group)
        elif what == "finish":
            line.finish(group)
        else:
            cut = line.stop(t, group if what == "stop one" else None)
            assert all(seconds >= 0 for seconds in cut.values())
            if what == "stop" and t < line.seconds:
                assert all(end <= round(t * RATE) for _, end in heard(line))
    spans = sorted(heard(line))
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
    assert sum(line.counts().values()) == pytest.approx(received / RATE)
    side = line.side(RATE, 500)
    assert len(side) == 500
    assert np.count_nonzero(side) == pytest.approx(line.counts()["heard"] * RATE)
    for word in line.words() or []:
        assert 0 <= word.start <= word.end <= 5.0
