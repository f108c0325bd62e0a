"""A small project folder whose run sends a judge some calls, and the command to run it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from scripts.common import audio
from scripts.common.paths import ROOT
from scripts.rows.dialogues import Dialogue, Exchange, Spoken
from scripts.rows.jsonl import write_rows
from scripts.rows.judging import Sentences
from scripts.rows.systems import Reply
from tests.judging.tiny import PERSON, dialogue, reply, spoken, voice

MODEL = "judge-1"
PRICES = {"input token": 0.001, "input audio token": 0.002, "output token": 0.003}  # dollars
MOST = 10_000.0  # dollars: never reached
TIMEOUT = 10.0  # seconds: a slow machine is no service that hangs
AT_ONCE = 6
# An item is asked about in both orders; of what it is probed with 15 calls are its own and not
# those of rule judge: eight pairs in both orders and one, of two equal sides, that has no order.
ORDERS, PROBES = 2, 15
RESULTS = ("results/judging/judge/system/1-of-1.jsonl", "results/judging/judge/probes.jsonl")
RULES = ("judge_by_service", "probe_by_service")


@dataclass(frozen=True)
class Project:
    """A folder with rows to judge; several may share a `store`."""

    home: Path
    store: Path
    address: str  # of the server that is asked

    def make(self, calls: int) -> None:
        """Write rows that make `calls` calls, a multiple of 40, and the config."""
        probed = 2 * (calls // 40)
        dialogues = (calls - PROBES * probed) // ORDERS
        assert calls == ORDERS * dialogues + PROBES * probed
        ids = [f"d{number:03}" for number in range(dialogues)]
        for number, name in enumerate(ids):
            self.sound("systems/system/1-of-1", f"{name}.flac", 2 * number)
            self.sound("dialogues/speech/test/1-of-1", f"{name}.flac", 2 * number + 1)
        self.sound("roles/voices", "clip.flac", 2 * dialogues)
        added = {kind: f"{kind}.flac" for kind in ("padding", "order")}
        for number, name in enumerate(added.values(), start=2 * dialogues + 1):
            self.sound("judging/sentences", name, number)
        self.rows("judging/sentences", [Sentences(role=PERSON.role, **added)])
        self.rows("dialogues/test/1-of-1", [asked_of(name) for name in ids])
        self.rows("systems/system/1-of-1", [answered_by(name) for name in ids])
        self.rows("dialogues/speech/test/1-of-1", [spoken_of(name) for name in ids])
        self.rows("roles/profiles", [PERSON])
        self.rows("roles/voices", [voice(0)])
        head = ("host", "model", "unit", "usd", "per", "date", "source")
        rows = [
            ("127.0.0.1", MODEL, unit, str(usd), "1", "2026-01-01", "a test")
            for unit, usd in PRICES.items()
        ]
        lines = ["\t".join(row) for row in (head, *rows)]
        (self.home / "prices.tsv").write_text("\n".join(lines) + "\n", "utf-8")
        (self.home / "chaos.yaml").write_text(yaml.safe_dump(self.config(probed)), "utf-8")

    def sound(self, folder: str, name: str, number: int) -> None:
        path = self.home / "results" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = np.sin(np.arange(3200) * (number + 1) / 400, dtype=np.float32)
        audio.write(path, wave / 4)

    def rows(self, name: str, rows: list) -> None:
        path = self.home / f"results/{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, rows)

    def config(self, probed: int) -> dict:
        judge = {"capability": "judge", "backend": "priced", "model": MODEL}
        services = {"store": str(self.store), "prices": str(self.home / "prices.tsv")}
        services |= {"limits": {"default": {"at_once": AT_ONCE}}}
        return {
            "backend_paths": ["tests/backends", "tests/chaos/backends"],
            "models": {
                "judge": judge | {"address": self.address},
                "system": {"capability": "dialogue", "backend": "simulated", "system": 1},
                "tts": {"capability": "tts", "backend": "simulated"},
            },
            "evaluate": ["system"],
            "ablations": {},
            "judge": "judge",
            "judge_audit": {"items": probed, "tts": "tts"},
            "max_usd": {"all": MOST},
            "services": services | {"timeout": TIMEOUT, "deadline": 60},
        }

    def command(self) -> list[str]:
        """Snakemake on the rules that call services, as in a run whose other results exist."""
        return [
            str(Path(sys.executable).with_name("snakemake")),
            *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.home)),
            *("--configfile", str(self.home / "chaos.yaml"), "--cores", "2", "--nolock"),
            *("--allowed-rules", *RULES, "--", *RESULTS),
        ]

    def environment(self, clock: Path) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        own |= {"PYTHONPATH": str(ROOT / "tests/chaos/clock"), "CHAOS_CLOCK": str(clock)}
        return own | {"CHAOS_KEY": "a key of the test"}

    def results(self) -> dict[str, bytes]:
        """The run's results, byte for byte."""
        return {name: (self.home / name).read_bytes() for name in RESULTS}


def asked_of(name: str) -> Dialogue:
    turn = Exchange(user=f"Who are you, {name}?", role=f"The pilot of {name}.")
    return dialogue(name).model_copy(update={"turns": [turn]})


def answered_by(name: str) -> Reply:
    row = reply(name)
    turn = row.turns[0].model_copy(update={"audio": f"{name}.flac"})
    return row.model_copy(update={"system": "system", "turns": [turn]})


def spoken_of(name: str) -> Spoken:
    row = spoken(name)
    turn = row.turns[0].model_copy(update={"role_audio": f"{name}.flac", "role_seconds": 0.2})
    return row.model_copy(update={"turns": [turn]})
