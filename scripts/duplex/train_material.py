"""Material to train full-duplex systems on, as PersonaPlex (arXiv:2602.06053) describes its own:
dialogues with services, and questions to a teacher, two speakers on two channels.

The texts come from templates (scripts/duplex/train_dialogues.py) or, of services, from a language
model (scripts/duplex/dialogue_writer.py; the paper's were never published) and have nothing of the
scenarios that systems are tested with. Each line is spoken alone and placed after a gap drawn by
hash; below 0 it begins before the other one has ended, by at most half of the shorter line. Words
have times: they are spread over a line by their letters.

The folder is one that kyutai's moshi-finetune reads: data.jsonl has a {"path", "duration"} a line,
and beside each stereo file (left the agent, right the caller) is a .json with the agent's words as
"alignments": [[word, [start, end], "SPEAKER_MAIN"], ...]. Further keys, which it does not read, are
the hybrid prompt ("role_prompt", "voice", "voice_text"), the caller's words and the weights of the
loss.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts import backends
from scripts.backends.duplex import FRAME, RATE
from scripts.backends.tts import Line, StockTts, TtsBackend, Voice, has_voices
from scripts.common import audio as sounds
from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.common.prompts import read_prompt
from scripts.dialogues.speak import say
from scripts.duplex import dialogue_writer, training_card
from scripts.duplex.material import Known, read_known, read_role_prompts
from scripts.duplex.pieces import MS, piece
from scripts.duplex.scenario_checks import read_scenarios
from scripts.duplex.train_dialogues import (
    Dialogue,
    read_templates,
    refuse_overlap,
    refuse_same,
    written,
)
from scripts.rows.duplex import TimedWord, TrainDuplex, TrainLine
from scripts.rows.jsonl import Language, content_id, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

LANGUAGE: Language = "English"
TEACHER = "interruption"  # the task whose role text is a teacher's
LIST, STEREO, VOICES = "data.jsonl", "stereo", "voices"
LEAD, TAIL = 320, 640  # ms of silence at both ends
SAID = 5  # words of a line that training may not have from a test
MAIN, OTHER = "SPEAKER_MAIN", "SPEAKER_OTHER"


def train_material(
    templates: Path,
    role_prompts: Path,
    scenarios: Path,
    known: Path,
    prompt: Path,
    material: Path,
    audio: Path,
    card: Path,
    tts: ModelSpec,
    service: int,
    questions: int,
    gaps: list[float],
    held_out: list[str],
    acoustic: float,
    padding: float,
    seed: int,
    llm: ModelSpec | None = None,
    attempts: int = 3,
    tokens: int = 800,
    temperature: float = 0.7,
) -> None:
    """Write `service` and `questions` dialogues as TrainDuplex rows, their files and a data card.

    `scenarios` and the lines of `known` are those of the tests; `gaps` the least and the greatest
    gap in seconds, `held_out` voices of `tts` that tests have and no agent may; `acoustic` and
    `padding` are weights of the loss, which are only recorded. An `llm` writes the service
    dialogues after the file `prompt`, instead of the templates; it is asked at most `attempts`
    times for each, for at most `tokens`. A dialogue that it cannot give, or that cannot be spoken,
    has the reason in `dropped`. Raises UserError for malformed templates, for what is in both
    training and test, and for a `tts` without enough voices.
    """
    if len(gaps) != 2 or gaps[0] > gaps[1]:
        raise UserError(f"gaps must be the least and the greatest, in seconds, not {gaps}.")
    teacher = read_role_prompts(role_prompts)[TEACHER]
    asked = read_prompt(prompt, dialogue_writer.PLACES, dialogue_writer.FURTHER)
    tests = read_scenarios(scenarios)
    dialogues = written(templates, teacher, 0 if llm else service, questions, seed)
    if llm:
        given, limit = read_templates(templates), (attempts, tokens, temperature, seed)
        told = dialogue_writer.written(backends.load(llm), asked, given, service, tests, *limit)
        dialogues = [*told, *dialogues]
    refuse_overlap(tests, dialogues, templates)
    refuse_same(long_lines(read_known(known)), dialogues, templates)
    for name in (STEREO, VOICES):
        (audio / name).mkdir(parents=True, exist_ok=True)
    backend: TtsBackend | None = backends.load_for(dialogues, tts)
    if backend is not None and not has_voices(backend):
        raise UserError(
            f"{tts.label} has no voices of its own, of which training needs many; choose another "
            "tts, such as kokoro."
        )
    rows, limits = [], (round(gaps[0] * 1000), round(gaps[1] * 1000))
    weights = {"acoustic": acoustic, "padding": padding}
    for own in progress(dialogues, len(dialogues), "train_material"):
        assert backend is not None, "there is something to speak"
        rows.append(_spoken(own, backend, audio, limits, held_out, weights, seed))
    write_rows(material, rows)
    usable = [row for row in rows if row.dropped is None]
    lines = [json.dumps({"path": row.audio, "duration": row.seconds}) + "\n" for row in usable]
    (audio / LIST).write_text("".join(lines), encoding="utf-8")
    text = training_card.card(rows, (gaps[0], gaps[1]), acoustic, padding, tts.label, llm)
    Path(card).write_text(text, encoding="utf-8")
    hours = sum(row.seconds for row in usable) / 3600
    print(f"{len(rows)} dialogues, {len(usable)} usable, {hours:.3f} hours.")


def long_lines(known: Known) -> list[str]:
    """The lines of the set with known truth, but for those that anybody may say."""
    kinds = (known.openers, known.pause, known.turn, known.interruption, known.backchannel)
    lines = [own if isinstance(own, str) else " ".join(own) for kind in kinds for own in kind]
    return [line for line in [known.voice_text, *lines] if len(line.split()) >= SAID]


def gap(shorter: int, limits: tuple[int, int], *key: object) -> int:
    """A gap in ms between two lines of which one lasts `shorter` ms and the other longer; always
    the same for the same key."""
    low, high = max(limits[0], -(shorter // 2)), limits[1]
    return low + int(content_id("gap", *key), 16) % (max(low, high) - low + 1)


def voices_of(own: Dialogue, stock: list[Voice], held_out: list[str], seed: int) -> list[Voice]:
    """The voices of agent and caller. Raises UserError where there are no two different ones."""
    free = [voice for voice in stock if voice.get("voice") not in held_out]
    if not free or len(stock) < 2:
        raise UserError(
            f"the tts has {len(stock)} voices, and {len(free)} that are not held out for tests; "
            "agent and caller need one each."
        )
    agent = free[int(content_id("agent", seed, own.id), 16) % len(free)]
    others = [voice for voice in stock if voice != agent]
    return [agent, others[int(content_id("caller", seed, own.id), 16) % len(others)]]


def _spoken(
    own: Dialogue,
    backend: StockTts,
    folder: Path,
    limits: tuple[int, int],
    held_out: list[str],
    weights: dict[str, float],
    seed: int,
) -> TrainDuplex:
    agent, caller = voices_of(own, backend.voices(LANGUAGE), held_out, seed)
    row = TrainDuplex(
        id=own.id,
        kind=own.kind,
        scenario=own.scenario,
        language=LANGUAGE,
        role_prompt=own.role_prompt,
        voice_text=own.voice_text,
        dropped=own.dropped,
    )
    if own.dropped:
        return row
    asked: list[Line] = [(own.voice_text, agent, LANGUAGE)]
    asked += [(text, agent if by == "agent" else caller, LANGUAGE) for by, text in own.lines]
    parts: list[np.ndarray] = []
    for sound, (text, _, _) in zip(say(backend, asked), asked, strict=True):
        try:
            if isinstance(sound, ValueError):
                raise sound
            parts.append(piece(sound, backend.rate))
        except ValueError as error:
            return row.model_copy(update={"dropped": f"'{text}' cannot be spoken: {error}"})
    sample, *said = parts
    row.voice = f"{VOICES}/{content_id(json.dumps(agent, sort_keys=True), own.voice_text)}.wav"
    if not (folder / row.voice).exists():
        sounds.write(folder / row.voice, sample, RATE)
    row.lines = placed(own, [len(part) // MS for part in said], limits, seed)
    both = mixed(row.lines, said)
    row.audio, row.seconds = f"{STEREO}/{own.id}.wav", len(both) / RATE
    soundfile.write(folder / row.audio, both, RATE, subtype="PCM_16")
    text = json.dumps(annotation(row, weights), ensure_ascii=False)
    (folder / row.audio).with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
    return row


def placed(
    own: Dialogue, lengths: list[int], limits: tuple[int, int], seed: int
) -> list[TrainLine]:
    """The lines, which last `lengths` ms, at their times."""
    found, at = [], LEAD
    for place, ((speaker, text), length) in enumerate(zip(own.lines, lengths, strict=True)):
        if place:
            at += gap(min(lengths[place - 1], length), limits, seed, own.id, place)
        start, end = at / 1000, (at + length) / 1000
        words = timed(text, start, end)
        found.append(TrainLine(speaker=speaker, text=text, start=start, end=end, words=words))
        at += length
    return found


def timed(text: str, start: float, end: float) -> list[TimedWord]:
    """The words of a text from `start` to `end`, each as long as its letters are many."""
    words = text.split()
    letters = [max(1, sum(letter.isalnum() for letter in word)) for word in words]
    edges = start + np.concatenate([[0], np.cumsum(letters)]) * (end - start) / sum(letters)
    return [
        TimedWord(word=word, start=round(float(one), 3), end=round(float(other), 3))
        for word, one, other in zip(words, edges, edges[1:], strict=False)
    ]


def mixed(lines: list[TrainLine], said: list[np.ndarray]) -> np.ndarray:
    """(n, 2) samples at 24 kHz, agent and caller, of a whole number of frames."""
    frame = round(FRAME * RATE)
    end = max(round(line.end * 1000) for line in lines) + TAIL
    both = np.zeros((-(-end * MS // frame) * frame, 2), np.float32)
    for line, sound in zip(lines, said, strict=True):
        start = round(line.start * 1000) * MS
        both[start : start + len(sound), int(line.speaker == "caller")] = sound
    return both


def annotation(row: TrainDuplex, weights: dict[str, float]) -> dict[str, Any]:
    """What is beside a stereo file; see the module's docstring."""

    def words(speaker: str, label: str) -> list:
        own = [word for line in row.lines if line.speaker == speaker for word in line.words]
        return [[word.word, [word.start, word.end], label] for word in own]

    return {
        "alignments": words("agent", MAIN),
        "caller_alignments": words("caller", OTHER),
        "role_prompt": row.role_prompt,
        "voice": row.voice,
        "voice_text": row.voice_text,
        "loss_weights": weights,
    }


if __name__ == "__main__":
    stage.run(train_material, globals().get("snakemake"))
