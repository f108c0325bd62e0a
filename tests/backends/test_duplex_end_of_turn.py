"""Turn taking behind end-of-turn detection: when the agent answers, waits, stops and goes on.

The user's tones are heard 1 ms late and in steps of 32 ms, decisions fall on frames of 80 ms: a
tone that ends at 2.0 s is heard until 2.016 s, its pause of 0.2 s is known at 2.24 s.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from scripts.backends import duplex
from scripts.backends.dialogue import Answer
from scripts.backends.duplex import FRAME, RATE, end_of_turn
from tests.backends.calls import DONE, MORE, QUIET, Mouth, Talker, call, heard_at, system

PARTS = some.lists(
    some.tuples(
        some.sampled_from([0.1, 0.3, 0.7, 1.5, 3.3]), some.sampled_from([MORE, DONE, QUIET, QUIET])
    ),
    min_size=1,
    max_size=8,
)


def converse(talker, *parts, tts=None, **times):
    (side,) = system(talker, tts, **times).converse([call(*parts)])
    return side


def words(side):
    return [(word.word, round(word.start, 2), round(word.end, 2)) for word in side.words]


def test_keeps_the_contract():
    duplex.accept(system(Talker()), call((1, QUIET), (1, DONE), (4, QUIET), (1, DONE), (3, QUIET)))


@pytest.mark.parametrize("mode, told", [("fixed", "own"), ("matched", "matched")])
def test_a_voice_that_cannot_be_chosen_is_the_systems_own(mode, told):
    talker = Talker()
    talker.voice_mode = mode
    assert system(talker).voice_mode == told


def test_the_answer_comes_after_the_turn_with_its_words():
    talker = Talker()
    side = converse(talker, (1, QUIET), (1, DONE), (4, QUIET))
    assert heard_at(side.audio, 24_000) == [(3.04, 4.04)]
    # 3 + 3 + 5 + 4 + 4 letters in a second
    assert words(side)[:2] == [("One", 3.04, 3.2), ("two", 3.2, 3.36)]
    assert words(side)[-1] == ("five.", 3.83, 4.04)
    (request,) = talker.requests
    # from 0.5 s before the turn (heard from 0.992 s on) to the decision
    assert len(request.user) == round((2.24 - 0.492) * 16_000)
    assert request.role_prompt == "You are Ann." and request.history == ()
    assert side.compute > 0.7 and side.reason is None


def test_a_pause_inside_a_turn_is_waited_for():
    talker = Talker()
    side = converse(talker, (1, MORE), (1.5, QUIET), (1, DONE), (3, QUIET))
    assert heard_at(side.audio, 24_000) == [(4.56, 5.56)]
    assert len(talker.requests) == 1
    assert len(talker.requests[0].user) == round(3.76 * 16_000)


def test_a_long_silence_ends_the_turn_in_any_case():
    side = converse(Talker(), (1, QUIET), (1, MORE), (6, QUIET))
    assert heard_at(side.audio, 24_000) == [(5.84, 6.84)]


def test_a_user_who_goes_on_before_the_answer_gets_one_answer_to_all():
    talker = Talker()
    side = converse(talker, (1, DONE), (0.7, QUIET), (1, DONE), (3, QUIET))
    assert len(talker.requests) == 1 and len(heard_at(side.audio, 24_000)) == 1
    assert len(talker.requests[0].user) == round(2.96 * 16_000)


def test_an_interruption_stops_the_agent_and_is_answered():
    talker = Talker(seconds=4)
    side = converse(talker, (1, QUIET), (1, DONE), (2.04, QUIET), (1, DONE), (4, QUIET))
    (first, second) = heard_at(side.audio, 24_000)
    # the user's second speech is heard from 4.032 s on, half a second of it at 4.56 s
    assert first == (3.04, pytest.approx(4.6, abs=0.001)) and second[0] == 6.08
    ((_, answer),) = talker.requests[1].history
    assert len(answer.audio) == round(1.56 * 24_000) and answer.text == "One two three"
    assert words(side)[2] == ("three", 4.3, 4.6)  # cut: it would have lasted until 5.15
    assert len(talker.requests[1].user) < 2.3 * 16_000


def test_the_agent_talks_on_through_a_backchannel():
    talker = Talker(seconds=4)
    side = converse(talker, (1, QUIET), (1, DONE), (2, QUIET), (0.4, DONE), (4.6, QUIET))
    assert heard_at(side.audio, 24_000) == [(3.04, 7.04)] and len(talker.requests) == 1


def test_speech_that_outlasts_the_agents_is_a_turn():
    talker = Talker(seconds=1)
    side = converse(talker, (1, DONE), (1.9, QUIET), (1, DONE), (3, QUIET))
    assert len(talker.requests) == 2 and len(heard_at(side.audio, 24_000)) == 2
    ((_, answer),) = talker.requests[1].history
    assert answer.text == talker.text


def test_a_short_noise_is_no_turn():
    talker = Talker()
    side = converse(talker, (1, QUIET), (0.1, DONE), (6, QUIET))
    assert not side.audio.any() and talker.batches == []


def test_the_agent_says_mm_hm_in_a_long_turn_but_not_always():
    turn = [(2, MORE), (0.6, QUIET), (3, MORE), (0.6, QUIET), (2, MORE), (0.6, QUIET), (3, MORE)]
    side = converse(Talker(), *turn, (0.6, QUIET), (1, MORE), tts=Mouth())
    assert words(side) == [("Mm-hm.", 5.84, 6.24), ("Mm-hm.", 12.08, 12.48)]
    assert heard_at(side.audio, 24_000) == [(5.84, 6.24), (12.08, 12.48)]
    silent = converse(Talker(), *turn, (0.6, QUIET), (1, MORE))
    assert not silent.audio.any() and silent.words == []


def test_a_user_who_never_ends_is_never_answered():
    talker = Talker()
    side = converse(talker, (20, DONE))
    assert not side.audio.any() and talker.batches == [] and side.reason is None


def test_nobody_talks():
    side = converse(Talker(), (5, QUIET), tts=Mouth())
    assert not side.audio.any() and side.words == [] and len(side.audio) == 5 * 24_000


def test_bad_calls_have_a_reason_and_leave_the_others_alone():
    good = call((1, DONE), (3, QUIET))
    holes = np.where(np.arange(len(good.user)) == 50, np.nan, good.user)
    calls = [call(), good, call(user=holes), call((1, DONE), language="Welsh")]
    empty, fine, nan, welsh = system(Talker()).converse(calls)
    assert empty.audio is None and empty.reason == "the user's audio is empty"
    assert nan.audio is None and "no numbers" in nan.reason
    assert welsh.audio is None and welsh.reason == "the system does not speak Welsh"
    assert fine.reason is None and fine.audio.any()


@pytest.mark.parametrize(
    "answer, words",
    [
        (Answer(None, None, None, 1.0, "the service refused"), "the service refused"),
        (Answer(np.zeros(0, np.float32), "", None, 1.0), "is empty"),
        (Answer(np.full(9, np.nan, np.float32), "", None, 1.0), "no numbers"),
    ],
)
def test_an_answer_that_fails_leaves_silence_and_a_reason(answer, words):
    once = (1, DONE), (3, QUIET)
    side = converse(Talker(answers=[answer]), *once)
    assert side.audio is None and words in side.reason
    talker = Talker(answers=[answer])
    side = converse(talker, *once, *once)
    assert words in side.reason and heard_at(side.audio, 24_000) == [(6.08, 7.08)]
    assert talker.requests[1].history == ()


def test_a_backchannel_that_cannot_be_spoken_has_a_reason(monkeypatch):
    def refuse(self, lines):
        raise ValueError("there is no voice")

    monkeypatch.setattr(Mouth, "speak", refuse)
    side = converse(Talker(), (5, MORE), (0.5, QUIET), (1, DONE), (3, QUIET), tts=Mouth())
    assert side.audio.any() and "there is no voice" in side.reason


def test_a_system_without_text_has_no_words():
    talker = Talker()
    talker.text = None
    side = converse(talker, (1, DONE), (3, QUIET))
    assert side.audio.any() and side.words is None


def test_a_call_may_end_in_the_middle_of_an_answer():
    side = converse(Talker(seconds=5), (1, DONE), (3.01, QUIET))
    assert len(side.audio) == round(4.01 * 24_000) and side.audio[-1]
    assert max(word.end for word in side.words) <= 4.01


@settings(max_examples=40, deadline=None)
@given(PARTS, PARTS, some.floats(0, 10))
def test_what_comes_later_changes_nothing_before_it(parts, others, at):
    """Sample by sample: not even the last millisecond."""
    cut = round(at * RATE)
    one, other = call(*parts, (3, QUIET)), call(*others)
    mixed = call(user=np.concatenate([one.user[:cut], other.user]))
    cut = min(cut, len(one.user))
    sides = [system(Talker(2), Mouth()).converse([each])[0] for each in (one, mixed)]
    left, right = (side.audio for side in sides)
    assert np.array_equal(left[:cut], right[:cut])


@settings(max_examples=15, deadline=None)
@given(some.lists(PARTS, min_size=2, max_size=4))
def test_a_call_does_not_depend_on_its_batch(several):
    calls = [call(*parts, (2, QUIET)) for parts in several]
    together = system(Talker(), Mouth()).converse(calls)
    for one, side in zip(calls, together, strict=True):
        (alone,) = system(Talker(), Mouth()).converse([one])
        assert np.array_equal(alone.audio, side.audio) and alone.words == side.words


def test_answers_are_given_in_batches():
    talker = Talker()
    system(talker).converse([call((1, DONE), (3, QUIET)), call((2, DONE), (3, QUIET))])
    assert [len(batch) for batch in talker.batches] == [2]


@settings(max_examples=30, deadline=None)
@given(PARTS)
def test_the_agent_never_talks_over_itself_and_its_words_have_times(parts):
    one = call(*parts, (2, QUIET))
    (side,) = system(Talker(1.3), Mouth()).converse([one])
    times = [time for word in side.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= time <= len(one.user) / RATE + FRAME for time in times)
    assert np.abs(side.audio).max() <= np.float32(0.3)


def test_the_same_question_with_the_same_history_is_asked_once():
    """Before an interruption and before none; after that the histories differ."""
    talker = Talker()
    model = system(talker)
    start = (1, QUIET), (1, DONE), (2, QUIET)
    (one,) = model.converse([call(*start, (1, DONE), (4, QUIET))])
    (two,) = model.converse([call(*start, (4, QUIET))])
    assert len(talker.requests) == 2, "the answer, and that to the interruption"
    assert heard_at(one.audio, 24_000)[0][0] == heard_at(two.audio, 24_000)[0][0]
    model.converse([call((0.5, QUIET), (0.9, DONE), (4, QUIET))])
    assert len(talker.requests) == 3
    for number in range(end_of_turn.RECENT + 2):
        model.converse([call((1, QUIET), (1 + number / 100, DONE), (3, QUIET))])
    assert len(model.recent) == end_of_turn.RECENT


def test_an_answer_that_failed_is_asked_for_again():
    talker = Talker(answers=[Answer(None, None, None, 0.1, reason="no")])
    model = system(talker)
    for _ in range(2):
        model.converse([call((1, QUIET), (1, DONE), (3, QUIET))])
    assert len(talker.requests) == 2
