"""Extract: good media of several kinds, and each way in which a medium can be bad.

tests/corpus/test_whole_sound.py covers the kinds whose sound is hard to read completely.
"""

from __future__ import annotations

import errno

import numpy as np
import pytest
import soundfile

from scripts.corpus import extract as module
from scripts.corpus.extract import extract
from scripts.media import ffmpeg, tracks
from scripts.media.decode import decode
from scripts.rows.corpus import Medium, Recording
from scripts.rows.jsonl import read_rows, write_rows

TONE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=4"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=4"]
TITLE = ["-metadata", "title=The Secret Film"]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film with a title and two audio streams, one without sound, one silent."""
    folder = tmp_path_factory.mktemp("films")
    second = ["-f", "lavfi", "-i", "sine=frequency=880:duration=4"]
    both = [*TONE, *second, *PICTURE, "-map", "0:a", "-map", "1:a", "-map", "2:v", "-ac", "2"]
    ffmpeg.run([*both, *TITLE, "-movflags", "+faststart"], folder / "whole.mp4")
    ffmpeg.run([*TONE, *PICTURE, *TITLE], folder / "last_index.mp4")
    ffmpeg.run([*TONE, *TITLE], folder / "sound.mp3")
    ffmpeg.run([*PICTURE, "-an"], folder / "mute.mp4")
    ffmpeg.run(["-f", "lavfi", "-i", "anullsrc=duration=2"], folder / "silent.wav")
    return folder


@pytest.fixture
def run(tmp_path):
    """Extract files {name: bytes}; rows of the index may be passed instead of generated."""

    def run(files: dict[str, bytes], rows: list[Medium] | None = None) -> list[Recording]:
        media = tmp_path / "media"
        media.mkdir(exist_ok=True)
        for name, content in files.items():
            (media / name).write_bytes(content)
        rows = rows or [medium(str(number), name) for number, name in enumerate(files)]
        write_rows(tmp_path / "media.jsonl", rows)
        extract(media, tmp_path / "media.jsonl", tmp_path / "audio", tmp_path / "audio.jsonl")
        made = read_rows(tmp_path / "audio.jsonl", Recording)
        assert [row.id for row in made] == [row.id for row in rows]
        kept = sorted(path.name for path in (tmp_path / "audio").iterdir())
        assert kept == sorted(row.file for row in made if row.file)
        return made

    return run


def medium(name: str, file: str | None, **values) -> Medium:
    return Medium(id=name, work="A Work", language="English", file=file, **values)


def test_the_first_sound_is_kept_and_the_title_is_not(films, run, tmp_path):
    names = ("whole.mp4", "sound.mp3")
    notes = ["audio track 1 (stereo) is used; it also has 2 (stereo)", None]
    made = run({name: (films / name).read_bytes() for name in names})
    for recording, note in zip(made, notes, strict=True):
        assert recording.dropped is None and recording.note == note and recording.work == "A Work"
        assert recording.duration == pytest.approx(4.0, abs=0.06)
        path = tmp_path / "audio" / recording.file
        samples, rate = soundfile.read(path)
        assert (rate, samples.ndim, soundfile.info(path).subtype) == (16_000, 1, "PCM_16")
        assert np.argmax(np.abs(np.fft.rfft(samples[:16_000]))) == 440
        assert b"Secret" not in path.read_bytes() and b"Lavf" not in path.read_bytes()


def test_a_chinese_or_odd_name_is_no_obstacle(films, run):
    sound = (films / "sound.mp3").read_bytes()
    names = ["第一集：雾港.mp3", "-y.mp3", "100%d.mp3", "a b'c\"$(d).mp3"]
    assert all(recording.file for recording in run(dict.fromkeys(names, sound)))


def test_a_cut_film_keeps_what_can_be_decoded_and_says_so(films, run):
    whole, last = ((films / f"{name}.mp4").read_bytes() for name in ("whole", "last_index"))
    half, lost = run({"half.mp4": whole[: len(whole) // 2], "lost.mp4": last[: len(last) // 2]})
    assert 0.5 < half.duration < 3.0 and half.file
    said = f"the container says 4.0 s, {half.duration:.1f} s could be decoded; "
    assert half.note == f"{said}audio track 1 (stereo) is used; it also has 2 (stereo)"
    assert "cut short, or no MP4 at all: it has no index" in lost.dropped


PLAYLISTS = {
    "hls.mp4": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "utf8_mark.mp4": b"\xef\xbb\xbf\n#EXTM3U\nhttp://127.0.0.1/x.ts\n",
    "concat.mp4": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "concat_bare.mp4": b"file 'whole.mp4'\n",
    "dash.mkv": b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    "pls.mp3": b"[playlist]\nFile1=http://127.0.0.1/a.mp3\n",
    "sdp.mp4": b"v=0\r\nc=IN IP4 127.0.0.1\r\n",
}


def test_a_playlist_posing_as_a_film_is_refused(run):
    for recording in run(PLAYLISTS):
        assert recording.file is None
        assert "it is a playlist, which would open other files" in recording.dropped


def test_ffmpeg_itself_refuses_playlists_and_addresses(films, tmp_path):
    """The second wall, should a list not be recognised by how it begins."""
    for name, content in PLAYLISTS.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ffmpeg.Failed):
            ffmpeg.run(ffmpeg.read(tmp_path / name), tmp_path / "out.flac")
    with pytest.raises(ffmpeg.Failed) as caught:
        ffmpeg.run(["-i", "http://127.0.0.1:9/a.mp3"], tmp_path / "out.flac")
    assert "not on whitelist" in caught.value.told
    assert not (tmp_path / "out.flac").exists()


def test_each_bad_medium_has_its_reason_and_the_others_go_on(films, run):
    files = {name: (films / name).read_bytes() for name in ("mute.mp4", "silent.wav", "sound.mp3")}
    files |= {"empty.mp4": b"", "noise.mp4": bytes(range(256)) * 40, "text.wav": b"Dear reader"}
    soundless = films / "zero.wav"
    soundfile.write(soundless, np.zeros(0), 16_000)
    files["zero.wav"] = soundless.read_bytes()
    made = dict(zip(files, run(files), strict=True))
    assert made["sound.mp3"].file
    for name, reason in {
        "mute.mp4": "it has no audio stream",
        "silent.wav": "its 2.0 s are silent",
        "empty.mp4": "the file is empty (0 bytes)",
        "noise.mp4": "no MP4 at all",
        "text.wav": "it is damaged or no recording",
        "zero.wav": "0 seconds",
    }.items():
        assert made[name].file is None and made[name].duration == 0
        assert made[name].dropped.startswith(f"no sound could be read from {name}: ")
        assert reason in made[name].dropped


def test_what_was_not_fetched_or_lies_elsewhere_keeps_a_row(films, run):
    sound = (films / "sound.mp3").read_bytes()
    rows = [
        medium("a", None, dropped="the disc is lost."),
        medium("b", "gone.mp4"),
        medium("c", "../secret.mp3"),
        medium("d", "/etc/hostname"),
        medium("../e", "ok.mp3"),
        medium("f", "ok.mp3", synthetic=True, redistribute=True),
    ]
    made = run({"ok.mp3": sound}, rows)
    reasons = ["the disc is lost", "does not exist; run the rule fetch"]
    reasons += ["is not a file name in"] * 3
    for recording, reason in zip(made, reasons, strict=False):
        assert recording.file is None and reason in recording.dropped
    assert made[-1].file == "f.flac" and made[-1].synthetic and made[-1].redistribute
    assert not any(row.redistribute for row in made[:-1])


def test_no_media_give_a_valid_empty_result(tmp_path):
    (tmp_path / "media").mkdir()
    write_rows(tmp_path / "media.jsonl", [])
    extract(tmp_path / "media", tmp_path / "media.jsonl", tmp_path / "audio", tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == b"" and (tmp_path / "audio").is_dir()


def test_a_medium_that_is_too_long_is_refused(films, run, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 2)
    (made,) = run({"long.mp3": (films / "sound.mp3").read_bytes()})
    assert made.file is None and "cut it into parts" in made.dropped


def test_no_more_is_decoded_than_may_be(films, tmp_path, monkeypatch):
    largest = []

    def run(*arguments, **limits):
        largest.append(limits["largest"])
        return real(*arguments, **limits)

    real = ffmpeg.run
    monkeypatch.setattr(ffmpeg, "run", run)
    source = films / "sound.mp3"
    told = tracks.probe(source)
    heard = decode(source, told, told.tracks[0], tmp_path / "short.flac", 1.0)
    assert 1.0 < heard.seconds <= 2.1  # of 4: enough to see that it is longer
    assert max(largest) < 200_000  # bytes


def test_a_medium_of_too_many_bytes_is_not_opened(films, run, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1000)
    (made,) = run({"large.mp3": (films / "sound.mp3").read_bytes()})
    assert made.file is None and "GiB; cut it into parts" in made.dropped


def test_a_full_disk_stops_the_stage_and_leaves_nothing(films, tmp_path):
    media, audio = tmp_path / "media", tmp_path / "audio"
    media.mkdir(), audio.mkdir()
    (media / "a.mp3").write_bytes((films / "sound.mp3").read_bytes())
    (audio / ".part-a.flac").symlink_to("/dev/full")
    write_rows(tmp_path / "media.jsonl", [medium("a", "a.mp3")])
    with pytest.raises(OSError) as caught:
        extract(media, tmp_path / "media.jsonl", audio, tmp_path / "audio.jsonl")
    assert caught.value.errno == errno.ENOSPC
    assert not list(audio.iterdir()) and not (tmp_path / "audio.jsonl").exists()


def test_a_run_that_takes_too_long_is_stopped(tmp_path):
    slow = ["-re", "-f", "lavfi", "-i", "sine=duration=9"]
    with pytest.raises(module.UserError, match="stopped after 1 s"):
        ffmpeg.run(slow, tmp_path / "out.flac", timeout=1)
    assert not (tmp_path / "out.flac").exists()
