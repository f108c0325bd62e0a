"""Makes a small benchmark in the layout of the paper's authors: invented dialogues, tones."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts.benchmark.layout import names_of
from scripts.benchmark.released import Released
from scripts.common import audio
from scripts.common.paths import ROOT
from scripts.common.tables import read_table

# Two roles a language; two under names that the paper misspells.
CAST = {"Mater": "Mater", "Stanley Ipkiss": "Stanley Ipkiiss", "hutao": "hutao"}
CAST |= {"liyunlong": "liyulong"}
CHINESE = ("hutao", "liyunlong")
ROWS = {row["role"]: row for row in read_table(ROOT / "config/paper/roles.tsv", "roles")}
NAMES = names_of([*ROWS.values()], ROOT / "config/published/roles.tsv")
WORDS = {
    "English": (
        "Where have you been all this time?",
        "Far away, beyond the hills and the harbour.",
    ),
    "Chinese": ("你这些天都去哪里了呢？", "我去了很远的地方，看山也看海。"),
}
RATES = (24_000, 16_000, 22_050, 44_100, 48_000, 8_000)
FORMS = ("path", "numbered", "base64")  # of a turn's audio: released, on the hub, inside the JSON


@dataclass(frozen=True)
class Folders:
    """A benchmark on disk: the folders that the config names."""

    home: Path

    @property
    def benchmark(self) -> Path:
        return self.home / "test data"

    @property
    def config(self) -> dict[str, str]:
        names = {"benchmark": "test data", "voices": "role_voices", "profiles": "role_profiles"}
        return {key: str(self.home / name) for key, name in names.items()}

    def json(self, role: str, mode: str = "single") -> Path:
        return self.benchmark / f"{mode}_turn" / f"{CAST[role]}.json"

    def edit(self, role: str, change, mode: str = "single") -> Path:
        """Apply a function to the document of a role's file; returns the file."""
        path = self.json(role, mode)
        document = json.loads(path.read_text("utf-8"))
        changed = change(document)
        path.write_text(json.dumps(document if changed is None else changed), "utf-8")
        return path

    def released(self, **folders: str | None) -> Released:
        """As the workflow reads it."""
        return Released({"scripts": None} | self.config | folders, rows(), NAMES)


def rows() -> list[dict[str, str]]:
    """The rows of roles.tsv of its roles."""
    return [ROWS[role] for role in CAST]


# The samples and rate of a line: from its text, language and speaker (a role, or "user").
Speaker = Callable[[str, str, str], tuple[np.ndarray, int]]


def tone(text: str, language: str, who: str) -> tuple[np.ndarray, int]:
    """A tone with noise instead of speech: its pitch and length depend on the text."""
    number = sum(map(ord, text))
    draw = np.random.default_rng(number)
    time = np.arange(int((3 + number % 4 / 4) * RATES[0])) / RATES[0]
    wave = 0.3 * np.sin(2 * np.pi * (120 + number % 97) * time)
    return wave + draw.normal(0, 0.01, time.size), RATES[0]


def write(path: Path, sound: tuple[np.ndarray, int], number: int) -> bytes:
    """Write a sound with a rate, channels and a sample format that depend on a number; returns the
    bytes of its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = RATES[number % len(RATES)]
    wave = audio.resample(sound[0].astype(np.float32), sound[1], rate)
    form = ("PCM_16", "PCM_16", "PCM_24", "FLOAT")[number % 4]
    channels = np.column_stack([wave, wave / 2]) if number % 5 == 4 else wave
    soundfile.write(path, channels, rate, subtype=form)
    return path.read_bytes()


def make(
    home: Path, form: str = "path", sets: int = 3, say: Speaker = tone, turns: int = 3
) -> Folders:
    """A benchmark of four roles, two dialogues of each mode; multi-turn ones have `turns` turns."""
    number, texts = 0, {}
    for role, name in CAST.items():
        language = ROWS[role]["language"]
        called = ROWS[role]["name"]
        profile = f"I want you to act like {called}. {called} lives by the sea."
        for mode, count in (("single", 1), ("multi", turns)):
            items = []
            for idx in range(2):
                asked = []
                for place in range(count):
                    user, said = (f"{text} {idx}{place}" for text in WORDS[language])
                    turn: dict[str, Any] = {"user": user, "role": said}
                    names = ["user", *(f"role{n}" for n in range(1, sets + 1))]
                    for who in names:
                        number += 1
                        # As released: the dialogue's number is not in the name.
                        odd = ("", "{take} ", "#2 50% ", "é·")[number % 4]
                        inside = f"{mode}_turn_speech/{name}/1_{name}_0_{number}_{odd}{who}.wav"
                        path = home / "test data" / inside
                        line = (user, "user") if who == "user" else (said, role)
                        data = write(path, say(line[0], language, line[1]), number)
                        key = f"{who[:4]}_speech_path"
                        if who != "role1" or form != "path":
                            key += who[4:]
                        if form == "base64":
                            path.unlink()
                            turn[key.replace("path", "base64")] = base64.b64encode(data).decode()
                        elif number % 2:
                            turn[key] = f"/data/elsewhere/test_data/{inside}"
                        else:
                            turn[key] = f"./{inside}"
                    asked.append(turn)
                context = f"{called}: The sea is calm today, number {idx}.\nOLD MAN: So it is."
                system = f"{profile}\nThis is a part of the script.\n[Character script]\n{context}"
                item = {"dialogue": asked, "context": context, "system_prompt": system}
                items.append(item | {"category": "reasoning and Motivation"})
            path = home / f"test data/{mode}_turn/{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(items, ensure_ascii=False), "utf-8")
            (path.parent / f"._{name}.json").write_bytes(b"\0\5\26\7\0\2")
        introduction = f"This is {name} speaking, and nobody else."
        write(home / f"role_voices/{name}.wav", say(introduction, language, role), number)
        profiles = home / "role_profiles"
        profiles.mkdir(exist_ok=True)
        (profiles / f"{name}_profile.txt").write_text(f"{profile}\nA friend of gulls.", "utf-8")
        texts[name] = introduction
    voices = home / "role_voices/audios_text.json"
    voices.write_text(json.dumps(texts, ensure_ascii=False), "utf-8")
    return Folders(home)
