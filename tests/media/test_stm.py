"""Lines of STM: labels, marks, alternatives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.media import stm


def text(words: str) -> str | None:
    return stm.parse(f"film 1 ann 0.5 4.25 {words}").text


@pytest.mark.parametrize(
    "words, kept",
    [
        ("Hello there.", "Hello there."),
        ("<o,f0,female> hello there", "hello there"),
        ("<o, f0, fe male>\t你好", "你好"),
        ("<NA> hello", "hello"),
        ("", "@"),
        ("<o,f0,male>", "@"),
        ("<F0_M> [laughter]  <sil>", "@"),
        ("so <sil> this [door slams] ends", "so this ends"),
        ("and(2) the(3) end", "and the end"),
        ("24/7 and / or", "24/7 and / or"),
        ("i've { um / uh / @ } got", "i've { um / uh / @ } got"),
        ("my {color/colour/@} is", "my { color / colour / @ } is"),
        ("well {SMACK} no", "well {SMACK} no"),
        ("well (uh) no", "well { uh / @ } no"),
        ("%hesitation no", "{ hesitation / @ } no"),
        ("(%hesitation) no", "{ { hesitation / @ } / @ } no"),
        ("你（嗯）好", "你 { 嗯 / @ } 好"),
        ("100% right", "100% right"),
    ],
)
def test_a_text_keeps_words_and_alternatives(words, kept):
    assert text(words) == kept


@pytest.mark.parametrize("label", ["", "<o,,unknown> "])
@pytest.mark.parametrize("speaker", ["ann", "inter_segment_gap"])
def test_what_is_to_be_ignored_has_no_speaker(label, speaker):
    line = f"film 1 {speaker} 4.0 5.0 {label}Ignore_Time_Segment_in_Scoring"
    found = stm.parse(line)
    assert (found.start, found.end, found.speaker) == (4, 5, None)


def test_a_gap_is_nobody():
    assert stm.parse("film 1 INTER_SEGMENT_GAP 4 5") is None
    assert stm.parse("film 1 inter_segment_gap 4 5 <o,,unknown>") is None


@pytest.mark.parametrize(
    "words, found",
    [
        ("one", ["one"]),
        ("a { b / @ } c", ["a ", [[" b "], []], " c"]),
        ("{ a / { b / c } d }", [[[" a "], [[[" b "], [" c "]], " d "]]]),
        ("{BREATH}", [[["BREATH"], []]]),
        ("and / or", ["and / or"]),
        ("@", []),
    ],
)
def test_pieces(words, found):
    assert stm.pieces(words) == found


WORDS = st.lists(st.sampled_from("a b uh 你好 it's 24/7 100% x-".split()), min_size=1, max_size=5)
LABEL = st.sampled_from(["", "<o,f0,male> ", "<O, F, 00>\t", "<> "])


@settings(deadline=None, max_examples=60)
@given(WORDS, LABEL, st.sampled_from(["{} ", "({}) ", "%{} ", "{} <sil> ", "[x] {} "]))
def test_no_mark_or_label_becomes_a_word(words, label, form):
    found = text(label + "".join(form.format(word) for word in words))
    plain = " ".join(words)
    options = found.replace("{ ", "").replace(" / @ }", "")
    assert options == plain and not set(found) & set("<>()[]")


@given(st.integers(1, 5_000))
def test_groups_in_each_other_are_read_or_refused(deep):
    words = "{ " * deep + "a" + " }" * deep
    if deep <= stm.DEEPEST:
        assert text(words)
    else:
        with pytest.raises(ValueError, match="groups in each other"):
            text(words)
