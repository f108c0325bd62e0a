"""Writes each role's profile, background and lines (paper, section 3.1, "Role Metadata").

Files named in roles.tsv are used, as the paper uses those of ChatHaruhi and RoleLLM: the profile
verbatim, the script's lines and excerpts. Otherwise everything comes from the role's lines in the
transcripts, and a language model writes profile and background. `origin` records which.
"""

import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.backends.llm import LlmBackend, why_none
from scripts.common.errors import UserError
from scripts.common.prompts import Prompt, read_prompt
from scripts.common.tables import text_of
from scripts.media import locate
from scripts.rows.corpus import Recording, Segment, Transcript
from scripts.rows.jsonl import read_all, read_rows, write_rows
from scripts.rows.roles import Profile, RoleSpeaker, Voice, roles_of
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

PLACES = {"name", "work", "lines"}
LINES = 20  # longest lines of a role
SHOWN = 12  # of them shown to the model
WINDOW = 6  # consecutive lines of a scene in one excerpt
ANEW = re.compile(
    r"^\W*(?:Profile|性格)\W*[:：]\W*", re.IGNORECASE
)  # the model started over instead of continuing
BACKGROUND = re.compile(r"^\W*(?:Background|背景)\W*[:：]\W*", re.MULTILINE | re.IGNORECASE)


def profile(
    speakers: Path,
    voices: Path,
    recordings: list[Path],
    segments: list[Path],
    transcripts: list[Path],
    english: Path,
    chinese: Path,
    profiles: Path,
    llm: ModelSpec,
    tokens: int,
    roles: list[dict],
) -> None:
    """Write one `Profile` a role that has a reference voice, by role id.

    roles are the rows of roles.tsv: those of a pool are described, all are named in excerpts;
    english and chinese are prompt files; `tokens` is the longest reply. Raises UserError if a
    role's files do not exist, are not UTF-8 or never mention the role (somebody else's profile).
    """
    prompts = {"English": read_prompt(english, PLACES), "Chinese": read_prompt(chinese, PLACES)}
    spoken = {row.role: row for row in read_rows(voices, Voice)}
    media = {row.id: row for row in read_all(recordings, Recording)}
    role_of = roles_of(read_rows(speakers, RoleSpeaker))
    names = {row["role"]: row["name"] for row in roles}
    scenes = scenes_of(read_all(segments, Segment), read_all(transcripts, Transcript), role_of)
    rows = []
    for row in sorted(roles, key=lambda row: row["role"]):
        if row["pool"] and row["role"] in spoken:
            synthetic = spoken[row["role"]].synthetic
            works = {key: lines for key, lines in scenes.items() if media[key].work == row["work"]}
            rows.append(gathered(row, works, names, synthetic))
    worded = [row for row in rows if not row.profile]
    model: LlmBackend = backends.load_for(worded, llm)
    for language, prompt in prompts.items():
        mine = [row for row in worded if row.language == language]
        if mine:
            describe(model, prompt, mine, tokens)
    write_rows(profiles, rows)


Scene = list[tuple[str | None, str]]  # (role or None, what was said), in time order


def scenes_of(
    segments: list[Segment], transcripts: list[Transcript], role_of: dict[tuple[str, str], str]
) -> dict[str, Scene]:
    """The lines of each medium, in order, with the role if known."""
    text = {row.id: row.text for row in transcripts if row.text}
    scenes: dict[str, Scene] = defaultdict(list)
    for row in sorted(segments, key=lambda row: (row.media, row.start)):
        if row.id in text:
            scenes[row.media].append((role_of.get((row.media, row.speaker)), text[row.id]))
    return scenes


