"""Extract reads all audio: changing channels, late sound, gaps, several tracks, chains, channels
that cancel out, sound above full scale, titles that look like ffmpeg's output."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.corpus.extract import extract
from scripts.media import ffmpeg
from scripts.rows.corpus import Medium, Recording
from scripts.rows.jsonl import read_rows, write_rows

RATE = 16_000


def tone(hertz: int, seconds: float, rate: int = 48_000) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine=frequency={hertz}:sample_rate={rate}:duration={seconds}"]


def picture(seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc=size=64x48:rate=25:duration={seconds}"]


def wave(*channels: str, seconds: int = 2) -> list[str]:
    expressions = "|".join(channels)
    return ["-f", "lavfi", "-i", f"aevalsrc={expressions}:s=48000:d={seconds}"]


def take(*paths: Path, track: str = "") -> list[tuple[Recording, np.ndarray]]:
    """The rows and samples that the stage makes from files."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "media").mkdir()
        rows = []
        for number, path in enumerate(paths):
            file = f"{number:02d}{path.suffix}"
            (home / "media" / file).write_bytes(path.read_bytes())
            rows.append(Medium(id=file[:2], work="W", language="English", file=file, track=track))
        write_rows(home / "index.jsonl", rows)
        extract(home / "media", home / "index.jsonl", home / "audio", home / "made.jsonl")
        made = read_rows(home / "made.jsonl", Recording)
        kept = sorted(path.name for path in (home / "audio").iterdir())
        assert kept == [row.file for row in made if row.file]
        found = [(row, _samples(home / "audio", row)) for row in made]
    for row, samples in found:
        assert row.duration == round(len(samples) / RATE, 3)
    return found


def _samples(folder: Path, row: Recording) -> np.ndarray:
    return soundfile.read(folder / row.file)[0] if row.file else np.zeros(0)


def sounding(samples: np.ndarray) -> list[tuple[float, float]]:
    """The stretches with sound, in seconds rounded to a tenth."""
    tenths = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    loud = np.r_[False, np.abs(tenths).max(axis=1) > 0.004, False]
    edges = np.flatnonzero(loud[1:] != loud[:-1]) / 10
    return list(zip(edges[::2], edges[1::2], strict=True))


def pitch(samples: np.ndarray, start: float, end: float) -> float:
    """Frequency in Hz of the loudest tone between two times in seconds."""
    part = samples[round(start * RATE) : round(end * RATE)]
    size = 8 * len(part)
    return np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part)), size))) * RATE / size


