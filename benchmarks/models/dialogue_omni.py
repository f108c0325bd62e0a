"""Qwen2.5-Omni: a shard's requests through the backend versus one by one as on its model card.

The agent is the same network with a merged adapter, which here has random weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case, loaded, made
from scripts.backends.dialogue import Request
from scripts.backends.dialogue.qwen25_omni import CODES, chat

NAME = "qwen2.5-omni-7b"
ITEMS, TOKENS, SECONDS = 8, 12, 1


def cases() -> Iterator[Case]:
    home = made(NAME)
    noise = np.random.default_rng(0).standard_normal(16_000 * 6).astype(np.float32) * 0.05
    requests = [request(noise[: 16_000 * (2 + i % 4)]) for i in range(ITEMS)]
    with tempfile.TemporaryDirectory() as folder:
        adapter(home, folder)
        for backend, options in (("qwen25_omni", {}), ("speechrole_agent", {"adapter": folder})):
            options |= {"weights": NAME, "device": "cpu"}
            options |= {"max_tokens": TOKENS, "max_seconds": SECONDS}
            system = loaded("dialogue", backend, **options)
            seconds = sum(len(answer.audio) for answer in system.reply(requests)) / system.rate
            yield Case(
                f"dialogue/{backend}",
                ITEMS,
                seconds,
                lambda system=system: system.reply(requests),
                simplest(home, requests, folder if "adapter" in options else None),
            )


def request(user: np.ndarray) -> Request:
    return Request(
        role="joe",
        language="English",
        name="Joe",
        role_prompt="You are Joe, a pilot who has flown over every river there is.",
        manner="Answer briefly.",
        clip=np.zeros(0, np.float32),
        clip_text="",
        user=user,
    )


def adapter(home: Path, folder: str) -> None:
    """Write an adapter with random weights for the thinker."""
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen2_5OmniForConditionalGeneration

    model = Qwen2_5OmniForConditionalGeneration.from_pretrained(home)
    targets = r"thinker\.model\..*\.(q_proj|v_proj)"
    get_peft_model(model, LoraConfig(r=8, target_modules=targets)).save_pretrained(folder)


def simplest(home: Path, requests: list[Request], adapter: str | None):
    """The model card's loop; the adapter is applied as in peft's own examples."""
    from transformers import Qwen2_5OmniForConditionalGeneration, Qwen2_5OmniProcessor

    model = Qwen2_5OmniForConditionalGeneration.from_pretrained(home)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)
    processor = Qwen2_5OmniProcessor.from_pretrained(home)

    def run():
        for one in requests:
            text = processor.apply_chat_template(
                chat(one), add_generation_prompt=True, tokenize=False
            )
            inputs = processor(text=text, audio=[one.user], return_tensors="pt", padding=True)
            model.generate(
                **inputs,
                thinker_max_new_tokens=TOKENS,
                talker_max_new_tokens=SECONDS * CODES,
            )

    return run
