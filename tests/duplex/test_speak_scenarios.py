"""Spoken service questions: layout, times, voices, and what cannot be spoken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts import backends
from scripts.backends import tts
from scripts.backends.duplex import RATE
from scripts.backends.tts import accept, has_voices
from scripts.common.errors import UserError
from scripts.duplex.pieces import piece
from scripts.duplex.service_roles import templated
from scripts.duplex.speak_scenarios import LEAD, SAMPLE, sampled, speak_scenarios, voices_of
from scripts.rows.duplex import DuplexItem, Scenario
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow.cache_files import CacheFiles
from scripts.workflow.model_cache import CachedModel
from scripts.workflow.model_spec import ModelSpec
from tests.default_models import spec_of

ROOT = Path(__file__).resolve().parents[2]
ALL = templated(*(ROOT / f"config/duplex/{name}" for name in ("domains.yaml", "service_roles.tsv")))
SPOKEN = 0.1  # seconds


@dataclass
class Stock:
    """A tenth of a second a line, between two of silence, at a pitch of the voice's own."""

    count: int = 5
    rate: int = 16_000
    voice_mode: str = "matched"
    refused: str = "???"

    def voice(self, clip, text, language):
        return {"voice": 0}

    def fixed_voice(self, language):
        return {"voice": 0}

    def voices(self, language):
        assert language == "English"
        return [{"voice": number} for number in range(self.count)]

    def speak(self, lines):
        for text, _, _ in lines:
            if self.refused in text:
                raise ValueError(f"no {self.refused}, please")
        return [self._said(text, voice["voice"]) for text, voice, _ in lines]

    def _said(self, text: str, voice: int) -> np.ndarray:
        seconds = SPOKEN * (1 if text != SAMPLE else 3)
        times = np.arange(round(seconds * self.rate)) / self.rate
        silence = np.zeros(round(SPOKEN * self.rate), np.float32)
        tone = 0.3 * np.cos(2 * np.pi * 100 * (voice + 1) * times)
        return np.concatenate([silence, tone.astype(np.float32), silence])


