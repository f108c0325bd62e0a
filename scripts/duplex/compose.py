"""Composes conversations with known truth: the user's side, spoken by the pipeline's own voices.

Every side begins and ends with silence and is 24 kHz, mono, 16 bits. Times count from where speech
begins and ends in the sound, to the millisecond (scripts/duplex/pieces.py):

    pause             half a sentence, 0.6 to 2 s of silence, the other half
    turn              a whole turn, then silence for the answer
    backchannel       a story; between two of its sentences a listener may say "mm-hm"
    interruption      a question, silence in which the system should be talking, interrupting words,
                      silence for the answer to these
    user_backchannel  likewise, but the user says "mm-hm"
    bystander         likewise, but somebody else says something, or the user says it to another
    noise             likewise, but there is a noise

In `pause` and `backchannel` the system should only listen, and the published rules count every word
of it in the file, so these end half a second after the user. The last four kinds have a clean item
as well, the same but with silence in place of what is between: `<id>-clean`.

The files lie in the layout of Full-Duplex-Bench (scripts/duplex/fdb.py), a folder for each of its
tasks, so that its own programs can read them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.duplex import RATE
from scripts.backends.tts import TtsBackend
from scripts.common import audio as sounds
from scripts.common.errors import UserError
from scripts.dialogues.speak import say
from scripts.duplex import pieces
from scripts.duplex.fdb import CLEAN, CONTEXT, INPUT, TASKS, documents
from scripts.duplex.material import (
    KINDS,
    OVERLAPS,
    Bystander,
    Known,
    Noise,
    check_known,
    read_known,
    read_role_prompts,
    sources,
)
from scripts.duplex.pieces import LEVEL, Track, piece, quieter
from scripts.rows.duplex import DuplexItem, Task
from scripts.rows.jsonl import content_id, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

COLLECTION = "known"
VOICE = "voice.wav"
LEAD = 500  # ms of silence at the beginning, and after the user where no answer is wanted
PAUSE = (600, 2000)  # ms
PLACE = (400, 700)  # ms between the sentences of a story
LATER = 1000  # ms: the time between question and overlap is longer by up to so much
NEARBY, ASIDE = 12.0, 6.0  # dB: somebody else is quieter by so much, a user who turns away

Spoken = tuple[str, str]  # text, voice


@dataclass(frozen=True)
class Plan:
    """What an item is made of: its lines in the order of speaking, and its place in the set."""

    task: Task
    number: int  # from 1
    scenario: str
    lines: tuple[Spoken, ...]  # the user's; a bystander's or the babble's are last
    overlap: Bystander | Noise | None = None

    @property
    def id(self) -> str:
        return f"{self.task}-{self.number:03}"


def compose(
    lines: Path,
    role_prompts: Path,
    item_rows: Path,
    audio: Path,
    tts: ModelSpec,
    voices: list[str],
    system_voice: str,
    each: int,
    seed: int,
    wait: float,
    reply: float,
    clean: bool,
) -> None:
    """Write `each` items of each task as DuplexItem rows, and their sound into `audio`.

    `lines` and `role_prompts` are config/duplex/known.yaml and role_prompts.yaml; `voices` are
    stock voices of `tts` that users have, `system_voice` the one of the sample that systems get.
    `wait` is how long, in seconds, the user listens before what overlaps (and up to 1 s longer),
    `reply` the silence at the end. With `clean`, what the clean files hold are items, too. An item
    does not depend on how many there are. One that cannot be spoken has the reason in `dropped`.
    Raises UserError where the lines and voices do not give so many, and for a voice that there is
    not.
    """
    known, prompts = read_known(lines), read_role_prompts(role_prompts)
    check_known(known, lines, voices, system_voice, each, wait, reply)
    plans = [plan(known, task, n, voices, seed) for task in KINDS for n in range(1, each + 1)]
    wanted = dict.fromkeys(line for one in plans for line in one.lines)
    spoken = speak(tts, [*wanted, (known.voice_text, system_voice)])
    sample = spoken[known.voice_text, system_voice]
    if isinstance(sample, ValueError):
        raise UserError(f"{lines}: the sample of the system's voice cannot be spoken: {sample}.")
    audio.mkdir(parents=True, exist_ok=True)
    sounds.write(audio / VOICE, sample, RATE)
    rows = []
    for one in plans:
        role = {"role_prompt": prompts[one.task], "voice": VOICE, "voice_text": known.voice_text}
        own = {line: s for line in one.lines if isinstance(s := spoken[line], np.ndarray)}
        mute = [line for line in one.lines if line not in own]
        if mute:
            reason = f"'{mute[0][0]}' cannot be spoken: {spoken[mute[0]]}"
            rows.append(row(one, role, dropped=reason))
            continue
        track = made(one, own, seed, round(wait * 1000), round(reply * 1000))
        rows += written(one, track, role, audio, clean)
    write_rows(item_rows, rows)


def plan(known: Known, task: Task, number: int, voices: list[str], seed: int) -> Plan:
    """What an item is made of. With the same line, a later item has another voice; items that
    begin with the same question have it in the same voice."""
    lines = sources(known, task)
    turn, index = divmod(number - 1, len(lines))
    group = "openers" if task in OVERLAPS else task
    voice = voice_of(group, index, turn, voices, seed)
    line, more = lines[index], number - 1 + turn
    said: list[Spoken] = [(text, voice) for text in ([line] if isinstance(line, str) else line)]
    over: Bystander | Noise | None = None
    if task == "bystander":
        over = known.bystander[more % len(known.bystander)]
        another = voices[(voices.index(voice) + 1) % len(voices)]
        said.append((over.text, another if over.nearby else voice))
    elif task == "noise":
        over = known.noise[more % len(known.noise)]
        if over.sound == "babble":
            said += babblers(known, more, voice, voices, seed)
    elif task in OVERLAPS:
        words = getattr(known, task)
        said.append((words[more % len(words)], voice))
    return Plan(task, number, f"{COLLECTION}-{group}-{index + 1}", tuple(said), over)


def voice_of(group: str, index: int, turn: int, voices: list[str], seed: int) -> str:
    """The voice of a line; each time that the lines begin again it is another."""
    return voices[(draw(0, len(voices) - 1, seed, "voice", group, index) + turn) % len(voices)]


def babblers(known: Known, first: int, user: str, voices: list[str], seed: int) -> list[Spoken]:
    """Up to three lines of the turns, from the first on, that are not in the user's voice."""
    count = len(known.turn)
    places = [(first + step) % count for step in range(1, count + 1)]
    lines = [(known.turn[at], voice_of("turn", at, 0, voices, seed)) for at in places]
    others = [line for line in lines if line[1] != user]
    return (others or lines)[:3]


