"""Synthesises the sentences that the stage `probe` adds to replies, in the voices of the roles.

They have a job of their own because the synthesiser and a judge need not share an environment: the
paper's clones voices on a GPU, and its judge is a service. All judges hear the same sentences.
"""

from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.tts import Line, TtsBackend, Unvoiced, reference
from scripts.common import audio
from scripts.judging.probe import ORDER, PADDING, choose, complete_replies
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.judging import Sentences
from scripts.rows.roles import Voice
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec


def speak_probes(
    replies: list[Path],
    answers: list[Path],
    test: list[Path],
    spoken: list[Path],
    speech: list[Path],
    voices: Path,
    clips: Path,
    sentences: Path,
    sentences_speech: Path,
    tts: ModelSpec,
    number: int,
) -> None:
    """Write a Sentences row for each role of the `number` replies that `probe` will choose, and the
    speech into `sentences_speech`, FLAC files at 16 kHz.

    The other arguments are as in `probe`. Without a complete reply, or with `number` 0, no model is
    loaded and the table is empty.
    """
    sentences_speech.mkdir(parents=True, exist_ok=True)
    chosen = choose(complete_replies(replies, answers, test, spoken, speech), number)
    known = {row.role: row for row in read_rows(voices, Voice)}
    roles = [known[role] for role in dict.fromkeys(item.dialogue.role for item in chosen)]
    if not roles:
        write_rows(sentences, [])
        return
    model: TtsBackend = backends.load(tts)
    lines: list[Line] = []
    for row in roles:
        clip = reference(tts, [clips / file for file in (row.file, *row.others)])
        voice = model.voice(clip, row.text, row.language)
        lines += [(words[row.language], voice, row.language) for words in (PADDING, ORDER)]
    rows = []
    for row, sounds in zip(roles, spoken_in_twos(model, lines), strict=True):
        if isinstance(sounds, Unvoiced):
            rows.append(Sentences(role=row.role, dropped=str(sounds)))
            continue
        files = {name: f"{row.role}_{name}.flac" for name in ("padding", "order")}
        for file, sound in zip(files.values(), sounds, strict=True):
            own = audio.resample(sound, model.rate, audio.RATE)
            audio.write(sentences_speech / file, own, audio.RATE)
        rows.append(Sentences(role=row.role, **files))
    write_rows(sentences, rows)


def spoken_in_twos(model: TtsBackend, lines: list[Line]) -> list[list[np.ndarray] | Unvoiced]:
    """Each two lines' speech, or why a service will not speak them: all at once if none is
    refused."""
    try:
        sounds = model.speak(lines)
    except Unvoiced as error:
        if len(lines) == 2:
            return [error]
        twos = [lines[n : n + 2] for n in range(0, len(lines), 2)]
        return [both for two in twos for both in spoken_in_twos(model, two)]
    return [sounds[n : n + 2] for n in range(0, len(sounds), 2)]


if __name__ == "__main__":
    stage.run(speak_probes, globals().get("snakemake"))