def gathered(
    row: dict[str, str], scenes: dict[str, Scene], names: dict[str, str], synthetic: bool
) -> Profile:
    """A role's lines and excerpts, and its profile if it has a file."""
    script = own_file(row, "script")
    text = own_file(row, "profile")
    mine = [line for scene in scenes.values() for role, line in scene if role == row["role"]]
    lines, excerpts = longest(mine), windows(row, scenes, names)
    origin, flags = f"transcripts of {len(mine)} segments", []
    if script is not None:
        excerpts = [part.strip() for part in re.split(r"\n\s*\n", script) if part.strip()]
        mark = re.compile(rf"^{re.escape(row['name'])}\s*[:：]\s*(.+)$", re.MULTILINE)
        written = longest([line.strip('「」“”" ') for line in mark.findall(script)])
        lines, origin = written or lines, f"files: {row['script']}"
        if not written:
            flags.append(f"no line of the script begins with '{row['name']}:'; as transcribed")
    parts = BACKGROUND.split(text or "", maxsplit=1)
    if text is not None:
        origin += f"; profile: {row['profile']}"
        if len(parts) == 1:
            flags.append("the profile file has no part 'Background:'")
    known: dict[str, Any] = {
        key: row[key] for key in ("role", "name", "work", "language", "gender", "pool")
    }
    return Profile(
        **known,
        profile=parts[0].strip(),
        background=parts[1].strip() if len(parts) > 1 else "",
        lines=lines,
        excerpts=excerpts,
        origin=origin,
        synthetic=synthetic,
        flags=flags,
    )


def own_file(row: dict[str, str], key: str) -> str | None:
    """The text of a role's script or profile file; None without one in roles.tsv."""
    if not row[key]:
        return None
    try:
        lines = unicodedata.normalize("NFC", text_of(locate.own(row[key]))).splitlines()
    except UserError as error:
        raise UserError(f"role '{row['role']}': {error}") from error
    text = "\n".join(lines).strip()
    if row["name"].casefold() not in text.casefold():
        raise UserError(
            f"role '{row['role']}': {row[key]} never says '{row['name']}', so it seems to be about "
            "somebody else, and the role would get a wrong persona; mend the file's name or the "
            "role's name in roles.tsv."
        )
    return text


def longest(lines: list[str]) -> list[str]:
    """The `LINES` longest distinct lines, in spoken order."""
    different = list(dict.fromkeys(lines))
    chosen = set(sorted(different, key=lambda line: (-len(line), line))[:LINES])
    return [line for line in different if line in chosen]


def windows(row: dict[str, str], scenes: dict[str, Scene], names: dict[str, str]) -> list[str]:
    """Excerpts of `WINDOW` lines in which the role speaks, with known speakers named."""
    found = []
    for _, scene in sorted(scenes.items()):
        for start in range(0, len(scene), WINDOW):
            part = scene[start : start + WINDOW]
            if any(role == row["role"] for role, _ in part):
                said = [f"{names.get(role or '', '?')}: {line}" for role, line in part]
                found.append("\n".join(said))
    return found


def describe(model, prompt: Prompt, rows: list[Profile], tokens: int) -> None:
    """Have the model write profile and background of `rows`, of one language, in one call.

    Without a background in the reply it stays empty, and without anything the role has only its
    lines; both are flagged.
    """
    chats = [
        prompt.chat(name=row.name, work=row.work, lines="\n".join(row.lines[:SHOWN]))
        for row in rows
    ]
    for row, reply in zip(rows, model.generate(chats, max_tokens=tokens), strict=True):
        parts = BACKGROUND.split(reply, maxsplit=1)
        first = whole(ANEW.sub("", parts[0]))
        why = f" ({why_none(reply)})" if why_none(reply) else ""
        space = " " if row.language == "English" and first[:1].isalnum() else ""
        row.profile = first if ANEW.match(parts[0]) else row.name + space + first
        row.background = whole(parts[1]) if len(parts) > 1 else ""
        if not first:
            row.profile = "\n".join(row.lines)
            row.flags.append(f"the model gave no profile{why}: the lines stand for it")
        if not row.background:
            row.flags.append("the model gave no background")


def whole(text: str) -> str:
    """Text up to the end of its last complete sentence, on one line."""
    line = " ".join(text.split())
    end = max(line.rfind(mark) for mark in ".!?。！？")
    return line[: end + 1] if end >= 0 else ""


if __name__ == "__main__":
    stage.run(profile, globals().get("snakemake"))
