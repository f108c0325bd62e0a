"""Every line is spoken in its voice; a line that cannot be spoken drops only its dialogue."""

import json

import numpy as np
import pytest
import soundfile

from scripts.backends.tts import Unvoiced
from scripts.common import audio
from scripts.dialogues.speak import TOGETHER, speak
from scripts.rows.dialogues import Exchange, Spoken, SpokenUser
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.dialogues.tiny import dialogue, use
from tests.rows import voice, written

RATE = 8000


class Speaker:
    """A tone as long as the text, with different pitch for user and role."""

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
        users=[],
        users_speech=[],
        spoken=spoken,
        speech=speech,
        tts=ModelSpec("tts", "made"),
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
    assert by_id[rows[2].id].dropped == "cannot be spoken: there is nothing to say in '(silence)'"
    assert {row.id: len(row.turns) for row in result} == {r.id: int(r is rows[0]) for r in rows}
    assert {path.name[:12] for path in speech.iterdir()} == {rows[0].id}


def test_a_line_that_a_service_refuses_is_a_gap_and_another_fault_none(tmp_path, monkeypatch):
    def speak(self, lines):
        for text, _, _ in lines:
            if "rude" in text or text == "Hum.":
                raise (Unvoiced if "rude" in text else ValueError)(f"no to {text!r}")
        return [np.ones(RATE, np.float32) / 2 for _ in lines]

    monkeypatch.setattr(Speaker, "speak", speak)
    rude = [Exchange(user="Hum.", role="Fine."), Exchange(user="So?", role="Be rude.")]
    rows = [dialogue("a"), dialogue("b", turns=rude), dialogue("c", turns=rude[:1])]
    result, _, _ = run(tmp_path, monkeypatch, rows)
    found = {row.id: (row.voiced, row.dropped) for row in result}
    assert [found[row.id] for row in rows] == [
        (True, None),
        (False, "cannot be spoken: no to 'Be rude.'"),
        (True, "cannot be spoken: no to 'Hum.'"),
    ]


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


def run_with_users(tmp_path, monkeypatch, rows, users):
    """The users' lines are already spoken: `users` are (row, seconds of each line)."""
    run(tmp_path, monkeypatch, [], voices=[voice("joe")])
    folder = tmp_path / "users"
    folder.mkdir()
    for row, seconds in users:
        for file, length in zip(row.files, seconds, strict=True):
            tone = np.sin(2 * np.pi * 300 * np.arange(int(length * row.sample_rate)) / 16_000)
            audio.write(folder / file, tone.astype(np.float32), row.sample_rate)
    backend = Speaker()
    use(monkeypatch, backend)
    speak(
        dialogues=written(tmp_path / "test.jsonl", rows),
        voices=tmp_path / "voices.jsonl",
        clips=tmp_path / "clips",
        users=[written(tmp_path / "users.jsonl", [row for row, _ in users])],
        users_speech=[folder],
        spoken=tmp_path / "spoken.jsonl",
        speech=tmp_path / "speech",
        tts=ModelSpec("tts", "made"),
    )
    return read_rows(tmp_path / "spoken.jsonl", Spoken), tmp_path / "speech", backend


def test_lines_that_were_spoken_for_the_users_are_taken_over(tmp_path, monkeypatch):
    """They come at the rate of the roles' model, which speaks the roles' lines and none else."""
    row = dialogue("a", mode="multi")
    said = SpokenUser(id=row.id, files=["x.flac", "y.flac"], sample_rate=16_000)
    (spoken,), speech, backend = run_with_users(tmp_path, monkeypatch, [row], [(said, [0.5, 1.25])])
    (lines,) = backend.calls
    assert [text for text, _, _ in lines] == [turn.role for turn in row.turns]
    assert [turn.user_seconds for turn in spoken.turns] == [0.5, 1.25]
    samples, rate = soundfile.read(speech / spoken.turns[1].user_audio)
    assert rate == spoken.sample_rate == RATE and len(samples) == 1.25 * RATE
    crossings = np.count_nonzero(np.diff(np.signbit(samples)))
    assert crossings == pytest.approx(600 * 1.25, abs=4)  # still 300 Hz
    assert spoken.turns[1].role_seconds == pytest.approx(len(row.turns[1].role) / 10)


def test_a_dialogue_whose_user_could_not_be_spoken_costs_the_role_no_speech(tmp_path, monkeypatch):
    rows = [dialogue("a"), dialogue("b")]
    reason = "cannot be spoken: the service refused"
    users = [
        (SpokenUser(id=rows[0].id, files=["a.flac"], sample_rate=16_000), [1.0]),
        (SpokenUser(id=rows[1].id, files=[], sample_rate=16_000, voiced=False, dropped=reason), []),
    ]
    result, speech, backend = run_with_users(tmp_path, monkeypatch, rows, users)
    by_id = {row.id: row for row in result}
    assert by_id[rows[0].id].dropped is None
    assert by_id[rows[1].id].dropped == reason and by_id[rows[1].id].turns == []
    assert not by_id[rows[1].id].voiced and by_id[rows[0].id].voiced
    assert [[text for text, _, _ in lines] for lines in backend.calls] == [["Answer a."]]
    assert {path.name[:12] for path in speech.iterdir()} == {rows[0].id}