def speak(tts: ModelSpec, lines: list[Spoken]) -> dict[Spoken, np.ndarray | ValueError]:
    """The speech of each line at 24 kHz, or why there is none. Raises UserError for a voice that
    the backend has not."""
    backend: TtsBackend = backends.load(tts)
    try:
        found = say(backend, [(text, {"voice": voice}, "English") for text, voice in lines])
    except KeyError as error:
        raise UserError(f"compose: {tts.label} has no voice {error}; see `voices`.") from error
    spoken: dict[Spoken, np.ndarray | ValueError] = {}
    for line, sound in zip(lines, found, strict=True):
        try:
            spoken[line] = sound if isinstance(sound, ValueError) else piece(sound, backend.rate)
        except ValueError as error:
            spoken[line] = error
    return spoken


def made(one: Plan, spoken: dict[Spoken, np.ndarray], seed: int, wait: int, reply: int) -> Track:
    """The user's side of an item; `wait` and `reply` are ms."""
    track, said = Track(), [(text, spoken[text, voice]) for text, voice in one.lines]
    track.silence(LEAD)
    for place, (text, sound) in enumerate(said[:1] if one.task in OVERLAPS else said):
        if place and one.task == "pause":
            track.silence(draw(*PAUSE, seed, one.id, place), "pause")
        elif place:
            track.silence(draw(*PLACE, seed, one.id, place), "backchannel_place")
        track.say(sound, "user", text)
    track.end_turn()
    if one.task in OVERLAPS:
        track.silence(draw(wait, wait + LATER, seed, one.id, "wait"))
        text, sound = overlap(one, said[1:], seed)
        track.say(sound, OVERLAPS[one.task], text)
    track.silence(LEAD if one.task in ("pause", "backchannel") else reply)
    return track


def overlap(one: Plan, said: list[tuple[str, np.ndarray]], seed: int) -> tuple[str, np.ndarray]:
    """What happens while the system should be talking, and its sound."""
    if isinstance(one.overlap, Noise):
        sound, snr, length = one.overlap.sound, one.overlap.snr, round(one.overlap.seconds * 1000)
        about = f"{sound}, {snr:g} dB below the speech"
        if sound == "babble":
            return about, pieces.babble([voice for _, voice in said], length, snr)
        return about, pieces.noise(sound, length, snr, seed, one.id)
    ((text, speech),) = said
    if isinstance(one.overlap, Bystander):
        away = NEARBY if one.overlap.nearby else ASIDE
        speech = pieces.finished(speech, quieter(LEVEL, away))
    return text, speech


def written(
    one: Plan, track: Track, role: dict, audio: Path, with_clean: bool
) -> Iterator[DuplexItem]:
    """Write the files of an item; its row, and perhaps that of its clean item."""
    folder = audio / TASKS[one.task] / one.id
    folder.mkdir(parents=True, exist_ok=True)
    sounds.write(folder / INPUT, track.samples, RATE)
    item = row(one, role, track, INPUT)
    for name, document in documents(item).items():
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
    if one.task in OVERLAPS:
        clean = track.without(OVERLAPS[one.task])
        sounds.write(folder / CLEAN, clean.samples, RATE)
        (end,) = [round(e.start * RATE) for e in track.events if e.kind == "turn_end"]
        sounds.write(folder / CONTEXT, track.samples[:end], RATE)
        if with_clean:
            item.clean = f"{item.id}-clean"
            yield row(one, role, clean, CLEAN).model_copy(update={"id": item.clean})
    yield item


def row(
    one: Plan, role: dict, track: Track | None = None, file: str = INPUT, dropped: str | None = None
) -> DuplexItem:
    return DuplexItem(
        id=one.id,
        collection=COLLECTION,
        task=one.task,
        scenario=one.scenario,
        language="English",
        audio=f"{TASKS[one.task]}/{one.id}/{file}",
        seconds=track.at / 1000 if track else 0.0,
        events=track.events if track else [],
        dropped=dropped,
        **role,
    )


def draw(low: int, high: int, *key: object) -> int:
    """A number from `low` to `high`, always the same for the same key."""
    return low + int(content_id("compose", *key), 16) % (high - low + 1)


if __name__ == "__main__":
    stage.run(compose, globals().get("snakemake"))
