"""Tiny stand-ins for models, and rows, for the tests of this phase."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.rows.dialogues import Dialogue, Exchange
from scripts.rows.jsonl import write_rows
from scripts.rows.roles import Profile, Voice


def person(role="joe", language="English", pool="train", **changed) -> Profile:
    fields = {
        "name": "Joe King",
        "work": "The Flight",
        "gender": "Male",
        "profile": "A cheerful pilot.",
        "background": "He crashed in the jungle.",
        "lines": ["Relax."],
        "excerpts": [f"Joe: This is stretch {number}." for number in range(1, 6)],
        "origin": "files",
        "synthetic": False,
        "flags": [],
    }
    return Profile(role=role, language=language, pool=pool, **(fields | changed))


def voice(role="joe", language="English", flags=()) -> Voice:
    return Voice(
        role=role,
        language=language,
        segment="s",
        media="m",
        file=f"{role}.flac",
        start=0,
        end=3,
        text="Relax.",
        similarity=None,
        clips=1,
        others=[],
        synthetic=False,
        redistribute=False,
        flags=list(flags),
    )


def dialogue(key: str, role="joe", mode="single", pool="train", **changed) -> Dialogue:
    lines = [(f"Question {key}?", f"Answer {key}.")] * (1 if mode == "single" else 2)
    fields = {
        "id": hashlib.sha256(key.encode()).hexdigest()[:12],
        "language": "English",
        "turns": [Exchange(user=user, role=answer) for user, answer in lines],
        "context": "",
        "model": "tiny",
    }
    return Dialogue(role=role, mode=mode, pool=pool, **(fields | changed))


def written(path: Path, rows) -> Path:
    write_rows(path, rows)
    return path


def use(monkeypatch, model) -> None:
    """Have every stage that loads a backend get `model`."""
    monkeypatch.setattr(backends, "load", lambda spec: model)


class Embedder:
    """Unit vectors of words' hashes: texts with the same words are the same, others are not."""

    name = "words"

    def embed(self, texts: list[str]) -> np.ndarray:
        rows = [sum(self.word(word) for word in text.split()) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)

    def word(self, word: str) -> np.ndarray:
        seed = int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)
        return np.random.default_rng(seed).standard_normal(64)
