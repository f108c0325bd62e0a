"""A service that will not make a role's voice loses that role's dialogues, and nothing else."""

import numpy as np
import pytest

from scripts.common import audio
from scripts.dialogues.speak import speak
from scripts.rows.dialogues import Spoken
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.dialogues.tiny import dialogue
from tests.rows import voice, written
from tests.servers.dashscope import ModelStudio
from tests.servers.speech import KEY

SHORT = (400, "Audio.AudioShortError", "valid audio too short!")


@pytest.fixture
def run(tmp_path, monkeypatch, services):
    """Runs speak on a dialogue of joe and of ann with roles' clips of `seconds`."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    def go(server, seconds=(3, 4)):
        clips = tmp_path / "clips"
        clips.mkdir()
        voices = []
        for number, role in enumerate(("joe", "ann"), 1):
            names = [f"{role}-{place}.flac" for place in range(len(seconds))]
            for name, length in zip(names, seconds, strict=True):
                audio.write(clips / name, np.full(audio.RATE * length, 0.1 * number, np.float32))
            voices.append(voice(role, file=names[0], others=names[1:]))
        speak(
            dialogues=written(tmp_path / "d.jsonl", [dialogue("a"), dialogue("b", "ann")]),
            voices=written(tmp_path / "voices.jsonl", voices),
            clips=clips,
            users=[],
            users_speech=[],
            spoken=tmp_path / "spoken.jsonl",
            speech=tmp_path / "speech",
            tts=ModelSpec("tts", "dashscope", {"address": server.address}),
        )
        return {row.role: row for row in read_rows(tmp_path / "spoken.jsonl", Spoken)}

    return go


def test_the_service_gets_enough_of_the_roles_sound(run):
    with ModelStudio(KEY) as server:
        rows = run(server, seconds=(3, 4, 5, 6))
        assert {row.dropped for row in rows.values()} == {None}
        lengths = [len(wav) / 2 / audio.RATE for wav in server.uploads.values()]
    assert len(lengths) == 2 and all(10 <= length <= 20 for length in lengths)


def test_a_refused_clip_is_a_gap_of_its_role_and_ends_no_job(run):
    with ModelStudio(KEY, voice_faults=[SHORT] * 3) as server:
        rows = run(server)
    refused, fine = sorted(rows.values(), key=lambda row: row.voiced)
    assert not refused.voiced and refused.turns == []
    assert refused.dropped.startswith("cannot be spoken: there is no voice: the service refused")
    assert "valid audio too short" in refused.dropped
    assert fine.voiced and fine.dropped is None and len(fine.turns) == 1


def test_what_fails_otherwise_is_no_gap(run):
    with ModelStudio(KEY, faults=[{"mute": True}] * 12) as server:
        rows = run(server)
    assert all(row.voiced and "nothing is to be heard" in row.dropped for row in rows.values())
