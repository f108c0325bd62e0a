"""A released benchmark as the config names it: its dialogues, voices, profiles and scripts.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path
from typing import Any

from scripts.benchmark.items import Item, Speech, profile_in, read_items, speaks_of
from scripts.benchmark.layout import (
    MODES,
    VOICE_TEXTS,
    Names,
    Rows,
    by_role,
    own_file,
    voice_texts,
)
from scripts.common.errors import UserError
from scripts.common.tables import text_of
from scripts.media import locate
from scripts.rows.jsonl import Mode
from scripts.rows.roles import Profile

# What follows a role's name in the names of its files.
PROFILE_ENDS, SCRIPT_ENDS, VOICE_ENDS = "_profile.txt|.txt", "_scripts.txt|.txt", ".wav|.flac"
LINES = 20  # the longest lines of a role


class Released:
    """What the `folders` of the config (benchmark, voices, profiles, scripts) have about `roles`,
    rows of roles.tsv; `names` are those of all known roles."""

    def __init__(self, folders: dict[str, str | None], roles: Rows, names: Names):
        self.names = names
        self.rows = {row["role"]: row for row in roles}
        self.folders = {key: Path(path) if path else None for key, path in folders.items()}
        self.benchmark = Path(folders["benchmark"] or "")

    @functools.cached_property
    def files(self) -> dict[tuple[str, Mode], Path]:
        """The JSON file of each role and mode."""
        return by_role(self.benchmark, "benchmark", self.names)

    def items(self, role: str, mode: Mode, sets: tuple[int, ...] = ()) -> list[Item]:
        """The dialogues of a role and mode, with the wanted sets of reference speech."""
        return read_items(self.files[role, mode], self.benchmark, sets)

    def all_items(self, role: str, sets: tuple[int, ...] = ()) -> list[Item]:
        """The dialogues of a role in both modes, single turns first."""
        return [item for mode in MODES for item in self.items(role, mode, sets)]

    def questions(self, roles: Rows, most: int | None) -> dict[tuple[str, Mode, int], list[str]]:
        """What users say in the dialogues of those `roles` that are played, at `most` so many of
        each role and mode, by role, mode and number."""
        return {
            (row["role"], mode, idx): [turn.user for turn in item.turns]
            for row in roles
            if row["pool"]
            for mode in MODES
            for idx, item in enumerate(self.items(row["role"], mode)[:most])
        }

    def sources(self, role: str) -> list[Path]:
        """The files about a role, but speech that its JSON names."""
        clip = self.voice_file(role)
        own = [*(self.files[role, mode] for mode in MODES), clip, clip.parent / VOICE_TEXTS]
        texts = (self.text_file(role, "profiles"), self.text_file(role, "scripts"))
        return [*own, *filter(None, texts)]

    def voice_file(self, role: str) -> Path:
        """The clip of a role's voice."""
        folder = self.folders["voices"]
        path = own_file(folder, "voices", self.names, role, VOICE_ENDS)
        if path is None:
            raise UserError(
                "voices: a benchmark needs the folder of its reference voices, with {role}.wav and "
                f"{VOICE_TEXTS}; it is released as metadata/role_voices."
            )
        return path

    def voice(self, role: str) -> tuple[Speech, str]:
        """The clip of a role's voice, and what it says."""
        file = self.voice_file(role)
        text = self._voice_texts.get(role, "").strip()
        if not text:
            raise UserError(
                f"voices: {file.parent / VOICE_TEXTS} does not say what the clip of role '{role}' "
                "says; add it."
            )
        return Speech("voices", file), text

    def text_file(self, role: str, key: str) -> Path | None:
        """A role's file in the folder `profiles` or `scripts`, or as roles.tsv says."""
        ends = {"profiles": PROFILE_ENDS, "scripts": SCRIPT_ENDS}[key]
        own = self.rows[role][key.removesuffix("s")]
        return own_file(self.folders[key], key, self.names, role, ends) or (
            locate.own(own) if own else None
        )

    def script(self, role: str) -> str | None:
        """What a role's script says, where there is one."""
        file = self.text_file(role, "scripts")
        return _text(file) if file else None

    def profile_text(self, role: str, items: list[Item]) -> str:
        """A role's profile: its file, or what the first system prompt of its `items` that has one
        begins with. Raises UserError if there is none."""
        file = self.text_file(role, "profiles")
        text = _text(file) if file else next(filter(None, map(profile_in, items)), "")
        if not text:
            raise UserError(
                f"{items[0].where}: no system_prompt says who role '{role}' is; give the folder of "
                "role profiles as the config's `profiles`."
            )
        return text

    def profile(self, row: dict[str, str]) -> Profile:
        """The profile of a role. Raises UserError if neither a file nor a prompt has one."""
        role = row["role"]
        items = self.all_items(role)
        file, script = self.text_file(role, "profiles"), self.text_file(role, "scripts")
        text = self.profile_text(role, items)
        parts = [_text(script)] if script else list(dict.fromkeys(item.context for item in items))
        known: dict[str, Any] = {
            key: row[key] for key in ("role", "name", "work", "language", "gender", "pool")
        }
        return Profile(
            **known,
            profile=text,
            background="",
            lines=_lines(row, parts),
            excerpts=[
                one for part in parts for one in re.split(r"\n\s*\n", part.strip()) if one.strip()
            ],
            origin=f"benchmark: profile {file.name if file else 'of the system prompts'}, "
            f"script {script.name if script else 'of the contexts'}",
            synthetic=False,
            flags=list(dict.fromkeys(self.other_person(row, items).values())),
        )

    def other_person(self, row: dict[str, str], items: list[Item]) -> dict[str, str]:
        """What is wrong, by place, with a profile or a system prompt that never names the role."""
        file, found = self.text_file(row["role"], "profiles"), {}
        texts = {str(file): _text(file)} if file else {}
        texts |= {item.where: profile_in(item) for item in items}
        for where, text in texts.items():
            if text and not speaks_of(row, text):
                found[where] = (
                    f"never names '{row['name']}', so it seems to be about somebody else; it "
                    f"begins: {' '.join(text.split())[:80]}"
                )
        return found

    @functools.cached_property
    def _voice_texts(self) -> dict[str, str]:
        folder = self.folders["voices"]
        return voice_texts(folder, self.names) if folder else {}


def _text(file: Path) -> str:
    """The text of a file. Raises UserError if there is none in it."""
    text = unicodedata.normalize("NFC", text_of(file)).strip()
    if not text:
        raise UserError(f"{file} is empty; copy it again.")
    return text


def _lines(row: dict[str, str], parts: list[str]) -> list[str]:
    """The longest lines of a role in scripts, in their order; a line begins with its name."""
    words = [word for word in row["name"].split() if len(word) > 2]
    names = "|".join(map(re.escape, dict.fromkeys([row["name"], row["role"], *words])))
    mark = re.compile(rf"^\W*(?:{names})\s*[:：]\s*(.+)$", re.MULTILINE | re.IGNORECASE)
    said = [line.strip('「」“”" ') for part in parts for line in mark.findall(part)]
    said = list(dict.fromkeys(filter(None, said)))
    chosen = set(sorted(said, key=lambda line: (-len(line), line))[:LINES])
    return [line for line in said if line in chosen]
