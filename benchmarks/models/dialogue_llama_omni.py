"""LLaMA-Omni: replies in batches versus one after another, as in the authors' script."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.models import Case, loaded, made
from scripts.backends.dialogue import Request

ITEMS, TOKENS = 8, 48


def cases() -> Iterator[Case]:
    for name in ("llama-omni-8b", "whisper-large-v3", "hifigan-unit"):
        made(name)
    backend = loaded("dialogue", "llama_omni", device="cpu", max_tokens=TOKENS)
    noise = np.random.default_rng(0).standard_normal((ITEMS, 48_000)).astype(np.float32) * 0.05
    requests = [
        Request("r", "English", "Bob", f"You are Bob {i}.", "Be brief.", sound, "", sound)
        for i, sound in enumerate(noise)
    ]
    seconds = sum(len(answer.audio) for answer in backend.reply(requests)) / backend.rate
    yield Case(
        "dialogue/llama_omni",
        ITEMS,
        seconds,  # of the replies
        lambda: backend.reply(requests),
        lambda: [plain(backend, request) for request in requests],
    )


def plain(backend, request: Request) -> tuple[str, np.ndarray]:
    """Text and audio of one reply from the same networks, using only the backend's prompt: the
    hidden states of all layers are kept, and those of the last layer are selected afterwards."""
    import torch

    net, prompt = backend.net, backend.prompt(request)
    words = net.llm.get_input_embeddings()
    with torch.inference_mode():
        row = [words(torch.tensor([prompt.texts[0]]))]
        for clip, text in zip(prompt.clips, prompt.texts[1:], strict=True):
            heard = backend.features(clip, sampling_rate=16_000, return_tensors="pt")
            row.append(net.adaptor(net.encoder(heard.input_features).last_hidden_state))
            row.append(words(torch.tensor([text])))
        made = net.llm.generate(
            inputs_embeds=torch.cat(row, dim=1),
            max_new_tokens=backend.max_tokens,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
        states = torch.cat([step[-1][:, -1:] for step in made.hidden_states], dim=1)
        units, before = [], None
        for place in net.units(states)[0].tolist():
            if place not in (before, net.units.blank):
                units.append(place)
            before = place
        sound = net.vocoder(torch.tensor(units)).numpy()
    return net.tokenizer.decode(made.sequences[0].tolist()).strip(), sound
