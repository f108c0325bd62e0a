"""Writes single-turn and multi-turn dialogues for each role (paper, section 3.1, Figures 6 to 9).

Every call asks for `batch` dialogues. What differs between the calls of a role: the kind of
question, where the prompt lists some; the script excerpts, unless it is shown whole, as in the
paper; and the seed of the model, which matters at a `temperature` above 0. All are drawn by hashes
of the seed, the role and the call number, so neither the order of roles nor the number of shards
matters. A call with too few usable dialogues is repeated for the missing ones with another draw
(greedy decoding would repeat itself on the same prompt), up to `attempts` times; then the missing
rows keep the last raw reply and the reason. So a role always has `single` + `multi` rows.
"""

import re
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.backends.llm import LlmBackend, why_none
from scripts.common.errors import UserError
from scripts.common.prompts import Chat, Prompt, read_prompt
from scripts.dialogues.parse import Found, parse
from scripts.rows.dialogues import Dialogue, in_shard
from scripts.rows.jsonl import content_id, read_rows, write_rows
from scripts.rows.roles import Profile, Voice
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

PLACES = {"count", "name", "work", "profile", "script"}
WHOLE = "all"  # instead of a number of excerpts: the script as it is
MESSAGE = 16  # tokens of a message besides its text, at most
DRAWN = {"task", "opening"}  # placeholders filled from a prompt's list of tasks
ANEW = re.compile(
    r"\s*(?:[^\"\[{]*[:：]\s*)?(?:```\w*\s*)?[\[{]"
)  # e.g. "Here it is:", then the JSON


@dataclass
class Call:
    """One request for `wanted` dialogues of a role, and its results so far."""

    person: Profile
    mode: str
    number: int  # within the role, single-turn calls first
    wanted: int
    found: list[Found] = field(default_factory=list)
    raw: str = ""
    fault: str = ""

    @property
    def missing(self) -> int:
        return self.wanted - len(self.found)


def write(
    profiles: Path,
    voices: Path,
    single_english: Path,
    single_chinese: Path,
    multi_english: Path,
    multi_chinese: Path,
    drafts: Path,
    llm: ModelSpec,
    shard: str,
    single: int,
    multi: int,
    batch: int,
    attempts: int,
    excerpts: int | str,
    tokens: dict[str, int],
    temperature: float,
    seed: int,
) -> None:
    """Write `single` and `multi` dialogues for each role of the shard that has a voice.

    `excerpts` is the number of script excerpts in a call, numbered, or "all": the script as it is,
    up to what the model can read. `tokens`: the longest reply for each dialogue asked for, by mode.
    Raises UserError if a prompt file lacks a part or a placeholder, if all calls of a role would be
    the same, and if the model can read nothing of a script.
    """
    prompts = {
        ("single", "English"): read_prompt(single_english, PLACES, DRAWN),
        ("single", "Chinese"): read_prompt(single_chinese, PLACES, DRAWN),
        ("multi", "English"): read_prompt(multi_english, PLACES, DRAWN),
        ("multi", "Chinese"): read_prompt(multi_chinese, PLACES, DRAWN),
    }
    for (mode, language), prompt in prompts.items():
        same = excerpts == WHOLE and not temperature and not prompt.lists.get("Tasks")
        if same and {"single": single, "multi": multi}[mode] > batch:
            raise UserError(
                f"every call for {mode}-turn dialogues in {language} would be the same, and so its "
                "reply: the prompt has no '# Tasks', each call shows the whole script, and the "
                "model is greedy. Set `write.temperature` above 0, or `write.excerpts` to a number."
            )
    spoken = {voice.role: voice for voice in read_rows(voices, Voice)}
    people = _people(read_rows(profiles, Profile), spoken, shard)
    sizes = [("single", size) for size in _sizes(single, batch)]
    sizes += [("multi", size) for size in _sizes(multi, batch)]
    calls = [
        Call(person, mode, number, size)
        for person in people
        for number, (mode, size) in enumerate(sizes)
    ]
    model: LlmBackend = backends.load_for(calls, llm)
    whole = {}
    for call in calls if excerpts == WHOLE else []:
        if (call.person.role, call.mode) not in whole:  # a role's first call is its longest
            prompt = prompts[call.mode, call.person.language]
            text = _readable(model, prompt, call, call.wanted * tokens[call.mode])
            whole[call.person.role, call.mode] = text
    for attempt in range(attempts):
        left = [call for call in calls if call.missing]
        # Calls with the same token limit go together: it must not depend on other roles' calls.
        for kind in sorted({(call.mode, call.missing) for call in left}, reverse=True):
            group = [call for call in left if (call.mode, call.missing) == kind]
            asked = [prompts[call.mode, call.person.language] for call in group]
            draws = [
                _draw(
                    call,
                    call.number + attempt * len(sizes),
                    prompt,
                    whole.get((call.person.role, call.mode), excerpts),
                    seed,
                )
                for call, prompt in zip(group, asked, strict=True)
            ]
            _ask(model, group, asked, draws, tokens, temperature)
    name = model.name if model else ""
    rows = [row for call in calls for row in _rows(call, name, spoken[call.person.role].synthetic)]
    used = sum(row.dropped is None for row in rows)
    print(f"{len(rows)} dialogues asked for, {used} usable.")
    write_rows(drafts, rows)


