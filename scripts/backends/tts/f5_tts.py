"""F5-TTS v1 Base: zero-shot cloning from a clip and its transcript (in the paper's cascades).

Chen et al., 2024; https://huggingface.co/SWivid/F5-TTS (weights CC-BY-NC-4.0: not for commercial
use; code MIT), with the vocoder Vocos, https://huggingface.co/charactr/vocos-mel-24khz (MIT).
English and Chinese, 24 kHz. Needs f5-tts (which includes vocos), torch, torchaudio.

Flow matching continues the reference's mel spectrogram, for a duration given by the transcript's
pace (bytes per second); half precision on a GPU. The reference's spectrogram is computed once per
voice. Text beyond about 22 s with its reference is spoken in pieces with cross-fades of 0.15 s. All
as in the package, except: pieces are batched (`batch`); a reference is neither cut to 12 s (its
transcript would be too long for it) nor stripped of silence at its ends; a pace outside 5 to 40
bytes per second, as with a wrong transcript, is clamped. All noise has one seed, and padding is
masked everywhere, so a line sounds the same in any batch, up to rounding.

Options: `weights` and `vocoder`, names in config/hub_weights.tsv or folders; `model`, the folder in
`weights` with a .safetensors file and vocab.txt; `steps` of the ODE solver; the users' voice:
`user_clip_english`, a sound file of at most 15 s, and `user_text_english`, its transcript, and the
same for Chinese; `device`; `batch`.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends.device import pick
from scripts.backends.tts import TtsBackend
from scripts.backends.tts._cloning import Cloning, Piece
from scripts.common.audio import RATE
from scripts.common.errors import UserError
from scripts.common.weights import loading, path, pinned

ENV = "torch"
GPU = True

NAME = "tts/f5_tts"
HOP = 256  # samples per frame, at 24 kHz
WHOLE = 22.0  # seconds of reference and speech together
LOUDNESS = 0.1  # root mean square to which a softer reference is amplified
SLOWEST, FASTEST = 5, 40  # plausible bytes of text per second of a reference
SEED = 0
STRENGTH, SWAY = 2.0, -1.0  # classifier-free guidance strength, and sway sampling coefficient


def load(
    weights: str = "f5-tts",
    vocoder: str = "vocos-mel-24khz",
    model: str = "F5TTS_v1_Base",
    user_clip_english: str | None = None,
    user_text_english: str | None = None,
    user_clip_chinese: str | None = None,
    user_text_chinese: str | None = None,
    steps: int = 32,
    device: str = "cuda",
    batch: int = 8,
) -> TtsBackend:
    """Load weights/<weights>/<model>/ and weights/<vocoder>/ on `device`."""
    device = pick(device, NAME)
    home, voices = path(weights), path(vocoder)
    users = {
        "English": (user_clip_english, user_text_english),
        "Chinese": (user_clip_chinese, user_text_chinese),
    }
    with loading(NAME, home):
        net = read(home / model, device)
    with loading(NAME, voices), redirect_stdout(StringIO()):
        from f5_tts.infer.utils_infer import load_vocoder

        pinned(voices / "pytorch_model.bin")
        vocos = load_vocoder("vocos", True, str(voices), device)
    return F5(net, vocos, device, steps, users, batch)


def read(home: Path, device: str):
    """The network of the checkpoint in `home`, of any size."""
    found = sorted(home.glob("*.safetensors"))
    if len(found) != 1 or not (home / "vocab.txt").exists():
        raise UserError(
            f"{NAME} needs one .safetensors file and vocab.txt in {home}; there are: "
            f"{', '.join(sorted(file.name for file in home.glob('*'))) or 'none'}."
        )
    from f5_tts.infer.utils_infer import load_model
    from f5_tts.model import DiT
    from safetensors import safe_open

    with safe_open(found[0], "pt") as opened:
        sizes = {
            key.removeprefix("ema_model.transformer."): opened.get_slice(key).get_shape()
            for key in opened.keys()  # noqa: SIM118
        }
    with redirect_stdout(StringIO()):  # the package prints its paths
        net = load_model(
            DiT, shape(sizes), str(found[0]), "vocos", str(home / "vocab.txt"), device=device
        )
    for block in net.transformer.transformer_blocks:
        block.attn.processor.attn_mask_enabled = True  # otherwise padding would be attended to
    return net.eval()


def shape(sizes: dict[str, list[int]]) -> dict[str, Any]:
    """The arguments of F5's network, from a checkpoint's tensor shapes, else as in v1 Base."""
    block, text = (
        "transformer_blocks.{}.attn.to_q.weight",
        "text_embed.text_blocks.{}.dwconv.weight",
    )
    dim = sizes["proj_out.weight"][1]
    return {
        "dim": dim,
        "depth": next(n for n in count() if block.format(n) not in sizes),
        "heads": sizes[block.format(0)][0] // 64,
        "ff_mult": sizes["transformer_blocks.0.ff.ff.2.weight"][1] // dim,
        "text_dim": sizes["text_embed.text_embed.weight"][1],
        "conv_layers": next(n for n in count() if text.format(n) not in sizes),
        "text_mask_padding": True,
        "attn_mask_enabled": False,  # turned on after loading, to avoid the package's warning
    }


@dataclass(frozen=True, eq=False)
class Prompt:
    """A reference: its transcript as F5 reads it, mel spectrogram (frames, 100), pace and gain."""

    text: str
    mel: Any
    frames: int
    pace: float  # frames per byte of text
    gain: float  # applied to its audio


class F5(Cloning):
    """See the contract in scripts/backends/tts/__init__.py, and `Cloning`."""

    name = NAME
    rate = 24_000
    longest = 15.0
    languages = {"English": "en", "Chinese": "zh"}
    overlap = 0.15

    def __init__(self, net, vocos, device: str, steps: int, users: dict, batch: int):
        super().__init__(users, batch)
        self.net, self.vocos, self.device, self.steps = net, vocos, device, steps

    def prompt(self, clip: np.ndarray, text: str, language: str) -> Prompt:
        import torch

        from scripts.backends.features import resample

        # Keeps the end of the clip out of the speech.
        clip = np.concatenate([clip, np.zeros(RATE // 20, np.float32)])
        loudness = float(np.sqrt(np.mean(np.square(clip))))
        if not loudness:
            raise UserError(f"{NAME}: a reference clip is silent: there is no voice in it.")
        gain = max(1.0, LOUDNESS / loudness)
        sound = resample(clip, RATE, self.rate) * np.float32(gain)
        with torch.inference_mode():
            mel = self.net.mel_spec(torch.from_numpy(sound)[None].to(self.device))[0].T
        if text[-1] not in ".!?。！？":
            text += "." if text[-1].isascii() else "。"
        text += "  " if text[-1].isascii() else ""  # two, as in the package
        frames, second = len(sound) // HOP, self.rate / HOP
        pace = min(max(frames / len(text.encode()), second / FASTEST), second / SLOWEST)
        return Prompt(text, mel, frames, pace, gain)

    def room(self, prompt: Prompt):
        left = WHOLE * self.rate / HOP - prompt.frames
        return int(left / prompt.pace), lambda text: len(text.encode())

    def say(self, some: list[Piece]) -> list[np.ndarray]:
        import torch

        with torch.inference_mode():
            sounds = []
            for piece, mel in zip(some, self.mels(some), strict=True):
                sound = self.vocos.decode(mel.T[None].float())[0]
                sounds.append(sound.cpu().numpy() / piece.prompt.gain)
        return sounds

    def mels(self, some: list[Piece]) -> list:
        """The mel spectrogram of each piece, (frames, 100), computed as a batch."""
        import torch
        from f5_tts.model.utils import convert_char_to_pinyin, list_str_to_idx
        from torch.nn.utils.rnn import pad_sequence

        texts = convert_char_to_pinyin([piece.prompt.text + piece.text for piece in some])
        heard = [piece.prompt.mel for piece in some]
        lengths = [  # at least one frame per character and one of speech
            max(piece.prompt.frames + duration(piece), len(text) + 1, len(mel) + 1)
            for piece, text, mel in zip(some, texts, heard, strict=True)
        ]
        # A text's embedding depends on the padding after it, so each is computed alone.
        reader = self.net.transformer
        embedded: dict[bool, list] = {True: [], False: []}
        for text, length in zip(texts, lengths, strict=True):
            numbers = list_str_to_idx([text], self.net.vocab_char_map).to(self.device)
            for without in (True, False):
                embedded[without].append(reader.text_embed(numbers, length, drop_text=without)[0])
        reader.text_uncond = pad_sequence(embedded[True], batch_first=True)
        reader.text_cond = pad_sequence(embedded[False], batch_first=True)
        filled, _ = self.net.sample(
            cond=pad_sequence(heard, batch_first=True),
            text=texts,
            duration=torch.tensor(lengths, device=self.device),
            lens=torch.tensor([len(mel) for mel in heard], device=self.device),
            steps=self.steps,
            cfg_strength=STRENGTH,
            sway_sampling_coef=SWAY,
            seed=SEED,
        )
        return [
            mel[piece.prompt.frames : length]
            for piece, mel, length in zip(some, filled, lengths, strict=True)
        ]


def duration(piece: Piece) -> int:
    """The frames of a piece of text at its reference's pace; very short ones are slower."""
    size = len(piece.text.encode())
    slower = 0.3 if size < 10 else 1.0
    return int(piece.prompt.pace * size / slower)
