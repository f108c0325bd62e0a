"""Qwen2.5-Omni: one model that hears speech and answers in text and speech, with transformers.

Paper, section 5.1, as released (https://huggingface.co/Qwen/Qwen2.5-Omni-7B, Apache-2.0; the 3B
model of the same family is for research only). Its card measures 31 GB of GPU memory for the 7B
model in bfloat16 with one short video; a batch of eight speech requests takes about as much.

The system message is the one that the model card requires for speech output, followed by the role's
description and how to answer. The history is audio (the user's turns) and text (its own replies, as
in the model's own format). It has its own voices, Chelsie (female) and Ethan (male); reference
clips are not used. The paper needs English and Chinese; the model speaks more languages.

The text is decoded greedily. The speech is sampled as released (top-k 40, top-p 0.8, temperature
0.9), but with a random seed per request, so a reply does not depend on the rest of its batch,
except where rounding tips the balance between two words. `latency` of an answer is an equal share
of its batch's time: the cost of a reply in a batch; a single request would take longer. It does not
report what it heard.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator

import numpy as np

from scripts.backends.device import in_batches, opened
from scripts.backends.dialogue import Answer, Request
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.job import made
from scripts.common.weights import pinned
from scripts.rows.jsonl import content_id

ENV = "torch"
GPU = True

WHO = "dialogue/qwen25_omni"
CARD = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of "
    "perceiving auditory and visual inputs, as well as generating text and speech."
)
CODES = 50  # talker codes per second of speech
SHORTEST = 1600  # samples at 16 kHz, the audio encoder's minimum; shorter audio is padded
TOP_K, TOP_P, TEMPERATURE = 40, 0.8, 0.9


class Silent(Exception):
    """No reply of a batch has any text."""


def load(
    weights: str = "qwen2.5-omni-7b",
    voice: str = "Chelsie",
    max_tokens: int = 256,
    max_seconds: int = 60,
    device: str = "cuda",
    batch: int = 8,
) -> Omni:
    """Load the model. `voice` is Chelsie or Ethan; a reply is cut at `max_tokens` tokens of text
    and `max_seconds` of speech. `batch` requests are answered together."""
    with opened(WHO, weights, device) as home:
        import torch
        from transformers import Qwen2_5OmniForConditionalGeneration, Qwen2_5OmniProcessor

        kind = json.loads((home / "config.json").read_text("utf-8")).get("model_type")
        if kind != "qwen2_5_omni":
            raise ValueError(f"its config.json says model_type {kind}, not qwen2_5_omni")
        pinned(home / "spk_dict.pt")
        model = Qwen2_5OmniForConditionalGeneration.from_pretrained(
            home,
            dtype=torch.float32 if device == "cpu" else torch.bfloat16,
            use_safetensors=True,
            local_files_only=True,
        )
        processor = Qwen2_5OmniProcessor.from_pretrained(home, local_files_only=True)
    if voice not in model.speaker_map:
        raise UserError(f"{WHO}: {home} has no voice '{voice}'{nearest(voice, model.speaker_map)}")
    model = model.to(device).eval()
    return Omni(model, processor, voice, max_tokens, max_seconds, batch)


def instruction(role_prompt: str, manner: str) -> str:
    """The system message, here and in the fine-tuning examples."""
    return "\n\n".join((CARD, role_prompt, manner))


class Omni:
    voice_mode = "own"
    rate = 24_000
    languages = ("English", "Chinese")

    def __init__(self, model, processor, voice, max_tokens, max_seconds, batch):
        self.model, self.processor = model, processor
        self.voice = voice
        self.max_tokens, self.max_codes = max_tokens, round(max_seconds * CODES)
        self.batch = batch
        words = processor.tokenizer
        self.ends = words.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
        self.plain_forward = model.token2wav.forward

    def reply(self, requests: list[Request]) -> list[Answer]:
        """Answer each request; see the contract in scripts/backends/dialogue/__init__.py."""
        answers = [self.refuse(request) for request in requests]
        left = [i for i, answer in enumerate(answers) if answer is None]
        found = in_batches(
            self.answer,
            [requests[i] for i in left],
            self.batch,
            lambda request: sum(len(sound) for sound in sounds(request)),
            WHO,
            lambda n, answer: made(self, "reply", left[n], answer),
        )
        for i, answer in zip(left, found, strict=True):
            answers[i] = answer
        return [answer for answer in answers if answer is not None]

    def refuse(self, request: Request) -> Answer | None:
        """The answer without a reply for audio that is empty or too long, else None."""
        longest = self.processor.feature_extractor.n_samples
        if not len(request.user):
            return Answer(None, None, None, 0.0, "the user's audio is empty")
        if len(request.user) > longest:
            seconds = len(request.user) / 16_000
            reason = f"the user speaks for {seconds:.0f} s, the model hears {longest // 16_000} s"
            return Answer(None, None, None, 0.0, reason)
        return None

    def answer(self, requests: list[Request]) -> list[Answer]:
        """The answers to one batch."""
        begun = time.monotonic()
        try:
            texts, waves = self.generate(requests)
        except Silent:
            texts, waves = [""] * len(requests), [np.zeros(0, np.float32)] * len(requests)
        share = (time.monotonic() - begun) / len(requests)
        return [
            Answer(wave, text, None, share)
            if text and len(wave)
            else Answer(
                None, text, None, share, f"the model's {'speech' if text else 'reply'} is empty"
            )
            for text, wave in zip(texts, waves, strict=True)
        ]

    def generate(self, requests: list[Request]) -> tuple[list[str], list[np.ndarray]]:
        """Text and speech of each reply of a batch."""
        inputs = self.inputs(requests)
        seeds = [seed(request) for request in requests]
        self.model.token2wav.forward = vocode(self.plain_forward, iter(seeds))
        tokens, waves = self.model.generate(
            **inputs,
            speaker=self.voice,
            thinker_max_new_tokens=self.max_tokens,
            thinker_do_sample=False,
            thinker_eos_token_id=self.ends,
            thinker_pad_token_id=self.processor.tokenizer.pad_token_id,
            thinker_logits_processor=[speaks(self.ends)],
            talker_max_new_tokens=self.max_codes,
            talker_do_sample=False,  # `draw` does it
            talker_top_k=None,
            talker_top_p=None,
            talker_temperature=None,
            talker_logits_processor=[draw(seeds)],
        )
        said = tokens[:, inputs["input_ids"].shape[1] :]
        texts = self.processor.batch_decode(said, skip_special_tokens=True)
        waves = waves if isinstance(waves, list) else [waves]
        return [text.strip() for text in texts], [wave.cpu().numpy().clip(-1, 1) for wave in waves]

    def inputs(self, requests: list[Request]) -> dict:
        """The model's inputs for a batch."""
        chats = [chat(request) for request in requests]
        heard = [fill(sound) for request in requests for sound in sounds(request)]
        extractor = self.processor.feature_extractor
        # Audio is padded to the longest of the batch, not to the model's 300 s, plus one FFT window
        # so that the last frame sees as much silence as it would then.
        width = max(map(len, heard)) + extractor.n_fft
        inputs = self.processor(
            text=self.processor.apply_chat_template(
                chats, tokenize=False, add_generation_prompt=True
            ),
            audio=heard,
            audio_kwargs={"max_length": width, "sampling_rate": 16_000},
            padding=True,
            return_tensors="pt",
        )
        return inputs.to(self.model.device).to(self.model.dtype)


