"""Where things are in the released benchmark, and in folders of recorded answers.

A folder has {mode}/{role}.json, where the mode is `single_turn` or `multi_turn`, or for short
`single` or `multi`. Names of roles are ids of roles.tsv, or what the paper prints, and are read as
any system writes them. Paths inside the JSON lead to audio; they were true on another machine, so
the longest end of one that leads to a file here is taken, and none is put together from names.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from scripts.common.documents import near, nearest
from scripts.common.errors import UserError
from scripts.common.json_file import read_json
from scripts.common.tables import clean, text_of
from scripts.rows.jsonl import Mode

MODES: tuple[Mode, ...] = get_args(Mode)
VOICE_TEXTS = "audios_text.json"
RELEASED = "the released one has single_turn/{role}.json and multi_turn/{role}.json"

Rows = list[dict[str, str]]  # of roles.tsv
Names = dict[str, str]  # ids of roles by name


def names_of(roles: Rows, path: Path) -> dict[str, str]:
    """The id of each role by its id, its name and the name that the paper prints, which stands in
    `path` (config/published/roles.tsv)."""
    ids = {row["role"] for row in roles}
    printed = csv.DictReader(text_of(path).splitlines(), delimiter="\t")
    known = {clean(row["name"]): row["role"] for row in roles}
    known |= {clean(row["role_as_printed"]): row["role"] for row in printed if row["role"] in ids}
    return known | {clean(row["role"]): row["role"] for row in roles}


def role_called(name: str, names: Names, where: str) -> str:
    """The id of the role of that name. Raises UserError for one that nobody knows."""
    if clean(name) not in names:
        raise UserError(
            f"{where}: no role of the paper or of the config's `roles` is called '{name}'"
            f"{nearest(name, set(names.values()))} A role of your own needs a row in that table."
        )
    return names[clean(name)]


def files_of(folder: Path, key: str, modes: Sequence[Mode] = MODES) -> dict[Mode, list[Path]]:
    """The JSON files of each mode; `key` of the config names the folder. It must have `modes`, and
    at least one.

    Raises UserError for a folder of another shape.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{key}: {folder} {what}; {RELEASED}.")
    found = {mode: _folders(folder, mode) for mode in MODES}
    deeper = [path for mode in MODES for path in _folders(folder, mode, depth=3)]
    if not any(found.values()) and deeper:
        raise UserError(
            f"{key}: {folder} has no single_turn and multi_turn in it, but {deeper[0].parent} has; "
            "give that folder."
        )
    for mode, folders in found.items():
        if not folders and (mode in modes or not any(found.values())):
            raise UserError(f"{key}: {folder} has no folder {mode}_turn; {RELEASED}.")
        if len(folders) > 1:
            raise UserError(f"{key}: {_told(folders)} are of one mode; keep one of them.")
    return {mode: _documents(folders[0], key) for mode, folders in found.items() if folders}


def by_role(
    folder: Path, key: str, names: Names, modes: Sequence[Mode] = MODES
) -> dict[tuple[str, Mode], Path]:
    """The JSON file of each role and mode. Raises UserError for two of one role and for a role that
    nobody knows."""
    found: dict[tuple[str, Mode], Path] = {}
    for mode, files in files_of(folder, key, modes).items():
        for file in files:
            role = role_called(file.stem, names, f"{key}: {file}")
            if (role, mode) in found:
                raise UserError(
                    f"{key}: {found[role, mode]} and {file} are both of role '{role}'; keep one."
                )
            found[role, mode] = file
    return found


def whole(found: dict[tuple[str, Mode], Path], key: str, roles: Iterable[str]) -> None:
    """Refuse a benchmark in which one of the `roles` has only one of the two modes."""
    for role in roles:
        for mode, other in (MODES, MODES[::-1]):
            if (role, mode) not in found:
                there = found[role, other]
                lacking = there.parents[1] / there.parent.name.replace(other, mode) / there.name
                raise UserError(
                    f"{key}: {lacking} is missing: role '{role}' has {other}-turn dialogues only; "
                    "copy the file again, or leave the role out by the config's `only`."
                )


