"""Moshi's networks, and the tokens of a conversation: shared by moshi and personaplex.

Défossez et al., 2024 (https://arxiv.org/abs/2410.00037). Time is in frames of 80 ms. A frame has 17
streams of tokens: the system's text, 8 codebooks of its audio and 8 of the user's (Mimi's codes).
Within the model a stream is late by its delay: 0 for text and the first codebooks, 1 for the rest.
So the tokens of a conversation are a matrix, (streams, positions), whose position 0 has the start
tokens and whose position p has frame p - 1 - delay. All that is known is written into it before;
the model fills in what is UNKNOWN: the system's text and audio from the end of its prompt on.

The package's own generator cannot be given tokens of the system, and samples for a whole batch
with one random number generator; here each conversation has its own, and depends on no other.
A model that was trained to predict the user's audio as well is not asked for it: nothing uses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FRAME = 1920  # samples of a frame
BOOKS = 8  # codebooks of a speaker
STREAMS = 1 + 2 * BOOKS
SYSTEM = slice(0, 1 + BOOKS)  # the streams that the model fills in
UNKNOWN = -2
PAD = 3  # text token: nothing begins in this frame; those below it are marks as well
# Mimi's codes of silence: SILENCE_TOKENS, moshi/moshi/models/lm.py, github.com/NVIDIA/personaplex.
SILENCE = np.array([948, 243, 1178, 546, 1736, 1030, 1978, 2008])


@dataclass(frozen=True)
class Sampling:
    """A temperature of 0 takes the most likely token."""

    temperature: float
    text_temperature: float
    top_k: int
    text_top_k: int


@dataclass(frozen=True)
class Past:
    """What a prompt continues: the embeddings of positions, (n, width), or None, and the tokens of
    the position after them and, of delayed streams, of the next: (streams, 1 + longest delay)."""

    embeddings: Any
    tokens: np.ndarray

    @property
    def length(self) -> int:
        return 0 if self.embeddings is None else len(self.embeddings)


def frames(count: int, text: Any, system: np.ndarray, user: np.ndarray) -> np.ndarray:
    """(streams, count) tokens by frame; a text token and the codes of one frame are repeated."""
    found = np.empty((STREAMS, count), np.int64)
    found[0] = text
    found[1 : 1 + BOOKS] = system.reshape(BOOKS, -1)
    found[1 + BOOKS :] = user.reshape(BOOKS, -1)
    return found


def delayed(tokens: np.ndarray, delays: list[int], past: np.ndarray) -> np.ndarray:
    """The tokens by position, (streams, 1 + n), of those by frame, (streams, n), after `past`."""
    rows = zip(past, tokens, delays, strict=True)
    length = 1 + tokens.shape[1]
    return np.stack([np.concatenate([old[: 1 + late], new])[:length] for old, new, late in rows])


@contextmanager
def streaming(network: Any, rows: int) -> Iterator[None]:
    """`network` keeps the state of `rows` streams while this lasts."""
    import torch
    from moshi.utils.compile import no_compile

    # Compiling needs a C compiler and a minute; on a GPU the package records CUDA graphs as well.
    with torch.no_grad(), no_compile():
        try:
            states = network.streaming(rows)
        except BaseException:  # memory ran out: what has begun would refuse to begin again
            network._stop_streaming()
            raise
        with states:
            yield


class Networks:
    """The language model, the audio codec and the text tokenizer in folder `home`, in the package's
    layout. `predicted`: codebooks that the model predicts. On a GPU the language model is in
    bfloat16, all else in float32. `config`: what describes the language model."""

    def __init__(self, home: Path, device: str, predicted: int):
        import torch
        from moshi.models import loaders

        config = home / "config.json"
        values = json.loads(config.read_text("utf-8")) if config.exists() else {}
        files = {
            "moshi_weights": home / values.get("moshi_name", loaders.MOSHI_NAME),
            "mimi_weights": home / values.get("mimi_name", loaders.MIMI_NAME),
            "tokenizer": home / values.get("tokenizer_name", loaders.TEXT_TOKENIZER_NAME),
        }
        if "dim" in values:
            codec = home / values["mimi_config_name"] if "mimi_config_name" in values else None
            found = loaders.CheckpointInfo.from_hf_repo(
                home.name, **files, config_path=config, mimi_config_path=codec
            )
        else:  # PersonaPlex's does not describe the networks, which are Moshi's
            found = loaders.CheckpointInfo(**files)
        self.config: dict = found.lm_config or loaders._lm_kwargs
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        if device != "cpu":
            torch.cuda.set_device(device)  # CUDA graphs are recorded on the current one
        self.lm: Any = found.get_moshi(device, dtype, lm_kwargs_overrides={"dep_q": predicted})
        if self.lm.num_codebooks != STREAMS:
            raise ValueError(f"its model has {self.lm.num_codebooks} streams, not {STREAMS}")
        self.mimi: Any = found.get_mimi(device)
        self.mimi.set_num_codebooks(BOOKS)
        self.tokenizer: Any = found.get_text_tokenizer()

    @property
    def start(self) -> Past:
        """What a conversation without a past begins with."""
        tokens = np.full((STREAMS, 1 + max(self.lm.delays)), self.lm.initial_token_id)
        tokens[0] = self.lm.text_initial_token_id
        return Past(None, tokens)

    def codes(self, sounds: list[np.ndarray]) -> list[np.ndarray]:
        """Mimi's codes, (codebooks, frames), of each sound, encoded frame by frame; the last frame
        is filled up with silence."""
        import torch

        counts = [-(-len(sound) // FRAME) for sound in sounds]
        waves = np.zeros((len(sounds), 1, max(counts) * FRAME), np.float32)
        for wave, sound in zip(waves, sounds, strict=True):
            wave[0, : len(sound)] = sound
        if not waves.size:
            return [np.empty((BOOKS, 0), np.int64) for _ in sounds]
        inputs = torch.from_numpy(waves).to(self.lm.device)
        with streaming(self.mimi, len(sounds)):
            found = [self.mimi.encode(frame) for frame in inputs.split(FRAME, dim=-1)]
        codes = torch.cat(found, dim=-1).cpu().numpy()
        return [row[:, :count] for row, count in zip(codes, counts, strict=True)]

    def sounds(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """The audio of each (codebooks, frames), decoded frame by frame: (n,) float32 at 24 kHz,
        cut off where Mimi exceeds full scale."""
        import torch

        rows = np.tile(SILENCE[:, None], (len(codes), 1, max(row.shape[1] for row in codes)))
        for place, row in enumerate(codes):
            rows[place, :, : row.shape[1]] = row
        inputs = torch.from_numpy(rows).to(self.lm.device)
        with streaming(self.mimi, len(codes)):
            found = [self.mimi.decode(frame) for frame in inputs.split(1, dim=-1)]
        waves = torch.cat(found, dim=-1)[:, 0].clamp(-1, 1).cpu().numpy()
        return [wave[: row.shape[1] * FRAME] for wave, row in zip(waves, codes, strict=True)]

    def generate(
        self, plans: list[np.ndarray], seeds: list[int], sampling: Sampling, past: Past
    ) -> np.ndarray:
        """(streams, positions) tokens of each plan, after `past`, filled in by the model: (plans,
        streams, positions of the longest)."""
        import torch
        from moshi.utils.compile import CUDAGraphed

        lm, count = self.lm, len(plans)
        longest = max(plan.shape[1] for plan in plans)
        rows = np.full((count, STREAMS, longest), lm.zero_token_id)  # after its end: no input
        for row, plan in zip(rows, plans, strict=True):
            row[:, : plan.shape[1]] = plan
        begin = (rows == UNKNOWN).any(axis=1).argmax(axis=1)  # the first that is not known
        known = int(begin.min())
        tokens = torch.from_numpy(rows).to(lm.device)
        chances = Chances(seeds, lm, sampling)
        on_cpu = lm.device.type == "cpu"
        with streaming(lm, count):
            if past.length:
                lm.transformer(past.embeddings.expand(count, -1, -1))
            if known > 1:  # what is known is read at once
                lm.forward_text(tokens[:, :, : known - 1])
            read = CUDAGraphed(lm.forward_text, disable=on_cpu)
            speak = CUDAGraphed(chances.audio, disable=on_cpu)
            for place in range(known - 1, longest - 1):
                chances.draw(begin <= place + 1)
                state, logits = read(tokens[:, :, place : place + 1])
                wanted = tokens[:, SYSTEM, place + 1]
                text = chances.text(logits[:, 0, 0])
                text = torch.where(wanted[:, 0] == UNKNOWN, text, wanted[:, 0])
                new = torch.cat([text[:, None], speak(text, state)], dim=1)
                tokens[:, SYSTEM, place + 1] = torch.where(wanted == UNKNOWN, new, wanted)
        return tokens.cpu().numpy()


class Chances:
    """Samples tokens, with random numbers that depend on a conversation's seed alone."""

    def __init__(self, seeds: list[int], lm: Any, sampling: Sampling):
        import torch

        self.lm, self.sampling = lm, sampling
        self.text_k = min(sampling.text_top_k, lm.text_linear.out_features)
        self.k = min(sampling.top_k, lm.card)
        self.makers = [torch.Generator().manual_seed(seed) for seed in seeds]
        # One place in memory, so that a CUDA graph finds each frame's numbers.
        self.numbers = torch.zeros(len(seeds), self.text_k + BOOKS * self.k, device=lm.device)

    def draw(self, begun: np.ndarray) -> None:
        """Draw the numbers of a frame for the conversations that have begun: standard Gumbel, so
        that, added to the logarithms of probabilities, each token's sum is the largest with its
        probability."""
        import torch

        rows = torch.ones(self.numbers.shape)
        for row, maker, own in zip(rows, self.makers, begun, strict=True):
            if own:
                row.exponential_(generator=maker)
        self.numbers.copy_(-rows.log())

    def text(self, logits: Any) -> Any:
        """A text token of each row of (rows, tokens)."""
        return self.pick(logits, self.sampling.text_temperature, self.numbers[:, : self.text_k])

    def audio(self, text: Any, state: Any) -> Any:
        """The codes of a frame, (rows, codebooks), one after another, after its text token."""
        import torch

        last, found = text, []
        with self.lm.depformer.streaming(len(text)):
            for book, numbers in enumerate(self.numbers[:, self.text_k :].split(self.k, dim=1)):
                logits = self.lm.forward_depformer(book, last[:, None, None], state)
                last = self.pick(logits[:, 0, 0], self.sampling.temperature, numbers)
                found.append(last)
        return torch.stack(found, dim=1)

    def pick(self, logits: Any, temperature: float, numbers: Any) -> Any:
        if not temperature:
            return logits.float().argmax(dim=-1)
        likely, tokens = logits.float().topk(numbers.shape[1])
        return tokens.gather(1, (likely / temperature + numbers).argmax(1, keepdim=True))[:, 0]