def _people(profiles: list[Profile], voices: dict[str, Voice], shard: str) -> list[Profile]:
    """The shard's roles that have a voice, by role id."""
    mine = [person for person in profiles if in_shard(person.role, shard)]
    for person in mine:
        if person.role not in voices:
            print(f"{person.role} has no reference voice: no dialogues are written for this role.")
    return sorted((p for p in mine if p.role in voices), key=lambda person: person.role)


def _sizes(total: int, batch: int) -> list[int]:
    """The number of dialogues that each call asks for."""
    return [min(batch, total - first) for first in range(0, total, batch)]


@dataclass(frozen=True)
class Draw:
    """The content of one call: a kind of question, the script, and the model's seed."""

    task: str
    opening: str  # how the question begins
    script: str
    excerpts: list[str]  # those that the script is numbered by, in order; none if it is whole
    seed: int


def _script(person: Profile) -> list[str]:
    """The stretches of a role's script."""
    return person.excerpts or person.lines


def _readable(model: LlmBackend, prompt: Prompt, call: Call, reply: int) -> str:
    """The role's whole script, or as many of its lines as the model can read beside the rest of the
    prompt and a reply of `reply` tokens; where it is cut is printed."""
    text, role = "\n\n".join(_script(call.person)), call.person.role
    messages = [message["content"] for message in _chat(prompt, call, Draw("", "", "", [], 0))]
    around = sum(model.count(messages)) + MESSAGE * len(messages) + reply
    if model.context is None or around + model.count([text])[0] <= model.context:
        return text
    lines = text.split("\n")
    ends = accumulate((count + 1 for count in model.count(lines)), initial=around)  # 1: its end
    fit = sum(end <= model.context for end in ends) - 1
    if fit < 1:
        raise UserError(
            f"{role}: {model.name} reads at most {model.context} tokens, and {around} of them are "
            f"taken by the prompt and its reply, so that not one line of the script fits. Choose a "
            "smaller `write.batch` or `write.tokens`, a number of `write.excerpts`, or another llm."
        )
    print(
        f"{role}, {call.mode}: the script is cut at line {fit + 1} of {len(lines)} "
        f"({lines[fit][:80]!r}), as {model.name} reads at most {model.context} tokens."
    )
    return "\n".join(lines[:fit])


