"""Training dialogues with services from a language model, one a call, checked by rule.

Businesses and errands are those of the templates, drawn by hash of the seed, the number of the
dialogue and the attempt, as are the initials. A reply that cannot be used is asked for again; then
the dialogue keeps why.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from scripts.backends.llm import LlmBackend, why_none
from scripts.backends.replies import without_thoughts
from scripts.common.prompts import Chat, Prompt
from scripts.common.spoken_text import aloud
from scripts.duplex.scenario_checks import overlapping, stands
from scripts.duplex.scenario_writer import object_of
from scripts.duplex.service_roles import context_of
from scripts.duplex.train_dialogues import Dialogue, Speaker
from scripts.rows.duplex import Scenario
from scripts.rows.jsonl import content_id, fault_of

PLACES = {"kind", "errand", "letters"}
FURTHER = {"fault"}
INITIALS = string.ascii_uppercase.translate(str.maketrans("", "", "QXYZ"))
LEAST, MOST = 4, 16  # lines
UNUSABLE = "not usable: "


class WrittenTurn(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    speaker: Speaker
    text: str


class WrittenDialogue(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    organisation: str
    kind: str
    name: str
    facts: list[str]
    turns: list[WrittenTurn]


def written(
    model: LlmBackend,
    prompt: Prompt,
    templates: dict[str, Any],
    count: int,
    tests: Sequence[Scenario],
    attempts: int,
    tokens: int,
    temperature: float,
    seed: int,
) -> list[Dialogue]:
    """`count` dialogues, the unusable ones with a reason in `dropped`; `tokens`: the longest reply.

    A usable one has nothing of the scenarios of the `tests`, and is no copy of the prompt's example
    or of another one.
    """
    found = [
        Dialogue(f"service-{number:05}", "service", "", "", "", (), "not asked for")
        for number in range(1, count + 1)
    ]
    for attempt in range(attempts):
        waiting = [place for place, own in enumerate(found) if own.dropped]
        if not waiting:
            break
        draws = [_Draw(seed, place, attempt) for place in waiting]
        chats = [
            _chat(prompt, templates, draw, found[place].dropped if attempt else None)
            for place, draw in zip(waiting, draws, strict=True)
        ]
        replies = model.generate(
            chats,
            max_tokens=tokens,
            seed=[draw.number % 2**31 for draw in draws],
            temperature=temperature,
        )
        for place, draw, reply in zip(waiting, draws, replies, strict=True):
            sample = draw.of(templates["samples"], 5)
            own = parsed(reply, found[place].id, sample)
            others = {other.lines for other in found if not other.dropped}
            why = own.dropped or _shared(own, prompt, others, tests)
            found[place] = replace(own, dropped=why)
            if why:
                print(f"{own.id}, attempt {attempt + 1}: {why}")
    return found


def parsed(reply: str, ident: str, sample: str) -> Dialogue:
    """The dialogue of a reply; with a reason in `dropped` if it is not usable. Broken JSON is not
    mended: of that much text, too much would be guessed."""
    empty = Dialogue(ident, "service", "", "", sample, ())
    document, mended = object_of(without_thoughts(reply), "turns")
    if document is None or mended:
        why = why_none(reply) or "no JSON with turns"
        return replace(empty, dropped=UNUSABLE + why)
    try:
        said = WrittenDialogue.model_validate(document)
    except ValidationError as error:
        return replace(empty, dropped=f"{UNUSABLE}not a dialogue ({fault_of(error)})")
    own = replace(
        empty,
        scenario=content_id(said.organisation, said.name, *said.facts),
        role_prompt=context_of(said.organisation, said.kind, said.name, said.facts),
        lines=tuple((turn.speaker, turn.text) for turn in said.turns),
    )
    found = fault(said)
    return replace(own, dropped=UNUSABLE + found) if found else own


def fault(said: WrittenDialogue) -> str | None:
    """What is wrong with a dialogue by itself, or None."""
    for what in ("organisation", "kind", "name"):
        if not getattr(said, what):
            return f"it has no {what}"
    if not said.facts or not all(said.facts):
        return "it has no facts"
    if not LEAST <= len(said.turns) <= MOST:
        return f"it has {len(said.turns)} lines, not {LEAST} to {MOST}"
    for one, other in zip(said.turns, said.turns[1:], strict=False):
        if one.speaker == other.speaker:
            return f"the {one.speaker} says two lines in a row"
    mute = [turn.text for turn in said.turns if not aloud(turn.text)]
    if mute:
        return f"there is nothing to say in '{mute[0]}'"
    if not any(stands(said.organisation, turn.text) for turn in said.turns):
        return f"nobody says the name of the company, '{said.organisation}'"
    return None


def _shared(
    own: Dialogue, prompt: Prompt, others: set[tuple], tests: Sequence[Scenario]
) -> str | None:
    """What a dialogue has that it may not have, or None."""
    if own.lines in others:
        return f"{UNUSABLE}it is another one's copy"
    copied = [text for _, text in own.lines if text in prompt.text]
    if len(copied) > 1:  # a short answer may be the same
        return f"{UNUSABLE}'{copied[0]}' is the prompt's own"
    found = overlapping(tests, own.texts)
    return f"{UNUSABLE}'{found[0].what}' is in the test scenarios" if found else None


def _chat(prompt: Prompt, templates: dict[str, Any], draw: _Draw, fault: str | None) -> Chat:
    letters = f"{draw.of(INITIALS, 1)}, the person with {draw.of(INITIALS, 2)}"
    errand = draw.of([*templates["errands"]], 3)
    return prompt.chat(
        kind=draw.of(templates["businesses"], 4)["kind"],
        errand=f"{'an' if errand[0] in 'aeiou' else 'a'} {errand}",
        letters=letters,
        fault=f"Avoid this: {fault.removeprefix(UNUSABLE)}." if fault else "",
    )


class _Draw:
    def __init__(self, *key: int):
        self.key = key
        self.number = int(content_id("dialogue", *key), 16)

    def of(self, entries: Sequence, what: int) -> Any:
        return entries[int(content_id("dialogue", *self.key, what), 16) % len(entries)]
