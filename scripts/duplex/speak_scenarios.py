"""Callers' questions to service roles, spoken by many voices, in the public harness's layout.

<n>/metadata.json {prompt_text, question_text, question_index, speaker_index} and <n>/input.wav
(24 kHz, mono, 16 bit), as serviceduplexbench of NVIDIA NeMo-Skills reads them. Number, voices and
sound of a question depend on its place in the scenarios alone, not on how many roles are taken.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from scripts import backends
from scripts.backends.duplex import RATE
from scripts.backends.tts import StockTts, TtsBackend, Voice, has_voices
from scripts.common import audio as sounds
from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.common.spoken_text import aloud
from scripts.dialogues.speak import say
from scripts.duplex.pieces import Track, piece
from scripts.duplex.scenario_checks import KINDS, read_scenarios
from scripts.rows.duplex import DuplexItem, Question, Scenario
from scripts.rows.jsonl import content_id, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

COLLECTION = "service"
LANGUAGE = "English"
SAMPLE = (  # what the role's voice says in its sample; of no role in particular
    "Thank you for waiting. I have everything in front of me now, so we can begin when you like."
)
LEAD = 500  # ms of silence before the question
VOICES = "voices"  # folder of the roles' voices

Sound = np.ndarray | ValueError


def speak_scenarios(
    scenarios: Path,
    item_rows: Path,
    audio: Path,
    tts: ModelSpec,
    roles: int,
    seconds: float = 10.0,
    seed: int = 0,
) -> None:
    """Write the questions of the first `roles` usable scenarios as DuplexItem rows, and their sound
    and the samples of the roles' voices into `audio`.

    After the question there are `seconds` of silence, in which the system can answer. A role's
    voice is drawn from those of `tts` by hash of the role, a caller's by hash of the question,
    never the same. A question that cannot be spoken has the reason in `dropped`. Raises UserError
    for a scenario that breaks a rule (scripts/duplex/scenario_checks.py), and for a `tts` without
    voices.
    """
    if roles < 1 or seconds <= 0:
        raise UserError(f"roles ({roles}) and seconds ({seconds}) must be above 0.")
    rows = read_scenarios(scenarios)
    taken = [(place, row) for place, row in enumerate(rows) if row.dropped is None][:roles]
    if len(taken) < roles:
        print(f"{roles} roles are wanted; {scenarios} has {len(taken)} that can be used.")
    (audio / VOICES).mkdir(parents=True, exist_ok=True)
    backend: TtsBackend | None = backends.load_for(taken, tts)
    if backend is not None and not has_voices(backend):
        raise UserError(
            f"{tts.label} has no voices of its own, of which callers and roles need many; choose "
            "another tts, such as kokoro."
        )
    found = []
    for place, row in progress(taken, len(taken), "speak_scenarios"):
        assert backend is not None, "there is a role to speak for"
        found += _items(row, place * len(KINDS), backend, audio, round(seconds * 1000), seed)
    write_rows(item_rows, found)
    print(f"{len(found)} questions, {sum(item.dropped is None for item in found)} spoken.")


def voices_of(row: Scenario, stock: list[Voice], seed: int) -> tuple[Voice, list[Voice]]:
    """The voice of a role, and those of the callers of its questions. Raises UserError where there
    are no two different voices."""
    if len(stock) < 2:
        raise UserError(f"the tts has {len(stock)} voices; caller and role need one each.")
    own = _drawn(stock, "role", seed, row.id)
    others = [voice for voice in stock if voice != own]
    return own, [_drawn(others, "caller", seed, _id(row, one)) for one in row.questions]


def _items(
    row: Scenario, first: int, backend: StockTts, folder: Path, silence: int, seed: int
) -> list[DuplexItem]:
    """The items of a scenario, whose questions have the numbers from `first`; `silence` is ms."""
    stock = backend.voices(LANGUAGE)
    own, callers = voices_of(row, stock, seed)
    lines = [
        (aloud(q.text), voice, LANGUAGE) for q, voice in zip(row.questions, callers, strict=True)
    ]
    spoken = say(backend, [(SAMPLE, own, LANGUAGE), *lines])
    sample, *asked = [_piece(sound, backend.rate) for sound in spoken]
    file = f"{VOICES}/{content_id(json.dumps(own, sort_keys=True))}.wav"
    if isinstance(sample, np.ndarray):
        sounds.write(folder / file, sample, RATE)
    found = []
    for question, voice, sound in zip(row.questions, callers, asked, strict=True):
        common: dict[str, Any] = {
            "id": _id(row, question),
            "collection": COLLECTION,
            "task": "service",
            "scenario": row.id,
            "language": LANGUAGE,
            "role_prompt": row.context,
            "question": question,
        }
        faults = [str(one) for one in (sample, sound) if isinstance(one, ValueError)]
        if faults or isinstance(sound, ValueError):
            why = f"cannot be spoken: {faults[0]}"
            found.append(DuplexItem(**common, audio="", seconds=0.0, dropped=why))
            continue
        track = Track()
        track.silence(LEAD)
        track.say(sound, "user", question.text)
        track.end_turn()
        track.silence(silence)
        place = folder / str(first + question.index)
        place.mkdir(exist_ok=True)
        sounds.write(place / "input.wav", track.samples, RATE)
        metadata = {
            "prompt_text": row.context,
            "question_text": question.text,
            "question_index": question.index,
            "speaker_index": stock.index(voice),
        }
        text = json.dumps(metadata, ensure_ascii=False, indent=1)
        (place / "metadata.json").write_text(f"{text}\n", encoding="utf-8")
        found.append(
            DuplexItem(
                **common,
                audio=f"{place.name}/input.wav",
                seconds=len(track.samples) / RATE,
                voice=file,
                voice_text=SAMPLE,
                events=track.events,
            )
        )
    return found


def _piece(sound: Sound, rate: int) -> Sound:
    """The speech in a line's sound, without silence around it; or why there is none."""
    try:
        return sound if isinstance(sound, ValueError) else piece(sound, rate)
    except ValueError as error:
        return error


def _id(row: Scenario, question: Question) -> str:
    return f"{row.id}-q{question.index}"


def _drawn(voices: list[Voice], *key: object) -> Voice:
    return voices[int(content_id(*key), 16) % len(voices)]


if __name__ == "__main__":
    stage.run(speak_scenarios, globals().get("snakemake"))
