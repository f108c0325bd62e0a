"""Tiny stand-in models and rows for the tests of this phase."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from scripts import backends
from scripts.rows.dialogues import Dialogue
from scripts.rows.roles import Profile
from tests import rows


def person(role: str = "joe", **changed: Any) -> Profile:
    """The profile of a pilot."""
    fields = {
        "name": "Joe King",
        "work": "The Flight",
        "profile": "A cheerful pilot.",
        "background": "He crashed in the jungle.",
        "lines": ["Relax."],
        "excerpts": [f"Joe: This is stretch {number}." for number in range(1, 6)],
        "origin": "files",
    }
    return rows.profile(role, **(fields | changed))


def dialogue(key: str, role: str = "joe", mode: str = "single", **changed: Any) -> Dialogue:
    """A dialogue with its own id and words."""
    lines = [(f"Question {key}?", f"Answer {key}.")] * (1 if mode == "single" else 2)
    name = hashlib.sha256(key.encode()).hexdigest()[:12]
    return rows.dialogue(name, role, **{"turns": rows.exchanges(*lines), "mode": mode} | changed)


def use(monkeypatch, model) -> None:
    """Make every stage that loads a backend get `model`."""
    monkeypatch.setattr(backends, "load", lambda spec: model)


class Embedder:
    """Unit vectors of word hashes: the same for texts with the same words, else different."""

    name = "words"

    def embed(self, texts: list[str]) -> np.ndarray:
        rows = [sum(self.word(word) for word in text.split()) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)

    def word(self, word: str) -> np.ndarray:
        seed = int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)
        return np.random.default_rng(seed).standard_normal(64)
