"""Service scenarios from a language model, one a call, checked by the rules for all scenarios.

The domains take turns; the initials of the organisation and the person are drawn by hash of the
seed, the number of the scenario and the attempt, so that calls differ even if the model is greedy.
A reply that cannot be used is asked for again, up to `attempts` times; then the row keeps why.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Sequence
from typing import Any

import json_repair
from pydantic import BaseModel, ConfigDict, ValidationError

from scripts.backends.llm import LlmBackend, why_none
from scripts.backends.replies import PAIRS, START, json_values, requoted, without_thoughts
from scripts.common.json_path import mended
from scripts.common.prompts import Chat, Prompt
from scripts.duplex.scenario_checks import WITH_FACT, clash, fault
from scripts.duplex.service_roles import context_of
from scripts.rows.duplex import Question, Scenario
from scripts.rows.jsonl import content_id, fault_of

PLACES = {"domain", "letters"}
FURTHER = {"fault"}
INITIALS = string.ascii_uppercase.translate(str.maketrans("", "", "QXYZ"))
QUOTES = "".join(PAIRS)
UNUSABLE = "not usable: "
END = "\u2404"  # put behind the reply: a text that has it was cut off


class WrittenQuestion(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    text: str
    fact: str | None = None
    absent: str | None = None
    right: str | None = None
    wrong: list[str]


class WrittenScenario(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    organisation: str
    kind: str
    name: str
    facts: list[str]
    questions: list[WrittenQuestion]


def written(
    model: LlmBackend,
    prompt: Prompt,
    domains: Sequence[str],
    roles: int,
    attempts: int,
    tokens: int,
    temperature: float,
    seed: int,
) -> list[Scenario]:
    """`roles` scenarios, the unusable ones with a reason in `dropped`; `tokens`: the longest reply.

    Usable ones share nothing with those before them.
    """
    rows = [_empty(number, domains) for number in range(roles)]
    for attempt in range(attempts):
        waiting = [number for number, row in enumerate(rows) if row.dropped is not None]
        if not waiting:
            break
        chats = [_chat(prompt, rows[number], number, attempt, seed) for number in waiting]
        replies = model.generate(
            chats,
            max_tokens=tokens,
            seed=[_drawn(seed, number, attempt) % 2**31 for number in waiting],
            temperature=temperature,
        )
        for number, reply in zip(waiting, replies, strict=True):
            found = parsed(reply, rows[number].id, rows[number].domain)
            if found.dropped is None:
                others = [row for row in rows if row.dropped is None]
                why = _copied(found, prompt) or _shared(found, others)
                found = _dropped(found, why) if why else found
            rows[number] = found
            if found.dropped:
                print(f"{found.id}, attempt {attempt + 1}: {found.dropped}")
    return rows


def parsed(reply: str, ident: str, domain: str) -> Scenario:
    """The scenario of a reply; a dropped row with the reason if there is no usable one."""
    empty = Scenario(
        id=ident, domain=domain, organisation="", name="", facts=[], context="", questions=[]
    )
    document, origin = object_of(without_thoughts(reply), "questions")
    if document is None:
        return _dropped(empty, why_none(reply) or "no JSON with questions")
    try:
        said = WrittenScenario.model_validate(mended(document))
        texts = list(_texts(document))
    except ValidationError as error:
        return _dropped(empty, f"not a scenario ({fault_of(error)})")
    except RecursionError:
        return _dropped(empty, "not a scenario (nested too deeply)")
    if any(END in text for text in texts):
        return _dropped(empty, "the reply ended in the middle of a text")
    doubtful = [text for text in texts if origin and not _whole(text, origin)]
    if doubtful:
        return _dropped(empty, f"the JSON cannot be mended without doubt: {doubtful[0]}")
    row = Scenario(
        id=ident,
        domain=domain,
        organisation=said.organisation,
        name=said.name,
        facts=said.facts,
        context=context_of(said.organisation, said.kind, said.name, said.facts),
        questions=[_question(index, one) for index, one in enumerate(said.questions[:7])],
    )
    if len(said.questions) != 7:
        return _dropped(empty, f"{len(said.questions)} questions instead of 7")
    found = fault(row)
    return _dropped(row, found) if found else row


def _copied(row: Scenario, prompt: Prompt) -> str | None:
    """What a scenario has from the prompt's example, which small models like to repeat."""
    said = [row.organisation, row.name, *(question.text for question in row.questions)]
    return next((f"'{text}' is the prompt's own" for text in said if text in prompt.text), None)


def _shared(row: Scenario, others: list[Scenario]) -> str | None:
    return next((found for other in others if (found := clash(row, other))), None)


def _question(index: int, said: WrittenQuestion) -> Question:
    asks = index in WITH_FACT
    return Question(
        index=index,
        text=said.text,
        fact=said.fact if asks else said.fact or None,
        absent=said.absent or None,
        choices=[(said.fact if asks else said.right) or "", *said.wrong],
    )


def object_of(reply: str, key: str) -> tuple[Any, str]:
    """The first JSON object with a `key`, or None; and the text that it was repaired from, empty
    if it is JSON as it is, or with other quotes."""
    start = START.search(reply)
    if not start:
        return None, ""
    text = reply[start.start() :]
    for form in (text, requoted(text)):
        for value in json_values(form):
            if isinstance(value, dict) and key in value:
                return value, ""
    try:
        value = json_repair.loads(text + END)
    except (RecursionError, ValueError):
        return None, ""
    return (value, text) if isinstance(value, dict) and key in value else (None, "")


def _texts(value: Any) -> Iterator[str]:
    """All texts in JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _texts(inside)


def _whole(text: str, origin: str) -> bool:
    """Whether `origin` has a repaired text from its first quote to its last."""
    forms = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    either = "|".join(re.escape(form) for form in forms)
    quoted = "|".join(rf"{first}\s*(?:{either})\s*{last}" for first, last in PAIRS.items())
    return re.search(rf"(?:{quoted})\s*(?:[}}\]:]|,\s*[{{\[}}\]{QUOTES}])", origin) is not None


def _chat(prompt: Prompt, row: Scenario, number: int, attempt: int, seed: int) -> Chat:
    draw = _drawn(seed, number, attempt)
    first, second = INITIALS[draw % len(INITIALS)], INITIALS[draw // 97 % len(INITIALS)]
    again = f"Avoid this: {(row.dropped or '').removeprefix(UNUSABLE)}." if attempt else ""
    return prompt.chat(domain=row.domain, letters=f"{first}, the person with {second}", fault=again)


def _drawn(seed: int, number: int, attempt: int) -> int:
    return int(content_id("scenario", seed, number, attempt), 16)


def _empty(number: int, domains: Sequence[str]) -> Scenario:
    domain = domains[number % len(domains)]
    return Scenario(
        id=f"{domain}-{number // len(domains) + 1}",
        domain=domain,
        organisation="",
        name="",
        facts=[],
        context="",
        questions=[],
        dropped="not asked for",
    )


def _dropped(row: Scenario, why: str) -> Scenario:
    return row.model_copy(update={"dropped": UNUSABLE + why})
