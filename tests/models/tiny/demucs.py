"""A small HTDemucs, in the package's repository layout, that passes the mix through.

A network of random weights would turn speech into noise, useless to later stages. So the time
branch passes the sound on as the vocals (every layer below the first is random, and silenced where
it would be added); all other stems stay nearly silent.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

MODELS = ("htdemucs",)

SIGNATURE = "955717e8"
SOURCES = ["drums", "bass", "other", "vocals"]
SIZES = {
    "channels": 8,
    "dconv_depth": 1,
    "t_layers": 1,
    "t_heads": 2,
    "t_hidden_scale": 1.0,
    "samplerate": 44_100,
}
SEGMENT = Fraction(39, 20)  # s, a quarter of the original's


def build(name: str, home: Path) -> None:
    net = network()
    hand_through(net)
    save_pickle(net, home, SIGNATURE)
    recipe(home, name, [SIGNATURE])


def recipe(home: Path, name: str, signatures: list[str], weights: str = "") -> None:
    """Write the file that makes a bag of networks."""
    text = f"models: {json.dumps(signatures)}\n{weights}"
    (home / f"{name}.yaml").write_text(text, encoding="utf-8")


def network(seed: int = 0):
    """A network with random weights."""
    import torch
    from demucs.htdemucs import HTDemucs

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return HTDemucs(SOURCES, **SIZES, segment=SEGMENT).eval()


def save_pickle(net, home: Path, signature: str) -> Path:
    """Write a network as the package itself does, as fetched by config/hub_weights.tsv."""
    from demucs.states import save_with_checksum

    package = {
        "klass": type(net),
        "args": (SOURCES,),
        "kwargs": SIZES | {"segment": SEGMENT},
        "state": net.state_dict(),
    }
    save_with_checksum(package, home / f"{signature}.th")
    return next(home.glob(f"{signature}-*.th"))


def save_safetensors(net, home: Path, signature: str, **about: str) -> Path:
    """Write a network in the form of its author's hub repositories."""
    from safetensors.torch import save_file

    segment = {
        "_type": "fraction",
        "numerator": SEGMENT.numerator,
        "denominator": SEGMENT.denominator,
    }
    about = {
        "klass": f"{type(net).__module__}.{type(net).__name__}",
        "args": json.dumps([SOURCES]),
        "kwargs": json.dumps(SIZES | {"segment": segment}),
    } | about
    state = {key: value.contiguous() for key, value in net.state_dict().items()}
    save_file(state, home / f"{signature}.safetensors", about)
    return home / f"{signature}.safetensors"


def hand_through(net) -> None:
    """Make the vocals of a network equal its input.

    The first layer's eight channels become every fourth sample of the mono mix and its negation:
    gelu(x) - gelu(-x) is x. The last layer puts the samples back in place.
    """
    import torch

    first, last, below = net.tencoder[0], net.tdecoder[-1], net.tdecoder[-2]
    with torch.no_grad():
        for layer in (first.conv, first.rewrite, last.rewrite, last.conv_tr, below.conv_tr):
            layer.weight.zero_()
            layer.bias.zero_()
        # The spectral branch, which is added in the end, gives nothing.
        net.decoder[-1].conv_tr.weight.zero_()
        net.decoder[-1].conv_tr.bias.zero_()
        for name, value in first.dconv.named_parameters():
            if name.endswith("scale"):
                value.zero_()
        stereo = len(SOURCES) * 2
        vocals = slice(2 * SOURCES.index("vocals"), 2 * SOURCES.index("vocals") + 2)
        assert last.conv_tr.weight.shape == (8, stereo, 8)
        for place in range(4):
            for channel, sign in ((place, 1.0), (place + 4, -1.0)):
                first.conv.weight[channel, :, place + first.pad] = sign / 2
                last.conv_tr.weight[channel, vocals, place + last.pad] = sign
        for layer in (first.rewrite, last.rewrite):
            middle = layer.kernel_size[0] // 2
            for channel in range(8):
                layer.weight[channel, channel, middle] = 1.0
            layer.bias[8:] = 30.0  # the gate stands open
