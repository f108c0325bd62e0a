"""The embedded audio models on a few seconds of audio: contracts, known numbers, difficult inputs.

Kokoro synthesizes the speech once per session, so that no recording is needed.
"""

from dataclasses import asdict

import numpy as np
import pytest
import soxr

from scripts.backends import asr, diarization, quality, separation, speaker, vad
from scripts.backends.asr import faster_whisper
from scripts.backends.diarization import pyannote
from scripts.backends.quality import dnsmos
from scripts.backends.separation import none, spleeter
from scripts.backends.speaker import campplus
from scripts.backends.vad import silero
from scripts.common import weights
from scripts.common.errors import UserError
from scripts.workflow.model_spec import ModelSpec

TEXT = (
    "Where did you hide the treasure, my old friend? I have searched the whole island, "
    "and there is nothing left but sand and broken shells."
)
RATE = 16_000
CAMPPLUS = ModelSpec("speaker", "campplus")
REFERENCE_TONE = {"ovrl": 0.9609808, "sig": 1.2365095, "bak": 0.9893594}


@pytest.fixture(scope="session")
def speak():
    from kokoro_onnx import Kokoro

    home = weights.path("kokoro")
    model = Kokoro(str(home / "kokoro.onnx"), str(home / "voices.npz"))

    def say(text: str, voice: str) -> np.ndarray:
        samples, rate = model.create(text, voice=voice, lang="en-us")
        return (0.5 * soxr.resample(samples, rate, RATE) / np.abs(samples).max()).astype(np.float32)

    return say


@pytest.fixture(scope="session")
def speech(speak):
    return speak(TEXT, "af_heart")


@pytest.fixture(scope="session")
def other(speak):
    return speak(TEXT, "am_adam")


# --- separation


@pytest.fixture(scope="session")
def separator():
    return spleeter.load()


def test_spleeter_meets_its_contract(separator):
    separation.accept(separator)


def test_no_separation_keeps_the_contract_and_the_sound(speech):
    separation.accept(none.load())
    assert np.array_equal(none.load().separate(speech, RATE), speech)


def test_spleeter_takes_chords_out_of_speech(separator, speech):
    time = np.arange(len(speech)) / RATE
    notes = [sum(np.sin(2 * np.pi * f * k * time) / k for k in (1, 2, 3)) for f in (220, 277, 330)]
    music = sum(notes) * (0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 2 * time)))
    music *= np.sqrt(np.mean(speech**2) / np.mean(music**2) / 10**0.5)
    mix = (speech + music).astype(np.float32)
    mix, clean = 0.9 * mix / np.abs(mix).max(), speech
    assert si_sdr(separator.separate(mix, RATE), clean) > si_sdr(mix, clean) + 3


@pytest.mark.parametrize("samples", [0, 1, 100, 3000])
def test_spleeter_keeps_any_length(separator, samples):
    audio = np.full(samples, 0.1, np.float32)
    vocals = separator.separate(audio, RATE)
    assert vocals.shape == (samples,) and np.isfinite(vocals).all()


def test_spleeter_chunks_join_without_a_seam(monkeypatch):
    """With a separator that changes nothing, overlapping chunks add up to the input."""
    whole = spleeter.Spleeter([])
    monkeypatch.setattr(whole, "_chunk", lambda audio, rate: audio.copy())
    audio = np.random.default_rng(0).uniform(-1, 1, 40 * RATE).astype(np.float32)
    assert np.allclose(whole.separate(audio, RATE), audio, atol=1e-6)


def test_only_bins_with_sound_are_computed():
    assert spleeter.useful_bins(16_000) == 768 and spleeter.useful_bins(44_100) == 1024


# --- quality


@pytest.fixture(scope="session")
def rater():
    return dnsmos.load(threads=1)


def test_dnsmos_meets_its_contract(rater, speech):
    quality.accept(rater, speech)


