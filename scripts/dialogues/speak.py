"""Synthesises dialogues: the role's lines in the role's voice, the user's in one fixed voice.

Paper, section 3.2, which uses two models (CosyVoice2 and a service's voice). If they differ,
speak_users synthesises the users' lines first, and here they are resampled to the rate of the
roles' model. Each utterance is a FLAC file at that rate, named in the row:
<dialogue>_<turn>_user.flac and <dialogue>_<turn>_role.flac. Nothing is truncated. A line that
cannot be synthesised drops its dialogue, with the reason, and no other; what a service refuses to
voice is not `voiced`: a gap that tables count and name, and that stops nothing.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts import backends
from scripts.backends.tts import Line, TtsBackend, Unvoiced, reference
from scripts.common import audio
from scripts.common.progress import progress
from scripts.common.spoken_text import aloud
from scripts.rows.dialogues import Dialogue, Spoken, SpokenTurn, SpokenUser
from scripts.rows.jsonl import read_all, read_rows, write_rows
from scripts.rows.roles import Voice
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

TOGETHER = 32  # dialogues with their speech in memory at once

Sound = np.ndarray | ValueError  # the audio of a line, or why there is none


def speak(
    dialogues: Path,
    voices: Path,
    clips: Path,
    users: list[Path],
    users_speech: list[Path],
    spoken: Path,
    speech: Path,
    tts: ModelSpec,
) -> None:
    """Write the speech of each dialogue into `speech` and a Spoken row into `spoken`.

    `clips` is the folder of the reference clips that `voices` names; a role's voice is made once,
    from its clip or, if `tts` wants more sound, from several. `users` are the rows of speak_users,
    `users_speech` their folder; without them `tts` speaks the users' lines as well.
    """
    rows = sorted(read_rows(dialogues, Dialogue), key=lambda row: row.id)
    references = {row.role: row for row in read_rows(voices, Voice)}
    said = {row.id: row for row in read_all(users, SpokenUser)} if users else None
    speech.mkdir(parents=True, exist_ok=True)
    backend: TtsBackend = backends.load_for(rows, tts)
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.role in references and row.role not in made:
            best = references[row.role]
            clip = reference(tts, [clips / file for file in (best.file, *best.others)])
            made[row.role] = backend.voice(clip, best.text, best.language)
    results = []
    for some in parts(rows, "speak"):
        reasons = [_hindrance(row, made, said) for row in some]
        lines = [
            [] if reason else _lines(row, made[row.role], backend if said is None else None)
            for row, reason in zip(some, reasons, strict=True)
        ]
        sounds = iter(say(backend, [line for own in lines for line in own]))
        for row, reason, own in zip(some, reasons, lines, strict=True):
            result: list[Sound] = [next(sounds) for _ in own]
            if said is not None and not reason:
                asked = _read(said[row.id], users_speech, backend.rate)
                result = [sound for pair in zip(asked, result, strict=True) for sound in pair]
            reason = reason or unspoken(result)
            results.append(
                _keep(row, references.get(row.role), result, reason, backend, made, speech)
            )
            results[-1].voiced = voiced(result) and (said is None or said[row.id].voiced)
    write_rows(spoken, results)


def parts(rows: list[Dialogue], label: str) -> Iterator[list[Dialogue]]:
    """Batches of dialogues, with progress on the screen."""
    starts = range(0, len(rows), TOGETHER)
    for first in progress(starts, len(starts), label):
        yield rows[first : first + TOGETHER]


def say(backend: TtsBackend, lines: list[Line]) -> list[Sound]:
    """The audio of each line, or why there is none."""
    if not lines:
        return []
    try:
        return [*backend.speak(lines)]
    except ValueError:
        return [_say_one(backend, line) for line in lines]


def unspoken(sounds: list[Sound]) -> str | None:
    """Why a dialogue with these results cannot be used, or None."""
    faults = [str(sound) for sound in sounds if isinstance(sound, Unvoiced)]
    faults += [str(sound) for sound in sounds if isinstance(sound, ValueError)]
    faults += ["a line has no sound" for s in sounds if isinstance(s, np.ndarray) and not len(s)]
    return f"cannot be spoken: {faults[0]}" if faults else None


def voiced(sounds: list[Sound]) -> bool:
    """Whether no line was refused by a service."""
    return not any(isinstance(sound, Unvoiced) for sound in sounds)


def silent(row: Dialogue) -> str | None:
    """Why a dialogue is dropped: a line of it has nothing to say aloud; or None."""
    lines = [line for turn in row.turns for line in (turn.user, turn.role)]
    mute = [line for line in lines if not aloud(line)]
    return f"cannot be spoken: there is nothing to say in {mute[0]!r}" if mute else None


def voiceless(role: str) -> str:
    """Why the dialogues of a role without a reference clip are dropped."""
    return f"no reference voice of role '{role}'"


def _hindrance(
    row: Dialogue, made: dict[str, dict[str, Any]], said: dict[str, SpokenUser] | None
) -> str | None:
    """Why a dialogue's lines need not be synthesised, or None."""
    if row.role not in made:
        return voiceless(row.role)
    return silent(row) or (said[row.id].dropped if said is not None else None)


def _lines(row: Dialogue, voice: dict[str, Any], users: TtsBackend | None) -> list[Line]:
    """The lines of user and role in turn; without a users' voice only the role's."""
    lines: list[Line] = []
    for turn in row.turns:
        if users is not None:
            lines.append((aloud(turn.user), users.fixed_voice(row.language), row.language))
        lines.append((aloud(turn.role), voice, row.language))
    return lines


def _read(row: SpokenUser, folders: list[Path], rate: int) -> list[np.ndarray]:
    """The user's lines of a dialogue at `rate`."""
    (folder,) = folders
    return [audio.read(folder / file, rate=rate) for file in row.files]


def _say_one(backend: TtsBackend, line: Line) -> Sound:
    try:
        return backend.speak([line])[0]
    except ValueError as error:
        return error


def _keep(
    row: Dialogue,
    reference: Voice | None,
    sounds: Sequence[Sound],
    reason: str | None,
    backend: TtsBackend,
    made: dict[str, dict[str, Any]],
    speech: Path,
) -> Spoken:
    """Write a dialogue's audio, user and role in turn, unless it is dropped; returns its row."""
    turns = []
    pairs = [] if reason else zip(sounds[::2], sounds[1::2], strict=True)
    for number, pair in enumerate(pairs, start=1):
        said: dict[str, Any] = {}
        for who, sound in zip(("user", "role"), pair, strict=True):
            assert isinstance(sound, np.ndarray), "it is the reason otherwise"
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
        voice_mode="cloned" if backend.voice_mode == "cloned" else "matched",
        flags=reference.flags if reference else [],
        dropped=reason,
    )


if __name__ == "__main__":
    stage.run(speak, globals().get("snakemake"))
