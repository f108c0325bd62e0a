"""Scores of whole conversations: hand-made sounds, controls, and bad input of each kind."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from scripts import backends
from scripts.common.errors import UserError
from scripts.duplex import fdb_corrected, rated_replies
from scripts.duplex import score_duplex as stage
from scripts.rows.duplex import Event, TimedWord
from scripts.workflow.model_spec import ModelSpec
from tests.duplex.made_folder import EVENTS, ROOT, SECONDS, Folder, item, values
from tests.duplex.simulated_models import RATE, Judge, tone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return Folder(tmp_path, monkeypatch)


def test_an_answer_after_the_turn(folder):
    folder.add(item("turn"), tone([(4.8, 7.8)], SECONDS))
    found = folder.scores()
    own = {key[1:]: row for key, row in found.items()}
    for form in ("official", "corrected"):
        assert own["takeover", form, "words"].value == own["takeover", form, "activity"].value == 1
        assert own["takeover", form, "deaf"].value == 0
        assert own["takeover_spread", form, "all"].value == 1  # 1 - 0
        for by in ("words", "activity"):
            assert own["response_latency", form, by].value == pytest.approx(0.8, abs=0.02)
        assert own["response_latency", form, "deaf"].dropped
    assert own["gap", "corrected", "activity"].each == [pytest.approx(0.8, abs=0.02)]
    assert own["overlap", "corrected", "activity"].dropped == "no overlap"
    assert own["false_starts", "corrected", "activity"].value == 0
    assert own["similarity", "corrected", "voices"].dropped == "the system was given no voice"


def test_words_that_the_system_gave_are_a_way_of_their_own(folder):
    """Two words within half a second are no takeover by the published rule, whatever is heard."""
    said = [TimedWord(word="well", start=4.8, end=5.0), TimedWord(word="so", start=5.0, end=5.2)]
    folder.add(item("turn"), tone([(4.8, 7.8)], SECONDS), words=said)
    own = {key[1:]: row.value for key, row in folder.scores().items()}
    assert own["takeover", "official", "own text"] == 0
    assert own["takeover", "official", "words"] == own["takeover", "official", "activity"] == 1


def test_talking_in_a_pause_and_only_after_it(folder):
    folder.add(item("pause", "in"), tone([(3.2, 5.0)], SECONDS))
    folder.add(item("pause", "after"), tone([(6.5, 9.0)], SECONDS))
    found = folder.scores()
    assert values(found, "takeover", "official", "words") == {"in": 1, "after": 1}
    assert values(found, "takeover", "corrected", "words") == {"in": 1, "after": 0}
    assert values(found, "false_starts", "corrected", "activity") == {"in": 1, "after": 0}
    assert not any(key[1] == "response_latency" for key in found)


def test_an_interruption_stops_the_agent_and_is_answered(folder):
    folder.add(item("interruption", "good"), tone([(2.0, 4.5), (6.4, 9.0)], SECONDS))
    folder.add(item("interruption", "on"), tone([(2.0, 12.0)], SECONDS))
    folder.add(item("interruption", "silent"), tone([(7.0, 9.0)], SECONDS))
    found = folder.scores()
    by = ("corrected", "words")
    assert values(found, "takeover", *by) == {"good": 1, "on": 0, "silent": None}
    assert values(found, "takeover", "official", "words") == {"good": 1, "on": 1, "silent": 1}
    assert found["on", "takeover", *by].note == fdb_corrected.NEVER_STOPPED
    assert found["silent", "takeover", *by].dropped == fdb_corrected.NOT_INTERRUPTED
    close = {"good": pytest.approx(0.4, abs=0.02), "on": None, "silent": None}
    assert values(found, "interruption_latency", *by) == close
    stop = {"good": pytest.approx(0.5, abs=0.02), "on": None, "silent": None}
    assert values(found, "stop_latency", "corrected", "activity") == stop
    was = {"good": 1, "on": 1, "silent": 0}
    assert values(found, "interrupted", "corrected", "activity") == was


def test_a_backchannel_at_its_place_and_a_side_at_24_khz(folder):
    """ "mm-hm" from 3.0 to 3.4, and a turn from 7.0 to 9.1: at 24 kHz 4.5 to 5.1 and 10.5 to 13.65,
    more than 3 s, for a detector that takes it for 16 kHz."""
    talk = [(3.0, 3.4), (7.0, 9.1)]
    folder.add(item("backchannel", "short"), tone(talk[:1], SECONDS, 24_000), 24_000)
    folder.add(item("backchannel", "both"), tone(talk, SECONDS, 24_000), 24_000)
    folder.add(item("backchannel", "both16"), tone(talk, SECONDS))
    found = folder.scores()
    for by in ("words", "activity"):
        taken = values(found, "takeover", "corrected", by)
        assert taken == {"short": 0, "both": 1, "both16": 1}
        assert values(found, "backchannel_frequency", "corrected", by) == {
            "short": 0.1, "both": 0.1, "both16": 0.1,  # one in a story of 10 s
        }  # fmt: skip
        distances = values(found, "backchannel_distance", "corrected", by)
        assert all(value < 0.3 for value in distances.values())
    assert values(found, "takeover", "official", "words") == {"short": 0, "both": 1, "both16": 1}
    assert values(found, "backchannel_frequency", "official", "activity") == {
        "short": round(1 / 12, 6), "both": round(1 / 12, 6), "both16": round(2 / 12, 6),
    }  # fmt: skip
    own = found["short", "backchannel_distance", "official", "activity"]
    assert own.dropped.startswith("no distribution of listeners' backchannels")


def test_the_users_distribution_is_read_by_number(folder):
    talks = [Event(kind="user", start=1, end=11)]
    folder.add(item("backchannel", "icc-07", events=talks), tone([(3.0, 3.4)], SECONDS))
    folder.add(item("backchannel", "icc-08", events=talks), tone([], SECONDS))
    folder.add(item("backchannel", "own-7"), tone([(3.0, 3.4)], SECONDS))
    file = folder.home / "expected.json"
    file.write_text(json.dumps({"7": [0] * 15 + [1, 1] + [0] * 43, "9": [1]}))
    found = folder.scores(expected=file)
    distances = values(found, "backchannel_distance", "official", "activity")
    # 60 bins, two of them covered: the same as the vector but for the 1e-10
    assert distances["icc-07"] == pytest.approx(0, abs=1e-3)
    assert distances["icc-08"] is distances["own-7"] is None
    own = values(found, "backchannel_distance", "corrected", "activity")
    assert own["icc-07"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"0": []}', '{"0": [0]}', '{"0": [-1, 2]}', '{"0": 1}']
)
def test_a_distribution_that_is_none_is_refused(folder, text):
    file = folder.home / "expected.json"
    file.write_text(text)
    with pytest.raises(UserError, match="expected.json"):
        folder.scores(expected=file)


def test_going_on_and_stopping(folder):
    for task in ("user_backchannel", "bystander", "noise"):
        folder.add(item(task, f"{task}-on"), tone([(2.0, 9.0)], SECONDS))
        folder.add(item(task, f"{task}-off"), tone([(2.0, 4.2)], SECONDS))
    kept = values(folder.scores(), "kept_talking", "corrected", "activity")
    assert kept == {ident: float(ident.endswith("on")) for ident in kept} and len(kept) == 6


def test_controls_are_where_they_belong(folder):
    """A silent agent takes nothing, one that always talks takes all that can be taken."""
    for task in EVENTS:
        folder.add(item(task, f"{task}-0"), tone([], SECONDS))
        folder.add(item(task, f"{task}-1"), tone([(0, SECONDS)], SECONDS))
    found = folder.scores(asr=("words",), llm=False)
    for form in ("official", "corrected"):
        for by in ("words", "activity"):
            for ident, value in values(found, "takeover", form, by).items():
                never = ident == "interruption-1" and form == "corrected"
                assert value == (0 if never else int(ident[-1])), (ident, form, by)
        assert set(values(found, "takeover_spread", form, "all").values()) == {0}
    for task in ("turn-1", "service-1"):
        assert found[task, "response_latency", "official", "words"].value == 0
        assert found[task, "response_latency", "corrected", "words"].value == pytest.approx(-4)
    assert set(values(found, "kept_talking", "corrected", "activity").values()) == {1, None}


def bad(folder: Folder) -> dict[str, str]:
    """Adds items that cannot be scored; what their rows must say, by id."""
    good = tone([(4.8, 7.8)], SECONDS)
    folder.add(item("turn", "nan"), np.where(good > 0.4, np.nan, good), suffix="wav")
    folder.add(item("turn", "empty"), good[:0], suffix="wav")
    folder.add(item("turn", "late", events=[Event(kind="turn_end", start=40, end=40)]), good)
    folder.add(item("turn", "back", events=[Event(kind="turn_end", start=4, end=3)]), good)
    folder.add(item("turn", "failed"), good, audio=None, dropped="the server stalled")
    folder.items.append(item("turn", "never"))
    folder.add(item("turn", "gone"), good)
    (folder.home / "audio/gone.flac").unlink()
    folder.add(item("turn", "noise"), good)
    (folder.home / "audio/noise.flac").write_bytes(b"no sound at all")
    return {
        "nan": "holds values that are no numbers",
        "empty": "is empty",
        "late": "its turn_end is marked at (40.0, 40.0), not inside its 12.0 s",
        "back": "its turn_end is marked at (4.0, 3.0)",
        "failed": "no conversation: the server stalled",
        "never": "no conversation: the system was not asked",
        "gone": "cannot read gone.flac",
        "noise": "cannot read noise.flac",
    }


def test_what_is_wrong_with_one_item_is_counted_and_stops_no_other(folder, tmp_path):
    folder.add(item("turn", "good"), tone([(4.8, 7.8)], SECONDS))
    alone = folder.scores()
    reasons = bad(folder)
    found = folder.scores()
    assert {key: row for key, row in found.items() if key[0] == "good"} == alone
    for ident, reason in reasons.items():
        own = [row for key, row in found.items() if key[0] == ident]
        assert len(own) == len(alone)
        assert all(row.value is None for row in own)
        for row in own:
            assert reason in row.dropped or row.metric in ("similarity", "takeover_spread"), row


def test_a_missing_mark_is_a_gap_only_where_it_is_needed(folder):
    folder.add(item("turn", events=[]), tone([(4.8, 7.8)], SECONDS))
    soundfile.write(folder.home / "user/turn.flac", tone([(1, 4)], SECONDS), RATE)
    own = {key[1:]: row for key, row in folder.scores().items()}
    assert own["takeover", "corrected", "words"].dropped == "no turn_end is marked"
    # the user's turn is then heard in the user's sound
    assert own["gap", "corrected", "activity"].value == pytest.approx(0.8, abs=0.02)


def test_without_marks_and_sound_of_the_user_turns_are_not_known(folder):
    folder.add(item("turn", events=[]), tone([(4.8, 7.8)], SECONDS))
    own = {key[1:]: row for key, row in folder.scores().items()}
    assert "cannot read turn.flac" in own["gap", "corrected", "activity"].dropped


def test_a_side_of_another_length_says_so_and_is_cut(folder):
    folder.add(item("turn", "long"), tone([(4.8, 7.8), (12.5, 14.0)], 15.0))
    folder.add(item("turn", "short"), tone([(4.8, 7.8)], 9.0))
    folder.add(item("turn", "late"), tone([(12.5, 14.0)], 15.0))
    found = folder.scores()
    assert values(found, "takeover", "corrected", "words") == {"long": 1, "short": 1, "late": 0}
    assert values(found, "takeover", "official", "words") == {"long": 1, "short": 1, "late": 1}
    assert found["short", "takeover", "corrected", "words"].note == (
        "the output has 9.00 s, the item 12.00 s"
    )


def test_two_channels_are_one_side(folder):
    sound = tone([(4.8, 7.8)], SECONDS)
    folder.add(item("turn", "one"), sound)
    folder.add(item("turn", "two"), np.stack([sound, sound], axis=1))
    found = folder.scores()
    for metric in ("takeover", "response_latency"):
        own = values(found, metric, "corrected", "words")
        assert own["one"] == own["two"]


def test_a_language_that_a_recogniser_does_not_know_is_a_gap(folder):
    folder.add(item("turn", "en"), tone([(4.8, 7.8)], SECONDS))
    folder.add(item("turn", "zh", language="Chinese"), tone([(4.8, 7.8)], SECONDS))
    found = folder.scores()
    assert "does not speak Chinese" in found["zh", "takeover", "official", "words"].dropped
    assert values(found, "takeover", "official", "words")["en"] == 1
    assert values(found, "takeover", "official", "activity") == {"en": 1, "zh": 1}


def test_ratings_of_a_service_answer(folder):
    folder.add(item("service", "said"), tone([(4.8, 7.8)], SECONDS))
    folder.add(item("service", "mute"), tone([], SECONDS))
    found = folder.scores()
    for form in ("official", "corrected"):
        for metric in ("task_adherence", "naturalness"):
            assert found["said", metric, form, "judge"].value == 4
    assert values(found, "naturalness", "official", "judge")["mute"] == 0
    assert values(found, "naturalness", "corrected", "judge")["mute"] is None
    assert len(folder.judge.chats) == 2, "what is asked twice is asked once"
    asked = folder.judge.chats[0][1]["content"]
    assert "Be kind." in asked and "How much?" in asked and "w0 w1 w2" in asked
    assert "correct by the facts" in asked and "{" not in asked


def test_a_rating_of_the_words_after_an_interruption(folder):
    folder.judge = Judge("Rating: 5")
    folder.add(item("interruption", "good"), tone([(2.0, 4.5), (6.4, 9.0)], SECONDS))
    folder.add(item("interruption", "on"), tone([(2.0, 12.0)], SECONDS))
    folder.add(item("interruption", "off"), tone([(2.0, 4.5)], SECONDS))
    found = folder.scores()
    official = {"good": 5, "on": 5, "off": None}
    assert values(found, "reply_score", "official", "judge") == official
    assert values(found, "reply_score", "corrected", "judge") == official | {"on": None}


def test_an_unusable_verdict_is_kept_and_no_zero(folder):
    folder.judge = Judge("It was lovely.")
    folder.add(item("service"), tone([(4.8, 7.8)], SECONDS))
    found = folder.scores()
    row = found["service-1", "task_adherence", "corrected", "judge"]
    assert row.value is None and row.dropped == "an unusable verdict"
    assert "It was lovely." in row.note and len(folder.judge.chats) == 2, "not asked again"


def test_a_prompt_without_a_line_for_a_rating_is_refused(folder, tmp_path):
    text = (ROOT / "config/prompts/duplex_service.md").read_text("utf-8")
    (tmp_path / "prompt.md").write_text(text.replace("naturalness |", "nature |"))
    with pytest.raises(UserError, match="has no line for naturalness"):
        rated_replies.read_prompts(
            ROOT / "config/prompts/duplex_interruption.md",
            tmp_path / "prompt.md",
            ROOT / "config/prompts/duplex_behaviour.md",
        )


def test_no_items_need_no_models(folder, monkeypatch):
    monkeypatch.setattr(backends, "load", None)
    assert folder.scores() == {}


def test_labels_tell_the_weights():
    assert stage.label_of(ModelSpec("asr", "x", {"weights": "w"})) == "x w"
    assert stage.label_of(ModelSpec("llm", "openai", {"model": "m"})) == "openai m"


def test_an_item_without_its_clean_counterpart_is_scored_as_far_as_it_goes(folder):
    """A counterpart has measures of voices alone; one that is not there is the reason of what is
    compared with it."""
    folder.add(item("noise", "clean"), tone([(2.0, 9.0)], SECONDS))
    folder.add(item("noise", "with", clean="clean"), tone([(2.0, 9.0)], SECONDS))
    folder.add(item("noise", "lost", clean="nowhere"), tone([(2.0, 9.0)], SECONDS))
    found = folder.scores()
    of = {own: {key[1] for key in found if key[0] == own} for own in ("clean", "with", "lost")}
    assert of["with"] == of["lost"] and "kept_talking" in of["with"]
    assert of["clean"] == {"similarity", "own_voice", "voice_drift"}
    assert values(found, "talk_change", "corrected", "activity") == {"with": 0, "lost": None}
    row = found["lost", "talk_change", "corrected", "activity"]
    assert row.dropped == "the clean counterpart: it was dropped"
