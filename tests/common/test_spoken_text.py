"""Of a written line, exactly what a person would say is spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.spoken_text import aloud


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("*sighs* I don't know.", "I don't know."),
        ("Well (laughs), [pause] so be it!", "Well, so be it!"),
        ("（笑）好的【停顿】，走吧。", "好的，走吧。"),
        ("((door opens) creaks) Who is there?", "Who is there?"),
        ("**Never** do ***that*** __again__, ~~ever~~.", "Never do that again, ever."),
        ("I *know* it, and he *knows*.", "I know it, and he knows."),
        ("Stop. *runs* Wait!", "Stop. Wait!"),
        ("I never crash 😂👍🏽 my friend ❤️.", "I never crash my friend."),
        ("🇫🇷 Bonjour 👩‍🚀 1️⃣", "Bonjour 1"),
        ("# Plan\n- One\n- Two\n> `three`", "Plan One Two three"),
        ("1. First\n2. Second", "First Second"),
        ("See [the map](https://example.org/a_b) now.", "See the map now."),
        ("It costs 3.5 € at 20 °C - really?", "It costs 3.5 € at 20 °C - really?"),
        ("snake_case is no line", "snake case is no line"),
        ("_sighs loudly_ I _do_ know snake_case.", "I do know snake case."),
        ("＊笑＊ 好的。〔停〕走［笑］吧｛叹｝。", "好的。 走 吧。"),
        ("\\*grins\\* Hi. *He walks\nto the door.* Bye.", "Hi. Bye."),
        ("Look at https://example.org/a_b?c=1, now.", "Look at, now."),
        ("<b>Hi</b> &amp; <laugh>ha</laugh> <3 </s><|im_end|>", "Hi & ha"),
        ("| a | b |\n|---|---|\n| c | d |", "a b c d"),
        ("1) One\n2) 5*3*2 in C#. 1999. Yes", "One 5 3 2 in C#. 1999. Yes"),
        ("He\u200bl\u00adlo\x00 there\x07 \ud83d", "Hello there"),
        ("《红楼梦》很好看。", "《红楼梦》很好看。"),
        ("*smiles* 🙂 (nods)", ""),
        ("...", ""),
        ("", ""),
    ],
)
def test_directions_markup_and_emoji_are_not_said(line, said):
    assert aloud(line) == said


PLAIN = st.text(st.characters(categories=["L"]), min_size=1, max_size=8)
WORDS = st.lists(PLAIN, min_size=1, max_size=6).map(" ".join)


@given(
    WORDS,
    WORDS,
    st.sampled_from(
        [
            "*{}*",
            "({})",
            "（{}）",
            "[{}]",
            "【{}】",
            "🙂",
            "**",
            "_{}_",
            "［{}］",
            "〔{}〕",
            "{{{}}}",
        ]
    ),
)
def test_whatever_stands_between_two_sentences_the_words_remain(first, second, form):
    line = f"{first}. {form.format('laughs out loud')} {second}."
    assert aloud(line) == f"{first}. {second}."


@given(st.text(max_size=80))
def test_any_text_is_said_or_silent_and_once_is_enough(line):
    said = aloud(line)
    assert said == said.strip() and "*" not in said
    assert aloud(said) in (said, aloud(aloud(said)))