def chat(request: Request) -> list[dict]:
    """A request as messages for the model's chat template."""
    system = instruction(request.role_prompt, request.manner)
    ask = {"role": "user", "content": [{"type": "audio"}]}
    messages = [{"role": "system", "content": [{"type": "text", "text": system}]}]
    for _, answer in request.history:
        said = {"role": "assistant", "content": [{"type": "text", "text": answer.text or ""}]}
        messages += [ask, said]
    return [*messages, ask]


def sounds(request: Request) -> list[np.ndarray]:
    """The user's utterances, in order."""
    return [*(user for user, _ in request.history), request.user]


def fill(sound: np.ndarray) -> np.ndarray:
    """An utterance padded to the audio encoder's minimum length."""
    return np.pad(sound, (0, max(0, SHORTEST - len(sound))))


def seed(request: Request) -> int:
    """A number that depends on all of the model's inputs and on nothing else."""
    heard = b"".join(sound.tobytes() for sound in sounds(request))
    texts = [instruction(request.role_prompt, request.manner)]
    texts += [answer.text or "" for _, answer in request.history]
    return int(content_id(*texts, heard.hex()), 16)


def speaks(ends: list[int]) -> Callable:
    """A logits processor that raises Silent if every reply ends before its first token, on which
    transformers' talker would fail with an obscure tensor error."""
    begun: list[bool] = []

    def look(ids, scores):
        if not begun:
            begun.append(True)
            if all(int(token) in ends for token in scores.argmax(dim=-1)):
                raise Silent
        return scores

    return look


def draw(seeds: list[int]) -> Callable:
    """A logits processor that adds Gumbel noise from each row's own generator, so that the argmax
    is a random sample."""
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    warpers = (
        TemperatureLogitsWarper(TEMPERATURE),
        TopKLogitsWarper(TOP_K),
        TopPLogitsWarper(TOP_P),
    )
    chances = [torch.Generator().manual_seed(number) for number in seeds]

    def noisy(ids, scores):
        for warper in warpers:
            scores = warper(ids, scores)
        drawn = [torch.empty(scores.shape[1]).exponential_(generator=own) for own in chances]
        return scores - torch.stack(drawn).log().to(scores.device)

    return noisy


def vocode(forward: Callable, seeds: Iterator[int]) -> Callable:
    """`forward` of the code-to-waveform part, called once per reply in order: with the reply's own
    noise seed, and empty audio for no codes."""
    import torch

    @functools.wraps(forward)
    def own(codes, **inputs):
        torch.manual_seed(next(seeds))
        return forward(codes, **inputs) if codes.shape[1] else torch.zeros(0)

    return own