def _draw(call: Call, number: int, prompt: Prompt, excerpts: int | str, seed: int) -> Draw:
    """Draw number `number` of a role: tasks in turn, script and the model's seed by hash.
    `excerpts`: how many, or the whole script."""
    role, script = call.person.role, _script(call.person)
    tasks = prompt.lists.get("Tasks") or [("the story", "")]
    task, opening = tasks[(int(content_id(seed, role), 16) + number) % len(tasks)]
    own = int(content_id(seed, role, number), 16) % 2**31
    if isinstance(excerpts, str):
        return Draw(task, opening, excerpts, [], own)
    order = sorted(range(len(script)), key=lambda index: content_id(seed, role, number, index))
    shown = [script[index] for index in sorted(order[:excerpts])]
    numbered = "\n\n".join(f"[{place}]\n{text}" for place, text in enumerate(shown, 1))
    return Draw(task, opening, numbered, shown, own)


def _ask(
    model: LlmBackend,
    calls: list[Call],
    prompts: list[Prompt],
    draws: list[Draw],
    tokens: dict[str, int],
    temperature: float,
) -> None:
    """Send calls of one mode that lack the same number of dialogues, and parse the replies."""
    asked = list(zip(calls, prompts, draws, strict=True))
    chats = [_chat(prompt, call, draw) for call, prompt, draw in asked]
    replies = model.generate(
        chats,
        max_tokens=calls[0].missing * tokens[calls[0].mode],
        seed=[draw.seed for draw in draws],
        temperature=temperature,
    )
    for (call, prompt, draw), chat, reply in zip(asked, chats, replies, strict=True):
        _take(call, _whole(chat[-1], reply), draw.excerpts, prompt.text)


def _chat(prompt: Prompt, call: Call, draw: Draw) -> Chat:
    person = call.person
    name, work = (" ".join(text.replace('"', "'").split()) for text in (person.name, person.work))
    return prompt.chat(
        count=str(call.missing),
        name=name,
        work=work,
        profile=person.described,
        script=draw.script,
        task=draw.task.replace("{name}", name),
        opening=draw.opening.replace("{name}", name),
    )


def _whole(last: dict[str, str], reply: str) -> str:
    """A reply with its given beginning, unless the model repeated that or gave no reply."""
    if last["role"] != "assistant" or why_none(reply) or ANEW.match(reply):
        return reply
    return last["content"] + reply


def _take(call: Call, reply: str, shown: list[str], template: str) -> None:
    """Take the usable dialogues of a reply, at most as many as are missing."""
    found = parse(reply, call.mode, call.person.language, shown, template)
    good = [dialogue for dialogue in found if not dialogue.fault][: call.missing]
    faults = [dialogue.fault for dialogue in found if dialogue.fault]
    call.found += good
    call.raw = reply
    none = why_none(reply) or "no JSON with dialogues"
    call.fault = faults[0] if faults else "fewer dialogues than asked for" if found else none
    if call.missing:
        label = f"{call.person.role}, {call.mode} call {call.number + 1}"
        print(f"{label}: {call.missing} of {call.wanted} missing: {call.fault}")


def _rows(call: Call, model: str, synthetic: bool) -> list[Dialogue]:
    """A row for every dialogue that the call asked for."""
    person = call.person
    common: dict[str, Any] = {
        "role": person.role,
        "mode": call.mode,
        "language": person.language,
        "pool": person.pool,
        "model": model,
        "synthetic": synthetic or person.synthetic,
    }
    rows = []
    for place in range(call.wanted):
        whole = call.found[place] if place < len(call.found) else None
        lines = [line for turn in whole.turns for line in (turn.user, turn.role)] if whole else []
        rows.append(
            Dialogue(
                id=content_id(person.role, call.mode, call.number, place, *(lines or [call.raw])),
                turns=whole.turns if whole else [],
                context=whole.context if whole else "",
                raw=None if whole else call.raw,
                dropped=None if whole else f"not usable: {call.fault}",
                **common,
            )
        )
    return rows


if __name__ == "__main__":
    stage.run(write, globals().get("snakemake"))
