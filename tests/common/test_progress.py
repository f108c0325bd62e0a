"""Progress on the screen and in the log: how often, and with which estimate."""

from __future__ import annotations

import time

import pytest

from scripts.common.progress import progress, span


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def told(screen) -> list[str]:
    return screen.getvalue().splitlines()


def work(clock, seconds: list[float]) -> None:
    for took in progress(seconds, len(seconds), "clips"):
        clock[0] += took


def test_everything_is_yielded_and_told_on_the_screen_and_in_the_log(screen, capsys):
    assert list(progress("abc", 3, "letters", every=-1)) == ["a", "b", "c"]
    assert told(screen) == ["letters: 1 of 3", "letters: 2 of 3"]
    assert capsys.readouterr().out.splitlines() == told(screen)


def test_the_first_item_loads_the_model_and_is_no_measure(clock, screen):
    work(clock, [300.0] + [5.0] * 40)
    assert told(screen)[:3] == [
        "clips: 1 of 41",
        "clips: 4 of 41, about 3 min left",
        "clips: 7 of 41, about 3 min left",
    ]


def test_what_was_there_at_once_is_no_measure(clock, screen):
    work(clock, [0.001] * 500 + [6.0] * 10)
    assert told(screen) == [
        *("clips: 502 of 510, about 48 s left", "clips: 504 of 510, about 36 s left"),
        *("clips: 506 of 510, about 24 s left", "clips: 508 of 510, about 12 s left"),
    ]


def test_long_items_are_told_one_by_one(clock, screen):
    work(clock, [40.0] * 4)
    assert told(screen) == ["clips: 1 of 4", "clips: 2 of 4", "clips: 3 of 4, about 40 s left"]


def test_spans_read_well():
    assert [span(90), span(150), span(8000)] == ["90 s", "2 min", "2 h"]
