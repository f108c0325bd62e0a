"""Likeness of voices on a scale, with voices that are pitches, and with real models once."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from scripts.common import weights
from scripts.duplex import likeness
from scripts.duplex.score_duplex import score_duplex
from scripts.duplex.transcribe_duplex import transcribe_duplex
from scripts.rows.duplex import Conversation, DuplexScore
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow.model_spec import ModelSpec
from tests.duplex.made_folder import ROOT, SECONDS, Folder, item, values
from tests.duplex.simulated_models import RATE, Embedder, tone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return Folder(tmp_path, monkeypatch)


def test_voices_on_a_scale_from_a_stranger_to_oneself(folder):
    """The sample has 400 Hz, the stranger 800 (cosine 0): 400 Hz is 1, 800 is 0, 600 is cos 45."""
    for name, pitch in (("a.flac", 400), ("b.flac", 800)):
        soundfile.write(folder.home / "user" / name, tone([(0, 4)], 4.0, pitch=pitch), RATE)
    for ident, pitch in (("own", 400), ("half", 600), ("other", 800)):
        side = tone([(4.8, 7.8)], SECONDS, pitch=pitch)
        folder.add(item("turn", ident, voice="a.flac"), side)
    folder.add(item("turn", "b", voice="b.flac"), tone([(4.8, 7.8)], SECONDS, pitch=800))
    folder.add(item("turn", "brief", voice="a.flac"), tone([(4.8, 5.2)], SECONDS))
    folder.add(item("turn", "lost", voice="c.flac"), tone([(4.8, 7.8)], SECONDS))
    drifting = tone([(4.0, 7.0)], SECONDS) + tone([(7.0, 10.0)], SECONDS, pitch=800)
    folder.add(item("turn", "drift", voice="a.flac"), drifting)
    found = folder.scores()
    own = values(found, "similarity", "corrected", "voices")
    close = {"own": 1, "half": 0.5**0.5, "other": 0, "b": 1}
    assert {key: own[key] for key in close} == pytest.approx(close, abs=0.02)
    assert own["brief"] is own["lost"] is None
    assert "0.40 s of speech" in found["brief", "similarity", "corrected", "voices"].dropped
    assert "cannot read" in found["lost", "similarity", "corrected", "voices"].dropped
    assert values(found, "voice_drift", "corrected", "voices")["drift"] == pytest.approx(
        -1, abs=0.02
    )
    assert values(found, "voice_drift", "corrected", "voices")["own"] == pytest.approx(0, abs=0.02)
    nearest = values(found, "own_voice", "corrected", "voices")
    # 600 Hz are as near to the one as to the other; the first third of `drift` is the sample's.
    assert {key: nearest[key] for key in ("own", "other", "b", "brief", "lost")} == {
        "own": 1, "other": 0, "b": 1, "brief": None, "lost": None,
    }  # fmt: skip
    labels = {key: found[key, "own_voice", "corrected", "voices"].label for key in nearest}
    assert (labels["own"], labels["other"], labels["b"]) == ("a.flac", "b.flac", "b.flac")


def test_one_voice_alone_has_a_cosine_and_no_scale(folder):
    soundfile.write(folder.home / "user/a.flac", tone([(0, 4)], 4.0), RATE)
    folder.add(item("turn", voice="a.flac"), tone([(4.8, 7.8)], SECONDS))
    own = {key[1:]: row for key, row in folder.scores().items()}
    assert own["similarity", "official", "voices"].value == pytest.approx(1, abs=0.01)
    assert "one voice only" in own["similarity", "corrected", "voices"].dropped
    assert "one voice only" in own["own_voice", "corrected", "voices"].dropped


@pytest.mark.parametrize(
    "sound, reason",
    [
        (tone([(0, 1)], 1.0), "shorter than 2 s"),
        (np.zeros(4 * RATE, np.float32), "is silent"),
        (np.full(4 * RATE, np.nan, np.float32), "is silent or holds values that are no numbers"),
    ],
)
def test_a_sample_without_a_voice_is_a_gap(folder, sound, reason):
    soundfile.write(folder.home / "user/a.wav", sound, RATE, subtype="FLOAT")
    folder.add(item("turn", voice="a.wav"), tone([(4.8, 7.8)], SECONDS))
    own = {key[1:]: row for key, row in folder.scores().items()}
    assert reason in own["similarity", "official", "voices"].dropped
    assert own["takeover", "corrected", "words"].value == 1


def test_the_same_sound_under_two_names_is_no_stranger():
    sound = tone([(0, 4)], 4.0)
    found = likeness.scales({"a": sound, "b": sound.copy()}, Embedder())
    assert all("one voice only" in scale.reason for scale in found.values())


def test_real_models_agree_about_a_spoken_answer(tmp_path):
    """A synthesised answer 1 s after the user's end, by the models of the default run."""
    from kokoro_onnx import Kokoro

    home = weights.path("kokoro")
    model = Kokoro(str(home / "kokoro.onnx"), str(home / "voices.npz"))

    def say(text: str, voice: str) -> np.ndarray:
        return (0.5 * model.create(text, voice=voice, lang="en-us")[0]).astype(np.float32)

    answer = say("The train to the city leaves at seven in the evening.", "af_heart")
    side = np.zeros(round(SECONDS * 24_000), np.float32)
    side[5 * 24_000 :][: len(answer)] = answer
    for folder in ("audio", "user"):
        (tmp_path / folder).mkdir()
    soundfile.write(tmp_path / "audio/one.flac", side, 24_000)
    for voice in ("af_heart", "am_adam"):
        sample = say("My grandmother kept three chickens and a rather lazy dog.", voice)
        soundfile.write(tmp_path / f"user/{voice}.flac", sample, 24_000)
    items = [item("turn", "one", voice="af_heart.flac"), item("turn", "two", voice="am_adam.flac")]
    write_rows(tmp_path / "items.jsonl", items)
    given = {"collection": "made", "system": "sys", "sample_rate": 24_000, "words": None}
    sides = [Conversation(id=own.id, audio="one.flac", seconds=SECONDS, **given) for own in items]
    write_rows(tmp_path / "sides.jsonl", sides)
    recognisers = {"faster_whisper": {"threads": 1}, "pocketsphinx": {}}
    given = {
        "item_rows": tmp_path / "items.jsonl",
        "audio": tmp_path / "audio",
        "user_audio": tmp_path / "user",
        "transcripts": tmp_path / "transcripts.jsonl",
        "system": "sys",
    }
    transcribe_duplex(
        **given,
        conversations=tmp_path / "sides.jsonl",
        asr=[ModelSpec("asr", n, own | {"word_times": True}) for n, own in recognisers.items()],
        vad=ModelSpec("vad", "silero"),
    )
    score_duplex(
        **given,
        prompt_interruption=ROOT / "config/prompts/duplex_interruption.md",
        prompt_service=ROOT / "config/prompts/duplex_service.md",
        prompt_behaviour=ROOT / "config/prompts/duplex_behaviour.md",
        scores=tmp_path / "scores.jsonl",
        speakers=[ModelSpec("speaker", "campplus"), ModelSpec("speaker", "resemblyzer")],
    )
    rows = read_rows(tmp_path / "scores.jsonl", DuplexScore)
    found = {(row.id, row.metric, row.form, row.by): row for row in rows}
    for by in (*recognisers, "activity"):
        assert found["one", "takeover", "corrected", by].value == 1
        latency = found["one", "response_latency", "corrected", by].value
        assert latency == pytest.approx(1.0, abs=0.25), by
    for by in ("campplus", "resemblyzer"):
        own, other = (found[i, "similarity", "corrected", by].value for i in ("one", "two"))
        assert own > 0.7 and other < 0.3, by
