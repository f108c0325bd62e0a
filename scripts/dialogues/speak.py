"""Speaks dialogues: the role's lines in the role's voice, the user's in one fixed voice.

Paper, section 3.2, where the two are of different models (CosyVoice2 and a service's voice). Each
utterance is a FLAC file of its own at the rate of the roles' backend, named in the row:
<dialogue>_<turn>_user.flac and <dialogue>_<turn>_role.flac. Nothing is cut short. A line that
cannot be spoken drops its dialogue, with the reason, and no other.
"""

import json
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.common import audio, stage
from scripts.common.records import Dialogue, Spoken, SpokenTurn, Voice, read_rows, write_rows

TOGETHER = 32  # dialogues whose speech is held in memory at once

Line = tuple[str, object, str]  # text, voice, language


def speak(
    dialogues: Path,
    voices: Path,
    clips: Path,
    spoken: Path,
    speech: Path,
    tts: dict,
    user_tts: dict,
) -> None:
    """Write the speech of each dialogue into `speech` and a Spoken row into `spoken`.

    `clips` is the folder of the reference clips that `voices` names; a role's voice is made from
    its clip once. `tts` speaks the roles' lines, `user_tts` the users' (the same spec: one model).
    """
    rows = sorted(read_rows(dialogues, Dialogue), key=lambda row: row.id)
    references = {row.role: row for row in read_rows(voices, Voice)}
    speech.mkdir(parents=True, exist_ok=True)
    backend = backends.load(tts) if rows else None
    users = backend if user_tts == tts or not rows else backends.load(user_tts)
    made: dict[str, object] = {}
    for row in rows:
        if row.role in references and row.role not in made:
            reference = references[row.role]
            clip = audio.read(clips / reference.file)
            made[row.role] = backend.voice(clip, reference.text, reference.language)
    results = []
    for first in stage.progress(range(0, len(rows), TOGETHER), -(-len(rows) // TOGETHER), "speak"):
        some = rows[first : first + TOGETHER]
        lines = [_lines(row, made[row.role], users) if row.role in made else [] for row in some]
        sounds = iter(_say_all(backend, users, [line for own in lines for line in own]))
        for row, own in zip(some, lines, strict=True):
            result = [next(sounds) for _ in own]
            results.append(_keep(row, references.get(row.role), result, backend, made, speech))
    write_rows(spoken, results)


def _lines(row: Dialogue, voice: object, users) -> list[Line]:
    """User and role in turn."""
    user = users.fixed_voice(row.language)
    return [
        line
        for turn in row.turns
        for line in ((turn.user, user, row.language), (turn.role, voice, row.language))
    ]


def _say_all(backend, users, lines: list[Line]) -> list[np.ndarray | str]:
    """The sound of each line, user and role in turn, at the rate of the roles' backend."""
    if users is backend:
        return _say(backend, lines)
    asked, answered = _say(users, lines[::2]), _say(backend, lines[1::2])
    asked = [
        sound if isinstance(sound, str) else audio.resample(sound, users.rate, backend.rate)
        for sound in asked
    ]
    return [sound for pair in zip(asked, answered, strict=True) for sound in pair]


def _say(backend, lines: list[Line]) -> list[np.ndarray | str]:
    """The sound of each line, or why there is none."""
    try:
        return backend.speak(lines)
    except ValueError:
        return [_say_one(backend, line) for line in lines]


def _say_one(backend, line: Line) -> np.ndarray | str:
    try:
        return backend.speak([line])[0]
    except ValueError as error:
        return str(error)


def _keep(
    row: Dialogue,
    reference: Voice | None,
    sounds: list[np.ndarray | str],
    backend,
    made: dict[str, object],
    speech: Path,
) -> Spoken:
    """Write a dialogue's sounds, user and role in turn; its row."""
    faults = [sound for sound in sounds if isinstance(sound, str)]
    faults += ["a line has no sound" for sound in sounds if not len(sound)]
    reason = f"cannot be spoken: {faults[0]}" if faults else None
    if reference is None:
        reason = f"no reference voice of role '{row.role}'"
    turns = []
    for number, pair in enumerate(zip(sounds[::2], sounds[1::2], strict=True), start=1):
        if reason:
            break
        said = {}
        for who, sound in zip(("user", "role"), pair, strict=True):
            file = f"{row.id}_{number}_{who}.flac"
            audio.write(speech / file, sound, backend.rate)
            said |= {f"{who}_audio": file, f"{who}_seconds": len(sound) / backend.rate}
        turns.append(SpokenTurn(**said))
    return Spoken(
        id=row.id,
        role=row.role,
        language=row.language,
        turns=turns,
        sample_rate=backend.rate,
        voice=json.dumps(made.get(row.role), ensure_ascii=False, sort_keys=True),
        voice_mode=backend.voice_mode,
        flags=reference.flags if reference else [],
        dropped=reason,
    )


if __name__ == "__main__":
    stage.run(speak, globals().get("snakemake"))
