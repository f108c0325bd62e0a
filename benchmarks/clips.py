"""Cutting clips versus one ffmpeg process per clip (`python -m benchmarks.clips`).

100 clips of 3 to 10 s from one 20-minute recording. The stages read a clip's samples from the
recording's FLAC (scripts/common/audio.py) and write the chosen ones to files.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg
import numpy as np

from benchmarks.figures import Figure, best, show
from scripts.common import audio

SECONDS, CLIPS = 20 * 60, 100


def figures() -> Iterator[Figure]:
    random = np.random.default_rng(0)
    starts = random.uniform(0, SECONDS - 10, CLIPS)
    spans = list(zip(starts, starts + random.uniform(3, 10, CLIPS), strict=True))
    with TemporaryDirectory() as name:
        folder = Path(name)
        recording = folder / "recording.flac"
        noise = random.normal(0, 0.1, SECONDS * audio.RATE).clip(-1, 1)
        audio.write(recording, noise.astype(np.float32))

        def ours() -> None:
            for number, (start, end) in enumerate(spans):
                audio.write(folder / f"ours-{number}.flac", audio.read(recording, start, end))

        def plain() -> None:
            options = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"]
            for number, (start, end) in enumerate(spans):
                clip = ["-ss", str(start), "-t", str(end - start), "-i", str(recording)]
                command = [*options, *clip, str(folder / f"plain-{number}.flac")]
                subprocess.run(command, check=True)

        cut, peer = best([ours, plain])
        rates = CLIPS / cut, CLIPS / peer
        yield Figure("clips a second, one ffmpeg a clip", *rates, "ratio >= 5")


if __name__ == "__main__":
    sys.exit(show(figures()))
