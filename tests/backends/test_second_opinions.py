"""A second recogniser and a second model of voices, and the times of recognised words."""

from __future__ import annotations

import itertools
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soxr

from scripts.backends import asr, speaker
from scripts.backends.asr import faster_whisper, pocketsphinx
from scripts.backends.speaker import resemblyzer
from scripts.common import audio, weights
from scripts.common.errors import UserError

RATE = 16_000
FIRST = "Where did you hide the treasure, my old friend?"
SECOND = "The bank closes at five, and the next train leaves an hour after that."


@pytest.fixture(scope="module")
def clips():
    """Two sentences of three voices, (n,) at 16 kHz."""
    from kokoro_onnx import Kokoro

    home = weights.path("kokoro")
    model = Kokoro(str(home / "kokoro.onnx"), str(home / "voices.npz"))
    found = {}
    for voice, text in itertools.product(("af_heart", "am_adam", "bf_emma"), (FIRST, SECOND)):
        samples, rate = model.create(text, voice=voice, lang="en-us")
        sound = 0.5 * soxr.resample(samples, rate, RATE) / np.abs(samples).max()
        found[voice, text] = sound.astype(np.float32)
    return found


@pytest.fixture(scope="module")
def sphinx():
    return pocketsphinx.load(word_times=True)


@pytest.fixture(scope="module")
def whisper():
    return faster_whisper.load(word_times=True)


@pytest.fixture(scope="module")
def encoder():
    return resemblyzer.load()


def test_pocketsphinx_meets_its_contract(clips, sphinx):
    speech = clips["af_heart", FIRST]
    asr.accept(sphinx, speech, word_times=True)
    asr.accept(pocketsphinx.load(), speech)
    with pytest.raises(UserError, match="does not speak Chinese"):
        sphinx.transcribe([], "Chinese")


def test_whisper_with_word_times_meets_its_contract(clips, whisper):
    asr.accept(whisper, clips["af_heart", FIRST], word_times=True)


def test_the_text_of_whisper_does_not_depend_on_word_times(clips, whisper):
    sounds = [clips["af_heart", FIRST], clips["am_adam", SECOND]]
    plain = faster_whisper.load().transcribe(sounds, "English")
    assert [own.text for own in plain] == [
        own.text for own in whisper.transcribe(sounds, "English")
    ]


def test_two_recognisers_put_words_at_the_same_times(clips, sphinx, whisper):
    """ "hide" and "old" are heard by both, within a fifth of a second."""
    speech = clips["af_heart", FIRST]
    found = []
    for recogniser in (sphinx, whisper):
        (heard,) = recogniser.transcribe([speech], "English")
        found.append({word.word.lower(): (word.start, word.end) for word in heard.words})
    for word in ("hide", "old"):
        assert found[0][word] == pytest.approx(found[1][word], abs=0.2)


def test_silence_before_a_word_moves_it(clips, sphinx):
    speech = clips["af_heart", FIRST]
    later = np.concatenate([np.zeros(RATE, np.float32), speech])
    (here,), (there,) = (sphinx.transcribe([own], "English") for own in (speech, later))
    assert there.words[-1].end == pytest.approx(here.words[-1].end + 1, abs=0.1)


def test_pocketsphinx_hears_a_clip_alike_whatever_came_before(clips, sphinx):
    one, two = clips["am_adam", SECOND], clips["bf_emma", FIRST]
    assert sphinx.transcribe([one, two], "English")[1] == sphinx.transcribe([two], "English")[0]


def test_pocketsphinx_invents_nothing_in_a_hum(sphinx):
    hum = (0.01 * np.sin(np.arange(3 * RATE) / 20)).astype(np.float32)
    assert len(sphinx.transcribe([hum], "English")[0].words) <= 1


def test_punctuation_belongs_to_the_word_before_it():
    aligned = [
        {"word": " $", "start": 0.2, "end": 0.2},
        {"word": " five", "start": 0.1, "end": 0.5},
        {"word": ".", "start": 0.5, "end": 9.0},
    ]
    found = faster_whisper.timed(aligned, 1.0)
    assert [(own.word, own.start, own.end) for own in found] == [
        ("$", 0.2, 0.2),
        ("five.", 0.2, 0.5),
    ]


def test_resemblyzer_meets_its_contract(clips, encoder):
    speaker.accept(encoder, clips["af_heart", FIRST])
    with pytest.raises(ValueError, match="has no samples"):
        encoder.embed([np.zeros(0, np.float32)])


def alike(rows: np.ndarray, who: list[str]) -> tuple[list[float], list[float]]:
    """The similarities of one speaker's clips, and of two speakers'."""
    pairs = list(itertools.combinations(range(len(who)), 2))
    same = [float(rows[i] @ rows[j]) for i, j in pairs if who[i] == who[j]]
    return same, [float(rows[i] @ rows[j]) for i, j in pairs if who[i] != who[j]]


def test_resemblyzer_finds_a_voice_more_like_itself_than_like_others(clips, encoder):
    same, others = alike(encoder.embed(list(clips.values())), [voice for voice, _ in clips])
    assert min(same) > max(others) + 0.05


def test_resemblyzer_tells_two_people_of_a_telephone_call_apart(encoder):
    """Real speech: the call that comes with pyannote.audio, turns of 3 s or more."""
    folder = Path(find_spec("pyannote.audio").origin).parent / "sample"
    lines = [line.split() for line in (folder / "sample.rttm").read_text().splitlines()]
    turns = [(who, float(start), float(length)) for *_, start, length, _, _, who, _, _ in lines]
    turns = [own for own in turns if own[2] >= 3]
    clips = [audio.read(folder / "sample.wav", start, start + length) for _, start, length in turns]
    same, others = alike(encoder.embed(clips), [who for who, _, _ in turns])
    assert len(same) == 2 and min(same) > max(others)


def test_mel_filters_are_slaneys():
    from torchaudio.functional import melscale_fbanks

    wanted = melscale_fbanks(201, 0.0, 8000.0, 40, RATE, norm="slaney", mel_scale="slaney")
    assert np.allclose(resemblyzer.mel_filters(), wanted.numpy(), atol=1e-6)


def test_a_quiet_clip_is_raised_and_a_loud_one_stays(clips):
    speech = clips["af_heart", FIRST]
    assert np.allclose(
        resemblyzer.features(0.01 * speech), resemblyzer.features(0.001 * speech), rtol=1e-3
    )
    assert not np.allclose(resemblyzer.features(speech), resemblyzer.features(0.5 * speech))


@pytest.mark.parametrize(
    "frames, count",
    [
        (50, 1),  # filled up with zeros
        (160, 1),
        (196, 1),  # a second window from 77 on would have 119 frames, less than 120
        (197, 2),
        (274, 3),  # from 0, 77 and 154: 120 frames
    ],
)
def test_windows(frames, count):
    found = resemblyzer.windows(np.ones((frames, 40), np.float32))
    assert found.shape == (count, 160, 40)
    assert sorted({int(own.sum()) // 40 for own in found})[-1] == min(frames, 160)
