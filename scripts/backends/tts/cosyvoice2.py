"""CosyVoice2-0.5B: zero-shot cloning from a reference clip and its transcript (the paper's model).

Du et al., 2024; https://huggingface.co/FunAudioLLM/CosyVoice2-0.5B (Apache-2.0), run by the package
cosyvoice2-eu (Apache-2.0), the only one on a registry with all of CosyVoice2. Needs that package,
with torch, torchaudio, onnxruntime, WeTextProcessing and transformers. 24 kHz.

A 0.5B language model (bfloat16 on a GPU) reads the transcript, the text and the clip's speech
tokens and generates more speech tokens; flow matching and a vocoder turn them into audio. A clip's
tokens, mel spectrogram and speaker embedding are computed once per voice. Text is spoken in pieces
of at most `TOGETHER` tokens, split at sentence ends if there are any.

The package speaks one piece at a time, and on an error (out of memory, for example) it silently
truncates the speech. Here `batch` pieces are decoded together, by the same sampling rule with
random numbers per piece, and errors are raised. The end of speech may not come before two speech
tokens per text token: it is masked until then, where the package resamples. The package guesses
the language of each sentence (English with "son" and "car" in it is French, so numbers become
French, and Chinese without spaces is never split): here it is the line's. With transformers 5 (it
pins 4.40) its decoding attends only to the context's first position; ours is correct with both.

On one machine, the same line in the same batch always sounds the same; in another batch, rounding
may change a token and so the rendition, but never the text or the voice. `batch: 1` prevents that.
Known faults of the model: sometimes the reference's text is audible in the speech, or text is
omitted, mostly if a line is much shorter than the transcript. Nothing checks for this.

Options: `weights`, a name in config/hub_weights.tsv or a folder; the users' voice:
`user_clip_english`, a sound file of at most 30 s, and `user_text_english`, its transcript, and the
same for Chinese; `device`; `batch`.
"""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np

from scripts.backends.device import opened
from scripts.backends.tts import TtsBackend
from scripts.backends.tts._cloning import Cloning, Piece
from scripts.common.errors import UserError
from scripts.common.weights import pinned

ENV = "cosyvoice"
GPU = True

TOGETHER = 80  # text tokens per piece, as in CosyVoice
LEAST, MOST = 2, 20  # speech tokens (25 per second) per text token, as in CosyVoice
NAME = "tts/cosyvoice2"


def load(
    weights: str = "cosyvoice2-0.5b",
    user_clip_english: str | None = None,
    user_text_english: str | None = None,
    user_clip_chinese: str | None = None,
    user_text_chinese: str | None = None,
    device: str = "cuda",
    batch: int = 16,
) -> TtsBackend:
    """Load weights/<weights>/ on `device`; `batch` pieces are spoken together."""
    users = {
        "English": (user_clip_english, user_text_english),
        "Chinese": (user_clip_chinese, user_text_chinese),
    }
    with opened(NAME, weights, device) as home:
        net = read(home, device)
    return CosyVoice2(net, device, users, batch)


def read(home: Path, device: str):
    """The package's model. Raises UserError for a missing or modified file."""
    import torch

    needed = ["cosyvoice2.yaml", "llm.pt", "flow.pt", "hift.pt"]  # the yaml can run code too
    for file in needed:
        if not (home / file).exists():
            raise UserError(f"{NAME}: there is no {file} in {home}; get the model again.")
    for file in [*needed, "spk2info.pt"]:
        if (home / file).exists():
            pinned(home / file)
    with quiet(), on(device), mock.patch.dict(os.environ, TORCH_FORCE_WEIGHTS_ONLY_LOAD="1"):
        import cosyvoice.flow.flow_matching  # noqa: F401  (the yaml would hide missing packages)
        from cosyvoice.cli.cosyvoice import CosyVoice2 as Model

        net = Model(str(home), final=True)
        # Again, in the right precision: the package leaves tensors that llm.pt lacks random.
        net.model.llm.to(torch.float32 if device == "cpu" else torch.bfloat16)
        state = torch.load(home / "llm.pt", map_location="cpu", mmap=True, weights_only=True)
        net.model.llm.load_state_dict(state, strict=True)
    return net


@contextmanager
def quiet():
    """Undoes the changes that importing the package makes to logging, and silences its log."""
    root = logging.getLogger()
    level, handlers, disabled = root.level, list(root.handlers), logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.disable(disabled)


@contextmanager
def on(device: str):
    """Makes the package, which uses the first GPU if there is one, load on `device`."""
    import torch

    if device == "cpu":
        with mock.patch("torch.cuda.is_available", return_value=False):
            yield
    else:
        torch.cuda.set_device(device)
        yield


