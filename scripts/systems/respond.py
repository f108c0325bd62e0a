"""Lets a system under test answer the spoken test dialogues (paper, section 5.1).

Turn by turn over all dialogues of a shard: the first user utterance of each, then the second of
those that have one, with the system's own earlier replies as history. The system hears speech
only; the role prompt tells it who it is.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts import backends
from scripts.backends.dialogue import Answer, DialogueBackend, Request
from scripts.backends.tts import reference as reference_sound
from scripts.common import audio
from scripts.common.prompts import Prompt, read_prompt
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.roles import Profile, Voice
from scripts.rows.systems import Reply, ReplyTurn
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

PLACES = {"name", "work", "profile", "lines", "context"}  # context: the script it was written from
LINES = 4  # examples of how a role talks


def respond(
    test: Path,
    spoken: Path,
    speech: Path,
    profiles: Path,
    voices: Path,
    clips: Path,
    prompt_english: Path,
    prompt_chinese: Path,
    replies: Path,
    answers: Path,
    name: str,
    dialogue: ModelSpec,
) -> None:
    """Write a Reply row for each Dialogue row of `test`, and the speech as FLAC into `answers`.

    `speech` holds the files that the Spoken rows name, `clips` those of the Voice rows. The first
    turn without a reply ends its dialogue: the row keeps the replies so far, with the reason in
    `dropped`; a dialogue in a language that the system does not speak is not `offered`, one that a
    service will not voice not `voiced`. `name` is
    the system's in the config, `dialogue` its spec. Raises UserError for an invalid prompt file.
    """
    files = {"English": prompt_english, "Chinese": prompt_chinese}
    prompts = {
        language: read_prompt(file, set(), PLACES, ("Role", "Answer"))
        for language, file in files.items()
    }
    people = {row.role: row for row in read_rows(profiles, Profile)}
    reference = {row.role: row for row in read_rows(voices, Voice)}
    heard = {row.id: row for row in read_rows(spoken, Spoken)}
    rows: dict[str, Reply] = {}
    waiting: dict[str, Request] = {}
    users: dict[str, list[Path]] = {}
    for asked in sorted(read_rows(test, Dialogue), key=lambda row: row.id):
        reason = reason_no_reply(asked, heard, people, reference)
        rows[asked.id] = Reply(
            id=asked.id,
            system=name,
            role=asked.role,
            mode=asked.mode,
            language=asked.language,
            turns=[],
            voice_mode="none" if reason else "",
            voiced=asked.id not in heard or heard[asked.id].voiced,
            dropped=reason,
        )
        if reason is None:
            person, voice = people[asked.role], reference[asked.role]
            clip = reference_sound(dialogue, [clips / file for file in (voice.file, *voice.others)])
            waiting[asked.id] = first_request(
                asked, person, prompts[asked.language], clip, voice.text
            )
            users[asked.id] = [speech / turn.user_audio for turn in heard[asked.id].turns]
    answers.mkdir(parents=True, exist_ok=True)
    if waiting:
        backend: DialogueBackend = backends.load(dialogue)
        for ident in [i for i in waiting if rows[i].language not in backend.languages]:
            rows[ident].offered = False
            rows[ident].dropped = f"{name} does not speak {rows[ident].language}"
            rows[ident].voice_mode = "none"
            del waiting[ident]
        answer_all(backend, waiting, users, rows, answers)
    write_rows(replies, rows.values())


def answer_all(
    backend: DialogueBackend,
    waiting: dict[str, Request],
    users: dict[str, list[Path]],
    rows: dict[str, Reply],
    answers: Path,
) -> None:
    """Send the user's utterances (files, by dialogue) to the backend; fill the Reply `rows`."""
    number = 0
    while waiting:
        ids = list(waiting)
        print(f"turn {number + 1}: {len(ids)} dialogues")
        requests = [replace(waiting[i], user=audio.read(users[i][number])) for i in ids]
        for i, request, answer in zip(ids, requests, backend.reply(requests), strict=True):
            row, answer = rows[i], audible(answer)
            row.voice_mode = backend.voice_mode
            row.turns.append(save_turn(answer, answers / f"{i}-{number + 1}.flac", backend.rate))
            row.asked, row.version = answer.asked, with_version(row.version, answer.version)
            history = (*request.history, (request.user, answer))
            waiting[i] = replace(request, history=history)
            if answer.audio is None:
                row.dropped, row.voiced = f"turn {number + 1}: {answer.reason}", answer.voiced
            if row.dropped or number + 1 == len(users[i]):
                del waiting[i]
        number += 1


def audible(answer: Answer) -> Answer:
    """The answer; with a reason instead of its audio if that is empty or invalid."""
    if answer.audio is None or (len(answer.audio) and np.isfinite(answer.audio).all()):
        return answer
    words = "holds values that are no numbers" if len(answer.audio) else "is empty"
    return replace(answer, audio=None, reason=f"the audio of the reply {words}")


def with_version(so_far: str | None, another: str | None) -> str | None:
    """The distinct versions that answered a dialogue."""
    versions = [*(so_far.split(" + ") if so_far else []), *([another] if another else [])]
    return " + ".join(dict.fromkeys(versions)) or None


def reason_no_reply(dialogue: Dialogue, heard: dict, people: dict, reference: dict) -> str | None:
    """Why a dialogue cannot be given to a system, or None."""
    if dialogue.id not in heard:
        return "the dialogue was not spoken"
    if heard[dialogue.id].dropped:
        return f"the dialogue was not spoken: {heard[dialogue.id].dropped}"
    if dialogue.role not in people:
        return f"no profile of role '{dialogue.role}'"
    return None if dialogue.role in reference else f"no reference voice of role '{dialogue.role}'"


def first_request(
    dialogue: Dialogue,
    person: Profile,
    prompt: Prompt,
    clip: np.ndarray,
    clip_text: str,
) -> Request:
    """The first request of a dialogue, without history."""
    role, manner = prompt.chat(
        name=person.name,
        work=person.work,
        profile=person.described,
        lines="\n".join(f"- {line}" for line in person.lines[:LINES]),
        context=dialogue.context,
    )
    return Request(
        role=dialogue.role,
        language=dialogue.language,
        name=person.name,
        role_prompt=role["content"],
        manner=manner["content"],
        clip=clip,
        clip_text=clip_text,
        user=np.zeros(0, np.float32),
    )


def save_turn(answer: Answer, path: Path, rate: int) -> ReplyTurn:
    """Write the speech of an answer; returns its row. Real-time factor: latency / seconds."""
    said: dict[str, Any] = {"heard": answer.heard, "text": answer.text, "latency": answer.latency}
    if answer.audio is None:
        return ReplyTurn(audio=None, **said)
    audio.write(path, answer.audio, rate)
    seconds = len(answer.audio) / rate
    rtf = round(answer.latency / seconds, 3)
    return ReplyTurn(audio=path.name, seconds=seconds, rtf=rtf, **said)


if __name__ == "__main__":
    stage.run(respond, globals().get("snakemake"))
