"""Synthesises the users' lines of dialogues in one fixed voice, if they have their own model.

Paper, section 3.2: the users' voice is a service's, the roles' are cloned by a model on a GPU. The
two cannot share a job, so this runs first and `speak` takes over its files. Dialogues of roles
without a reference clip will be dropped, so no service is paid for them.
"""

from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.tts import Line, TtsBackend
from scripts.common import audio
from scripts.common.spoken_text import aloud
from scripts.dialogues.speak import parts, say, silent, unspoken, voiced, voiceless
from scripts.rows.dialogues import Dialogue, SpokenUser
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.roles import Voice
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec


def speak_users(
    dialogues: Path, voices: Path, users: Path, users_speech: Path, user_tts: ModelSpec
) -> None:
    """Write the users' speech into `users_speech`, a FLAC file a line at the rate of `user_tts`,
    and a SpokenUser row a dialogue into `users`."""
    rows = sorted(read_rows(dialogues, Dialogue), key=lambda row: row.id)
    roles = {row.role for row in read_rows(voices, Voice)}
    users_speech.mkdir(parents=True, exist_ok=True)
    backend: TtsBackend = backends.load_for(rows, user_tts)
    results = []
    for some in parts(rows, "speak_users"):
        reasons = [silent(row) if row.role in roles else voiceless(row.role) for row in some]
        lines: list[list[Line]] = [
            [
                (aloud(turn.user), backend.fixed_voice(row.language), row.language)
                for turn in ([] if reason else row.turns)
            ]
            for row, reason in zip(some, reasons, strict=True)
        ]
        sounds = iter(say(backend, [line for own in lines for line in own]))
        for row, reason, own in zip(some, reasons, lines, strict=True):
            result = [next(sounds) for _ in own]
            reason = reason or unspoken(result)
            files = [] if reason else [f"{row.id}_{n}.flac" for n in range(1, len(result) + 1)]
            for file, sound in zip(files, result, strict=False):
                assert isinstance(sound, np.ndarray), "it is the reason otherwise"
                audio.write(users_speech / file, sound, backend.rate)
            results.append(
                SpokenUser(
                    id=row.id,
                    files=files,
                    sample_rate=backend.rate,
                    voiced=voiced(result),
                    dropped=reason,
                )
            )
    write_rows(users, results)


if __name__ == "__main__":
    stage.run(speak_users, globals().get("snakemake"))
