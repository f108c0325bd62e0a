"""Callers' questions to service roles, spoken by many voices, in the public harness's layout.

<n>/metadata.json {prompt_text, question_text, question_index, speaker_index} and <n>/input.wav
(24 kHz, mono, 16 bit), as serviceduplexbench of NVIDIA NeMo-Skills reads them. Number, voices and
sound of a question depend on its place in the scenarios alone, not on how many roles are taken.

The roles share a few voices, and a role has them in turn, a question each, the next role beginning
with the next voice: so a voice is heard in all roles and kinds of question, and what a role's text
does to a voice can be told from the voice.
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
    voices: int,
    seconds: float = 10.0,
    seed: int = 0,
) -> None:
    """Write the questions of the first `roles` usable scenarios as DuplexItem rows, and their sound
    and the samples of the roles' voices into `audio`.

    After the question there are `seconds` of silence, in which the system can answer. The roles
    have `voices` of those of `tts`, the same for any number of roles, of which a sample can be
    spoken; a caller's is drawn by hash of the question, never the one that answers. A question that
    cannot be spoken has the reason in `dropped`. Raises UserError for a scenario that breaks a rule
    (scripts/duplex/scenario_checks.py), and for a `tts` without so many voices.
    """
    if roles < 1 or voices < 1 or seconds <= 0:
        raise UserError(
            f"roles ({roles}), voices ({voices}) and seconds ({seconds}) must be above 0."
        )
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
    roles_voices = sampled(backend, voices, audio, seed) if backend is not None else []
    found, silence = [], round(seconds * 1000)
    for place, row in progress(taken, len(taken), "speak_scenarios"):
        assert backend is not None, "there is a role to speak for"
        pairs = voices_of(row, place, roles_voices, backend.voices(LANGUAGE), seed)
        found += _items(row, place * len(KINDS), pairs, backend, audio, silence)
    write_rows(item_rows, found)
    print(f"{len(found)} questions, {sum(item.dropped is None for item in found)} spoken.")


def sampled(backend: StockTts, count: int, folder: Path, seed: int) -> list[Voice]:
    """The voices of the roles, in an order by hash; writes their samples into `folder`. One whose
    sample cannot be spoken is passed over. Raises UserError if fewer than `count` are left."""
    stock = backend.voices(LANGUAGE)
    found: list[Voice] = []
    fault = ""
    for voice in sorted(stock, key=lambda own: content_id("role", seed, _key(own))):
        if len(found) == count:
            break
        sample = _piece(say(backend, [(SAMPLE, voice, LANGUAGE)])[0], backend.rate)
        if isinstance(sample, ValueError):
            fault = f" ({_key(voice)}: {sample})"
            print(f"no voice for roles{fault}")
            continue
        sounds.write(folder / _file(voice), sample, RATE)
        found.append(voice)
    if len(found) < count or len(stock) < 2:
        raise UserError(
            f"the tts has {len(stock)} voices, {len(found)} of which can be used for roles{fault}; "
            f"the roles need {count} (duplex.scenarios.voices), and callers another one."
        )
    return found


def voices_of(
    row: Scenario, place: int, roles: list[Voice], stock: list[Voice], seed: int
) -> list[tuple[Voice, Voice]]:
    """For each question of the scenario at `place`, the role's voice, one of `roles`, and the
    caller's, another one of `stock`."""
    pairs = []
    for number, question in enumerate(row.questions):
        own = roles[(place + number) % len(roles)]
        others = [voice for voice in stock if voice != own]
        draw = int(content_id("caller", seed, _id(row, question)), 16)
        pairs.append((own, others[draw % len(others)]))
    return pairs


def _items(
    row: Scenario,
    first: int,
    pairs: list[tuple[Voice, Voice]],
    backend: StockTts,
    folder: Path,
    silence: int,
) -> list[DuplexItem]:
    """The items of a scenario, whose questions have the numbers from `first`, with the voices of
    role and caller; `silence` is ms."""
    stock = backend.voices(LANGUAGE)
    lines = [(aloud(q.text), v, LANGUAGE) for q, (_, v) in zip(row.questions, pairs, strict=True)]
    spoken = [_piece(sound, backend.rate) for sound in say(backend, lines)]
    found = []
    for question, (own, voice), sound in zip(row.questions, pairs, spoken, strict=True):
        common: dict[str, Any] = {
            "id": _id(row, question),
            "collection": COLLECTION,
            "task": "service",
            "scenario": row.id,
            "language": LANGUAGE,
            "role_prompt": row.context,
            "question": question,
        }
        if isinstance(sound, ValueError):
            why = f"cannot be spoken: {sound}"
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
                voice=_file(own),
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


def _key(voice: Voice) -> str:
    return json.dumps(voice, sort_keys=True)


def _file(voice: Voice) -> str:
    return f"{VOICES}/{content_id(_key(voice))}.wav"


if __name__ == "__main__":
    stage.run(speak_scenarios, globals().get("snakemake"))
