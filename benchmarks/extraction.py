"""Extraction versus plain ffmpeg, and two files at once (`python -m benchmarks.extraction`).

The medium is 20 minutes of stereo AAC with video, in MP4. Plain ffmpeg runs with the usual options,
-vn -ac 1 -ar 16000, and writes WAV. The stage also measures each channel (peak, level, NaN), keeps
the film's times and writes FLAC; the measurements take most of its time.

Since version 7, ffmpeg reads, decodes, converts and writes in separate threads, so a single file
uses more than one core, and two at once save less than half of the time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg

from benchmarks.figures import Figure, best, show
from scripts.corpus.extract import extract
from scripts.media import ffmpeg
from scripts.rows.corpus import Medium
from scripts.rows.jsonl import write_rows

SECONDS = 20 * 60


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        film(folder / "a.mp4")
        (folder / "b.mp4").symlink_to("a.mp4")
        for files in ("a", "b", "ab"):
            rows = [Medium(id=x, work="", language="English", file=f"{x}.mp4") for x in files]
            write_rows(folder / f"{files}.jsonl", rows)

        def ours(files: str) -> None:
            extract(folder, folder / f"{files}.jsonl", folder / "audio", folder / "made.jsonl")

        def plain() -> None:
            options = ["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
            sound = ["-i", str(folder / "a.mp4"), "-vn", "-ac", "1", "-ar", "16000"]
            command = [imageio_ffmpeg.get_ffmpeg_exe(), *options, *sound, str(folder / "a.wav")]
            subprocess.run(command, check=True)

        one, peer = best([lambda: ours("a"), plain], rounds=5)
        yield Figure("20 minutes of film, plain ffmpeg (s)", one, peer, "ratio <= 5")
        sides = [lambda: ours("ab"), lambda: (ours("a"), ours("b"))]
        both, serial = best(sides, rounds=5)
        yield Figure("two at once (s), one after the other", both, serial, "ratio <= 0.85")


def film(path: Path) -> None:
    """Write 20 minutes of a test picture and two channels of noise and a tone."""
    picture = f"testsrc=size=320x180:rate=10:duration={SECONDS}"
    left = f"anoisesrc=color=pink:amplitude=0.3:sample_rate=44100:duration={SECONDS}"
    right = f"sine=frequency=440:sample_rate=44100:duration={SECONDS}"
    inputs = [word for source in (picture, left, right) for word in ("-f", "lavfi", "-i", source)]
    mixed = "[1:a][2:a]amerge=inputs=2[sound]"
    streams = ["-filter_complex", mixed, "-map", "0:v", "-map", "[sound]"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "128k"]
    ffmpeg.run([*inputs, *streams, *codecs], path)


if __name__ == "__main__":
    sys.exit(show(figures()))
