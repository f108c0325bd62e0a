"""Overlaps with their clean counterparts: what a judge is asked, and scores of whole sides."""

from __future__ import annotations

import pytest

from scripts.duplex import ratings
from scripts.duplex.overlap_corrected import OF_ITSELF
from scripts.rows.duplex import Event
from tests.duplex.made_folder import EVENTS, SECONDS, Folder, item, values
from tests.duplex.simulated_models import Judge, tone

OVERLAPS = ("interruption", "user_backchannel", "bystander", "noise")
ON, OFF = [(2.0, 9.0)], [(2.0, 4.5)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = Folder(tmp_path, monkeypatch)
    made.judge = Judge("Behaviour: resume")
    return made


def add(folder: Folder, task: str, said, clean, name: str = "") -> None:
    """An item and its clean counterpart, with what the agent says in each."""
    ident = name or task
    without = [Event(kind="user", start=0.5, end=1.5, text="How?")]
    events = [*without, *(Event(kind=k, start=a, end=b, text=k) for k, a, b in EVENTS[task][1:])]
    folder.add(item(task, f"{ident}-clean", events=without), tone(clean, SECONDS))
    folder.add(item(task, ident, clean=f"{ident}-clean", events=events), tone(said, SECONDS))


def test_each_overlap_is_judged_against_its_clean_counterpart(folder):
    for task in OVERLAPS:
        add(folder, task, ON, ON)
    found = folder.scores()
    verdicts = values(found, "behaviour", "official", "judge")
    assert verdicts == {task: float(task != "interruption") for task in OVERLAPS}
    assert {found[key, "behaviour", "official", "judge"].label for key in verdicts} == {"resume"}
    asked = {chat[-2]["content"] for chat in folder.judge.chats if "so far" in str(chat[-2])}
    assert len(asked) == 4
    (one,) = [text for text in asked if "(noise)" in text]
    assert "Asked: 0.5-1.5 s: How?\n" in one and "Said over it: 4.0-6.0 s: (noise)\n" in one
    # Words of 0.3 s from 2 s on; those from w7 on begin after 4 s.
    whole, before, after = (line for line in one.splitlines() if " w" in line.split(" s:")[-1])
    assert "2.0-9.0 s: w0 w1" in whole and "2.0-4.1 s: w0 w1 w2 w3 w4 w5 w6" in before
    assert "4.1-9.0 s: w7 w8" in after and "{" not in one


def test_a_counterpart_is_measured_as_one_and_not_as_an_overlap_without_a_mark(folder):
    add(folder, "noise", ON, ON)
    found = folder.scores()
    assert {key[1] for key in found if key[0] == "noise-clean"} == {
        *("similarity", "own_voice", "voice_drift")
    }


def test_activity_tells_who_was_stopped_from_who_had_ended(folder):
    add(folder, "bystander", OFF, ON, "stopped")
    add(folder, "bystander", OFF, OFF, "ended")
    add(folder, "bystander", ON, ON, "on")
    found = folder.scores()
    by = ("corrected", "activity")
    assert values(found, "behaviour", *by) == {"stopped": 0, "ended": None, "on": 1}
    assert found["stopped", "behaviour", *by].label == "fell_silent"
    assert found["ended", "behaviour", *by].dropped == OF_ITSELF
    assert found["stopped", "stop_latency", *by].value == pytest.approx(0.5, abs=0.02)
    change = values(found, "talk_change", *by)
    assert change == {"stopped": pytest.approx(-4.5, abs=0.05), "ended": 0, "on": 0}


def test_stop_and_response_latency_by_the_published_rule(folder):
    """The user talks from 0.5 to 1.5 and from 4 to 6 s, the agent from 2 to 4.5 s and from 6.4."""
    add(folder, "interruption", [(2.0, 4.5), (6.4, 9.0)], ON)
    found = folder.scores()
    stop = found["interruption", "stop_latency", "official", "activity"]
    assert stop.each == [pytest.approx(0.5, abs=0.02)]
    response = found["interruption", "response_latency", "official", "activity"]
    assert response.each == pytest.approx([0.5, 0.4], abs=0.02)
    assert found["interruption", "behaviour", "corrected", "activity"].label == "spoke_again"


def test_speech_is_compared_before_and_after_and_with_the_counterpart(folder):
    add(folder, "user_backchannel", ON, ON)
    found = folder.scores()
    for form, by in (("official", "words"), ("corrected", "activity")):
        change = found["user_backchannel", "level_change", form, by].value
        assert change == pytest.approx(0, abs=0.1)
    assert found["user_backchannel", "rate_change", "corrected", "words"].value == 0
    assert abs(found["user_backchannel", "rate_change", "official", "words"].value) < 1


def test_an_agent_that_says_nothing_more_is_not_asked_about(folder):
    add(folder, "bystander", [(2.0, 3.5)], ON)
    row = folder.scores()["bystander", "behaviour", "official", "judge"]
    assert (row.value, row.label) == (0, "unknown") and not folder.judge.chats


def test_a_verdict_that_cannot_be_read_is_a_gap_with_the_reply(folder):
    folder.judge = Judge("Behaviour: it resumes, I think")
    add(folder, "noise", ON, ON)
    row = folder.scores()["noise", "behaviour", "official", "judge"]
    assert row.dropped == "an unusable verdict" and "I think" in row.note and row.label == ""


def test_a_counterpart_that_is_not_there_is_a_gap_of_the_comparisons_only(folder):
    add(folder, "noise", ON, ON)
    folder.sides = [side for side in folder.sides if side.id != "noise-clean"]
    add(folder, "bystander", ON, ON)
    folder.items[-1].clean = "lost"
    found = folder.scores()
    for ident, reason in (("noise", "the system was not asked"), ("bystander", "it was dropped")):
        for metric in ("talk_change", "level_change", "behaviour"):
            row = found[ident, metric, "corrected", "activity"]
            assert row.dropped.startswith("the clean counterpart: ") and reason in row.dropped
        assert found[ident, "behaviour", "official", "judge"].dropped
        assert found[ident, "stop_latency", "official", "activity"].value == pytest.approx(2)
        assert found[ident, "kept_talking", "corrected", "activity"].value == 1


def test_without_a_counterpart_no_judge_is_asked(folder):
    folder.add(item("noise"), tone(OFF, SECONDS))
    found = folder.scores()
    assert (
        not folder.judge.chats and ("noise-1", "talk_change", "corrected", "activity") not in found
    )
    assert "it may have ended" in found["noise-1", "behaviour", "corrected", "activity"].note


def test_words_of_the_overlap_that_are_not_known_are_a_gap(folder):
    add(folder, "noise", ON, ON)
    folder.items[-1].events[-1].text = ""
    row = folder.scores()["noise", "behaviour", "official", "judge"]
    assert row.dropped == "the words of the overlap are not known"


def test_controls_are_where_they_belong(folder):
    for task in OVERLAPS:
        add(folder, task, [], [], f"{task}-silent")
        add(folder, task, [(0, SECONDS)], [(0, SECONDS)], f"{task}-always")
    found = folder.scores()
    for task in OVERLAPS:
        by = ("behaviour", "corrected", "activity")
        assert found[f"{task}-silent", *by].value is None
        assert found[f"{task}-always", *by].label == "went_on"
        assert found[f"{task}-silent", "behaviour", "official", "judge"].label == "unknown"
        always = found[f"{task}-always", "stop_latency", "official", "activity"]
        lengths = [b - a for kind, a, b in EVENTS[task]]
        assert always.each == pytest.approx(lengths, abs=0.01)


VERDICTS = [
    ("Behaviour: respond", 1, "respond"),
    ("Behaviour: resume", 0, "resume"),
    ("**Behaviour:** Uncertain.", 0, "uncertain"),
    ("Behaviour: respond\nBehaviour: respond", None, ""),
    ("Behaviour: respond or resume", None, ""),
    ("respond", None, ""),
    ("Rating: 4", None, ""),
    ("", None, ""),
]


@pytest.mark.parametrize("reply, value, label", VERDICTS)
def test_verdicts_are_read_strictly(reply, value, label):
    labels = ("respond", "resume", "uncertain", "unknown")
    found = ratings.read(reply, labels=labels)
    assert (found.value, found.label) == (value, label)
    assert (found.note == reply) == (value is None)
