"""What a language model is asked to rate: reply_score of an answer to an interruption, and
task_adherence and naturalness of an answer to a service question, 0 to 5 each. What it is asked
about an overlap: scripts/duplex/judged_behaviour.py.

It reads the words that the first recogniser heard. Official: all of them (of an interruption, those
after its end, where they are a takeover); a service question without any has 0 and 0, as in the
public harness. Corrected: the answer alone, and a gap where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.common.errors import UserError
from scripts.common.prompts import Prompt, read_prompt
from scripts.duplex import fdb_corrected, fdb_official, judged_behaviour, ratings
from scripts.duplex.measures import FORMS, Heard, Key
from scripts.duplex.spans import Gap, Measure, gap
from scripts.rows.duplex import DuplexItem

PARTS = ("System", "User", "Reply")
PLACES = {"context", "interruption", "reply"}
METRICS = {"interruption": ("reply_score",), "service": ("task_adherence", "naturalness")}


def read_prompts(interruption: Path, service: Path, behaviour: Path) -> dict[str, Prompt]:
    """The prompts by task, and that of behaviours. Raises UserError for an invalid one."""
    places = {"context", "question", "reply", "asked"}
    found = {
        "interruption": read_prompt(interruption, PLACES, parts=PARTS),
        "service": read_prompt(service, places, parts=("System", "User", "Tasks", "Reply")),
        "behaviour": read_prompt(behaviour, judged_behaviour.PLACES, parts=PARTS),
    }
    missing = set(METRICS["service"]) - {name for name, _ in found["service"].lists["Tasks"]}
    if missing:
        raise UserError(
            f"{service}: '# Tasks' has no line for {' and '.join(sorted(missing))}: a name, a bar "
            "between spaces, and what is asked."
        )
    return found


def keys(item: DuplexItem, judge: str) -> list[Key]:
    """The verdicts that an item has."""
    ratings_of = [
        Key(metric, form, judge) for metric in METRICS.get(item.task, ()) for form in FORMS
    ]
    return [*ratings_of, *judged_behaviour.keys(item, judge)]


def request(
    heard: Heard, key: Key, prompts: Mapping[str, Prompt], recogniser: str
) -> ratings.Asked | Measure:
    """What the judge is asked for a verdict, or the measure where there is nothing to ask."""
    item = heard.item
    try:
        heard.track()
        if key.metric == "behaviour":
            return judged_behaviour.request(heard, prompts["behaviour"], recogniser)
        reply = official_reply if key.form == "official" else corrected_reply
        said = reply(heard, recogniser)
        if not said:
            return Measure(0.0, note="no reply")
        if item.task == "interruption":
            return ratings.asked(interruption_chat(heard, prompts, said))
        if item.question is None:
            return gap("the item has no question")
    except Gap as why:
        return gap(str(why))
    wanted = dict(prompts["service"].lists["Tasks"])[key.metric]
    places = {"context": item.role_prompt, "question": item.question.text, "reply": said}
    return ratings.asked(prompts["service"].chat(**places, asked=wanted))


def interruption_chat(heard: Heard, prompts: Mapping[str, Prompt], said: str) -> list:
    """The chat about an answer to an interruption. Raises Gap if its words are not known."""
    start, _ = heard.mark("interruption")
    events = heard.item.events
    words = [own.text for own in events if own.kind == "interruption" and own.text]
    if not words:
        raise Gap("the words of the interruption are not known")
    before = [own.text for own in events if own.kind == "user" and own.text and own.start < start]
    return prompts["interruption"].chat(
        context=" ".join(before) or "(not known)", interruption=words[0], reply=said
    )


def official_reply(heard: Heard, recogniser: str) -> str:
    """The words that are rated; empty of a service question without any. Raises Gap."""
    words = heard.words(recogniser)
    if heard.item.task == "interruption":
        words = fdb_official.after_crop(words, heard.mark("interruption")[1])
        if not fdb_official.takeover(words):
            raise Gap(fdb_official.NOT_RATED)
    return " ".join(word.word for word in words)


def corrected_reply(heard: Heard, recogniser: str) -> str:
    """The words of the answer, from its first one until the user talks again. Raises Gap."""
    said = heard.said(recogniser)
    if heard.item.task == "interruption":
        mark = heard.mark("interruption")
        end, until = mark[1], heard.until(mark[1])
        latency = fdb_corrected.interruption_latency(said, mark, until, heard.item.seconds)
    else:
        end = heard.mark("turn_end")[0]
        until = heard.until(end)
        latency = fdb_corrected.turn_latency(said, end, until)
    if latency.value is None:
        raise Gap(latency.reason)
    begun = end + latency.value - 1e-6
    words = heard.words(recogniser)
    return " ".join(word.word for word in words if begun <= word.start < until)
