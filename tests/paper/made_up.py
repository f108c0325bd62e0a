"""Invented rows for the tests of tables and figures; nothing in them was measured."""

from __future__ import annotations

import csv
from pathlib import Path

from scripts.paper.report.published import PAPER_METRICS
from scripts.rows.dialogues import Dialogue, Exchange, Spoken, SpokenTurn
from scripts.rows.jsonl import write_rows
from scripts.rows.judging import Verdict
from scripts.rows.systems import Reply
from scripts.workflow.model_spec import ModelSpec

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


def dialogue(name: str, role: str = "joe", **fields) -> Dialogue:
    """A single-turn test dialogue of a role of `ROLES`."""
    row = next(row for row in ROLES if row["role"] == role)
    given = {
        "mode": "single",
        "language": row["language"],
        "pool": row["pool"],
        "turns": [Exchange(user="Where do we fly?", role="South, | 5 % of the way.")],
        "context": "",
        "model": "tiny",
        "subtask": "Skills and Abilities",
        "idx": 0,
        "synthetic": row["language"] == "Chinese",
    }
    return Dialogue(id=name, role=role, **(given | fields))


def spoken(row: Dialogue, user: float = 4.0, role: float = 9.0, **fields) -> Spoken:
    """The speech of a dialogue, every utterance of the same length."""
    turn = {"user_audio": "u.flac", "user_seconds": user}
    turn |= {"role_audio": "r.flac", "role_seconds": role}
    given = {
        "turns": [SpokenTurn(**turn) for _ in row.turns],
        "sample_rate": 24000,
        "voice": "v",
        "voice_mode": "matched",
        "flags": [],
    }
    return Spoken(id=row.id, role=row.role, language=row.language, **(given | fields))


def verdicts(row: Dialogue, system: str, test: float, ref: float = 8.0) -> list[Verdict]:
    """The same pair of scores for all eight metrics of an item."""
    return [
        Verdict(
            id=row.id,
            system=system,
            judge="objective",
            role=row.role,
            mode=row.mode,
            idx=row.idx,
            language=row.language,
            pool=row.pool,
            metric=metric,
            score_test=test,
            score_ref=ref,
            rationale="made up",
        )
        for metric in PAPER_METRICS
    ]


def expected(rows: list[Verdict]) -> dict[str, list[str]]:
    """What there should be of a run whose systems, judges and metrics are those of its verdicts."""
    keys = {"systems": "system", "judges": "judge", "metrics": "metric"}
    return {name: sorted({getattr(row, key) for row in rows}) for name, key in keys.items()}


def reply(row: Dialogue, system: str) -> Reply:
    """A system's reply without turns, in a matched voice."""
    fields = {"role": row.role, "mode": row.mode, "language": row.language}
    return Reply(id=row.id, system=system, turns=[], voice_mode="matched", **fields)


def files(folder: Path, name: str, rows: list) -> list[Path]:
    """Rows as the one shard of a list of files."""
    path = folder / f"{name}.jsonl"
    write_rows(path, rows)
    return [path]


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
