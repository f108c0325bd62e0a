"""Simulated language model: writes dialogues of the paper's length, chooses at random.

A request for dialogues (tests/config/scale/) says how many, and whether single- or multi-turn.
Their first questions cover TOPICS things: of a role's 1,600 dialogues some 29 % repeat another
one's question, as many as the paper dropped.
"""

import json
import math
import re

from scripts.backends.llm import seeds_of
from tests.backends.simulation import count, draw

ENV = "core"
GPU = False

ASKED = re.compile(r"Write (\d+) (single|multi)-turn")
HAN = re.compile(r"[\u4e00-\u9fff]")
TOPICS = 2133
QUESTION = {
    "English": "What do you think today of the thing that is called {}?",
    "Chinese": "你今天怎么看叫做{}的那件事？",
}
ANSWER = {
    "English": "I have thought about {} for many years, my friend, and whatever they say of me in "
    "the town, I would do the same again tomorrow, and with a lighter heart than on that day.",
    "Chinese": "关于{}，我已经想了很多年，朋友。不管城里的人怎么议论我，明天我还是会做同样的事，"
    "而且心情会比那一天更加轻松，因为我从来没有后悔过。",
}


def load(threads: int = 1):
    return Model()


class Model:
    name = "simulated"
    context = None

    def count(self, texts):
        return [len(text) // 3 for text in texts]

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        count("generate", len(chats))
        seeds = seeds_of(seed, chats)
        return [
            self.reply(chat[-1]["content"], own) for chat, own in zip(chats, seeds, strict=True)
        ]

    def reply(self, text, seed):
        asked = ASKED.search(text)
        language = "Chinese" if HAN.search(text) else "English"
        if not asked:
            profile = ANSWER[language].format(draw(text) % 10**6)
            return f"{profile}\n\nBackground: {profile}"
        number, mode = int(asked[1]), asked[2]
        items = []
        for place in range(number):
            turns = []
            for turn in range(1 if mode == "single" else 3):
                topic = draw(text, seed, place, turn) % TOPICS + turn * TOPICS
                answer = ANSWER[language].format(draw(text, seed, place, turn, "answer") % 10**9)
                turns.append({"user": QUESTION[language].format(topic), "role": answer})
            items.append({"dialogue": turns, "context": [1]})
        return json.dumps(items, ensure_ascii=False)

    def choose(self, chats, options):
        count("choose", len(chats))
        found = []
        for chat in chats:
            lots = [draw(chat[-1]["content"], option) / 2**64 + 0.01 for option in options]
            found.append([math.log(lot / sum(lots)) for lot in lots])
        return found
