"""llm/transformers versus transformers' own loop, one chat at a time, on the tiny Llama."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.models import Case, made

CHATS = 24
TOKENS = 32


def cases() -> Iterator[Case]:
    import torch

    from scripts.backends.llm import transformers

    made("llama-3.1-8b")
    model = transformers.load("llama-3.1-8b", device="cpu", batch=CHATS)
    chance = random.Random(0)
    chats = [
        [{"role": "user", "content": " ".join(["so"] * chance.randint(1, 60))}]
        for _ in range(CHATS)
    ]
    pairs = [(chat, " I am an old friend.") for chat in chats]

    def replies() -> None:
        for chat in chats:
            inputs = model.tokenizer.apply_chat_template(
                chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            found = model.net.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
            model.tokenizer.decode(found[0, inputs["input_ids"].shape[1] :], True)

    def scores() -> None:
        for chat, text in pairs:
            begun = model.prompt(chat, 0)
            ids = torch.tensor([begun + model.tokens(text)])
            with torch.no_grad():
                logits = model.net(ids).logits[0, len(begun) - 1 : -1].log_softmax(-1)
            logits.gather(1, ids[0, len(begun) :, None]).sum().item()

    yield Case("llm/transformers", CHATS, None, lambda: model.generate(chats, TOKENS), replies)
    yield Case("llm/transformers score", CHATS, None, lambda: model.score(pairs), scores)
