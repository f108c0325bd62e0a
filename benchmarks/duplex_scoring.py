"""How fast conversations are transcribed and scored (`python -m benchmarks.duplex_scoring`).

Four systems with 14 items of 20 s each: one is silent, one always talks, two answer for 6 s, as the
controls and cascades do. transcribe_duplex hears them with both recognisers and voice activity,
score_duplex measures turn taking and voices by both speaker models; no language model rates. Both
use one thread and load their models themselves. The other side is the stage's models alone on what
the stage gives them, loaded beforehand.

    times real time      seconds of conversation in a CPU second
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, show
from benchmarks.models import loaded
from scripts import backends
from scripts.common import audio
from scripts.common.paths import ROOT
from scripts.duplex.hear import clips_of, side_of
from scripts.duplex.score_duplex import score_duplex
from scripts.duplex.transcribe_duplex import transcribe_duplex
from scripts.rows.duplex import Conversation, DuplexItem, Event, SideTranscript
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow.model_spec import ModelSpec

LINES = (
    "Our smallest boat costs ninety pounds for a day, and the larger one a hundred and forty.",
    "You can bring it back until seven in the evening, but please fill the tank before that.",
    "If the weather turns, we send a message and you may choose another day without any charge.",
)
ITEMS, SECONDS, ANSWER = 14, 20.0, 6.0
SYSTEMS = {"silent": [], "talks": [(0.0, SECONDS)], "a": [(8.0, ANSWER)], "b": [(9.0, ANSWER)]}
ASR = [
    ModelSpec("asr", "faster_whisper", {"word_times": True, "threads": 1}),
    ModelSpec("asr", "pocketsphinx", {"word_times": True}),
]
VAD = ModelSpec("vad", "silero")
SPEAKERS = [ModelSpec("speaker", "campplus"), ModelSpec("speaker", "resemblyzer")]


def figures() -> Iterator[Figure]:
    os.environ.setdefault("SPEECHROLE_WEIGHTS", str(ROOT / "weights"))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make(home)
        total = len(SYSTEMS) * ITEMS * SECONDS
        networks = {"transcribe_duplex": hearing, "score_duplex": voices}
        for stage, run in {"transcribe_duplex": transcribe, "score_duplex": score}.items():
            ours = sum(cpu(partial(run, home, own)) for own in SYSTEMS)
            bare = cpu(networks[stage](home))
            target = "ours >= 50" if stage == "score_duplex" else ""
            yield Figure(f"{stage}, times real time", total / ours, total / bare, target)


def make(home: Path) -> None:
    """The items and all systems' sides of them."""
    tts = loaded("tts", "kokoro", speaker=SPEAKERS[0])
    said = tts.speak([(line, tts.fixed_voice("English"), "English") for line in LINES])
    speech = audio.resample(np.concatenate(said), tts.rate, audio.RATE)
    (home / "user").mkdir()
    for name, start in {"one": 0, "other": 5}.items():
        audio.write(home / f"user/{name}.flac", speech[start * audio.RATE :][: 4 * audio.RATE])
    marks = [("user", 1.0, 7.0), ("turn_end", 7.0, 7.0)]
    events = [Event(kind=kind, start=start, end=end, text=kind) for kind, start, end in marks]
    items = [
        DuplexItem(
            id=f"turn-{i}", collection="made", task="turn", scenario=str(i), language="English",
            audio="user.flac", seconds=SECONDS, events=events, voice=f"{name}.flac",
        )
        for i, name in enumerate(["one", "other"] * (ITEMS // 2))
    ]  # fmt: skip
    write_rows(home / "items.jsonl", items)
    for system, spans in SYSTEMS.items():
        (home / system).mkdir()
        rows = []
        for number, item in enumerate(items):
            side = np.zeros(round(SECONDS * audio.RATE), np.float32)
            for start, seconds in spans:
                first, length = round(start * audio.RATE), round(seconds * audio.RATE)
                side[first:][:length] = np.resize(np.roll(speech, number * 8000), length)
            audio.write(home / system / f"{item.id}.flac", side)
            rows.append(
                Conversation(
                    id=item.id, collection="made", system=system, audio=f"{item.id}.flac",
                    sample_rate=audio.RATE, seconds=SECONDS, words=None,
                )
            )  # fmt: skip
        write_rows(home / f"{system}.jsonl", rows)


def given(home: Path, system: str) -> dict:
    """The arguments that both stages have."""
    return {
        "item_rows": home / "items.jsonl",
        "audio": home / system,
        "user_audio": home / "user",
        "transcripts": home / f"{system}.transcripts.jsonl",
        "system": system,
    }


def transcribe(home: Path, system: str) -> None:
    transcribe_duplex(
        **given(home, system), conversations=home / f"{system}.jsonl", asr=ASR, vad=VAD
    )


def score(home: Path, system: str) -> None:
    prompts = ROOT / "config/prompts"
    score_duplex(
        **given(home, system),
        prompt_interruption=prompts / "duplex_interruption.md",
        prompt_service=prompts / "duplex_service.md",
        scores=home / f"{system}.scores.jsonl",
        speakers=SPEAKERS,
    )


def hearing(home: Path) -> Callable[[], None]:
    """The detector and the recognisers alone, on the clips that the stage makes."""
    detector = backends.load(VAD)
    recognisers = [backends.load(spec) for spec in ASR]
    files = [file for system in SYSTEMS for file in sorted((home / system).glob("*.flac"))]
    sides = [side_of(file, detector) for file in files]
    cut = [side.samples[round(a * audio.RATE) : round(b * audio.RATE)]
           for side in sides for a, b in clips_of(side)]  # fmt: skip

    def run() -> None:
        for side in sides:
            detector.speech(side.samples)
        for recogniser in recognisers:
            recogniser.transcribe(cut, "English")

    return run


def voices(home: Path) -> Callable[[], None]:
    """The speaker models alone: the whole speech of each side, its first and its last third."""
    embedders = [backends.load(spec) for spec in SPEAKERS]
    clips: list[np.ndarray] = []
    for system in SYSTEMS:
        for row in read_rows(home / f"{system}.transcripts.jsonl", SideTranscript):
            if row.activity:
                sound = audio.read(home / system / str(row.audio))
                speech = np.concatenate(
                    [sound[round(a * audio.RATE) : round(b * audio.RATE)] for a, b in row.activity]
                )
                third = len(speech) // 3
                clips += [speech, speech[:third], speech[-third:]]

    def run() -> None:
        for embedder in embedders:
            embedder.embed(clips)

    return run


def cpu(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


if __name__ == "__main__":
    sys.exit(show(figures()))