def run(folder: Path, monkeypatch, rows=ALL, backend=None, **changed) -> list[DuplexItem]:
    monkeypatch.setattr(backends, "load", lambda spec: backend or Stock())
    folder.mkdir(exist_ok=True)
    write_rows(folder / "scenarios.jsonl", rows)
    given = {"tts": ModelSpec("tts", "made"), "roles": 2, "voices": 2, "seconds": 1.0}
    out = {"item_rows": folder / "service.jsonl", "audio": folder / "service"}
    speak_scenarios(folder / "scenarios.jsonl", **{**out, **given, **changed})
    return read_rows(out["item_rows"], DuplexItem)


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in (folder / "service").rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_layout_is_that_of_the_public_harness(tmp_path, monkeypatch):
    """Folders are numbers; other folders it passes over."""
    items = run(tmp_path, monkeypatch)
    assert len(items) == 14
    numbered = [path for path in (tmp_path / "service").iterdir() if path.name.isdigit()]
    assert sorted(int(path.name) for path in numbered) == [*range(14)]
    for number, item in enumerate(items):
        folder = tmp_path / "service" / str(number)
        about = json.loads((folder / "metadata.json").read_text("utf-8"))
        row = ALL[number // 7]
        assert about == {
            "prompt_text": row.context,
            "question_text": row.questions[number % 7].text,
            "question_index": number % 7,
            "speaker_index": about["speaker_index"],
        }
        assert about["speaker_index"] in range(5)
        sound = soundfile.info(folder / "input.wav")
        assert (sound.samplerate, sound.channels, sound.subtype) == (24_000, 1, "PCM_16")
        assert item.audio == f"{number}/input.wav" and item.seconds == sound.duration


def test_rows_say_when_the_caller_talks(tmp_path, monkeypatch):
    """Half a second of silence, the speech without silence around it, and time to answer."""
    for item in run(tmp_path, monkeypatch, seconds=2.5):
        user, end = item.events
        assert (item.collection, item.task, item.language) == ("service", "service", "English")
        assert (user.kind, end.kind, user.text) == ("user", "turn_end", item.question.text)
        assert user.start == LEAD / 1000 and end.start == end.end == user.end
        assert user.end - user.start == pytest.approx(SPOKEN, abs=0.003)
        assert item.seconds == pytest.approx(user.end + 2.5, abs=1e-6)
        samples, rate = soundfile.read(tmp_path / "service" / item.audio)
        loud = np.flatnonzero(np.abs(samples) > 0.01) / rate
        assert loud.min() == pytest.approx(user.start, abs=0.005)
        assert loud.max() == pytest.approx(user.end, abs=0.005)
        assert not samples[round(user.end * rate) :].any()


def test_roles_have_their_voices_in_turn_and_no_caller_has_that_of_its_role(tmp_path, monkeypatch):
    items = run(tmp_path, monkeypatch, roles=50, voices=3)
    assert len(items) == 350
    heard: dict[tuple, int] = {}
    for number, item in enumerate(items):
        about = (tmp_path / "service" / item.audio).with_name("metadata.json")
        caller = json.loads(about.read_text("utf-8"))["speaker_index"]
        if number < 14:
            sample, rate = soundfile.read(tmp_path / "service" / item.voice)
            assert rate == 24_000 and len(sample) / rate == pytest.approx(3 * SPOKEN, abs=0.003)
            pitch = np.argmax(np.abs(np.fft.rfft(sample, rate))) / 100
            assert round(pitch) - 1 != caller
        place = number // 7 + number % 7
        heard[item.voice, place % 3] = heard.get((item.voice, place % 3), 0) + 1
    assert len(heard) == 3 and len({voice for voice, _ in heard}) == 3
    for index in range(7):  # each voice in each kind of question
        assert len({item.voice for item in items[index::7]}) == 3
    for role in range(0, 350, 7):  # and in each role
        assert len({item.voice for item in items[role : role + 7]}) == 3


def test_more_voices_than_there_are_are_refused(tmp_path, monkeypatch):
    with pytest.raises(
        UserError, match="has 5 voices, 5 of which can be used for roles; the roles need 6"
    ):
        run(tmp_path, monkeypatch, voices=6)


def test_items_do_not_depend_on_how_many_there_are(tmp_path, monkeypatch):
    few = run(tmp_path / "few", monkeypatch, roles=2)
    many = run(tmp_path / "many", monkeypatch, roles=4)
    assert many[:14] == few
    assert files(tmp_path / "few").items() <= files(tmp_path / "many").items()


def test_another_seed_has_other_voices(tmp_path, monkeypatch):
    stock = Stock(28).voices("English")
    once = [voices_of(row, place, stock[:2], stock, 0) for place, row in enumerate(ALL)]
    assert once == [voices_of(row, place, stock[:2], stock, 0) for place, row in enumerate(ALL)]
    assert once != [voices_of(row, place, stock[:2], stock, 1) for place, row in enumerate(ALL)]
    (tmp_path / "voices").mkdir()
    roles = [sampled(Stock(28), 2, tmp_path, seed) for seed in range(5)]
    assert all(len(own) == 2 for own in roles) and len({str(own) for own in roles}) > 1
    assert len({voice["voice"] for pairs in once for _, voice in pairs}) == 28


def test_a_dropped_scenario_keeps_its_numbers(tmp_path, monkeypatch):
    lost = Scenario(
        id="x", domain="bank", organisation="", name="", facts=[], context="", questions=[]
    )
    rows = [ALL[0], lost.model_copy(update={"dropped": "not usable"}), ALL[2]]
    items = run(tmp_path, monkeypatch, rows=rows)
    assert [item.scenario for item in items] == [ALL[0].id] * 7 + [ALL[2].id] * 7
    assert [item.audio for item in items[7:]] == [f"{n}/input.wav" for n in range(14, 21)]


def test_one_question_that_cannot_be_spoken_stops_no_other(tmp_path, monkeypatch):
    items = run(tmp_path, monkeypatch, backend=Stock(refused="cardboard"))
    (lost,) = [item for item in items if item.dropped]
    assert lost.dropped == "cannot be spoken: no cardboard, please" and lost.question.index == 4
    assert not (tmp_path / "service/4").exists() and len(items) == 14


def test_a_voice_whose_sample_cannot_be_spoken_is_no_role_s(tmp_path, monkeypatch, capsys):
    class Hoarse(Stock):
        def speak(self, lines):
            if any(text == SAMPLE and voice["voice"] in (0, 1, 2) for text, voice, _ in lines):
                raise ValueError("a noise hides its end")
            return super().speak(lines)

    items = run(tmp_path, monkeypatch, backend=Hoarse())
    assert not any(item.dropped for item in items) and len({item.voice for item in items}) == 2
    assert "no voice for roles" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"5 voices, 2 of which can be used .*: a noise hides"):
        run(tmp_path, monkeypatch, backend=Hoarse(), voices=3)


