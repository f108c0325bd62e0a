"""Parsing of language models' replies: reasoning removed, JSON extracted.

Nothing here raises for malformed replies: a reply without content gives nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from scripts.common.json_path import whole_number

# Marks around a model's reasoning, whatever it calls that: <think> ... </think>,
# [THINK], 【思考】, <|begin_of_thought|>, <|START_THINKING|>, <seed:think>, ◁think▷, and Gemma's
# <|channel>thought ... <channel|>. The opening mark may be in the prompt.
MARK = re.compile(
    r"(?P<left>[<＜◁【\[]|&lt;)\s*(?P<slash>[/|｜]{0,2})\s*(?P<name>[^\W\d_][\w:-]{0,40}"
    r"(?:▁\w+){0,3})(?:\s[^<>]{0,200}?)?\s*(?P<bar>[|｜]?)(?:[>＞▷】\]]|&gt;)"
)
AFFIX = re.compile(
    r"(?:begin|start|(end))[_▁-]+(?:of[_▁-]+)?(?P<a>.+)|(?P<b>.+)[_▁-](?:begin|start|(end))"
    r"|(?P<c>.+)(?:开始|(结束))"
)
THOUGHT = re.compile(
    r"(?:[\w:-]*[_:-]|ant|my)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis"
    r"|scratch_?pad|plan(?:ning)?|monologue|deliberation|pondering|cot|internal|channel|details)"
    r"(?:[ _-]?(?:process|steps?|content|block|trace))?"
    r"|(?:内心|我的|深度)?(?:思考|思维|推理|分析|反思|独白|草稿|计划|想法)(?:过程|链|内容|步骤)?",
    re.IGNORECASE,
)
# A closing mark of another name without an opening one ends reasoning too, but for these.
ANSWER = (
    "(?:final[ _-]?)?(?:answer|response|reply|output|solution)|final|(?:最终)?(?:回答|答案|回复)"
)
OTHERS = re.compile(
    rf"{ANSWER}|dialogues?|json|role|user|assistant|system|text|turn|message|inst|sentence|eot|im"
    "|[abipqsu]|h[1-6]|em|br|hr|[uod]l|li|t[drh]|table|html|body|head|title|label|button|code|pre|sub"
    "|sup|font|small|big|mark|del|ins|cite|blockquote|section|span|div|strong|speak|prosody|emphasis"
    "|voice|audio|laugh(?:s|ter|ing)?|sighs?|whispers?|crying|music",
    re.IGNORECASE,
)
WRAPPED = re.compile(
    rf"\s*<\|?(?:(?:begin|start)_(?:of_)?)?({ANSWER})\|?>(.*?)"
    rf"(?:<[|/]+(?:end_(?:of_)?)?(?:{ANSWER})\|?>\s*|$)",
    re.IGNORECASE | re.DOTALL,
)
# Leading reasoning in a fence, in brackets or under a heading, up to the answer's heading.
ASIDE = re.compile(
    rf"\s*(?:```(?:{THOUGHT.pattern})\s*\n.*?\n\s*```"
    rf"|[(（](?:{THOUGHT.pattern})[:：](?:[^()（）]|[(（][^()（）]*[)）])*[)）])",
    re.IGNORECASE | re.DOTALL,
)
THINKS = re.compile(
    rf"[\s#*>【]*(?:here(?:'s| is) my )?(?:{THOUGHT.pattern})[】*]*(?:[:：]|[ \t*]*\n)",
    re.IGNORECASE,
)
ANSWERS = re.compile(
    rf"^[\s#*>【]*(?:here(?:'s| is) (?:my|the) )?(?:{ANSWER})[】*]*(?:[:：]\**|[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
# Ends of a turn: text after them was made up by a model that was not stopped.
STOPS = re.compile(
    r"<\|(?:im_end|im_start|eot_id|eom_id|end|end_of_text|endoftext|return|call)\|>|<end_of_turn>"
    r"|<｜end▁of▁sentence｜>"
)
# OpenAI's harmony format: channels, of which "final" is the answer; with and without its marks.
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+).*?<\|message\|>", re.DOTALL)
BARE_ANALYSIS = re.compile(r"\s*analysis(?=[^\sa-z:：.,;-])")
BARE_FINAL = re.compile(r"assistant\s*final")

START = re.compile(r"[\[{]")
PAIRS = {'"': '"', "“": "”", "”": "”", "'": "'", "‘": "’", "「": "」", "『": "』"}
# A JSON string in any quotes: it begins after a JSON delimiter and ends before one, so that
# apostrophes and quotations inside it do not end it.
NEXT = r"(?=\s*(?:[:：}\]]|,\s*[\[{\"“”'‘「『]|$))"
STRING = re.compile(
    r"(?<=[\[{,:：])(\s*)(?:"
    + "|".join(f"{first}((?:[^\\\\]|\\\\.)*?){last}{NEXT}" for first, last in PAIRS.items())
    + ")",
    re.DOTALL,
)


def without_thoughts(reply: str) -> str:
    """The answer of a reply, without reasoning; empty if it ended in the middle of that."""
    channels = list(CHANNEL.finditer(reply))
    if channels:
        final = channels[-1][1].lower() == "final"
        return STOPS.split(reply[channels[-1].end() :])[0].lstrip() if final else ""
    if BARE_ANALYSIS.match(reply):
        parts = BARE_FINAL.split(reply)
        return parts[-1].lstrip() if len(parts) > 1 else ""
    start, marks = 0, list(_marks(reply))
    opened = [mark for mark in marks if not mark.closes]
    for mark in marks:
        if mark.closes:
            alone = not any(one.start < mark.start and one.name == mark.name for one in opened)
            if THOUGHT.fullmatch(mark.name) or (alone and not OTHERS.fullmatch(mark.name)):
                start = mark.end
    # 【思考】 on its own is a stage direction.
    if any(m.start >= start and THOUGHT.fullmatch(m.name) and m.left != "【" for m in opened):
        return ""
    aside = ASIDE.match(reply, start)
    start = aside.end() if aside else start
    answers = list(ANSWERS.finditer(reply, start)) if THINKS.match(reply, start) else []
    start = answers[-1].end() if answers else start
    answer = STOPS.split(reply[start:].lstrip() if start else reply)[0]
    wrapped = WRAPPED.fullmatch(answer)
    return wrapped[2].strip() if wrapped else answer


class Mark(NamedTuple):
    """A mark in a reply: start, end, first character, name, and whether it opens or closes."""

    start: int
    end: int
    left: str
    name: str
    closes: bool


def _marks(text: str) -> Iterator[Mark]:
    """The marks in a text; in square brackets only [THINK] is one, in 【】 only reasoning."""
    for found in MARK.finditer(text):
        name, left = found["name"], found["left"]
        if left == "[" and name != "THINK":
            continue
        closes = "/" in found["slash"] or bool(found["bar"] and not found["slash"])
        if affix := AFFIX.fullmatch(name.lower()):
            name = affix["a"] or affix["b"] or affix["c"]
            closes |= any(affix.group(number) for number in (1, 4, 6))
        if left != "【" or THOUGHT.fullmatch(name):
            yield Mark(found.start(), found.end(), left, name.lower(), closes)


def json_values(text: str) -> Iterator[Any]:
    """The arrays and objects of strict JSON in a text, in order, whatever surrounds them.

    Invalid numbers (NaN, thousands of digits) are None, and so are duplicate keys of an object.
    """
    place = 0
    decoder = json.JSONDecoder(  # strings may contain line breaks
        strict=False,
        object_pairs_hook=_object,
        parse_constant=lambda name: None,
        parse_int=whole_number,
    )
    while start := START.search(text, place):
        try:
            value, place = decoder.raw_decode(text, start.start())
            yield value
        except (ValueError, RecursionError):
            place = start.end()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = Counter(name for name, _ in pairs)
    return {name: value if names[name] == 1 else None for name, value in pairs}


def requoted(text: str) -> str:
    """`text` with JSON-like strings in JSON's quotes, whatever quotes they had."""

    def string(found: re.Match) -> str:
        inner = next(part for part in found.groups()[1:] if part is not None)
        inner = re.sub(r"\\'", "'", inner)
        inner = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner)
        return f'{found[1]}"{inner}"'

    return STRING.sub(string, text)
