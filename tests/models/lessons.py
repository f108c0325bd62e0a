"""What the tiny chat model of tests/models/tiny/chat.py learns to answer, and to which prompts.

The prompts are those of config/prompts, filled with nonsense.
"""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path

from scripts.common.prompts import read_prompt
from scripts.dialogues.parse import HAN

PROMPTS = Path(__file__).resolve().parents[2] / "config" / "prompts"

# How a reply goes on: to a begun dialogue, for four openings in turn (which of its question, and
# what the role says), to a begun profile, or to anything else. Hardly a word stands here twice, so
# that the word before tells which is next.
QUESTIONS = {
    "en": ("that night?", "old harbours?", "broken bells?", "leaving home?"),
    "zh": ("那一夜？", "老码头？", "旧钟楼？", "故乡的事？"),
}
SAYINGS = {
    "en": (
        "I kept my word until morning came.",
        "They saved us once without any thanks.",
        "Nobody heard it ring, but she stayed.",
        "Mother wept while rivers called me onward.",
    ),
    "zh": (
        "我说过要算数，直到天亮。",
        "他们救了大家，从不讨谢。",
        "没有人听见它响，只好留下。",
        "母亲哭泣时，江河把孩子叫走。",
    ),
}
LONGER = {"en": "Well, ", "zh": "嗯，"}  # how the role begins where a second turn follows
FOLLOWING = {  # the second turn of a dialogue of several
    "en": ("Will you return there?", "As soon as this wind turns, friend."),
    "zh": ("你还会回去吗？", "等风向一转就动身。"),
}
PROFILES = {
    "en": " is calm.\n\nBackground: A traveller whom everybody knows.",
    "zh": "沉着冷静。\n\n背景：无名旅客。",
}
ANSWERS = {"en": "Ask whatever comes into your mind.", "zh": "尽管问吧，朋友。"}


def corpus() -> list[str]:
    """The training text of the tokenizers: the prompts and the replies."""
    replies = [*PROFILES.values(), *ANSWERS.values()]
    for language in ("en", "zh"):
        replies += [dialogue("multi", language, number) for number in range(4)]
    return [*(file.read_text("utf-8") for file in sorted(PROMPTS.glob("*.md"))), *replies * 20]


def example(chance: random.Random) -> tuple[list[dict[str, str]], str]:
    """A chat filled with nonsense, and its reply."""
    language = chance.choice(("en", "zh"))
    name = nonsense(chance, chance.choice((language, language, "en", "zh")), 1, 3)
    work = nonsense(chance, language, 1, 4)
    longer = [nonsense(chance, language, 1, 30) for _ in range(2)]
    kind = chance.choice(("single", "multi", "profile", "single", "multi", "answer", "profile"))
    if kind == "answer":
        return conversation(chance, language), ANSWERS[language]
    if kind == "profile":
        prompt = read_prompt(PROMPTS / f"profile_{language}.md", set(), {"name", "work", "lines"})
        return prompt.chat(name=name, work=work, lines="\n".join(longer)), PROFILES[language]
    prompt = prompts(kind, language)
    tasks = prompt.lists["Tasks"]
    number = chance.randrange(len(tasks))
    task, opening = tasks[number]
    chat = prompt.chat(
        count=str(chance.randint(1, 3)),
        name=name,
        work=work,
        profile=longer[0],
        script=longer[1],
        task=task.replace("{name}", name),
        opening=opening.replace("{name}", name),
    )
    return chat, dialogue(kind, language, number % 4)


def conversation(chance: random.Random, language: str) -> list[dict[str, str]]:
    """A role's system prompt is in its language; what it hears may be anything."""
    told = read_prompt(
        PROMPTS / f"respond_{language}.md", set(), {"name", "work", "profile", "lines"}, ("Role",)
    ).chat(lines=nonsense(chance, language, 1, 9))
    told = "\n\n".join(message["content"] for message in told)
    told = told if chance.random() < 0.7 else nonsense(chance, language, 3, 9)
    chat = [{"role": "system", "content": told}]
    for _ in range(chance.choice((0, 0, 1, 2))):
        chat.append({"role": "user", "content": nonsense(chance, language, 0, 20)})
        chat.append({"role": "assistant", "content": ANSWERS[language]})
    heard, longest = chance.choice(((language, 8), (language, 80), ("en", 4), ("zh", 4)))
    return [*chat, {"role": "user", "content": nonsense(chance, heard, 0, longest)}]


def dialogue(mode: str, language: str, number: int) -> str:
    """The rest of a list of dialogues whose first question has been started."""
    space = " " if language == "en" else ""
    question = f"{space}{QUESTIONS[language][number]}"
    said = SAYINGS[language][number]
    if mode == "single":
        return f'{question}", "role": "{said}"}}], "context": [1]}}]'
    user, role = FOLLOWING[language]
    said = f'{LONGER[language]}{said}"}}, {{"user": "{user}", "role": "{role}'
    return f'{question}", "role": "{said}"}}], "context": [1, 2]}}]'


def prompts(mode: str, language: str):
    places = {"count", "name", "work", "profile", "script", "task", "opening"}
    return read_prompt(PROMPTS / f"write_{mode}_{language}.md", set(), places)


def nonsense(chance: random.Random, language: str, fewest: int, most: int) -> str:
    """Some words, or twice as many Han characters, random or from the prompts."""
    count = chance.randint(fewest, most)
    words, han = known()
    if language == "zh":
        some = [chance.choice(han) for _ in range(count)]
        return "".join(char + chr(chance.randint(0x4E00, 0x9FA5)) for char in some)
    letters = "abcdefghijklmnopqrstuvwxyz"
    some = ["".join(chance.choices(letters, k=chance.randint(1, 8))) for _ in range(count)]
    some = [chance.choice((word, chance.choice(words))) for word in some]
    some = some[:1] * count if chance.random() < 0.1 else some
    return " ".join(word.capitalize() if chance.random() < 0.5 else word for word in some)


@functools.cache
def known() -> tuple[list[str], list[str]]:
    """The distinct words and Han characters of the prompts and replies."""
    text = " ".join(corpus())
    words = sorted(set(re.findall(r"[A-Za-z]+[,.!?]?", text)))
    return words, sorted(set(HAN.findall(text)))
