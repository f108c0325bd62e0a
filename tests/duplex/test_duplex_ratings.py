"""Ratings are read strictly: what is not in the form asked for is a gap, never a number."""

from __future__ import annotations

import pytest

from scripts.backends.llm import NoReply
from scripts.duplex import ratings
from tests.duplex.simulated_models import Judge


@pytest.mark.parametrize(
    "reply, number",
    [
        ("Rating: 4", 4),
        ("rating: 0", 0),
        ("**Rating:** 5", 5),
        ("Rating: 3.5", 3.5),
        ("Rating: 3/5", 3),
        ("Rating: 3 out of 5.", 3),
        ("It fits.\n\nRating: 2\n", 2),
        ("Rating: 6", None),
        ("Rating: 5.5", None),
        ("Rating: -3", None),
        ("Rating: 10", None),
        ("Rating: 3 or 4", None),
        ("Rating: four", None),
        ("Rating:", None),
        ("Rating:\n4", None),
        ("Rating: 4\nRating: 1", None),
        ("I would rate it 4", None),
        ("My Rating: 4", None),
        ("", None),
    ],
)
def test_a_rating(reply, number):
    found = ratings.read(reply)
    assert found.value == number
    assert number is not None or (found.reason == "an unusable verdict" and found.note == reply)


def test_what_the_reply_was_begun_with_is_not_repeated():
    begun = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Rating:"}]
    asked = ratings.asked(begun)
    for reply in ("4", " 4", "Rating: 4"):
        assert ratings.rate(Judge(reply), [asked])[asked].value == 4


def test_a_service_that_gives_no_reply_says_why():
    asked = ratings.asked([{"role": "user", "content": "?"}])
    found = ratings.rate(Judge(NoReply("refused")), [asked, asked])[asked]
    assert found.value is None and found.reason == "the judge gave no reply: refused"


def test_an_endless_reply_is_kept_in_part():
    assert len(ratings.read("la " * 10_000).note) == ratings.RAW
