"""Which answer a spoken reply names, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.backends.asr import Word
from scripts.duplex.circular_choice import circle
from scripts.duplex.measures import Heard
from scripts.duplex.named_choice import NO_ANSWER, NO_REPLY, SENTENCES, choice, named_in
from scripts.duplex.spans import Gap
from scripts.duplex.track import Track
from scripts.rows.duplex import Question
from tests.duplex.made_folder import SECONDS, item

PRICES = ["$18.40", "$7.30", "$32.10", "$1.95"]
TIMES = ["9:10 pm", "6:15 pm", "1:50 pm", "10:05 pm"]
NAMES = ["Marcel Dubrow", "Bright Start", "Amara Nwosu", "Feather Room"]
NUMBERS = ["40817", "73926", "58203", "91364"]
DATES = ["March 14", "May 23", "June 30", "October 19"]
RATES = ["2.35%", "5.85%", "11.65%", "3.05%"]
REPLIES = [
    # (answers, reply, the one that is named)
    (PRICES, "The mushroom risotto is $18.40, sir.", "$18.40"),
    (PRICES, "that is eighteen dollars and forty cents", "$18.40"),
    (PRICES, "it costs eighteen forty", "$18.40"),
    (PRICES, "It is one dollar ninety five.", "$1.95"),
    (PRICES, "It is $18.90.", None),  # a digit more or less is another price
    (PRICES, "I do not know about that.", None),
    (PRICES, "$32.10, or $18.40, or $7.30, or $1.95", "$18.40"),  # the first of them
    (TIMES, "The last seating is at nine ten p m", "9:10 pm"),
    (TIMES, "At 1:50 p.m.", "1:50 pm"),
    (TIMES, "at ten oh five", "10:05 pm"),
    (NAMES, "Our chef is called Marcel Dubro.", "Marcel Dubrow"),
    (NAMES, "Marcel du Bro is the chef", "Marcel Dubrow"),
    (NAMES, "It is the feather room", "Feather Room"),
    (NAMES, "His name is Peter.", None),
    (NUMBERS, "Your number is 4-0-8-1-7.", "40817"),
    (NUMBERS, "it is four zero eight one seven", "40817"),
    (NUMBERS, "40,817", "40817"),
    (DATES, "It is on March fourteenth", "March 14"),
    (RATES, "two point three five percent", "2.35%"),
]


@pytest.mark.parametrize("answers, reply, named", REPLIES)
def test_the_answer_that_a_reply_names(answers, reply, named):
    assert named_in(reply, answers) == named


def heard(text: str, index: int = 1, answers=tuple(PRICES), when: float = 5.0, **other) -> Heard:
    """An agent that says some words after the question, which ends at 4 s."""
    fact = answers[0] if index < 3 else None
    question = Question(index=index, text="How much?", fact=fact, choices=list(answers))
    words = [Word(w, when + n * 0.2, when + n * 0.2 + 0.2) for n, w in enumerate(text.split())]
    track = Track(Path(), SECONDS, [], [], {"ear": words})
    return Heard(item("service", question=question, **other), lambda: track, list)


CHOICES = [
    # (what is said, value, note)
    ("It is $18.40.", 1, ""),
    ("It is $7.30.", 0, ""),
    ("It is $7.30, or was it $18.40?", 0, ""),  # the first in only some of the orders
    ("Let me see.", 0, NO_ANSWER),
    ("", 0, NO_REPLY),
    ("18.40", 1, ""),  # no turn of its own, but the answer
]


@pytest.mark.parametrize("said, value, note", CHOICES)
def test_an_answer_is_right_in_all_orders(said, value, note):
    one = heard(said)
    found = choice(one, one.item.question, "ear")
    assert (found.value, found.note) == (value, note)


def test_words_before_the_question_has_ended_do_not_count():
    one = heard("$18.40", when=3.0)
    assert choice(one, one.item.question, "ear").note == NO_REPLY


def test_what_no_rule_can_tell_is_a_gap():
    for one, reason in (
        (heard("I am sorry.", index=4, answers=("I am sorry.", "Go away.")), SENTENCES),
        (heard("18.40", language="Chinese"), "English only"),
    ):
        assert reason in choice(one, one.item.question, "ear").reason
    lost = heard("18.40")
    lost.track().words["ear"] = "it does not speak that"
    with pytest.raises(Gap, match="does not speak"):
        choice(lost, lost.item.question, "ear")


def test_each_answer_comes_first_once():
    orders = circle(PRICES)
    assert sorted(order[0] for order in orders) == sorted(PRICES) and len(orders) == 4
    assert orders[1] == ["$1.95", "$18.40", "$7.30", "$32.10"]
