"""LLaMA-Omni: Whisper's encoder and Llama-3.1-8B, which answers in text and in speech units.

Fang et al., ICLR 2025 (https://arxiv.org/abs/2409.06666), as released
(https://huggingface.co/ICTNLP/Llama-3.1-8B-Omni): the authors' code is under Apache-2.0; the
weights are for academic research only, not for commercial use, and under the Llama 3.1 Community
License. The speech encoder is that of whisper-large-v3 (Apache-2.0). The vocoder is fairseq's unit
HiFi-GAN mhubert_vp_en_es_fr_it3_400k_layer11_km1000_lj (fairseq: MIT; the same family on Hugging
Face: CC-BY-NC-4.0). The authors' code is not packaged and requires fairseq: all but the encoder and
the language model (transformers) is reimplemented in this folder's `_*.py` files. About 20 GB of
GPU memory, and some GB for prompts. float16 on a GPU, float32 on the CPU and in the vocoder.

It speaks English only, in LJ Speech's voice; reference clips are not used. The system message
describes the role and how to answer (the authors': a helpful assistant). It was trained on single
questions of at most 30 s; each user utterance, however short, takes 300 tokens of the prompt. The
history is kept in full, the user's turns as speech (the model does not transcribe them) and its own
as text, so a long dialogue exceeds its 2048 training tokens. Text and units are decoded
greedily. Unlike the authors' program, it refuses an utterance of more than 30 s instead of cutting
it, and streams nothing.

`latency` of an answer is an equal share of its batch's time: the cost of a reply in a batch. In
float16 the rest of the batch may change a word (order of the arithmetic); in float32 only rounding
differs.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends.device import in_batches, pick
from scripts.backends.dialogue import Answer, DialogueBackend, Request
from scripts.common.errors import UserError
from scripts.common.job import made
from scripts.common.weights import loading, path

ENV = "torch"
GPU = True
LANGUAGES = ("English",)

WHO = "dialogue/llama_omni"
RATE = 16_000
# In training, exactly these words follow the user's speech.
ASK = "\nPlease directly answer the questions in the user's speech."
END = "<|eot_id|>"
STORED = ("model.speech_encoder.", "model.speech_projector.", "speech_generator.")
# Transformers initialises missing or mismatched parameters at random; `demand` refuses that.
STRICT = {
    "use_safetensors": True,
    "local_files_only": True,
    "output_loading_info": True,
    "ignore_mismatched_sizes": True,
}
BEFORE = "<|start_header_id|>{}<|end_header_id|>\n\n"


@dataclass(frozen=True)
class Prompt:
    """The model's input: `texts` as tokens, with one of `clips` between each two."""

    texts: list[list[int]]
    clips: list[np.ndarray]


def load(
    weights: str = "llama-omni-8b",
    encoder: str = "whisper-large-v3",
    vocoder: str = "hifigan-unit",
    max_tokens: int = 256,
    device: str = "cuda",
    batch: int = 8,
) -> DialogueBackend:
    """Load the model, its speech encoder (a Whisper) and its vocoder. A reply is cut at
    `max_tokens` tokens of text; `batch` requests are answered together."""
    device = pick(device, WHO)
    home, ears, voice = path(weights), path(encoder), path(vocoder)
    with loading(WHO, home):
        tokenizer, llm, adaptor, units = read_model(home, device)
    with loading(WHO, ears):
        hearing = read_encoder(ears, llm.dtype).to(device)
    with loading(WHO, voice):
        from scripts.backends.dialogue._unit_vocoder import load_vocoder

        network = Networks(tokenizer, hearing, adaptor, llm, units, load_vocoder(voice).to(device))
    config = llm.config
    for what, where, found, wanted in (
        ("width", ears, hearing.config.d_model, config.speech_encoder_hidden_size),
        ("number of units", voice, network.vocoder.dict.num_embeddings, config.unit_vocab_size),
        ("sampling rate", voice, network.vocoder.rate, RATE),
    ):
        if found != wanted:
            raise UserError(
                f"{WHO}: the {what} of {where} is {found}, and {home} wants {wanted}: they do not "
                "belong together."
            )
    return LlamaOmni(network, max_tokens, batch)


@dataclass(frozen=True)
class Networks:
    """The networks on one device, in order of use, and the tokenizer."""

    tokenizer: Any
    encoder: Any
    adaptor: Any
    llm: Any
    units: Any
    vocoder: Any


