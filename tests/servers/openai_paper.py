"""A stand-in for OpenAI's chat completions: all text and speech services of the paper's run.

It reads the project's own prompts (config/prompts) as a model would: asked for dialogues, it writes
the requested number in the requested language and length; for a profile, a profile; for a lettered
option, a letter with its likeliest tokens; for speech, a hum with a transcript and an id; otherwise
one sentence. Answers derive from a hash of the request, so equal requests have equal answers.
`keys` are the keys received.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import time

import numpy as np
import soundfile

from scripts.backends.llm.openai import PICK
from scripts.dialogues.parse import HAN
from tests.servers.scripted import Request, Scripted, Step

COUNT = re.compile(r"(?:Write|请写) (\d+)")
OPTION = re.compile(r"^([A-T])\. ", re.MULTILINE)
THINGS = ("storm", "letter", "garden", "river", "promise", "winter", "journey", "silence")
MATTERS = ("风雨", "书信", "花园", "河流", "诺言", "冬天", "旅途", "沉默")


class PaperModel(Scripted):
    def __init__(self):
        self.keys: set[str] = set()
        super().__init__(answer=self.respond)
        self.address += "/v1"

    def respond(self, request: Request):
        if request.path != "/v1/chat/completions":
            return Step(404, body={"error": {"message": f"no method {request.path}"}})
        self.keys.add(request.headers.get("Authorization", "").removeprefix("Bearer "))
        asked = request.json
        text = "\n".join(text_of(message) for message in asked["messages"])
        last = text_of(asked["messages"][-1])
        seed = int(hashlib.sha256(request.body).hexdigest(), 16)
        chinese = bool(HAN.search(last or text_of(asked["messages"][0])))
        if "audio" in asked.get("modalities", []):
            return spoken(asked["model"], sentence(seed, chinese))
        if PICK in last:
            return chosen(asked["model"], "ABCDEFGHIJKLMNOPQRST"[: len(OPTION.findall(last))], seed)
        if "JSON" in last:
            multi = "2 to 4" in text or "2 到 4" in text
            return said(asked["model"], dialogues(last, chinese, multi, seed))
        if "Background:" in text or "背景：" in text:
            return said(asked["model"], profile(chinese))
        return said(asked["model"], sentence(seed, chinese))


def text_of(message: dict) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def sentence(seed: int, chinese: bool) -> str:
    number = seed % 9973
    if chinese:
        return f"我一直记得那场{MATTERS[seed % 8]}，第{number}个晚上我没有睡着，后来再也没有忘记。"
    return f"I still remember the {THINGS[seed % 8]} of night {number}: I never slept."


def dialogues(last: str, chinese: bool, multi: bool, seed: int) -> str:
    found = COUNT.search(last)
    rows = []
    for place in range(int(found[1]) if found else 1):
        turns = []
        for turn in range(3 if multi else 1):
            own = seed // 7 + 31 * place + 1009 * turn
            number = own % 99991
            asked = f"What did you learn in year {number} of your life, my friend?"
            asked = f"第{number}年你经历了什么难忘的事情呢？" if chinese else asked
            turns.append({"user": asked, "role": sentence(own, chinese)})
        rows.append({"dialogue": turns, "context": [1]})
    return json.dumps(rows, ensure_ascii=False)


def profile(chinese: bool) -> str:
    if chinese:
        return "性格：说话温和而坚定，喜欢讲过去的故事。\n背景：在故事里照顾着身边的每一个人。"
    return (
        "Profile: A patient soul who talks in short sentences and likes to tease.\n"
        "Background: A friend to everyone in the story, and its keeper of secrets."
    )


def completion(model: str, message: dict, logprobs: dict | None = None) -> dict:
    choice = {"index": 0, "finish_reason": "stop", "logprobs": logprobs}
    message = {"role": "assistant", "content": None, "refusal": None, **message}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{**choice, "message": message}],
        "usage": usage,
    }


def said(model: str, text: str) -> dict:
    return completion(model, {"content": text})


def chosen(model: str, letters: str, seed: int) -> dict:
    """One of the letters, nine times as likely as all others together."""
    letter = letters[seed % len(letters)]
    tops = [
        {"token": own, "logprob": float(np.log(0.9 if own == letter else 0.1 / len(letters)))}
        for own in letters
    ]
    token = {"token": letter, "logprob": tops[0]["logprob"], "bytes": None, "top_logprobs": tops}
    for top in tops:
        top["bytes"] = None
    return completion(model, {"content": letter}, {"content": [token], "refusal": None})


def spoken(model: str, text: str) -> dict:
    """A 1.5-second hum at 24 kHz, as a WAV file."""
    times = np.arange(36_000) / 24_000
    hum = 0.2 * np.sin(2 * np.pi * 140 * times) * (np.sin(2 * np.pi * 3 * times) > -0.5)
    file = io.BytesIO()
    soundfile.write(file, hum, 24_000, format="WAV", subtype="PCM_16")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    audio = {"id": "audio_1", "data": data, "transcript": text}
    return completion(model, {"audio": audio | {"expires_at": int(time.time()) + 3600}})
