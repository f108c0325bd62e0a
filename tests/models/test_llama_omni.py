"""LLaMA-Omni in its published layout: our own networks around transformers' Whisper and Llama."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.models.dialogue_llama_omni import plain
from scripts import backends
from scripts.backends.dialogue import Answer, Request, accept
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

SPEC = ModelSpec("dialogue", "llama_omni")


@pytest.fixture(scope="module")
def omni(load, tiny_model):
    for name in ("whisper-large-v3", "hifigan-unit"):
        tiny_model(name)
    return load(*SPEC[:2], weights="llama-omni-8b", max_tokens=16)


@pytest.fixture
def request_(hum):
    return Request("bob", "English", "Bob", "You are Bob.", "Be brief.", hum, "", hum)


@pytest.fixture
def copy(tiny_model, tmp_path):
    """Function: the name of a model -> a copy of its tiny checkpoint that may be damaged."""

    def model(name: str):
        return shutil.copytree(tiny_model(name), tmp_path / name)

    return model


def load_from(**options):
    return backends.load(SPEC._replace(options={"device": "cpu"} | options))


@contextmanager
def forced(network, change):
    """The output of `network` passes through `change`."""
    hook = network.register_forward_hook(lambda _, __, out: change(out))
    yield
    hook.remove()


def change_tensors(home, change) -> None:
    """Rewrite each safetensors file in `home` after applying `change` to its tensors."""
    for file in home.glob("*.safetensors"):
        state = load_file(file)
        change(state)
        save_file(state, file, {"format": "pt"})


# What it does.


def test_it_keeps_the_contract(omni, request_):
    accept(omni, request_)
    (answer,) = omni.reply([request_])
    assert omni.voice_mode == "own" and omni.rate == 16_000
    assert answer.text.isascii() and answer.heard is None


def test_its_language_can_be_read_without_loading_it(omni):
    assert tuple(specs.constant(SPEC, "LANGUAGES")) == omni.languages == ("English",)


def test_a_reply_is_what_the_plain_loop_makes(omni, request_, hum):
    before = Answer(hum, "Nay.", None, 1.0)
    asked = replace(request_, user=hum[::-1].copy(), history=((hum, before),))
    for request in (request_, asked):
        (answer,) = omni.reply([request])
        text, sound = plain(omni, request)
        assert answer.text == text
        np.testing.assert_allclose(answer.audio, sound, atol=1e-4)


def test_a_reply_is_the_same_alone_and_in_company(omni, request_, hum):
    before = Answer(hum, "Nay.", None, 1.0)
    requests = [
        request_,
        replace(request_, role_prompt="You are the last knight of a drowned kingdom."),
        replace(request_, user=hum[:7000], history=((hum[::-1].copy(), before),)),
        replace(request_, user=0.3 * hum[5000:40000]),
    ]
    together = omni.reply(requests)
    assert len({answer.text for answer in together}) > 1
    for request, answer in zip(requests, together, strict=True):
        (alone,) = omni.reply([request])
        assert alone.text == answer.text
        np.testing.assert_allclose(alone.audio, answer.audio, atol=1e-4)


def test_each_reply_of_a_batch_ends_where_it_ends(omni, request_, hum, monkeypatch):
    requests = [replace(request_, user=hum[1000 * i :]) for i in range(4)]
    texts = [answer.text for answer in omni.reply(requests)]
    letter = texts[0][5]
    ends = [*omni.ends, omni.net.tokenizer.token_to_id(letter)]
    monkeypatch.setattr(omni.net.llm.generation_config, "eos_token_id", ends)
    monkeypatch.setattr(omni, "ends", ends)
    answers = omni.reply(requests)
    assert [answer.text for answer in answers] == [
        text[: text.index(letter) + 1] if letter in text else text for text in texts
    ]
    assert len({len(answer.text) for answer in answers}) > 1
    for request, answer in zip(requests, answers, strict=True):
        np.testing.assert_allclose(answer.audio, plain(omni, request)[1], atol=1e-4)


def test_what_was_said_stands_in_its_place(omni, request_, hum):
    said = ((hum[:9000], Answer(hum, "Nay.", None, 1.0)), (hum, Answer(hum, None, None, 1.0)))
    prompt = omni.prompt(replace(request_, history=said, user=hum[:5000]))
    texts = [omni.net.tokenizer.decode(t, skip_special_tokens=False) for t in prompt.texts]
    user = "<|start_header_id|>user<|end_header_id|>\n\n"
    asked = (
        "\nPlease directly answer the questions in the user's speech.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert texts == [
        "<|begin_of_text|><|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        f"You are Bob.\n\nBe brief.<|eot_id|>{user}",
        f"{asked}Nay.<|eot_id|>{user}",
        f"{asked}<|eot_id|>{user}",
        asked,
    ]
    assert [len(clip) for clip in prompt.clips] == [9000, 48_000, 5000]
    assert omni.length(prompt) == sum(map(len, prompt.texts)) + 3 * 300
    assert len(omni.embed([prompt])[0]) == omni.length(prompt)


def test_marks_of_the_model_in_a_reply_are_not_read_out(omni, request_):
    start = omni.net.tokenizer.token_to_id("<|start_header_id|>")
    with forced(omni.net.llm.lm_head, lambda out: out.index_fill(-1, torch.tensor([start]), 99)):
        (answer,) = omni.reply([request_])
    assert answer.audio is None and answer.reason == "the model's reply is empty"


# Requests that get no reply.


def test_chinese_is_not_spoken(omni, request_):
    chinese = replace(request_, language="Chinese")
    answers = omni.reply([chinese, request_, chinese])
    assert answers[0] == Answer(None, None, None, 0.0, "LLaMA-Omni does not speak Chinese")
    assert answers[2] == answers[0] and answers[1].audio is not None


def test_a_user_who_says_nothing_or_too_much(omni, request_, hum):
    requests = [replace(request_, user=clip) for clip in (hum[:0], np.tile(hum, 200), hum[:1])]
    nothing, much, little = omni.reply(requests)
    assert nothing.reason == "the user's audio is empty"
    assert much.reason == "the user speaks for 600 s, the model hears 30 s"
    assert little.audio is not None


def test_ten_minutes_of_text_are_read_and_more_than_fits_is_not(omni, request_):
    minutes = "and then we went over the river " * 220  # 1,540 words
    read, refused = omni.reply(
        [replace(request_, role_prompt=text) for text in (minutes, minutes * 20)]
    )
    assert read.audio is not None
    assert "places, the model has 131072" in refused.reason and refused.audio is None


def test_an_empty_reply_has_a_reason(omni, request_):
    end = torch.tensor([omni.ends[-1]])
    with forced(omni.net.llm.lm_head, lambda out: out.index_fill(-1, end, 99)):
        (answer,) = omni.reply([request_])
    assert (answer.audio, answer.text) == (None, "")
    assert answer.reason == "the model's reply is empty"


def test_speech_of_blanks_only_has_a_reason(omni, request_):
    blank = torch.tensor([omni.net.units.blank])
    with forced(omni.net.units.output_proj, lambda out: out.index_fill(-1, blank, 99)):
        (answer,) = omni.reply([request_])
    assert answer.audio is None and answer.text
    assert answer.reason == "the model's speech is empty"


def test_memory_that_runs_out_halves_the_batch(omni, request_, monkeypatch):
    sizes, work = [], omni.answer

    def small(prompts):
        sizes.append(len(prompts))
        if len(prompts) > room:
            raise torch.OutOfMemoryError("no memory")
        return work(prompts)

    monkeypatch.setattr(omni, "answer", small)
    room = 1
    assert all(answer.audio is not None for answer in omni.reply([request_] * 2))
    assert sizes == [2, 1, 1]
    room = 0
    with pytest.raises(UserError, match="dialogue/llama_omni: memory ran out on a single item"):
        omni.reply([request_])


# Checkpoints that are not what they should be.


def test_a_gpu_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="llama_omni is to run on a GPU .* `device: cpu`"):
        load_from(weights="/nowhere/model", device="cuda")


def test_a_vocoder_that_was_not_got(omni, tmp_path, tiny_model, monkeypatch):
    found = {name: str(tiny_model(name)) for name in ("llama-omni-8b", "whisper-large-v3")}
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match="the model 'hifigan-unit' .* is not in .*`snakemake"):
        load_from(weights=found["llama-omni-8b"], encoder=found["whisper-large-v3"])


def test_a_vocoder_without_its_file(omni, copy):
    home = copy("hifigan-unit")
    (home / "g_00500000").unlink()
    with pytest.raises(UserError, match="has neither model.pt nor g_00500000"):
        load_from(vocoder=str(home))


def test_a_vocoder_that_runs_code_is_not_opened(copy):
    home = copy("hifigan-unit")
    torch.save({"generator": {"dict.weight": shutil.rmtree}}, home / "g_00500000")
    write_receipt(home, "someone", "0" * 40)
    with pytest.raises(UserError, match="cannot be loaded; .*[Ww]eights"):
        load_from(vocoder=str(home))


def test_a_vocoder_of_other_units(omni, copy):
    home = copy("hifigan-unit")
    state = torch.load(home / "g_00500000", weights_only=True)
    state["generator"]["dict.weight"] = state["generator"]["dict.weight"][:100]
    torch.save(state, home / "g_00500000")
    values = json.loads((home / "config.json").read_text()) | {"num_embeddings": 100}
    (home / "config.json").write_text(json.dumps(values))
    write_receipt(home, "someone", "0" * 40)
    with pytest.raises(UserError, match="number of units of .* is 100, and .* wants 1000"):
        load_from(vocoder=str(home))


ONE = torch.ones(64)
SPOILT = {
    "speech_generator.input_proj.bias": "the unit decoder has parameters missing: input_proj.bias",
    "model.speech_projector.linear2.weight": "the speech adaptor .* missing: linear2.weight",
    "model.norm.weight": "Llama has parameters missing: model.norm.weight",
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_parameter_that_is_missing_is_named(omni, copy, name):
    home = copy("llama-omni-8b")
    change_tensors(home, lambda state: state.pop(name, None))
    with pytest.raises(UserError, match=f"cannot be loaded; .*{SPOILT[name]}.*get it again"):
        load_from(weights=str(home))


@pytest.mark.parametrize("name", SPOILT)
def test_a_parameter_of_another_shape_is_named(omni, copy, name):
    def cut(state):
        if name in state:
            state[name] = state[name][:-1].contiguous()

    home = copy("llama-omni-8b")
    change_tensors(home, cut)
    short = name.removeprefix("speech_generator.").removeprefix("model.speech_projector.")
    with pytest.raises(
        UserError, match=f"cannot be loaded; .*of another shape: {short} \\(63,.*64"
    ):
        load_from(weights=str(home))


def test_a_parameter_that_nobody_knows_is_named(omni, copy):
    home = copy("llama-omni-8b")
    change_tensors(home, lambda state: state.update({"speech_generator.norm.weight": ONE}))
    with pytest.raises(UserError, match="the unit decoder has parameters unexpected: norm.weight"):
        load_from(weights=str(home))


def test_a_file_that_broke_off(omni, copy):
    home = copy("llama-omni-8b")
    file = home / "model-00002-of-00002.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt"):
        load_from(weights=str(home))


def test_a_pickle_in_place_of_safetensors_is_not_opened(omni, copy):
    home = copy("llama-omni-8b")
    state = {}
    for file in home.glob("*.safetensors"):
        state |= load_file(file)
        file.unlink()
    (home / "model.safetensors.index.json").unlink()
    torch.save(state, home / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_from(weights=str(home))


def test_another_model_is_not_taken_for_it(omni, copy):
    home = copy("whisper-large-v3")
    with pytest.raises(UserError, match="model_type whisper, not omni_speech2s_llama"):
        load_from(weights=str(home))


def test_an_encoder_that_lacks_a_layer(omni, copy):
    home = copy("whisper-large-v3")
    change_tensors(home, lambda state: state.pop("model.encoder.layer_norm.bias"))
    with pytest.raises(UserError, match="Whisper has parameters missing: encoder.layer_norm.bias"):
        load_from(encoder=str(home))


def test_an_encoder_of_another_width(omni, copy, tmp_path):
    from transformers import WhisperConfig, WhisperModel

    values = json.loads((copy("whisper-large-v3") / "config.json").read_text())
    other = WhisperConfig(**values | {"d_model": 32})
    WhisperModel(other).save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="the width of .*other is 32, and .* wants 64"):
        load_from(encoder=str(tmp_path / "other"))