def read_model(home: Path, device: str) -> tuple:
    """Tokenizer, language model, adaptor and unit decoder from the checkpoint in `home`."""
    import torch
    from tokenizers import Tokenizer
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    from scripts.backends.dialogue._checkpoint import demand, fill, tensors
    from scripts.backends.dialogue._speech_adaptor import SpeechAdaptor
    from scripts.backends.dialogue._unit_decoder import UnitDecoder

    class Llama(LlamaForCausalLM):
        _keys_to_ignore_on_load_unexpected = [f"^{re.escape(name)}" for name in STORED]

    values = json.loads((home / "config.json").read_text("utf-8"))
    if (kind := values.get("model_type")) != "omni_speech2s_llama":
        raise ValueError(f"its config.json says model_type {kind}, not omni_speech2s_llama")
    config = LlamaConfig.from_dict({**values, "model_type": "llama"})
    dtype = torch.float32 if device == "cpu" else torch.float16
    llm, found = Llama.from_pretrained(home, config=config, dtype=dtype, **STRICT)
    demand("Llama", found["missing_keys"], found["unexpected_keys"], shapes(found))
    ends = config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    llm.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=ends, pad_token_id=ends[0]
    )
    adaptor = SpeechAdaptor(
        config.speech_encoder_hidden_size, config.speech_encoder_ds_rate, config.hidden_size
    )
    units = UnitDecoder(config)
    fill(adaptor, tensors(home, STORED[1]), "the speech adaptor")
    fill(units, tensors(home, STORED[2]), "the unit decoder")
    networks = [network.to(device, dtype) for network in (llm.eval(), adaptor, units)]
    return Tokenizer.from_file(str(home / "tokenizer.json")), *networks


def read_encoder(home: Path, dtype):
    """The encoder of the Whisper in folder `home`."""
    from transformers import WhisperModel

    from scripts.backends.dialogue._checkpoint import demand

    whisper, found = WhisperModel.from_pretrained(home, dtype=dtype, **STRICT)
    demand("Whisper", found["missing_keys"], (), shapes(found))
    return whisper.encoder.eval()


def shapes(found: dict) -> list[str]:
    """The parameters that transformers reports as mismatched in shape."""
    return [f"{name} {tuple(had)} not {tuple(own)}" for name, had, own in found["mismatched_keys"]]