class CosyVoice2(Cloning):
    """See the contract in scripts/backends/tts/__init__.py, and `Cloning`."""

    name = NAME
    rate = 24_000
    longest = 30.0
    languages = {"English": "en", "Chinese": "zh"}

    def __init__(self, net, device: str, users: dict, batch: int):
        super().__init__(users, batch)
        self.net, self.device = net, device
        self.ras = {"top_p": 0.8, "top_k": 25, "win_size": 10, "tau_r": 0.1}
        self.ras |= getattr(net.model.llm.sampling, "keywords", {})

    def prompt(self, clip: np.ndarray, text: str, language: str) -> dict:
        import torch

        read = self.normalised(text, language)
        return self.net.frontend.frontend_zero_shot(
            "", read, torch.from_numpy(clip)[None], self.rate, ""
        )

    def room(self, prompt: dict):
        return TOGETHER, lambda text: len(self.net.frontend.tokenizer.encode(text))

    def normalised(self, text: str, language: str) -> str:
        """Text with numbers and symbols written out, by the package's rules for the language."""
        read = self.net.frontend._normalize_sentence(text.strip(), self.languages[language])
        return read if any(symbol.isalnum() for symbol in read) else text

    def say(self, some: list[Piece]) -> list[np.ndarray]:
        import torch

        with torch.inference_mode():
            speech = self.tokens(some)
            return [self.sound(*both) for both in zip(some, speech, strict=True)]

    def sound(self, piece: Piece, tokens: list[int]) -> np.ndarray:
        """The audio of speech tokens, by flow matching and vocoder."""
        import torch

        torch.manual_seed(piece.seed)  # the vocoder adds noise
        model, prompt = self.net.model, piece.prompt
        model.hift_cache_dict["piece"] = None
        with warnings.catch_warnings():  # the package uses a deprecated autocast
            warnings.simplefilter("ignore", FutureWarning)
            sound = model.token2wav(
                token=torch.tensor([tokens]),
                prompt_token=prompt["flow_prompt_speech_token"],
                prompt_feat=prompt["prompt_speech_feat"],
                embedding=prompt["flow_embedding"],
                token_offset=0,
                uuid="piece",
                finalize=True,
            )
        return sound[0].float().cpu().numpy()

    def start(self, piece: Piece):
        """The language model's input embeddings (n, d), and the number of text tokens."""
        import torch

        lm, prompt = self.net.model.llm, piece.prompt
        text, _ = self.net.frontend._extract_text_token(self.normalised(piece.text, piece.language))
        words = lm.llm.model.get_input_embeddings()(torch.cat([prompt["prompt_text"], text], 1)[0])
        speech = lm.speech_embedding(prompt["llm_prompt_speech_token"][0])
        begin, task = lm.llm_embedding.weight[[lm.sos_eos]], lm.llm_embedding.weight[[lm.task_id]]
        return torch.cat([begin, words, task, speech]), text.shape[1]

    def tokens(self, some: list[Piece]) -> list[list[int]]:
        """Speech tokens of some pieces, decoded together."""
        import torch

        lm = self.net.model.llm
        end = lm.speech_token_size
        starts, sizes = zip(*(self.start(piece) for piece in some), strict=True)
        longest = max(len(start) for start in starts)
        inputs = torch.stack(  # padded on the left, so that all continue at the same position
            [torch.nn.functional.pad(start, (0, 0, longest - len(start), 0)) for start in starts]
        )
        mask = torch.stack(
            [torch.arange(longest, device=self.device) >= longest - len(start) for start in starts]
        ).long()
        places = (mask.cumsum(1) - 1).clamp(min=0)
        chances = chance([piece.seed for piece in some], MOST * max(sizes)).to(self.device)
        least = LEAST * torch.tensor(sizes, device=self.device)
        recent = torch.full((len(some), self.ras["win_size"]), -1, device=self.device)
        results: list[list] = [[] for _ in some]
        over, cache = [False] * len(some), None
        for step in range(MOST * max(sizes)):
            state = lm.llm.model.model(
                inputs_embeds=inputs,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
            )
            cache = state.past_key_values
            logits = lm.llm_decoder(state.last_hidden_state[:, -1]).float()
            logits[:, end] = logits[:, end].masked_fill(step < least, -torch.inf)
            token = self.sample(logits, recent, chances[:, step])
            for row, number in enumerate(token.tolist()):
                over[row] |= number == end or step >= MOST * sizes[row]
                if not over[row] and number < end:  # higher ones have no sound
                    results[row].append(number)
            if all(over):
                break
            moved = torch.cat([recent[:, 1:], token[:, None]], 1)
            recent = torch.where((token < end)[:, None], moved, recent)
            inputs, places = lm.speech_embedding(token)[:, None], places[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(some), 1)], 1)
        return results

    def sample(self, logits, recent, chances):
        """A token per row: from the top tokens, or from all if that one was in the recent output
        ("repetition aware sampling"). `chances` (rows, 2) are the random numbers."""
        import torch

        likely = logits.softmax(-1)
        top, numbers = likely.topk(min(self.ras["top_k"], likely.shape[1]))
        top = top * (top.cumsum(-1) - top < self.ras["top_p"])
        first = numbers.gather(1, draw(top, chances[:, 0])[:, None])
        again = (recent == first).sum(1) >= self.ras["win_size"] * self.ras["tau_r"]
        return torch.where(again, draw(likely, chances[:, 1]), first[:, 0])


def chance(seeds: list[int], steps: int):
    """(seeds, steps, 2) uniform random numbers; a seed's numbers do not depend on the others."""
    import torch

    makers = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.rand(steps, 2, generator=maker) for maker in makers])


def draw(weights, chances):
    """A column number per row, sampled by `weights` (rows, columns) with `chances` (rows,)."""
    sums = weights.cumsum(-1)
    return (sums <= chances[:, None] * sums[:, -1:]).sum(-1).clamp(max=weights.shape[1] - 1)
