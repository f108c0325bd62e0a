"""Which answer of a multiple-choice question a spoken reply names, by rule: needs no judge.

The question is asked without its answers (scripts/duplex/scenarios.py: 0 to 2, which ask for a
name, a price, a time), and the reply's words are matched with them. Of an answer with digits, its
digits must be said, in figures or in words ("nine ten" is 9:10); of another, its words, with a few
letters heard otherwise. A reply is matched in each of the question's circular orders
(circular_choice.py), where of several answers that fit equally the first is taken, as whoever names
them all has answered nothing: `choice` is 1 if the right one is found in all orders, else 0. Who
names one of the answers without knowing is right once in as many times as there are answers.

It is a gap for questions 3 to 6, whose answers are whole sentences that can be said in many ways;
for other languages than English; and where nothing was recognised for another reason than silence.
A reply that names no answer, or no reply, is not right: 0, and the note says so. A number that a
recogniser mishears is another number, so the measure comes by each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from functools import cache, partial

from scripts.duplex.circular_choice import circle
from scripts.duplex.measures import ACTIVITY, Heard, Key, Work
from scripts.duplex.spans import Measure, gap
from scripts.rows.duplex import Question

ALIKE = 0.8  # of SequenceMatcher's ratio: as "Marcel Dubrow" and "Marcel du Bro"
SENTENCES = "the question's answers are whole sentences, which no rule finds in a reply"
NO_ANSWER, NO_REPLY = "the reply names no answer", "no reply"


def choices(heard: Heard, ways: Iterable[str]) -> dict[Key, Work]:
    """The measure of a question to a service role, by each recogniser."""
    question = heard.item.question
    if heard.item.task != "service" or question is None:
        return {}
    return {
        Key("choice", "corrected", by): partial(choice, heard, question, by)
        for by in ways
        if by != ACTIVITY
    }


def choice(heard: Heard, question: Question, by: str) -> Measure:
    """1.0 if the reply names the right answer in each order of them, else 0.0."""
    if question.fact is None or len(question.choices) < 2:
        return gap(SENTENCES)
    if heard.item.language != "English":
        return gap(f"numbers are read in English only, and this is {heard.item.language}")
    end = heard.mark("turn_end")[0]
    until = heard.until(end)
    words = [w.word for w in heard.words(by) if end <= (w.start + w.end) / 2 < until]
    if not words:
        return Measure(0.0, note=NO_REPLY)
    named = [named_in(" ".join(words), order) for order in circle(question.choices)]
    note = NO_ANSWER if named[0] is None else ""
    return Measure(float(all(own == question.choices[0] for own in named)), note=note)


def named_in(reply: str, answers: Sequence[str]) -> str | None:
    """The answer that a reply names best, the first of several; None if it names none."""
    said = plain(reply)
    scores = [fit(plain(answer), said) for answer in answers]
    best = max(scores)
    return answers[scores.index(best)] if best >= ALIKE else None


def fit(answer: str, reply: str) -> float:
    """From 0 to 1: how well an answer is found in a reply, both as `plain` gives them."""
    digits = "".join(re.findall(r"\d", answer))
    if digits:
        return float(digits in re.findall(r"\d+", reply))
    wanted, words = "".join(answer.split()), reply.split()
    sizes = range(max(1, len(answer.split()) - 1), len(answer.split()) + 2)
    parts = {"".join(words[at : at + size]) for size in sizes for at in range(len(words))}
    return max((SequenceMatcher(None, wanted, part).ratio() for part in parts), default=0.0)


def plain(text: str) -> str:
    """Lower-case words, numbers in figures without anything between their digits ("910 pm")."""
    bare = re.sub(r"(?<!\d)[^\w\s$%]|[^\w\s$%](?!\d)", " ", text.lower())
    figures = re.sub(r"\bone\b", "1", numbers()(bare))  # it spells out a lone 1
    joined = re.sub(r"(?<=\d)[\s.,:-]+(?=\d)", "", figures)
    return " ".join(re.findall(r"\d+|[^\W\d_]+", joined))


@cache
def numbers() -> Callable[[str], str]:
    """Whisper's rules for English numbers."""
    from transformers.models.whisper.english_normalizer import EnglishNumberNormalizer

    return EnglishNumberNormalizer()
