"""A collection and one system's sides of it, made of tones and scored with simulated models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from scripts import backends
from scripts.duplex.score_duplex import score_duplex
from scripts.duplex.transcribe_duplex import transcribe_duplex
from scripts.rows.duplex import Conversation, DuplexItem, DuplexScore, Event, Question
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow.model_spec import ModelSpec
from tests.duplex.simulated_models import RATE, Detector, Embedder, Judge, Recogniser

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 12.0
EVENTS = {
    "pause": [("user", 1, 3), ("pause", 3, 4), ("user", 4, 6), ("turn_end", 6, 6)],
    "turn": [("user", 1, 4), ("turn_end", 4, 4)],
    "service": [("user", 1, 4), ("turn_end", 4, 4)],
    "interruption": [("user", 0.5, 1.5), ("interruption", 4, 6)],
    "backchannel": [("user", 1, 11), ("backchannel_place", 3, 3.4)],
    "user_backchannel": [("user", 0.5, 1.5), ("backchannel", 4, 4.4)],
    "bystander": [("user", 0.5, 1.5), ("bystander", 4, 6)],
    "noise": [("user", 0.5, 1.5), ("noise", 4, 6)],
}
SPECS = {"detector": Detector(), "words": Recogniser(), "deaf": Recogniser(deaf=True)}
SPECS |= {"voices": Embedder()}


def item(task: str, ident: str = "", voice: str | None = None, **other) -> DuplexItem:
    events = [Event(kind=k, start=a, end=b, text=k) for k, a, b in EVENTS[task]]
    question = Question(index=1, text="How much?", fact="5", choices=[])
    fields = {"events": events, "language": "English", "scenario": "s", "collection": "made"}
    fields |= {"id": ident or f"{task}-1", "task": task, "audio": f"{ident or task}.flac"}
    fields |= {"seconds": SECONDS, "voice": voice, "question": question, "role_prompt": "Be kind."}
    return DuplexItem(**fields | other)


class Folder:
    """A collection and one system's sides of it, in a folder."""

    def __init__(self, home: Path, monkeypatch):
        self.home, self.items, self.sides = home, [], []
        self.judge = Judge("4")
        monkeypatch.setattr(
            backends,
            "load",
            lambda spec: self.judge if spec.backend == "judge" else SPECS[spec.backend],
        )
        for name in ("audio", "user"):
            (home / name).mkdir()

    def add(self, own: DuplexItem, sound: np.ndarray, rate: int = RATE, suffix="flac", **fields):
        """An item and the agent's side of it."""
        file = f"{own.id}.{suffix}"
        subtype = "FLOAT" if suffix == "wav" else None
        soundfile.write(self.home / "audio" / file, sound, rate, subtype=subtype)
        self.items.append(own)
        given = {"audio": file, "sample_rate": rate, "seconds": len(sound) / rate, "words": None}
        given |= {"id": own.id, "collection": "made", "system": "sys"}
        self.sides.append(Conversation(**given | fields))

    @property
    def given(self) -> dict:
        """The arguments that both stages have."""
        return {
            "item_rows": self.home / "items.jsonl",
            "audio": self.home / "audio",
            "user_audio": self.home / "user",
            "transcripts": self.home / "transcripts.jsonl",
            "system": "sys",
        }

    def transcribe(self, asr=("words", "deaf")) -> None:
        write_rows(self.home / "items.jsonl", self.items)
        write_rows(self.home / "sides.jsonl", self.sides)
        transcribe_duplex(
            **self.given,
            conversations=self.home / "sides.jsonl",
            asr=[ModelSpec("asr", name) for name in asr],
            vad=ModelSpec("vad", "detector"),
        )

    def scores(self, asr=("words", "deaf"), llm=True, **other) -> dict[tuple, DuplexScore]:
        self.transcribe(asr)
        prompts = ROOT / "config/prompts"
        score_duplex(
            **self.given,
            prompt_interruption=prompts / "duplex_interruption.md",
            prompt_service=prompts / "duplex_service.md",
            prompt_behaviour=prompts / "duplex_behaviour.md",
            scores=self.home / "scores.jsonl",
            speakers=[ModelSpec("speaker", "voices")],
            llm=ModelSpec("llm", "judge") if llm else None,
            **other,
        )
        rows = read_rows(self.home / "scores.jsonl", DuplexScore)
        found = {(row.id, row.metric, row.form, row.by): row for row in rows}
        assert len(found) == len(rows), "each measure has one row"
        assert all((row.value is None) == (row.dropped is not None) for row in rows)
        return found


def values(found: dict, metric: str, form: str, by: str) -> dict[str, float | None]:
    """The values of a measure by item."""
    return {key[0]: row.value for key, row in found.items() if key[1:] == (metric, form, by)}