def cast(folder: Path, key: str, roles: Rows, names: Names) -> Rows:
    """The rows of the roles that a benchmark has, in the order of `roles`; of several of a role the
    first counts. Raises UserError for a role without a pool."""
    found = {role for role, _ in by_role(folder, key, names)}
    rows = {row["role"]: row for row in reversed(roles) if row["role"] in found}
    for row in rows.values():
        if not row["pool"]:
            raise UserError(
                f"{key}: role '{row['role']}' has no pool in the config's `roles`; add it."
            )
    if not rows:
        raise UserError(f"{key}: {folder} holds no JSON file of a role; {RELEASED}.")
    return list(reversed(rows.values()))


def own_file(folder: Path | None, key: str, names: Names, role: str, ends: str) -> Path | None:
    """A role's file in a folder of files {role}{end}, for example "_profile.txt|.txt"; None without
    a folder. Raises UserError if there is none, or two."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise UserError(f"{key}: {folder} is no folder; it has a file of each role.")
    forms = {name for name, known in names.items() if known == role}
    wanted = {f"{name}{end}" for name in forms for end in ends.split("|")}
    there = {path: _lower_suffix(clean(path.name)) for path in visible(folder)}
    found = [path for path, name in there.items() if name in wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{key}: {_told(found)} are both of role '{role}'; keep one.")
    name = f"{role}{ends.split('|')[0]}"
    others = {f"{form}{end}" for form in names for end in ends.split("|")}
    close = near(name, [path.name for path, own in there.items() if own not in others])
    has = f"the folder has {len(there)} others, as {min(there).name}" if there else "it is empty"
    todo = f"copy it there, or leave the role out by the config's `only` ({has})."
    meant = f"did you mean '{close}'?" if close else todo
    raise UserError(f"{key}: {folder} has no file {name}; {meant}")


def voice_texts(folder: Path, names: Names) -> dict[str, str]:
    """What each role's reference voice says, by role, from audios_text.json."""
    path = folder / VOICE_TEXTS
    if not path.is_file():
        raise UserError(f"voices: {path} does not exist; it is released beside the clips.")
    document = read_json(path)
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        raise UserError(f"voices: {path} must be an object with what each role's clip says.")
    keys = {clean(re.sub(r"\.\w{3,4}$", "", Path(key).name)): v for key, v in document.items()}
    keys |= {clean(key): text for key, text in document.items()}
    return {names[key]: text for key, text in keys.items() if key in names}


def located(said: str, places: Iterable[Path]) -> Path | None:
    """The file that a recorded path means: its longest end that is a file in one of the `places`,
    or itself if it is absolute; None if there is none."""
    given = Path(said)
    if given.is_absolute() and given.is_file():
        return given
    parts = [part for part in re.split(r"[/\\]+", said) if part not in ("", ".", "..")]
    for first in range(len(parts)):
        for place in places:
            for form in ("NFC", "NFD"):
                path = place.joinpath(*(unicodedata.normalize(form, p) for p in parts[first:]))
                if path.is_file():
                    return path
    return None


def visible(folder: Path) -> list[Path]:
    """What is in a folder, but hidden files, such as the ._* of an archive made on a Mac."""
    return sorted(path for path in folder.iterdir() if not _hidden(path.name))


def hidden(folder: Path) -> list[Path]:
    """The files of macOS's archives in a folder, which hold no data."""
    return sorted(path for path in folder.rglob("._*") if path.is_file())


def _folders(folder: Path, mode: Mode, depth: int = 1) -> list[Path]:
    """Folders of a mode, at most `depth` levels below."""
    levels = ["/".join(["*"] * level) for level in range(1, depth + 1)]
    found = [path for pattern in levels for path in folder.glob(pattern) if path.is_dir()]
    return sorted(path for path in found if _mode(path.name) == mode)


def _mode(name: str) -> Mode | None:
    short = re.sub(r"[-_ ]?turn$", "", name.casefold())
    return short if short in MODES else None


def _documents(folder: Path, key: str) -> list[Path]:
    files = [path for path in visible(folder) if path.suffix.lower() == ".json"]
    packed = [path for path in visible(folder) if re.search(r"\.json\.\w+$", path.name)]
    if packed:
        raise UserError(f"{key}: {packed[0]} is packed; unpack it, or take it away.")
    return files


def _lower_suffix(name: str) -> str:
    """A file's name with an ending in small letters."""
    path = Path(name)
    return f"{path.stem}{path.suffix.lower()}"


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _told(paths: Iterable[Path]) -> str:
    return " and ".join(map(str, paths))
