"""Our own networks in scripts/models, checked by hand: adaptor, unit decoder, unit vocoder."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.dialogue._speech_adaptor import SpeechAdaptor
from scripts.backends.dialogue._unit_decoder import collapse
from scripts.backends.dialogue._unit_vocoder import fuse_weight_norm, load_vocoder
from scripts.backends.dialogue.llama_omni import read_model
from scripts.common.errors import UserError


@pytest.fixture(scope="module")
def units(tiny_model):
    return read_model(tiny_model("llama-omni-8b"), "cpu")[3]


@pytest.fixture(scope="module")
def vocoder(tiny_model):
    return load_vocoder(tiny_model("hifigan-unit"))


@pytest.fixture
def copy(tiny_model, tmp_path):
    """The folder of a vocoder that may be damaged."""
    return shutil.copytree(tiny_model("hifigan-unit"), tmp_path / "hifigan-unit")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 3))))
def test_what_was_spread_by_the_rule_of_ctc_is_found_again(spread):
    """Each unit is held for a while, then there are blanks, at least one before its like."""
    blank, places = 5, []
    for number, (unit, held, blanks) in enumerate(spread):
        if number and spread[number - 1][0] == unit:
            places.append(blank)
        places += [unit] * held + [blank] * blanks
    assert collapse(places, blank) == [unit for unit, _, _ in spread]


def test_the_adaptor_puts_five_frames_into_one():
    adaptor = SpeechAdaptor(frame_width=1, stack=5, width=2).requires_grad_(False)
    for network in (adaptor.linear1, adaptor.linear2):
        network.weight.zero_()
        network.bias.zero_()
    adaptor.linear1.weight[0] = torch.tensor([1.0, 10, 100, 1000, 10_000])
    adaptor.linear1.weight[1] = torch.tensor([-1.0, 0, 0, 0, 0])  # below zero: nothing passes
    adaptor.linear2.weight[0, 0] = adaptor.linear2.weight[1, 1] = 1
    adaptor.linear2.bias[1] = 7
    frames = torch.arange(1.0, 13)[None, :, None]  # twelve: the last two are left over
    assert adaptor(frames).tolist() == [[[54_321, 7], [109_876, 7]]]


def test_the_unit_decoder_is_a_llama_without_its_last_norm(units):
    from transformers import LlamaModel

    llama = LlamaModel(units.layers[0].self_attn.config).eval()
    llama.layers.load_state_dict(units.layers.state_dict())
    llama.norm = torch.nn.Identity()
    states = torch.randn(2, 3, 64)
    with torch.inference_mode():
        row = units.input_proj(states)[:, [token for token in range(3) for _ in range(25)]]
        logits = units.output_proj(llama(inputs_embeds=row).last_hidden_state)
        assert torch.equal(logits.argmax(dim=-1), units(states))


def test_units_look_back_only(units):
    states = torch.randn(1, 6, 64)
    with torch.inference_mode():
        whole, part = units(states), units(states[:, :4])
    assert whole.shape == (1, 150) and torch.equal(whole[:, :100], part)


def test_the_vocoder_holds_units_for_as_long_as_predicted(vocoder):
    units = torch.tensor([3, 999, 3, 7])
    with torch.inference_mode():
        assert vocoder.dur_predictor(vocoder.dict(units)).min() >= 1
        for frames, held in ((0.0, 1), (1.0, 1), (4.0, 4)):
            log = torch.full((4, 1), frames).log1p()
            hook = vocoder.dur_predictor.proj.register_forward_hook(lambda *_, log=log: log)
            assert len(vocoder(units)) == 4 * held * 320
            hook.remove()


def test_the_vocoder_sounds_as_transformers_hifigan_does(vocoder, tiny_model):
    """SpeechT5's vocoder is the same network, fed with a spectrogram, not with units."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    values = json.loads((tiny_model("hifigan-unit") / "config.json").read_text())
    same = {key: value for key, value in values.items() if key.startswith(("upsample", "resblock"))}
    other = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(**same, model_in_dim=values["model_in_dim"], normalize_before=False)
    )
    state = {name.replace("ups.", "upsampler."): v for name, v in vocoder.state_dict().items()}
    shared = {name: v for name, v in state.items() if not name.startswith(("dict", "dur_"))}
    found = other.load_state_dict(shared, strict=False)
    assert set(found.missing_keys) == {"mean", "scale"} and not found.unexpected_keys
    units = torch.tensor([3, 999, 3, 7, 12])
    with torch.inference_mode():
        rows = vocoder.dict(units)
        rows = rows.repeat_interleave(vocoder.dur_predictor(rows), dim=0)
        torch.testing.assert_close(vocoder(units), other.eval()(rows), atol=1e-5, rtol=0)


def test_weight_norm_is_undone_as_pytorch_does_it():
    for network in (torch.nn.Conv1d(3, 5, 7), torch.nn.ConvTranspose1d(4, 2, 8, 4)):
        normed = torch.nn.utils.parametrizations.weight_norm(network)
        normed.parametrizations.weight.original0.data *= torch.rand(1) + 0.5
        state = {
            "up.weight_g": normed.parametrizations.weight.original0.data,
            "up.weight_v": normed.parametrizations.weight.original1.data,
            "up.bias": normed.bias.data,
        }
        plain_state = fuse_weight_norm(state)
        assert set(plain_state) == {"up.weight", "up.bias"}
        torch.testing.assert_close(plain_state["up.weight"], normed.weight.data)


def test_a_vocoder_that_is_not_what_was_got(copy):
    (copy / "g_00500000").write_bytes((copy / "g_00500000").read_bytes() + b"!")
    with pytest.raises(UserError, match="can run code when it is opened"):
        load_vocoder(copy)


def test_a_vocoder_that_wants_a_pitch(copy):
    values = json.loads((copy / "config.json").read_text()) | {"f0": True}
    (copy / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="wants more than units \\(f0 in its config.json\\)"):
        load_vocoder(copy)