def concatenated(folder: Path, name: str, kind: str, *parts: Path) -> Path:
    """Concatenated parts, remuxed into another container."""
    whole = folder / f"whole.{kind}"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    if name.endswith(f".{kind}"):
        return whole
    ffmpeg.run(["-f", kind, "-i", str(whole), "-c", "copy"], folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mov", "a.avi", "a.mka"])
def test_channels_that_change_on_the_way(name, tmp_path):
    ffmpeg.run([*tone(440, 2), "-ac", "2"], tmp_path / "stereo.ac3")
    ffmpeg.run([*tone(660, 1), "-ac", "6"], tmp_path / "surround.ac3")
    parts = [tmp_path / "stereo.ac3", tmp_path / "surround.ac3"]
    ((made, samples),) = take(concatenated(tmp_path, name, "ac3", *parts))
    assert made.note is None and made.duration == pytest.approx(3.0, abs=0.1)
    assert pitch(samples, 0.1, 1.9) == pytest.approx(440, abs=3)
    assert pitch(samples, 2.1, 2.9) == pytest.approx(660, abs=3)


def test_joined_mp3_and_a_silent_end(tmp_path):
    bare = ["-write_xing", "0"]
    for name, *options in (
        ("mono.mp3", *tone(440, 2), "-ac", "1", *bare),
        ("stereo.mp3", *tone(660, 1), "-ac", "2", *bare),
        ("slow.mp3", *tone(660, 1), "-ac", "1", "-ar", "22050", *bare),
        ("wide.mp3", *tone(660, 1), "-ac", "2", "-b:a", "320k"),
        ("quiet.ac3", "-f", "lavfi", "-i", "anullsrc=r=48000:cl=5.1:d=1"),
        ("loud.ac3", *tone(440, 2), "-ac", "2"),
    ):
        ffmpeg.run(options, tmp_path / name)
    parts = {path.name: path for path in tmp_path.iterdir()}
    paths = []
    for first, second in (
        ("mono.mp3", "stereo.mp3"), ("mono.mp3", "slow.mp3"), ("mono.mp3", "wide.mp3"),
        ("loud.ac3", "quiet.ac3"),
    ):  # fmt: skip
        folder = tmp_path / f"{first}-{second}"
        folder.mkdir()
        kind = first[-3:]
        name = "a.ts" if kind == "ac3" else "a.mp3"
        paths.append(concatenated(folder, name, kind, parts[first], parts[second]))
    for made, samples in take(*paths):
        assert made.note is None and made.duration == pytest.approx(3.05, abs=0.1)
        assert pitch(samples, 0.1, 1.9) == pytest.approx(440, abs=3)


LATE = {
    "late.mp4": ["mpeg4", "aac"],
    "late.mov": ["mpeg4", "pcm_s16le"],
    "late.mkv": ["mpeg4", "aac"],
    "late.webm": ["libvpx", "libopus"],
    "late.ts": ["mpeg2video", "mp2"],
    "late.mpg": ["mpeg2video", "mp2"],
    "late.flv": ["flv", "mp3", "-ar", "44100"],
    # a clock that begins anywhere: this one wraps around on the way
    "odd.ts": ["mpeg2video", "mp2", "-output_ts_offset", "95440"],
}


def test_sound_that_begins_late_keeps_the_times_of_the_film(tmp_path):
    for name, (video, audio, *more) in LATE.items():
        inputs = [*picture(5), "-itsoffset", "2", *tone(440, 2), "-map", "0", "-map", "1"]
        ffmpeg.run([*inputs, "-c:v", video, "-c:a", audio, *more], tmp_path / name)
    for made, samples in take(*(tmp_path / name for name in LATE)):
        assert made.note is None and made.duration == pytest.approx(4.0, abs=0.1)
        assert sounding(samples)[0][0] == pytest.approx(2.0, abs=0.11)


def test_a_hole_is_silent_and_told(tmp_path):
    whole = tmp_path / "whole.mkv"
    ffmpeg.run([*picture(6), *tone(440, 6), "-c:v", "mpeg2video", "-c:a", "mp2"], whole)
    drop = ["-bsf:a", "noise=drop='gt(pts*tb,2)*lt(pts*tb,4)'"]
    ffmpeg.run(["-i", str(whole), "-c", "copy", *drop], tmp_path / "hole.mkv")
    holes = [tmp_path / name for name in ("hole.ts", "hole.mp4", "hole.mpg", "hole.flv")]
    for path in holes:
        sound = ["-c:a", "aac"] if path.suffix == ".flv" else ["-c:a", "copy"]
        video = ["-c:v", "flv"] if path.suffix == ".flv" else ["-c:v", "copy"]
        if path.suffix == ".flv":
            ffmpeg.run(["-i", str(whole), *video, *sound], tmp_path / "whole.flv")
            ffmpeg.run(["-i", str(tmp_path / "whole.flv"), "-c", "copy", *drop], path)
        else:
            ffmpeg.run(["-i", str(tmp_path / "hole.mkv"), *video, *sound], path)
    for made, samples in take(tmp_path / "hole.mkv", *holes):
        assert made.duration == pytest.approx(6.0, abs=0.1)
        assert made.note.endswith("s of it hold no sound (holes in the recording); they are silent")
        first, second = sounding(samples)
        assert first[1] == pytest.approx(2.0, abs=0.15) and second[0] == pytest.approx(4, abs=0.15)


def test_ordinary_sound_is_neither_stretched_nor_cut(tmp_path):
    """The samples are those of ffmpeg's plain conversion, bit by bit."""
    names = ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.m4a", "a.mka", "a.aac"]
    sound = wave("0.5*sin(t*t*900)", "0.3*sin(t*700)", seconds=5)
    for name in names:
        ffmpeg.run([*sound, "-ar", "44100"], tmp_path / name)
        form = ["-ac", "1", "-ar", str(RATE), "-sample_fmt", "s16"]
        ffmpeg.run(["-i", str(tmp_path / name), *form], tmp_path / f"{name}.wav")
    for name, (made, samples) in zip(names, take(*(tmp_path / n for n in names)), strict=True):
        assert made.note is None
        np.testing.assert_array_equal(samples, soundfile.read(tmp_path / f"{name}.wav")[0])


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """A film with three audio tracks, the second the default, and two tracks without sound."""
    folder = tmp_path_factory.mktemp("tracks")
    inputs = [*tone(440, 2), *tone(880, 2), *tone(660, 2), "-map", "0", "-map", "1", "-map", "2"]
    named = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"]
    named += ["-metadata:s:a:2", "language=eng", "-metadata:s:a:0", "title=Comments\nStream #0:9"]
    default = ["-disposition:a", "0", "-disposition:a:1", "default", "-c:a", "aac", "-ac:a:1", "2"]
    ffmpeg.run([*inputs, *named, *default], folder / "three.mkv")
    copy = ["-i", str(folder / "three.mkv"), "-map", "0", "-c", "copy"]
    ffmpeg.run([*copy, "-bsf:a:1", "noise=drop=1"], folder / "empty.mkv")
    quiet = ["-c:a", "aac", "-filter:a:1", "volume=0", "-disposition:a:1", "default"]
    ffmpeg.run([*copy[:4], *quiet], folder / "silent.mkv")
    return folder


@pytest.mark.parametrize(
    "name, track, hertz, note",
    [
        ("three", "", 880, "audio track 2 (deu, stereo) is used; it also has 1 (eng, mono, "
         "'Comments'), 3 (eng, mono)"),
        ("three", "3", 660, "audio track 3 (eng, mono) is used; it also has 1 (eng, mono, "
         "'Comments'), 2 (deu, stereo)"),
        ("three", "ENG", 440, "audio track 1 (eng, mono, 'Comments') is used"),
        ("empty", "", 440, "audio track 1 (eng, mono, 'Comments') is used as there is little or no "
         "sound in 2 (deu, stereo)"),
        ("silent", "", 440, "is used as there is little or no sound in 2 (deu, stereo)"),
    ],
)  # fmt: skip
def test_a_track_is_chosen_and_the_others_are_named(name, track, hertz, note, tracks):
    ((made, samples),) = take(tracks / f"{name}.mkv", track=track)
    assert made.dropped is None and note in made.note
    assert pitch(samples, 0.5, 1.5) == pytest.approx(hertz, abs=3)


@pytest.mark.parametrize(
    "name, track, reason",
    [
        ("three", "jpn", "it has no audio track 'jpn'; it has 1 (eng, mono, 'Comments'), 2 (deu, "),
        ("three", "4", "it has no audio track '4'; it has 1 (eng"),
        ("silent", "2", "its 2.0 s are silent"),
        ("empty", "2", "it holds 0 seconds of sound"),
    ],
)
def test_a_track_that_cannot_be_used_is_refused(name, track, reason, tracks):
    ((made, _),) = take(tracks / f"{name}.mkv", track=track)
    assert made.file is None and reason in made.dropped


@pytest.mark.parametrize("end", ["wav", "mp3", "m4a"])
def test_channels_that_cancel_each_other_out(end, tmp_path):
    sine, other = "0.3*sin(440*2*PI*t)", "0.3*sin(660*2*PI*t)"
    for name, channels in {
        "against": (sine, f"-{sine}"), "right": (f"-0.5*{sine}", f"0.52*{sine}"),
        "unlike": (sine, other), "one": (sine, "0"), "high": ("0.003*sin(999*t)",
        "0.3*sin(12000*2*PI*t)"),
    }.items():  # fmt: skip
        ffmpeg.run(wave(*channels), tmp_path / f"{name}.{end}")
    names = ("against", "right", "unlike", "one", "high")
    made = dict(zip(names, take(*(tmp_path / f"{n}.{end}" for n in names)), strict=True))
    for name in ("against", "right"):
        row, samples = made[name]
        assert row.note == "its channels cancel each other out; the left one alone is used"
        assert np.abs(samples).max() > 0.14 and pitch(samples, 0.5, 1.5) == pytest.approx(440, 1)
    assert [made[name][0].note for name in ("unlike", "one", "high")] == [None] * 3


def test_sound_above_full_scale_is_turned_down(tmp_path):
    sine = "1.8*sin(440*2*PI*t)"
    for name, codec in {"a.wav": "pcm_f32le", "a.mkv": "pcm_f64le", "a.mka": "aac"}.items():
        ffmpeg.run([*wave(sine), "-c:a", codec], tmp_path / name)
    ffmpeg.run([*wave("1.02*sin(440*2*PI*t)"), "-c:a", "pcm_f32le"], tmp_path / "b.wav")
    ffmpeg.run([*wave(sine, "0"), "-c:a", "pcm_f32le"], tmp_path / "half.wav")
    ffmpeg.run(wave("sin(440*2*PI*t)"), tmp_path / "full.wav")
    names = ("a.wav", "a.mkv", "a.mka", "b.wav", "half.wav", "full.wav")
    made = dict(zip(names, take(*(tmp_path / name for name in names)), strict=True))
    for name, over in {"a.wav": "5.1", "a.mkv": "5.1", "a.mka": "5.", "b.wav": "0.2"}.items():
        row, samples = made[name]
        assert row.note.startswith(f"its peak is {over}") and "turned down by" in row.note
        assert 0.85 < np.abs(samples).max() < 0.99
        middle = samples[RATE // 2 : RATE]
        assert np.abs(middle).max() / np.sqrt(np.mean(middle**2)) > 1.4  # a sine, not cut
    assert made["half.wav"][0].note is None and np.abs(made["half.wav"][1]).max() > 0.89
    assert made["full.wav"][0].note is None


def test_a_click_of_damaged_data_does_not_silence_the_rest(tmp_path):
    samples = 0.3 * np.sin(np.arange(2 * RATE) * 0.2)
    for name, click in {"click.wav": 30_000.0, "endless.wav": np.inf}.items():
        samples[RATE] = click
        soundfile.write(tmp_path / name, samples, RATE, "FLOAT")
    click, endless = take(tmp_path / "click.wav", tmp_path / "endless.wav")
    assert click[0].note.endswith("full scale where it is damaged; it is cut off there")
    for row, heard in (click, endless):
        assert row.file and np.abs(heard[: RATE // 2]).max() == pytest.approx(0.3, abs=0.01)


OGG = {"vorbis": ["-c:a", "libvorbis"], "opus": ["-c:a", "libopus"], "flac": ["-c:a", "flac"]}


def test_each_link_of_a_chained_ogg_is_read(tmp_path):
    parts = {}
    for codec, options in OGG.items():
        for channels, rate in ((1, 24_000), (2, 48_000)):
            name = f"{codec}{channels}"
            parts[name] = tmp_path / f"{name}.ogg"
            form = ["-ac", str(channels), "-ar", str(rate), *options]
            ffmpeg.run([*tone(400 + 100 * len(parts), 1, rate), *form], parts[name])
    chains = [
        ["vorbis1", "vorbis1"], ["vorbis1", "vorbis2"], ["opus1", "opus2", "opus1"],
        ["vorbis2", "opus1", "flac2"], ["flac1", "flac2"],
    ]  # fmt: skip
    paths = [tmp_path / f"chain{number}.ogg" for number in range(len(chains))]
    for path, chain in zip(paths, chains, strict=True):
        path.write_bytes(b"".join(parts[name].read_bytes() for name in chain))
    for chain, (made, samples) in zip(chains, take(*paths), strict=True):
        assert made.note is None and made.duration == pytest.approx(len(chain), abs=0.05)
        for place, name in enumerate(chain):
            hertz = 500 + 100 * list(parts).index(name)
            assert pitch(samples, place + 0.1, place + 0.9) == pytest.approx(hertz, abs=3)
    # a link that is damaged is told, the others stay
    bad = paths[3].read_bytes().replace(b"OpusHead", b"OpusDead")
    paths[3].write_bytes(bad)
    ((made, _),) = take(paths[3])
    assert made.note == "1 of the recordings joined in it could not be read"
    assert made.duration == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    "title",
    [
        "Stream #0:7: Audio: aac, 8000 Hz", "  Duration: 99:00:00.00, start: 9.0", "n_samples: 5",
        "matches no streams", "moov atom not found", "[error] No space left on device",
        "[fatal] File too large", "[Parsed_volumedetect_1 @ 0x1] [info] max_volume: -99.0 dB",
    ],
)  # fmt: skip
def test_a_title_that_reads_like_ffmpegs_words_misleads_nobody(title, tmp_path):
    title = f"{title}\n{title}\r{title}\u2028{title}"
    named = ["-metadata", f"title={title}", "-metadata", f"comment={title}"]
    named += ["-metadata:s:a:0", f"title={title}", "-metadata:s:a:0", f"comment={title}"]
    for name in ("a.mkv", "a.m4a", "a.ogg", "a.mp3"):
        ffmpeg.run([*tone(440, 1), *named], tmp_path / name)
    for made, _ in take(*(tmp_path / name for name in ("a.mkv", "a.m4a", "a.ogg", "a.mp3"))):
        assert made.dropped is None and made.note is None
        assert made.duration == pytest.approx(1.0, abs=0.06)
    (tmp_path / "cut.mkv").write_bytes((tmp_path / "a.mkv").read_bytes()[:300])
    ((made, _),) = take(tmp_path / "cut.mkv")
    assert "it is cut short, or its disk cannot be read" in made.dropped


FORMS = {  # end of a name -> channels and rates that may follow each other
    "ac3": ([1, 2, 6], [32_000, 44_100, 48_000]),
    "mp3": ([1, 2], [22_050, 44_100, 48_000]),
}


@st.composite
def sequences(draw):
    kind = draw(st.sampled_from(sorted(FORMS)))
    channels, rates = FORMS[kind]
    part = st.tuples(
        st.sampled_from(channels), st.sampled_from(rates), st.sampled_from([0.4, 0.7, 0.9]),
        st.sampled_from([300, 500, 900, 1500]),
    )  # fmt: skip
    return kind, draw(st.lists(part, min_size=2, max_size=4))


@settings(max_examples=6, deadline=None)
@given(sequences())
def test_joined_parts_are_as_long_as_each_alone(sequence):
    kind, parts = sequence
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for number, (channels, rate, seconds, hertz) in enumerate(parts):
            paths.append(Path(name) / f"{number}.{kind}")
            form = ["-ac", str(channels), *(["-write_xing", "0"] if kind == "mp3" else [])]
            ffmpeg.run([*tone(hertz, seconds, rate), *form], paths[-1])
            if kind == "ac3":  # as the stage reads it: no bare AC-3
                ffmpeg.run(
                    ["-f", "ac3", "-i", str(paths[-1]), "-c", "copy"], paths[-1].with_suffix(".mka")
                )
        whole = concatenated(Path(name), "whole.ts" if kind == "ac3" else "whole.mp3", kind, *paths)
        alone = [path.with_suffix(".mka") if kind == "ac3" else path for path in paths]
        (made, samples), *single = take(whole, *alone)
    assert made.note is None
    assert made.duration == pytest.approx(sum(row.duration for row, _ in single), abs=0.1)
    at = 0.0
    for (_, _, _, hertz), (row, _) in zip(parts, single, strict=True):
        found = pitch(samples, at + 0.15, at + row.duration - 0.1)
        assert found == pytest.approx(hertz, abs=15)
        at += row.duration


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from([8_000, 22_050, 44_100, 48_000]), st.sampled_from([1, 2, 6]),
    st.integers(0, 8), st.tuples(st.integers(2, 4), st.integers(2, 12)),
)  # fmt: skip
def test_an_offset_and_a_hole_are_where_they_were_put(rate, channels, late, hole):
    """Tenths of a second: the sound begins `late`, and lacks `hole` (from, length) in itself."""
    late, start, end = late / 2, hole[0] / 2, hole[0] / 2 + hole[1] / 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ffmpeg.run([*tone(440, 4, rate), "-ac", str(channels)], folder / "a.wav")
        both = [*picture(9), "-itsoffset", str(late), "-i", str(folder / "a.wav")]
        drop = f"noise=drop='between(pts*tb,{late + start},{late + end})'"
        copied = ["-map", "0", "-map", "1", "-c:v", "mpeg4", "-c:a", "copy"]
        ffmpeg.run([*both, *copied, "-bsf:a", drop], folder / "a.mkv")
        ((made, samples),) = take(folder / "a.mkv")
    assert made.duration == pytest.approx(late + 4, abs=0.1)
    assert bool(made.note) == (end - start > 1.1) or 0.9 < end - start < 1.2
    expected = [(late, late + start), (late + end, late + 4)]
    assert np.ravel(sounding(samples)) == pytest.approx(np.ravel(expected), abs=0.26)
