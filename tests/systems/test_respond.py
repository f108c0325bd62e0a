"""respond, with a system that says how many turns it remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.backends.dialogue import Answer
from scripts.common import audio
from scripts.common.prompts import read_prompt
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.roles import Voice
from scripts.rows.systems import Reply
from scripts.systems.respond import LINES, PLACES, first_request, respond
from scripts.workflow.model_spec import ModelSpec
from tests import rows as made

RATE = 8000
PROMPT = "# Role\nYou are {name}.\n# Answer\nBriefly."


class Echo:
    """Answers with 0.5 s for each turn so far; the reply to a user of `mute` samples fails."""

    voice_mode = "own"
    rate = RATE
    languages = ("English",)

    def __init__(self, mute=0):
        self.mute = mute
        self.calls = []

    def reply(self, requests):
        self.calls.append(requests)
        return [self.answer(request) for request in requests]

    def answer(self, request):
        if len(request.user) == self.mute:
            return Answer(None, "", "what?", 0.2, "the language model's reply is empty")
        turns = len(request.history) + 1
        speech = np.full(RATE // 2 * turns, 0.1, np.float32)
        return Answer(speech, f"turn {turns}", "words", 0.25)


@pytest.fixture
def shard(tmp_path, monkeypatch):
    """Runs respond on dialogues {id: number of turns}; returns its rows by id and the system."""

    def run(turns: dict[str, int], system=None, spoken_dropped=(), roles=("joe",), seconds=1):
        system = system or Echo()
        monkeypatch.setattr(backends, "load", lambda spec: system)
        for folder in ("speech", "clips"):
            (tmp_path / folder).mkdir(exist_ok=True)
        audio.write(tmp_path / "clips" / "joe.flac", np.zeros(1600, np.float32))
        write_rows(tmp_path / "test.jsonl", [dialogue(*item) for item in turns.items()])
        write_rows(
            tmp_path / "spoken.jsonl",
            [spoken(i, n, tmp_path / "speech", i in spoken_dropped) for i, n in turns.items()],
        )
        write_rows(tmp_path / "profiles.jsonl", [made.profile(role) for role in roles])
        write_rows(tmp_path / "voices.jsonl", [voice(role) for role in roles])
        (tmp_path / "prompt.md").write_text(PROMPT, encoding="utf-8")
        respond(
            test=tmp_path / "test.jsonl",
            spoken=tmp_path / "spoken.jsonl",
            speech=tmp_path / "speech",
            profiles=tmp_path / "profiles.jsonl",
            voices=tmp_path / "voices.jsonl",
            clips=tmp_path / "clips",
            prompt_english=tmp_path / "prompt.md",
            prompt_chinese=tmp_path / "prompt.md",
            replies=tmp_path / "replies.jsonl",
            answers=tmp_path / "answers",
            name="echo",
            dialogue=ModelSpec("dialogue", "made"),
        )
        rows = read_rows(tmp_path / "replies.jsonl", Reply)
        return {row.id: row for row in rows}, system, tmp_path / "answers"

    return run


def test_a_language_that_the_system_does_not_speak_is_a_gap(shard, monkeypatch):
    monkeypatch.setattr(Echo, "languages", ("Chinese",))
    rows, system, _ = shard({"d1": 1})
    assert not rows["d1"].offered and rows["d1"].dropped == "echo does not speak English"
    assert system.calls == []


def dialogue(name: str, turns: int) -> Dialogue:
    return made.dialogue(name, turns=made.exchanges(*[("Hi.", "Hello.")] * turns), idx=0)


def voice(role: str) -> Voice:
    return made.voice(role, file="joe.flac", end=0.1, text="my clip")


def spoken(name: str, turns: int, folder, dropped: bool) -> Spoken:
    """User audio of turn k of dialogue d2 is 2000 + k samples at 16 kHz."""
    said = []
    for number in range(turns):
        samples = 1000 * int(name[1:]) + number
        said.append(made.spoken_turn(f"{name}-{number}.flac"))
        audio.write(folder / said[-1].user_audio, np.zeros(samples, np.float32))
    return made.spoken(name, said, dropped="no voice" if dropped else None)


def test_every_turn_is_answered_in_its_history(shard):
    rows, system, answers = shard({"d2": 3, "d1": 1})
    assert list(rows) == ["d1", "d2"]
    assert [len(call) for call in system.calls] == [2, 1, 1]
    assert [turn.text for turn in rows["d2"].turns] == ["turn 1", "turn 2", "turn 3"]
    last = system.calls[2][0]
    assert [len(user) for user, _ in last.history] == [2000, 2001] and len(last.user) == 2002
    assert last.role_prompt == "You are Joe." and last.manner == "Briefly."
    assert last.clip_text == "my clip"
    turn = rows["d2"].turns[1]
    assert (turn.seconds, turn.latency, turn.rtf) == (1.0, 0.25, 0.25)
    assert len(audio.read(answers / turn.audio, rate=RATE)) == RATE
    assert rows["d2"].voice_mode == "own" and rows["d2"].dropped is None


def test_a_failed_turn_ends_its_dialogue_alone_and_says_why(shard):
    rows, system, _ = shard({"d1": 2, "d2": 3}, Echo(mute=2001))
    assert rows["d2"].dropped == "turn 2: the language model's reply is empty"
    assert [turn.audio is None for turn in rows["d2"].turns] == [False, True]
    assert rows["d2"].turns[1].heard == "what?"
    assert rows["d1"].dropped is None and len(rows["d1"].turns) == 2
    assert [len(call) for call in system.calls] == [2, 2]


def test_what_was_not_spoken_is_not_asked_but_kept(shard):
    rows, system, _ = shard({"d1": 1, "d2": 1}, spoken_dropped=["d1"])
    assert rows["d1"].dropped == "the dialogue was not spoken: no voice" and not rows["d1"].turns
    assert len(system.calls[0]) == 1


def test_a_role_without_voice_or_profile_is_not_asked(shard):
    rows, system, _ = shard({"d1": 1}, roles=["faye"])
    assert "joe" in rows["d1"].dropped and not system.calls


def test_no_dialogues_load_no_model(shard, monkeypatch):
    rows, system, answers = shard({})
    assert rows == {} and not system.calls and list(answers.iterdir()) == []


@pytest.mark.parametrize("file", ["respond_en.md", "respond_zh.md"])
def test_the_shipped_prompts_name_who_the_role_is(file):
    path = Path(__file__).resolve().parents[2] / "config" / "prompts" / file
    prompt = read_prompt(path, set(), PLACES, ("Role", "Answer"))
    lines = [f"Line {number}." for number in range(9)]
    person = made.profile().model_copy(
        update={"name": "Joe King", "lines": lines, "background": "Owes money {name}."}
    )
    clip = np.zeros(1600, np.float32)
    request = first_request(dialogue("d1", 1), person, prompt, clip, "my clip")
    for known in ("Joe King", person.work, person.profile, "Owes money {name}.", "- Line 0."):
        assert known in request.role_prompt
    assert f"Line {LINES}." not in request.role_prompt
    assert "Joe" not in request.manner, "the ablation must not learn who the role is"


class Odd(Echo):
    """Gives `sound` as audio, and reports another version at each turn."""

    def __init__(self, sound=None):
        super().__init__()
        self.sound = sound

    def answer(self, request):
        found = super().answer(request)
        version = f"v{len(request.history) // 2 + 1}"
        return replace(
            found, asked="v1", version=version, **({} if self.sound is None else self.sound)
        )


@pytest.mark.parametrize(
    "sound, words",
    [
        (np.zeros(0, np.float32), "turn 1: the audio of the reply is empty"),
        (np.array([0.1, np.nan], np.float32), "turn 1: the audio of the reply holds values"),
        (np.array([0.1, np.inf], np.float32), "turn 1: the audio of the reply holds values"),
    ],
)
def test_audio_that_is_none_ends_the_dialogue_with_the_reason(shard, sound, words):
    rows, _, answers = shard({"d1": 2, "d2": 1}, Odd({"audio": sound}))
    assert rows["d1"].dropped.startswith(words) and rows["d2"].dropped.startswith(words)
    assert rows["d1"].turns[0].audio is None and list(answers.iterdir()) == []


def test_what_a_service_will_not_voice_is_a_gap(shard, monkeypatch):
    """Here the reply, or before it the dialogue; what else fails is none."""
    refused = Answer(None, "Hi.", "words", 0.1, "there is no voice", voiced=False)
    monkeypatch.setattr(Echo, "answer", lambda self, request: refused)
    rows, _, _ = shard({"d1": 1})
    assert not rows["d1"].voiced and rows["d1"].dropped == "turn 1: there is no voice"
    monkeypatch.setitem(
        globals(), "spoken", lambda *_: made.spoken("d1", [], voiced=False, dropped="refused")
    )
    rows, system, _ = shard({"d1": 1})
    assert not rows["d1"].voiced and rows["d1"].dropped == "the dialogue was not spoken: refused"
    assert system.calls == []


def test_a_failed_reply_is_no_gap(shard):
    rows, _, _ = shard({"d1": 1}, Echo(mute=1000))
    assert rows["d1"].dropped and rows["d1"].voiced


def test_a_row_names_each_version_that_answered_it(shard):
    rows, _, _ = shard({"d1": 1, "d2": 4}, Odd())
    assert rows["d1"].version == "v1" and rows["d2"].version == "v1 + v2"
    assert rows["d1"].asked == rows["d2"].asked == "v1"
    rows, _, _ = shard({"d1": 1})
    assert rows["d1"].version is None