def test_dnsmos_gives_the_numbers_of_the_reference(rater):
    """The figures are those of the package speechmos 0.0.1.1 on the same tone."""
    tone = (0.3 * np.sin(2 * np.pi * 220 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    (scores,) = rater.rate([tone])
    assert asdict(scores) == pytest.approx(REFERENCE_TONE, abs=1e-6)


def test_dnsmos_leaves_out_the_windows_that_the_reference_leaves_out():
    assert len(dnsmos.windows(np.zeros(5 * RATE, np.float32))) == 1
    assert len(dnsmos.windows(np.zeros(12 * RATE, np.float32))) == 3
    assert len(dnsmos.windows(np.zeros(30 * RATE, np.float32))) == 7


@pytest.mark.parametrize(
    ("clip", "word"), [([], "no samples"), ([0.0, 1.5], "peaks"), ([0.0, np.nan], "peaks")]
)
def test_dnsmos_refuses_what_cannot_be_rated(rater, speech, clip, word):
    with pytest.raises(ValueError, match=f"clip 1 .*{word}"):
        rater.rate([speech, np.array(clip, np.float32)])


# --- speech and speakers


def test_silero_meets_its_contract(speech):
    vad.accept(silero.load(), speech)


def test_silero_finds_two_pieces_and_forgets_the_last_recording(speech):
    detector = silero.load()
    gap = np.zeros(RATE, np.float32)
    audio = np.concatenate([gap, speech, gap, speech, gap])
    found = detector.speech(audio)
    first, second = found[0][0], found[-1][1]
    assert abs(first - 1) < 0.3 and abs(second - (len(audio) / RATE - 1)) < 0.5
    assert detector.speech(audio) == found
    assert detector.speech(np.zeros(0, np.float32)) == []


def test_hysteresis_bridges_short_silence_and_the_middle_band():
    levels = [0, 0.9, 0.4, 0.1, 0.4, 0.1, 0.1, 0.1, 0.4, 0.6]
    assert silero.hysteresis(levels, 0.5, 0.35, 2) == [(1, 5), (9, 10)]
    assert silero.hysteresis([0.4] * 5, 0.5, 0.35, 2) == []


def test_padding_never_makes_pieces_overlap():
    assert silero.pad([(0.0, 1.0), (1.1, 2.0)], 0.2, 2.1) == [(0.0, 1.05), (1.05, 2.1)]


@pytest.fixture(scope="session")
def embedder():
    return campplus.load()


def test_campplus_meets_its_contract(embedder, speech):
    speaker.accept(embedder, speech)


def test_campplus_tells_voices_apart_and_hears_each_clip_alone(embedder, speech, other):
    half = len(speech) // 2
    rows = embedder.embed([speech[:half], speech[half:], other])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1
    assert np.array_equal(embedder.embed([other])[0], rows[2])


@pytest.mark.parametrize("samples", [1, 200, 4000])
def test_campplus_takes_short_clips(embedder, speech, samples):
    rows = embedder.embed([speech[5000 : 5000 + samples], np.zeros(samples, np.float32)])
    assert np.isfinite(rows).all()


def test_campplus_refuses_an_empty_clip(embedder):
    with pytest.raises(ValueError, match="clip 0 has no samples"):
        embedder.embed([np.zeros(0, np.float32)])


def test_features_do_not_depend_on_loudness():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    assert np.allclose(campplus.features(noise), campplus.features(noise / 2), atol=1e-3)


def test_campplus_is_the_published_network(embedder, speech):
    """Its last layer has no ReLU: about half of the numbers are below zero."""
    (row,) = embedder.embed([speech])
    assert 0.3 < (row < 0).mean() < 0.7


# --- diarization


@pytest.fixture(scope="session")
def diarizer():
    return pyannote.load("pyannote-segmentation", speaker=CAMPPLUS, device="cpu")


def test_pyannote_with_a_speaker_model_meets_its_contract(diarizer, speech):
    diarization.accept(diarizer, speech)


def test_two_speakers_in_turns_are_found(diarizer, speech, other):
    pause = np.zeros(RATE, np.float32)
    turns = diarizer.diarize(np.concatenate([speech, pause, other, pause, speech, pause, other]))
    ends = np.cumsum([len(part) / RATE + 1 for part in (speech, other, speech, other)]) - 0.5
    heard = [
        {turn.speaker for turn in turns if start < turn.start < end}
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    assert heard[0] == heard[2] and heard[1] == heard[3] and len(heard[0] | heard[1]) == 2
    assert not any(turn.overlap for turn in turns)


@pytest.mark.parametrize("samples", [0, 1, 400, 9000])
def test_next_to_nothing_is_no_trouble(diarizer, speech, samples):
    for found in diarizer.diarize(speech[8000 : 8000 + samples]):
        assert 0 <= found.start < found.end <= samples / RATE


def test_the_number_of_speakers_is_not_to_be_given_beside_a_speaker_model():
    with pytest.raises(UserError, match="`speaker` finds how many there are"):
        pyannote.load("pyannote-segmentation", speakers=2, speaker=CAMPPLUS, device="cpu")


def test_a_segmentation_of_another_sha256_is_not_opened(tmp_path, monkeypatch):
    home = tmp_path / "pyannote-segmentation"
    home.mkdir()
    (home / "pytorch_model.bin").write_bytes(b"anything")
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match="config/weights.tsv says da85c298.* It is not opened"):
        pyannote.load("pyannote-segmentation", speaker={"any": "model"}, device="cpu")


# --- recognition


@pytest.fixture(scope="session")
def recogniser():
    return faster_whisper.load()


def test_whisper_meets_its_contract(recogniser, speech):
    asr.accept(recogniser, speech)


def test_whisper_hears_the_words_and_the_language(recogniser, speech, other):
    heard = recogniser.transcribe([speech, other])
    for item in heard:
        assert item.language == "English"
        assert "treasure" in item.text.lower() and "friend" in item.text.lower()


def test_whisper_says_nothing_about_nothing(recogniser):
    clips = [np.zeros(0, np.float32), np.zeros(RATE, np.float32), np.full(800, 0.1, np.float32)]
    assert [item.text for item in recogniser.transcribe(clips, "English")] == [""] * 3


def test_whisper_hears_a_long_recording_to_its_end(recogniser, speech):
    audio = np.concatenate([speech, np.zeros(RATE * 26, np.float32), speech])
    (heard,) = recogniser.transcribe([audio], "English")
    assert heard.text.lower().count("treasure") == 2


def test_chinese_is_written_in_simplified_characters(recogniser):
    assert recogniser.simplify("這件事情說來話長") == "这件事情说来话长"


def si_sdr(estimate: np.ndarray, target: np.ndarray) -> float:
    estimate, target = estimate - estimate.mean(), target - target.mean()
    part = (estimate @ target) / (target @ target) * target
    return float(10 * np.log10((part @ part) / np.sum((estimate - part) ** 2)))
