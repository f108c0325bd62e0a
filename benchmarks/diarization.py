"""Diarization error on the recordings of dialogues.tsv (`python -m benchmarks.diarization`).

Not part of `make bench`: the first run takes half an hour, mostly for music removal, which is
cached in .cache/benchmarks. The peer is the package senko, in the version whose feature extractor
does not need AVX-512. One figure per recording, and the total: DER without collar, including
overlap, as in corpus_quality.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, show
from scripts import backends
from scripts.common import audio
from scripts.common.paths import ROOT
from scripts.corpus.extract import extract
from scripts.corpus.fetch import fetch
from scripts.media.truth import read_rttm
from scripts.paper.report.corpus_scores import Turns, diarization_error
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.specs import resolve

TABLE = Path(__file__).with_name("dialogues.tsv")
KEPT = ROOT / ".cache" / "benchmarks" / "diarization"
PACKAGE = "fretsonfire-songs-sectoid"
SONGS = ("Escape from chaosland", "Feelings", "Metal madness", "War of freedom")
SNR = 10  # dB
ROW = {"work": "game", "language": "English", "sha256": "", "truth": "", "redistribute": "no"}


def figures() -> Iterator[Figure]:
    os.environ.setdefault("SPEECHROLE_WEIGHTS", str(ROOT / "weights"))
    models = defaults()
    ours, peer = backends.load(models["diarization"]), senko()
    errors: list[tuple[float, float]] = []
    right, seconds, spent = np.zeros(2), 0.0, np.zeros(2)
    rows = list(rows_of(TABLE))
    for number, (name, people) in enumerate(rows):
        vocals, truth = recording(name, SONGS[number % len(SONGS)], models["separation"])
        seconds += len(vocals) / audio.RATE
        found = []
        for side, diarize in enumerate((ours.diarize, peer)):
            begun = time.process_time()
            found.append([(t.start, t.end, t.speaker) for t in diarize(vocals)])
            spent[side] += time.process_time() - begun
        counts = [len({speaker for *_, speaker in turns}) for turns in found]
        right += [count == people for count in counts]
        pair = tuple(error(truth, turns, len(vocals)) for turns in found)
        errors.append(pair)
        yield Figure(f"{name}: {people}, found {counts[0]} and {counts[1]}", *pair)
    means, worst = np.mean(errors, axis=0), np.max(errors, axis=0)
    yield Figure("recordings with the right number", *right, f"ours >= {0.9 * len(rows)}")
    yield Figure("mean DER", *means, "ours <= 0.13")
    yield Figure("highest DER", *worst, "ours <= 0.2")
    yield Figure("CPU seconds a second of sound", *spent / seconds, "ours <= 0.1")


def rows_of(table: Path) -> Iterator[tuple[str, int]]:
    """The recordings in the table: their dialogues and the number of speakers."""
    lines = [line for line in table.read_text("utf-8").splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines, delimiter="\t"):
        yield row["dialogues"], int(row["people"])


def defaults() -> dict[str, ModelSpec]:
    """The specs of the default configuration's separation and diarization models."""
    import yaml

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    stages = {"separation": "separate", "diarization": "diarize"}
    return {
        kind: resolve(config["models"], config[stage][kind], kind, f"{stage}.{kind}")
        for kind, stage in stages.items()
    }


def recording(dialogues: str, song: str, separation: ModelSpec) -> tuple[np.ndarray, Turns]:
    """Vocals (n,) at 16 kHz of a film of the dialogues, and the true turns; cached."""
    home = KEPT / dialogues
    if not (home / "vocals.flac").exists():
        media, truth, index = home / "media", home / "truth", home / "index.jsonl"
        row = ROW | {
            "media": dialogues,
            "location": f"deb:flight-of-the-amazon-queen/{dialogues}",
            "music": f"deb:{PACKAGE}/{song}/song.ogg",
            "snr": str(SNR),
        }
        fetch([row], ModelSpec("tts", "kokoro"), media, truth, index)
        extract(media, index, home / "audio", home / "audio.jsonl")
        (mix,) = (home / "audio").glob("*.flac")
        vocals = backends.load(separation).separate(audio.read(mix), audio.RATE)
        audio.write(home / ".part.flac", audio.normalise(vocals))
        (home / ".part.flac").rename(home / "vocals.flac")
    (rttm,) = (home / "truth").glob("*.rttm")
    return audio.read(home / "vocals.flac"), read_rttm(rttm)


def error(truth: Turns, found: Turns, samples: int) -> float:
    wrong, total = diarization_error(truth, found, samples / audio.RATE, False)
    return wrong / total


def senko():
    """The function that diarizes with the package, using its defaults."""
    import senko

    diarizer = senko.Diarizer(device="cpu", warmup=False)
    diarizer.logical_cores = 1

    def diarize(samples: np.ndarray) -> list[dict]:
        return (diarizer.diarize_samples(samples, audio.RATE) or {}).get("raw_segments", [])

    return diarize


if __name__ == "__main__":
    sys.exit(show(figures()))
