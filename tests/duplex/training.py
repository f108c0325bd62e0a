"""What the tests of training material share: a synthesiser, the stage with small settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.duplex.service_roles import templated
from scripts.duplex.train_material import train_material
from scripts.rows.duplex import TrainDuplex
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow.model_spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2] / "config/duplex"
TEMPLATES = ROOT / "training.yaml"
SCENARIOS = templated(ROOT / "domains.yaml", ROOT / "service_roles.tsv")


@dataclass
class Stock:
    """50 ms a word at a pitch of the voice's own; refuses a text with "refused" in it."""

    names: tuple[str, ...] = ("af_heart", "af_bella", "am_michael", "bm_george")
    rate: int = 16_000
    voice_mode: str = "matched"

    def voice(self, clip, text, language):
        return {"voice": self.names[0]}

    def fixed_voice(self, language):
        return {"voice": self.names[0]}

    def voices(self, language):
        return [{"voice": name} for name in self.names]

    def speak(self, lines):
        if any("refused" in text for text, _, _ in lines):
            raise ValueError("not this one, please")
        return [self._said(text, voice["voice"]) for text, voice, _ in lines]

    def _said(self, text: str, voice: str) -> np.ndarray:
        times = np.arange(len(text.split()) * self.rate // 20) / self.rate
        tone = np.cos(2 * np.pi * 100 * (2 + self.names.index(voice)) * times)
        silence = np.zeros(self.rate // 10, np.float32)
        return np.concatenate([silence, 0.3 * tone.astype(np.float32), silence])


def run(folder: Path, monkeypatch, backend=None, **changed) -> list[TrainDuplex]:
    monkeypatch.setattr(backends, "load", lambda spec: backend or Stock())
    write_rows(folder / "scenarios.jsonl", SCENARIOS)
    settings = {
        "templates": TEMPLATES,
        "role_prompts": ROOT / "role_prompts.yaml",
        "scenarios": folder / "scenarios.jsonl",
        "known": ROOT / "known.yaml",
        "prompt": ROOT.parent / "prompts/duplex_dialogue.md",
        "material": folder / "material.jsonl",
        "audio": folder / "material",
        "card": folder / "card.md",
        "tts": ModelSpec("tts", "made"),
        "service": 6,
        "questions": 4,
        "gaps": [-0.3, 0.8],
        "held_out": ["af_heart"],
        "acoustic": 0.02,
        "padding": 0.3,
        "seed": 1,
    }
    train_material(**settings | changed)
    return read_rows(folder / "material.jsonl", TrainDuplex)
