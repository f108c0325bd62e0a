"""The stage speak_probes, with a voice that hums at a pitch of its own for each sentence."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import backends
from scripts.backends.tts import Unvoiced
from scripts.common import audio
from scripts.judging.probe import ORDER, PADDING
from scripts.judging.speak_probes import speak_probes, spoken_in_twos
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.judging import Sentences
from scripts.workflow.model_spec import ModelSpec
from tests.judging import test_judge as made


class Hum:
    rate = 24_000

    def __init__(self):
        self.said, self.cloned = [], []

    def voice(self, clip, text, language):
        self.cloned.append((len(clip), text))
        return {"voice": text}

    def speak(self, lines):
        self.said += lines
        return [np.full(2400 * n, 0.1 * n, np.float32) for n, _ in enumerate(lines, 1)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the stage on two systems' replies to two dialogues of one role."""

    def go(number, tts):
        monkeypatch.setattr(backends, "load", lambda spec: tts)
        for name, samples in (("test.flac", 4800), ("ref.flac", 8000), ("clip.flac", 1600)):
            audio.write(tmp_path / name, np.full(samples, 0.4, np.float32))
        write_rows(tmp_path / "test.jsonl", [made.dialogue(name) for name in "xy"])
        write_rows(tmp_path / "spoken.jsonl", [made.spoken(name, False) for name in "xy"])
        write_rows(tmp_path / "voices.jsonl", [made.voice(2)])
        for system in "ab":
            rows = [made.reply(name, None).model_copy(update={"system": system}) for name in "xy"]
            write_rows(tmp_path / f"{system}.jsonl", rows)
        speak_probes(
            replies=[tmp_path / f"{system}.jsonl" for system in "ab"],
            answers=[tmp_path] * 2,
            **{name: [tmp_path / f"{name}.jsonl"] for name in ("test", "spoken")},
            speech=[tmp_path],
            **{name: tmp_path / f"{name}.jsonl" for name in ("voices", "sentences")},
            clips=tmp_path,
            sentences_speech=tmp_path / "sentences",
            tts=ModelSpec("tts", "made"),
            number=number,
        )
        return read_rows(tmp_path / "sentences.jsonl", Sentences)

    return go


def test_each_role_says_both_sentences_once_in_the_voice_of_its_clip(run, tmp_path):
    tts = Hum()
    (row,) = run(4, tts)
    voice = made.voice(2)
    assert row.role == voice.role and tts.cloned == [(1600, voice.text)]
    words = [PADDING[voice.language], ORDER[voice.language]]
    assert tts.said == [(text, {"voice": voice.text}, voice.language) for text in words]
    for n, file in enumerate((row.padding, row.order), 1):
        sound = audio.read(tmp_path / "sentences" / file)
        assert len(sound) == 1600 * n and sound[500:1000] == pytest.approx(0.1 * n, abs=0.01)


def test_without_a_reply_to_probe_no_model_is_loaded(run, tmp_path):
    assert run(0, None) == [] and (tmp_path / "sentences").is_dir()


def test_a_refused_voice_costs_the_other_roles_no_sentence():
    class Picky(Hum):
        def speak(self, lines):
            if any(voice == {"voice": "bad"} for _, voice, _ in lines):
                raise Unvoiced("the service refused")
            return super().speak(lines)

    lines = [(text, {"voice": voice}, "English") for voice in ("ok", "bad") for text in "ab"]
    fine, refused = spoken_in_twos(Picky(), lines)
    assert len(fine) == 2 and isinstance(refused, Unvoiced)


def test_a_role_whose_voice_is_refused_keeps_the_reason(run):
    class Refused(Hum):
        def speak(self, lines):
            raise Unvoiced("the service refused")

    (row,) = run(4, Refused())
    assert (row.padding, row.order, row.dropped) == (None, None, "the service refused")
