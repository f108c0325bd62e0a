"""Every line is spoken in its voice; one that cannot be drops its dialogue and no other."""

import json

import numpy as np
import pytest
import soundfile

from scripts import backends
from scripts.common import audio
from scripts.common.records import Exchange, Spoken, read_rows
from scripts.dialogues.speak import TOGETHER, speak
from tests.dialogues.tiny import dialogue, use, voice, written

RATE = 8000


class Speaker:
    """A tone as long as the text: user's and role's differ in pitch."""

    rate = RATE
    voice_mode = "matched"

    def __init__(self):
        self.voices = []
        self.calls = []

    def voice(self, clip, text, language):
        self.voices.append((len(clip), text, language))
        return {"voice": f"{language}-{len(self.voices)}"}

    def fixed_voice(self, language):
        return {"voice": "user"}

    def speak(self, lines):
        self.calls.append(lines)
        for text, _, _ in lines:
            if "..." in text:
                raise ValueError(f"there is nothing to say in {text!r}")
        return [self.tone(text, voice) for text, voice, _ in lines]

    def tone(self, text, voice):
        pitch = 200 if voice == {"voice": "user"} else 100
        seconds = np.arange(0 if text == "(silence)" else len(text) * RATE // 10) / RATE
        return (0.5 * np.sin(2 * np.pi * pitch * seconds)).astype(np.float32)


def run(tmp_path, monkeypatch, rows, voices=None):
    backend = Speaker()
    use(monkeypatch, backend)
    clips = tmp_path / "clips"
    clips.mkdir()
    references = [voice("joe", flags=["one clip only"])] if voices is None else voices
    for reference in references:
        audio.write(clips / reference.file, np.zeros(3 * audio.RATE, np.float32))
    spoken, speech = tmp_path / "spoken.jsonl", tmp_path / "speech"
    speak(
        dialogues=written(tmp_path / "test.jsonl", rows),
        voices=written(tmp_path / "voices.jsonl", references),
        clips=clips,
        spoken=spoken,
        speech=speech,
        tts={},
        user_tts={},
    )
    return read_rows(spoken, Spoken), speech, backend


def test_each_line_is_a_file_in_its_voice_and_as_long_as_it_was_spoken(tmp_path, monkeypatch):
    rows = [dialogue("a", mode="multi"), dialogue("b")]
    result, speech, backend = run(tmp_path, monkeypatch, rows)
    by_id = {row.id: row for row in result}
    assert len(backend.voices) == 1 and len(backend.calls) == 1
    assert len(list(speech.iterdir())) == 6
    for row in rows:
        spoken = by_id[row.id]
        assert spoken.voice_mode == "matched" and json.loads(spoken.voice) == {"voice": "English-1"}
        assert spoken.flags == ["one clip only"] and spoken.dropped is None
        for number, (turn, sound) in enumerate(zip(row.turns, spoken.turns, strict=True), 1):
            assert sound.user_audio == f"{row.id}_{number}_user.flac"
            assert sound.role_audio == f"{row.id}_{number}_role.flac"
            assert sound.user_seconds == pytest.approx(len(turn.user) / 10)
            assert sound.role_seconds == pytest.approx(len(turn.role) / 10)
            samples, rate = soundfile.read(speech / sound.role_audio)
            assert rate == spoken.sample_rate == RATE
            assert len(samples) / rate == pytest.approx(sound.role_seconds, abs=1e-3)
            crossings = np.count_nonzero(np.diff(np.signbit(samples)))
            assert crossings == pytest.approx(200 * len(samples) / rate, abs=2)  # 100 Hz: a role's


def test_a_line_that_cannot_be_spoken_drops_its_dialogue_only(tmp_path, monkeypatch):
    rows = [
        dialogue("a"),
        dialogue("b", turns=[Exchange(user="Well?", role="...")]),
        dialogue("c", turns=[Exchange(user="Well?", role="(silence)")]),
    ]
    result, speech, _ = run(tmp_path, monkeypatch, rows)
    by_id = {row.id: row for row in result}
    assert by_id[rows[0].id].dropped is None
    assert by_id[rows[1].id].dropped == "cannot be spoken: there is nothing to say in '...'"
    assert by_id[rows[2].id].dropped == "cannot be spoken: a line has no sound"
    assert {row.id: len(row.turns) for row in result} == {r.id: int(r is rows[0]) for r in rows}
    assert {path.name[:12] for path in speech.iterdir()} == {rows[0].id}


def test_a_role_without_a_voice_keeps_its_rows_with_the_reason(tmp_path, monkeypatch):
    rows = [dialogue("a"), dialogue("b", "mute")]
    result, _, _ = run(tmp_path, monkeypatch, rows)
    reasons = {row.role: row.dropped for row in result}
    assert reasons == {"joe": None, "mute": "no reference voice of role 'mute'"}


def test_many_dialogues_are_spoken_in_parts(tmp_path, monkeypatch):
    rows = [dialogue(f"d{number}") for number in range(TOGETHER + 1)]
    result, speech, backend = run(tmp_path, monkeypatch, rows)
    assert len(backend.calls) == 2 and len(result) == len(rows)
    assert len(list(speech.iterdir())) == 2 * len(rows)


def test_an_empty_shard_loads_nothing(tmp_path, monkeypatch):
    result, speech, backend = run(tmp_path, monkeypatch, [], voices=[])
    assert result == [] and speech.is_dir() and backend.calls == []


def test_users_can_have_a_model_of_their_own(tmp_path, monkeypatch):
    """Its lines are the user's and none else, and come at the rate of the roles' model."""
    run(tmp_path, monkeypatch, [], voices=[voice("joe")])
    models = {"roles": Speaker(), "users": Speaker()}
    models["users"].rate = 2 * RATE
    monkeypatch.setattr(backends, "load", lambda spec: models[spec["backend"]])
    rows = [dialogue("a", mode="multi")]
    speak(
        dialogues=written(tmp_path / "test.jsonl", rows),
        voices=tmp_path / "voices.jsonl",
        clips=tmp_path / "clips",
        spoken=tmp_path / "spoken.jsonl",
        speech=tmp_path / "speech",
        tts={"backend": "roles"},
        user_tts={"backend": "users"},
    )
    (said,), (asked,) = models["roles"].calls, models["users"].calls
    assert [text for text, _, _ in said] == [turn.role for turn in rows[0].turns]
    assert [text for text, _, _ in asked] == [turn.user for turn in rows[0].turns]
    (row,) = read_rows(tmp_path / "spoken.jsonl", Spoken)
    samples, rate = soundfile.read(tmp_path / "speech" / row.turns[0].user_audio)
    assert rate == row.sample_rate == RATE
    assert len(samples) / rate == pytest.approx(len(rows[0].turns[0].user) / 20, abs=1e-3)
