"""Joining lines into an episode: its ground truth, the level of the music, the film."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common import audio
from scripts.common.errors import UserError
from scripts.corpus.extract import extract
from scripts.media import episode
from scripts.rows.corpus import Medium
from scripts.rows.jsonl import write_rows

RATE = 8000


def noise(seconds: float, seed: int, level: float = 0.1, rate: int = RATE) -> np.ndarray:
    count = round(seconds * rate)
    return np.random.default_rng(seed).normal(0, level, count).astype(np.float32)


lengths = st.floats(0.05, 2.0)
silences = st.floats(0.0, 0.3)
drawn = st.tuples(st.sampled_from("abc"), lengths, silences, st.sampled_from(["A", "B"]))


def line(number: int, who: str, length: float, silence: float, scene: str) -> episode.Line:
    samples = np.pad(noise(length, number), round(silence * RATE))
    return episode.Line(
        who, who.upper(), scene, f"{scene}/{number // 2}", f"text {number}", samples
    )


@settings(deadline=None, max_examples=25)
@given(st.lists(drawn, min_size=1, max_size=12), st.text(max_size=5), st.floats(-5, 25))
def test_turns_are_disjoint_and_music_has_the_stated_level(shapes, seed, snr):
    lines = [line(number, *shape) for number, shape in enumerate(shapes)]
    speech, truth = episode.join(lines, RATE, seed)
    assert [(t.speaker, t.text) for t in truth] == [(x.speaker, x.text) for x in lines]
    edges = [edge for turn in truth for edge in (turn.start, turn.end)]
    assert edges == sorted(edges) and edges[0] > 0 and edges[-1] < len(speech) / RATE
    # every sample that carries speech lies in a turn
    inside = np.zeros(len(speech), bool)
    millisecond = RATE // 1000  # turns are rounded to it
    for turn in truth:
        start, end = round(turn.start * RATE), round(turn.end * RATE)
        inside[start - millisecond : end + millisecond] = True
    assert np.abs(speech[~inside]).max(initial=0.0) < 0.01
    music = np.stack([noise(3.0, 1), noise(3.0, 2)], axis=1)
    mixed = episode.under(speech, music, truth, RATE, snr)
    alone = mixed.mean(axis=1) - speech
    active = np.zeros(len(speech), bool)
    for turn in truth:
        active[round(turn.start * RATE) : round(turn.end * RATE)] = True
    found = 10 * np.log10(np.mean(speech[active] ** 2.0) / np.mean(alone[active] ** 2.0))
    assert found == pytest.approx(snr, abs=0.1)
    assert mixed.shape == (len(speech), 2)


def test_lines_keep_their_loudness_and_silence_is_not_speech():
    quiet = episode.Line("a", "A", "s", "1", "quiet", np.pad(noise(1.0, 1, 0.01), RATE // 2))
    loud = episode.Line("b", "B", "s", "2", "loud", noise(1.0, 2, 0.2))
    speech, truth = episode.join([quiet, loud], RATE, "seed")
    for said, turn in zip((quiet, loud), truth, strict=True):
        part = speech[round(turn.start * RATE) : round(turn.end * RATE)]
        heard = said.samples[said.samples != 0]
        assert np.std(part) == pytest.approx(np.std(heard), rel=0.02)
    assert truth[0].end - truth[0].start == pytest.approx(1.0, abs=0.02)


def test_pieces_of_a_text_follow_closer_than_texts_and_texts_than_dialogues():
    samples = noise(0.3, 1)
    keys = [("s", "1"), ("s", "1"), ("s", "2"), ("t", "3")]
    lines = [episode.Line("a", "A", scene, text, "x", samples) for scene, text in keys]
    _, truth = episode.join(lines, RATE, "seed")
    gaps = [b.start - a.end for a, b in zip(truth, truth[1:], strict=False)]
    for gap, (low, high) in zip(
        gaps, (episode.WITHIN, episode.BETWEEN, episode.SCENES), strict=True
    ):
        assert low - 0.01 <= gap <= high + 0.01


def test_an_episode_is_the_same_every_time_and_its_seed_moves_the_gaps():
    lines = [line(number, "a", 0.2, 0.0, "A") for number in range(3)]
    once, again, other = (episode.join(lines, RATE, seed)[0] for seed in ("x", "x", "y"))
    assert np.array_equal(once, again) and len(once) != len(other)


def test_a_silent_line_and_silent_music_are_refused():
    with pytest.raises(UserError, match="the line 'x' of A is silent"):
        episode.join([episode.Line("a", "A", "s", "1", "x", np.zeros(100, np.float32))], RATE, "")
    speech, truth = episode.join([line(0, "a", 1.0, 0.0, "A")], RATE, "")
    for music in (np.zeros((RATE, 2)), np.zeros((0, 2))):
        with pytest.raises(UserError, match="the music"):
            episode.under(speech, music, truth, RATE, 10)


def test_music_begins_at_a_place_drawn_from_the_seed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([noise(1.0, 1), noise(1.0, 2)], 1), RATE)
    here, there = (episode.load_music(tmp_path / "a.wav", seed, RATE) for seed in ("x", "y"))
    assert here.shape == there.shape == (RATE, 2) and not np.array_equal(here, there)
    assert np.array_equal(np.sort(here, axis=0), np.sort(there, axis=0))
    (tmp_path / "b.ogg").write_bytes(b"no music")
    with pytest.raises(UserError, match="cannot read music"):
        episode.load_music(tmp_path / "b.ogg", "x")


def test_a_film_is_extracted_in_step_with_its_truth(tmp_path):
    """AAC and the container may not shift the sound: the clean stem is compared by the sample."""
    speech, _ = episode.join([line(n, "a", 0.7, 0.1, "A") for n in range(4)], RATE, "seed")
    speech = audio.resample(speech, RATE, episode.RATE)
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for path in (first, second):
        episode.film(path, np.stack([speech, speech], axis=1), "雾港灯塔", None)
    assert first.read_bytes() == second.read_bytes() and "雾港灯塔".encode() in first.read_bytes()
    write_rows(tmp_path / "i.jsonl", [Medium(id="a", work="", language="Chinese", file="a.mp4")])
    extract(tmp_path, tmp_path / "i.jsonl", tmp_path / "audio", tmp_path / "r.jsonl")
    found = audio.read(tmp_path / "audio/a.flac")
    stem = audio.resample(speech, episode.RATE, audio.RATE)
    count = min(len(found), len(stem))
    spectrum = np.fft.rfft(found[:count], 2 * count) * np.fft.rfft(stem[:count], 2 * count).conj()
    assert np.argmax(np.fft.irfft(spectrum)) == 0
    assert abs(len(found) - len(stem)) < audio.RATE * 0.05
