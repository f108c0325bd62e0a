"""Invented rows for the tests of tables and figures; none of it was measured."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from scripts.paper.report.published import PAPER_METRICS
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.judging import Verdict
from scripts.rows.systems import Reply
from scripts.workflow.model_spec import ModelSpec
from tests import rows

PUBLISHED = Path(__file__).resolve().parents[2] / "config" / "published"
SYSTEMS = {
    name: ModelSpec("dialogue", "cascade", {"llm": ModelSpec("llm", "tiny", {"weights": "w"})})
    for name in ("good", "bare")
}
ROLES = [
    {"role": role, "name": name, "category": "Game", "language": language, "gender": gender}
    | {"work": work, "pool": pool}
    for role, name, language, gender, work, pool in (
        ("joe", "Joe", "English", "Male", "Queen", "train"),
        ("faye", "Faye", "English", "Female", "Queen", "out_of_domain"),
        ("luyuanhang", "陆远航", "Chinese", "Male", "雾港灯塔", "train"),
        ("ian", "Ian", "English", "Male", "Queen", ""),
    )
]
MEDIA = [
    {"media": "a", "work": "Queen", "location": "deb:game/A"},
    {"media": "b", "work": "雾港灯塔", "location": "synth:config/episodes/b.yaml"},
]


def dialogue(name: str, role: str = "joe", **fields: Any) -> Dialogue:
    """A single-turn test dialogue of a role of `ROLES`."""
    row = next(row for row in ROLES if row["role"] == role)
    given = {
        "mode": "single",
        "language": row["language"],
        "pool": row["pool"],
        "turns": rows.exchanges(("Where do we fly?", "South, | 5 % of the way.")),
        "subtask": "Skills and Abilities",
        "idx": 0,
        "synthetic": row["language"] == "Chinese",
    }
    return rows.dialogue(name, role, **given | fields)


def spoken(row: Dialogue, user: float = 4.0, role: float = 9.0, **fields: Any) -> Spoken:
    """The speech of a dialogue, every utterance of the same length."""
    turn = rows.spoken_turn("u.flac", "r.flac", user_seconds=user, role_seconds=role)
    given = {"turns": [turn for _ in row.turns], "sample_rate": 24_000}
    return rows.spoken(row.id, **{"role": row.role, "language": row.language} | given | fields)


def verdicts(row: Dialogue, system: str, test: float, ref: float = 8.0) -> list[Verdict]:
    """The same pair of scores for all eight metrics of an item."""
    scores = {"score_test": test, "score_ref": ref}
    return [rows.verdict(row, system, metric, **scores) for metric in PAPER_METRICS]


def expected(of: list[Verdict]) -> dict[str, list[str]]:
    """The expected content of a run whose systems, judges and metrics are those of its verdicts."""
    keys = {"systems": "system", "judges": "judge", "metrics": "metric"}
    return {name: sorted({getattr(row, key) for row in of}) for name, key in keys.items()}


def reply(row: Dialogue, system: str) -> Reply:
    """A system's reply without turns, in a matched voice."""
    return rows.reply(row, system, [], voice_mode="matched")


def files(folder: Path, name: str, of: list) -> list[Path]:
    """Rows as the only shard in a list of files."""
    return [rows.written(folder / f"{name}.jsonl", of)]


def outputs(folder: Path) -> dict[str, Path]:
    """The three outputs of a table."""
    return {f"table_{kind}": folder / f"table.{kind}" for kind in ("csv", "md", "tex")}


def figures(folder: Path) -> dict[str, Path]:
    """The four outputs of a figure."""
    return {f"figure_{kind}": folder / f"figure.{kind}" for kind in ("csv", "pdf", "svg", "png")}


def cells(path: Path) -> list[dict[str, str]]:
    """The rows of a written csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
