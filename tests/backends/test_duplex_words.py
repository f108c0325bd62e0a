"""Words get times in proportion to their letters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from scripts.backends.asr import Word
from scripts.backends.duplex._words import joined, timed, until


def test_of_english_a_word_is_what_stands_between_blanks():
    assert timed("It's a, bee!", 1.0, 8.0) == [
        Word("It's", 1.0, 4.0),
        Word("a,", 4.0, 5.0),
        Word("bee!", 5.0, 8.0),
    ]


def test_of_chinese_each_character_is_a_word_with_its_punctuation():
    words = timed("“你好，OK吗？”", 0.0, 5.0)
    assert [(w.word, w.end) for w in words] == [("“你", 1), ("好，", 2), ("OK", 4), ("吗？”", 5)]
    assert joined(words, "Chinese") == "“你好，OK吗？”"


def test_the_word_in_which_speech_stops_is_cut():
    words = until(timed("one two three", 0, 11), 4.5)
    assert (
        words == [Word("one", 0, 3), Word("two", 3, 4.5)] and joined(words, "English") == "one two"
    )


@given(some.text())
def test_any_text_is_spread_over_its_time(text):
    words = timed(text, 2.0, 3.0)
    assert "".join(word.word for word in words) == "".join(text.split())
    if words:
        assert words[0].start == 2.0 and abs(words[-1].end - 3.0) < 1e-6