def test_a_line_without_sound_or_with_no_numbers_is_dropped(tmp_path, monkeypatch):
    class Odd(Stock):
        def _said(self, text, voice):
            sound = super()._said(text, voice)
            if text == ALL[0].questions[1].text:
                return sound * 0
            return sound * np.float32(np.nan) if text == ALL[0].questions[2].text else sound

    items = run(tmp_path, monkeypatch, backend=Odd(), roles=1)
    assert [item.dropped for item in items][:4] == [
        None,
        "cannot be spoken: it is silent",
        "cannot be spoken: it holds values that are no numbers",
        None,
    ]


class Cloner:
    rate, voice_mode = 24_000, "cloned"


REFUSED = [
    ({"backend": Cloner()}, "tts/made has no voices of its own"),
    (
        {"backend": Stock(1)},
        "the tts has 1 voices, 1 of which can be used for roles; the roles need 2",
    ),
    ({"roles": 0}, "must be above 0"),
    ({"seconds": 0}, "must be above 0"),
    ({"rows": [ALL[0], ALL[0]]}, "its id 'restaurant-1' is that of"),
]


@pytest.mark.parametrize("given, told", REFUSED, ids=[told for _, told in REFUSED])
def test_what_gives_no_set_is_refused(tmp_path, monkeypatch, given, told):
    with pytest.raises(UserError) as error:
        run(tmp_path, monkeypatch, **given)
    assert told in str(error.value)


def test_the_stand_in_keeps_the_contract():
    class Longer(Stock):
        def _said(self, text, voice):
            return np.full(len(text) * 1000, 0.1, np.float32)

    accept(Longer(), np.zeros(16_000, np.float32), "Hello.")


def test_a_second_run_loads_no_model(tmp_path, monkeypatch):
    """The voices are kept, too; and of a synthesiser without any that is known."""
    spec, kept = ModelSpec("tts", "kokoro"), tmp_path / "kept"

    def cached(model):
        return CachedModel(spec, lambda: model, tts, CacheFiles(kept))

    first = run(tmp_path / "first", monkeypatch, backend=cached(Stock()))
    assert run(tmp_path / "second", monkeypatch, backend=cached(None)) == first
    assert files(tmp_path / "first") == files(tmp_path / "second")
    kept = tmp_path / "others"
    assert not has_voices(cached(Cloner()))


def test_a_question_in_a_real_voice():
    """Kokoro's 28 English voices, with the one that reads this question."""
    kokoro = backends.load(spec_of("kokoro"))
    stock = kokoro.voices("English")
    assert len(stock) == 28 and has_voices(kokoro) and kokoro.fixed_voice("English") in stock
    assert not [voice for voice in kokoro.voices("Chinese") if voice in stock]
    _, caller = voices_of(ALL[0], 0, stock[:2], stock, 0)[0]
    (sound,) = kokoro.speak([(ALL[0].questions[0].text, caller, "English")])
    assert 1 < len(piece(sound, kokoro.rate)) / RATE < 4