class LlamaOmni:
    voice_mode = "own"
    rate = RATE
    languages = LANGUAGES

    def __init__(self, network: Networks, max_tokens: int, batch: int):
        from transformers import WhisperFeatureExtractor

        self.net = network
        self.max_tokens, self.batch = max_tokens, batch
        self.features = WhisperFeatureExtractor(network.encoder.config.num_mel_bins)
        self.places = network.encoder.config.max_source_positions // network.adaptor.stack
        self.context = network.llm.config.max_position_embeddings
        self.ends = network.llm.generation_config.eos_token_id

    def reply(self, requests: list[Request]) -> list[Answer]:
        """Answer each request; see the contract in scripts/backends/dialogue/__init__.py."""
        prompts = [self.prompt(request) for request in requests]
        pairs = zip(requests, prompts, strict=True)
        reasons = [self.refusal(request, prompt) for request, prompt in pairs]
        left = [place for place, reason in enumerate(reasons) if not reason]
        found = iter(
            in_batches(
                self.answer,
                [prompts[place] for place in left],
                self.batch,
                self.length,
                WHO,
                lambda n, answer: made(self, "reply", left[n], answer),
            )
        )
        return [
            Answer(None, None, None, 0.0, reason) if reason else next(found) for reason in reasons
        ]

    def prompt(self, request: Request) -> Prompt:
        """A request as the model reads it: with two begin-of-text tokens, as in training."""
        text = BEFORE.format("system") + f"{request.role_prompt}\n\n{request.manner}".strip() + END
        texts = []
        for answer in (*(answer for _, answer in request.history), None):
            texts.append(text + BEFORE.format("user"))
            text = ASK + END + BEFORE.format("assistant")
            text += (answer.text or "").strip() + END if answer else ""
        rows = [
            self.net.tokenizer.encode(text, add_special_tokens=False).ids for text in (*texts, text)
        ]
        first = [self.net.llm.config.bos_token_id] * 2
        clips = [*(user for user, _ in request.history), request.user]
        return Prompt([first + rows[0], *rows[1:]], clips)

    def length(self, prompt: Prompt) -> int:
        """Tokens of a prompt, including those of its speech."""
        return sum(map(len, prompt.texts)) + self.places * len(prompt.clips)

    def refusal(self, request: Request, prompt: Prompt) -> str | None:
        """Why a request cannot be answered, or None."""
        if request.language not in self.languages:
            return f"LLaMA-Omni does not speak {request.language}"
        if not len(request.user):
            return "the user's audio is empty"
        if len(request.user) > self.features.n_samples:
            seconds, most = len(request.user) / RATE, self.features.n_samples // RATE
            return f"the user speaks for {seconds:.0f} s, the model hears {most} s"
        if self.length(prompt) + self.max_tokens > self.context:
            return f"what was said takes {self.length(prompt)} places, the model has {self.context}"
        return None

    def answer(self, prompts: list[Prompt]) -> list[Answer]:
        """The answers to one batch."""
        import torch

        begun = time.monotonic()
        with torch.inference_mode():
            written = self.write(self.embed(prompts))
            sounds = self.speak([states for _, states in written])
        share = (time.monotonic() - begun) / len(prompts)
        answers = []
        for (text, _), sound in zip(written, sounds, strict=True):
            reason = None if text and len(sound) else "the model's speech is empty"
            reason = reason if text else "the model's reply is empty"
            answers.append(Answer(None if reason else sound, text, None, share, reason))
        return answers

    def embed(self, prompts: list[Prompt]) -> list:
        """The input embeddings of each prompt, (tokens, width)."""
        import torch

        heard = iter(self.hear([clip for prompt in prompts for clip in prompt.clips]))
        words = self.net.llm.get_input_embeddings()
        rows = []
        for prompt in prompts:
            parts = [words(torch.tensor(text, device=self.net.llm.device)) for text in prompt.texts]
            for place in range(len(prompt.clips)):
                parts.insert(2 * place + 1, next(heard))
            rows.append(torch.cat(parts))
        return rows

    def hear(self, clips: list[np.ndarray]) -> list:
        """Each clip, padded with silence to 30 s, as (positions, width) inputs of the model."""
        heard = []
        for start in range(0, len(clips), self.batch):
            found = self.features(
                clips[start : start + self.batch], sampling_rate=RATE, return_tensors="pt"
            ).input_features
            frames = self.net.encoder(found.to(self.net.llm.device, self.net.llm.dtype))
            heard.extend(self.net.adaptor(frames.last_hidden_state))
        return heard

    def write(self, rows: list) -> list[tuple]:
        """The text of each reply and the hidden states (tokens, width) behind its tokens."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        # Padding is on the left, so that all replies begin at the same position.
        inputs = pad_sequence(rows, batch_first=True, padding_side="left")
        lengths = torch.tensor([len(row) for row in rows], device=inputs.device)
        places = torch.arange(inputs.shape[1], device=inputs.device)
        mask = (places >= inputs.shape[1] - lengths[:, None]).long()
        kept = []  # per step, the state at the last position, after the final norm
        watch = self.net.llm.model.norm.register_forward_hook(
            lambda _, __, states: kept.append(states[:, -1])
        )
        try:
            tokens = self.net.llm.generate(
                inputs_embeds=inputs, attention_mask=mask, max_new_tokens=self.max_tokens
            )
        finally:
            watch.remove()
        found = []
        for row, states in zip(tokens.tolist(), torch.stack(kept, dim=1), strict=True):
            ends = [i for i, token in enumerate(row) if token in self.ends]
            count = ends[0] + 1 if ends else len(row)  # includes the end token, as published
            text = self.net.tokenizer.decode(row[:count], skip_special_tokens=True)
            found.append((text.strip(), states[:count]))
        return found

    def speak(self, states: list) -> list[np.ndarray]:
        """The audio of each reply, (samples,) float32; empty if every position is blank."""
        from torch.nn.utils.rnn import pad_sequence

        from scripts.backends.dialogue._unit_decoder import collapse

        decoder = self.net.units
        places = decoder(pad_sequence(states, batch_first=True)).tolist()
        return [
            self.vocode(collapse(row[: len(own) * decoder.upsample], decoder.blank))
            for row, own in zip(places, states, strict=True)
        ]

    def vocode(self, units: list[int]) -> np.ndarray:
        """The audio of one reply's units, unbatched since padding would be audible."""
        import torch

        if not units:
            return np.zeros(0, np.float32)
        return self.net.vocoder(torch.tensor(units, device=self.net.llm.device)).cpu().numpy()
