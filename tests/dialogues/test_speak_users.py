"""The users' lines are spoken by their own model; unspeakable ones come with a reason."""

import numpy as np
import pytest
import soundfile

from scripts.backends.tts import Unvoiced
from scripts.dialogues.speak import TOGETHER
from scripts.dialogues.speak_users import speak_users
from scripts.rows.dialogues import Exchange, SpokenUser
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.dialogues.tiny import dialogue, use
from tests.rows import voice, written

RATE = 8000


class Service:
    """A tenth of a second per character; "???" is refused."""

    rate = RATE
    voice_mode = "fixed"

    def __init__(self):
        self.calls = []

    def fixed_voice(self, language):
        return {"voice": f"user-{language}"}

    def speak(self, lines):
        self.calls.append(lines)
        for text, _, _ in lines:
            if "???" in text:
                raise ValueError("the service refused: impolite")
        return [np.full(len(text) * RATE // 10, 0.25, np.float32) for text, _, _ in lines]


def run(tmp_path, monkeypatch, rows):
    backend = Service()
    use(monkeypatch, backend)
    speak_users(
        dialogues=written(tmp_path / "test.jsonl", rows),
        voices=written(tmp_path / "voices.jsonl", [voice("joe")]),
        users=tmp_path / "users.jsonl",
        users_speech=tmp_path / "users",
        user_tts=ModelSpec("tts", "made"),
    )
    return read_rows(tmp_path / "users.jsonl", SpokenUser), tmp_path / "users", backend


def test_each_of_the_users_lines_is_a_file(tmp_path, monkeypatch):
    row = dialogue("a", mode="multi", language="Chinese")
    (said,), speech, backend = run(tmp_path, monkeypatch, [row])
    assert said.dropped is None and said.sample_rate == RATE and len(said.files) == 2
    assert {path.name for path in speech.iterdir()} == set(said.files)
    for file, turn in zip(said.files, row.turns, strict=True):
        samples, rate = soundfile.read(speech / file)
        assert rate == RATE and len(samples) == len(turn.user) * RATE // 10
    asked = [(turn.user, {"voice": "user-Chinese"}, "Chinese") for turn in row.turns]
    assert backend.calls == [asked]


def test_a_refused_line_drops_its_dialogue_and_no_other(tmp_path, monkeypatch):
    rows = [
        dialogue("a"),
        dialogue("b", mode="multi", turns=[Exchange(user="Why???", role="Well.")] * 2),
        dialogue("c", turns=[Exchange(user="", role="Well.")]),
    ]
    result, speech, _ = run(tmp_path, monkeypatch, rows)
    by_id = {row.id: row for row in result}
    assert by_id[rows[0].id].dropped is None
    assert by_id[rows[1].id].dropped == "cannot be spoken: the service refused: impolite"
    assert by_id[rows[2].id].dropped == "cannot be spoken: there is nothing to say in ''"
    assert {path.name for path in speech.iterdir()} == set(by_id[rows[0].id].files)


def test_only_what_the_service_refuses_is_a_gap(tmp_path, monkeypatch):
    def speak(self, lines):
        raise error

    monkeypatch.setattr(Service, "speak", speak)
    for error, voiced in ((Unvoiced("the service refused"), False), (ValueError("silent"), True)):
        (row,), _, _ = run(tmp_path, monkeypatch, [dialogue("a")])
        assert row.dropped == f"cannot be spoken: {error}" and row.voiced is voiced


def test_nothing_is_bought_for_a_role_without_a_voice(tmp_path, monkeypatch):
    (row,), _, backend = run(tmp_path, monkeypatch, [dialogue("a", "mute")])
    assert row.dropped == "no reference voice of role 'mute'" and row.files == []
    assert backend.calls == []


@pytest.mark.parametrize("count, asked", [(0, 0), (TOGETHER, 1), (TOGETHER + 1, 2)])
def test_dialogues_are_spoken_in_parts(tmp_path, monkeypatch, count, asked):
    rows = [dialogue(f"d{number}") for number in range(count)]
    result, speech, backend = run(tmp_path, monkeypatch, rows)
    assert [row.id for row in result] == sorted(row.id for row in rows)
    assert len(backend.calls) == asked and len(list(speech.iterdir())) == count
