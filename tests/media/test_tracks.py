"""ffmpeg's description of a recording, and where the links of a chained Ogg start."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from scripts.common.errors import UserError
from scripts.media import ffmpeg, ogg, tracks

TOLD = """\
[in#0/mpegts @ 0x1] [warning] PES packet size mismatch
[info] Input #0, mpegts, from 'film.ts':
[info]   Metadata:
[info]     title           : A film
                    : [info]   Stream #0:8: Audio: aac, 48000 Hz, mono
[info]   Duration: 01:02:03.50, start: 1.400000, bitrate: 313 kb/s
[info]   Program 1
[info]   Stream #0:2[0x102](deu): Audio: ac3 (AC-3), 48000 Hz, 5.1(side), fltp, start 1.9 (default)
[info]     Metadata:
[info]       title           : Duration: 99:00:00.00
                      : [info]   Stream #0:9: Audio: aac
[info]   Stream #0:0[0x100]: Video: h264 (High), yuv420p, 1280x720, 25 fps, start 1.400000
[info]     Metadata:
[info]       title           : The picture
[info]   Stream #0:1[0x101](und): Audio: pcm_s16le, 48000 Hz, stereo, s16, 768 kb/s, start 1.400000
[info]   Stream #0:3: Video: mjpeg, yuvj420p, 100x100 (attached pic)
[info]   Program 2
[info]   Stream #0:1[0x101](und): Audio: pcm_s16le, 48000 Hz, stereo, s16, 768 kb/s, start 1.400000
"""


def test_tracks_and_length_are_read_and_titles_are_not_taken_for_them():
    told = tracks.parse(TOLD, ["-i", "film.ts"])
    assert (told.format, told.seconds, told.streams) == ("mpegts", 3723.5, 3)
    first, second = told.tracks
    assert (first.number, first.stream, first.codec, first.late) == (1, 1, "pcm_s16le", 0.0)
    assert (second.number, second.stream, second.default) == (2, 2, True)
    assert second.late == pytest.approx(0.5)
    assert str(first) == "1 (stereo)"
    assert str(second) == "2 (deu, 5.1(side), 'Duration: 99:00:00.00')"
    assert tracks.order(told.tracks, "") == [second, first]
    assert tracks.order(told.tracks, "1") == [first]
    assert tracks.order(told.tracks, "Deu") == [second]
    with pytest.raises(UserError, match=r"no audio track '3'; it has 1 \(stereo\), 2 \(deu"):
        tracks.order(told.tracks, "3")
    with pytest.raises(UserError, match="it has no audio stream"):
        tracks.order([], "")


def test_a_length_that_is_guessed_or_missing_is_none():
    guess = "[in#0/mp3 @ 0x1] [warning] Estimating duration from bitrate, this may be inaccurate\n"
    assert tracks.parse(guess + TOLD, []).seconds is None
    assert tracks.parse("[info]   Duration: N/A, bitrate: N/A\n", []).seconds is None


def test_only_ffmpegs_own_lines_are_faults():
    words = "[info]     title           : [error] moov atom not found\n"
    words += "                    : moov atom not found\n"
    words += "[mov @ 0x1] [error] it is bad\n[aist#0:0/aac @ 0x1] [dec:aac @ 0x2] [fatal] worse\n"
    failed = ffmpeg.Failed(words)
    assert failed.told == "it is bad\nworse" and str(failed) == "ffmpeg says: worse"


def test_of_endless_words_the_first_and_the_last_are_kept(monkeypatch):
    monkeypatch.setattr(ffmpeg, "FIRST", 2000)
    monkeypatch.setattr(ffmpeg, "LAST", 100)
    monkeypatch.setattr(ffmpeg, "PIECE", 50)
    told = b"".join(b"[error] %03d\n" % number for number in range(1000))
    kept = ffmpeg._some(io.BytesIO(told))
    assert kept.startswith(told[:2000] + b"\n[error] ") and kept.endswith(told[-90:])
    assert len(kept) < 2250
    assert ffmpeg._some(io.BytesIO(told[:2100])) == told[:2100]


def test_a_line_without_an_end_takes_no_more_memory_than_many():
    class Endless(io.RawIOBase):
        left = 400

        def readable(self) -> bool:
            return True

        def readinto(self, where) -> int:
            self.left -= 1
            size = min(len(where), 2**20) if self.left > 0 else 0
            where[:size] = b"x" * size
            return size

    tracemalloc.start()
    kept = ffmpeg._some(io.BufferedReader(Endless(), 2**20))
    assert tracemalloc.get_traced_memory()[1] < 5 * ffmpeg.FIRST
    tracemalloc.stop()
    assert len(kept) <= ffmpeg.FIRST + 2 * ffmpeg.LAST


def page(flags: int, size: int) -> bytes:
    parts = [255] * (size // 255) + [size % 255]
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([len(parts), *parts]) + b"x" * size


def test_links_begin_where_pages_begin_streams(tmp_path):
    first = page(2, 30) + page(2, 70) + page(0, 4000) + page(4, 10)
    second = page(2, 30) + page(0, 500)
    path = tmp_path / "chain.ogg"
    for parts in ([first], [first, second], [second, first, second]):
        path.write_bytes(b"".join(parts))
        ends = [sum(map(len, parts[: number + 1])) for number in range(len(parts))]
        assert ogg.links(path) == list(zip([0, *ends[:-1]], ends, strict=True))
    path.write_bytes(first + b"Ogg damaged" + second + b"OggS\0\2end")
    size = path.stat().st_size
    assert ogg.links(path) == [(0, len(first) + 11), (len(first) + 11, size)]
    path.write_bytes(b"ID3 no Ogg")
    assert ogg.links(path) == [(0, 10)]
