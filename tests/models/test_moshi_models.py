"""PersonaPlex and Moshi (the capability duplex) through the package moshi, on tiny checkpoints."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import replace

import numpy as np
import pytest
import torch
from moshi.models import loaders
from moshi.utils.compile import no_compile
from safetensors.torch import load_file, save_file

from scripts.backends.asr import Word
from scripts.backends.duplex import accept
from scripts.backends.duplex._conversations import words
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from tests.models.talks import FRAME, GREEDY, NAMES, SILENCE, load_from, same
from tests.models.tiny.moshi import CONFIG, CONTEXT, MIMI


@pytest.fixture(scope="module")
def moshi(load):
    return load("duplex", "moshi", weights=NAMES["moshi"], **GREEDY)


@pytest.fixture(scope="module")
def sampled(load):
    return load("duplex", "personaplex", weights=NAMES["personaplex"])


# The conversation.


def test_both_keep_the_contract(persona, sampled, moshi, call):
    for backend in (persona, sampled, moshi):
        accept(backend, call)
    assert persona.voice_mode == "cloned" and persona.takes_role
    assert moshi.voice_mode == "own" and not moshi.takes_role


def test_moshi_is_given_the_user_alone(moshi, call, fed):
    tokens, side, prompt = fed(moshi, call)
    (user,) = moshi.net.codes([call.user])
    assert prompt == 0 and (tokens[9:] == user[:, : tokens.shape[1]]).all()
    with torch.no_grad(), no_compile():
        found = moshi.net.lm(torch.from_numpy(tokens)[None])
    assert (found.text_logits[0, 0].argmax(-1).numpy() == tokens[0]).all()
    assert (found.logits[0].argmax(-1).numpy()[:, :-1] == tokens[1:9, :-1]).all()
    (other,) = moshi.converse([replace(call, role_prompt="Else.", voice=call.user)])
    assert same(side, other)


def test_a_side_is_as_long_as_the_users(persona, call):
    lengths = (1, 1919, 1920, 1921, 36_100)
    sides = persona.converse([replace(call, user=call.user[:length]) for length in lengths])
    assert [len(side.audio) for side in sides] == list(lengths)
    assert all(side.compute > 0 for side in sides)


def test_a_side_begins_with_silence_and_is_what_mimi_makes_of_the_codes(persona, call, fed):
    tokens, side, prompt = fed(persona, call)
    codes = np.hstack([np.array(SILENCE)[:, None], tokens[1:9, prompt:]])
    (sound,) = persona.net.sounds([codes])
    assert np.allclose(side.audio[: len(sound)], sound[: len(side.audio)], atol=1e-6)
    # The last word may go on in the last frame, whose tokens are not fed.
    known = words(persona.net.tokenizer, [3, *tokens[0, prompt:].tolist()])[:-1]
    assert known and side.words[: len(known)] == known


def test_conversations_of_a_batch_are_those_alone(persona, moshi, sampled, call):
    calls = [
        call,
        replace(call, role_prompt="", user=call.user[:20_000], seed=1),
        replace(call, voice=call.voice[:10_000], user=call.user[::-1].copy(), seed=2),
    ]
    for backend in (persona, moshi, sampled):
        together = backend.converse(calls)
        for own, side in zip(calls, together, strict=True):
            assert same(side, backend.converse([own])[0])


def test_what_is_heard_changes_what_is_said_after_it_and_nothing_before(persona, call):
    changed = call.user.copy()
    changed[5 * FRAME :] *= -0.5
    one, other = persona.converse([call, replace(call, user=changed)])
    first = np.nonzero(np.abs(one.audio - other.audio) > 1e-5)[0][0]
    assert 6 * FRAME <= first < 8 * FRAME


def test_a_seed_gives_the_same_and_another_another(sampled, call):
    calls = [call, replace(call, seed=5), call]
    one, other, again = sampled.converse(calls)
    assert same(one, again) and not same(one, other)


def test_sampling_follows_the_probabilities():
    from scripts.backends.duplex._moshi_lm import Chances, Sampling

    class Lm:
        text_linear, card, device = torch.nn.Linear(1, 3), 5, torch.device("cpu")

    chances = Chances([11], Lm, Sampling(0.8, 0.5, 2, 2))
    logits = torch.tensor([[1.0, 0.0, 0.5]])
    found = []
    for _ in range(4000):
        chances.draw(np.array([True]))
        found.append(int(chances.text(logits)))
    assert set(found) == {0, 2}  # the two most likely; exp(1 / .5) to exp(.5 / .5)
    assert abs(found.count(0) / 4000 - np.e / (1 + np.e)) < 0.03


def test_words_have_the_times_of_their_tokens(persona):
    tokenizer = persona.net.tokenizer
    fine, very = tokenizer.encode("fine"), tokenizer.encode("very")
    assert len(fine) > 1 and tokenizer.id_to_piece(fine[0]).startswith("▁")
    tokens = [3, 3, *fine, 0, 3, *very, 3, 1, 2]
    start = 2 + len(fine) + 2
    assert words(tokenizer, tokens) == [
        Word("fine", 2 * 0.08, (2 + len(fine)) * 0.08),
        Word("very", start * 0.08, (start + len(very)) * 0.08),
    ]
    assert words(tokenizer, [3, 0, 3]) == words(tokenizer, []) == []


def test_memory_that_runs_out_halves_the_batch(moshi, call, monkeypatch):
    layer = moshi.net.lm.transformer.layers[1]
    begin, sizes = layer._init_streaming_state, []

    def small(rows):
        sizes.append(rows)
        if rows > 1:
            raise torch.OutOfMemoryError("no memory")
        return begin(rows)

    monkeypatch.setattr(layer, "_init_streaming_state", small)
    one, other = moshi.converse([call, call])
    assert same(one, other) and sizes == [2, 1, 1]


# What has no conversation, or a long one.


def test_calls_that_cannot_be_held_have_a_reason_and_the_others_go_on(persona, call):
    odd = call.voice.copy()
    odd[5] = np.nan
    calls = {
        "the user's audio is empty": replace(call, user=call.user[:0]),
        "the user's audio has samples that are not numbers": replace(call, user=odd),
        "the model does not speak Chinese": replace(call, language="Chinese"),
        "the voice sample has values that are not numbers": replace(call, voice=odd),
        "the voice sample lasts 0.30 s, less than 0.4 s": replace(call, voice=call.voice[:7200]),
        "the voice sample is silent": replace(call, voice=0 * call.voice),
        "the conversation lasts 16 s with its prompt, and the model's context holds 13 s": replace(
            call, role_prompt="", user=np.zeros(181 * FRAME, np.float32)
        ),
    }
    *refused, held = persona.converse([*calls.values(), call])
    assert [side.reason for side in refused] == list(calls)
    assert all(side.audio is None and side.words is None for side in refused)
    assert held.reason is None and same(held, persona.converse([call])[0])


def test_the_context_holds_what_just_fits(moshi, call):
    users = [np.zeros(FRAME * count, np.float32) for count in (CONTEXT, CONTEXT + 1)]
    fits, not_ = moshi.converse([replace(call, user=user) for user in users])
    assert len(fits.audio) == CONTEXT * FRAME and "context holds 13 s" in not_.reason


def test_silence_is_heard(persona, call):
    (side,) = persona.converse([replace(call, user=0 * call.user)])
    assert side.reason is None and np.isfinite(side.audio).all()


def test_a_conversation_beyond_training_is_told(persona, call, monkeypatch, capsys):
    monkeypatch.setattr("scripts.backends.duplex._conversations.TRAINED", 60)
    persona.converse([call, replace(call, user=call.user[:FRAME], role_prompt="")])
    told = "duplex/personaplex: 1 of 2 conversations last, with their prompts, more than the 5 s"
    assert told in capsys.readouterr().out


# Loading.


@pytest.mark.parametrize("backend", NAMES)
def test_a_gpu_is_refused_before_anything_is_read(backend, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"duplex/{backend} is to run on a GPU .* `device: cpu`"):
        load_from(backend, weights="/nowhere/model", device="cuda")


@pytest.mark.parametrize("backend", NAMES)
def test_no_hub_is_asked(backend, tiny_model, call, monkeypatch):
    home = tiny_model(NAMES[backend])
    monkeypatch.delenv("HF_HUB_OFFLINE")

    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (side,) = load_from(backend, weights=str(home)).converse([call])
    assert side.audio is not None


def test_the_published_config_does_not_describe_the_networks(
    persona, tiny_model, call, tmp_path, monkeypatch
):
    """Then they are those that the package has for Moshi, with 16 codebooks predicted."""
    home = shutil.copytree(tiny_model(NAMES["personaplex"]), tmp_path / "copy")
    (home / "config.json").write_text('{"model_type": "personaplex", "version": "7b-v1"}')
    shape = {key: value for key, value in CONFIG.items() if key != "mimi_config_name"}
    monkeypatch.setattr(loaders, "_lm_kwargs", shape | {"dep_q": 8})
    monkeypatch.setattr(loaders, "_mimi_config", MIMI)
    backend = load_from("personaplex", weights=str(home), **GREEDY)
    assert same(*(net.converse([call])[0] for net in (backend, persona)))


def test_moshi_is_not_taken_for_personaplex(tiny_model):
    with pytest.raises(UserError, match="cannot be loaded; "):
        load_from("personaplex", weights=str(tiny_model(NAMES["moshi"])))
    with pytest.raises(UserError, match="cannot be loaded; "):
        load_from("moshi", weights=str(tiny_model(NAMES["personaplex"])))


def test_a_parameter_that_is_missing_is_named(tiny_model, tmp_path):
    home = shutil.copytree(tiny_model(NAMES["moshi"]), tmp_path / "copy")
    state = load_file(home / "model.safetensors")
    del state["out_norm.alpha"]
    save_file(state, home / "model.safetensors")
    with pytest.raises(UserError, match="cannot be loaded; .*out_norm.alpha"):
        load_from("moshi", weights=str(home))


def test_a_model_of_other_streams_is_refused(tiny_model, tmp_path):
    home = shutil.copytree(tiny_model(NAMES["moshi"]), tmp_path / "copy")
    values = json.loads((home / "config.json").read_text())
    values |= {"n_q": 15, "delays": values["delays"][:-1]}
    (home / "config.json").write_text(json.dumps(values))
    state = load_file(home / "model.safetensors")
    del state["emb.15.weight"]
    save_file(state, home / "model.safetensors")
    with pytest.raises(UserError, match="its model has 16 streams, not 17"):
        load_from("moshi", weights=str(home))


def test_voices_that_changed_are_not_opened(tiny_model, tmp_path):
    home = shutil.copytree(tiny_model(NAMES["personaplex"]), tmp_path / "copy")
    (home / "voices.tgz").write_bytes(b"other")
    with pytest.raises(UserError, match="voices.tgz can run code when it is opened. It has"):
        load_from("personaplex", weights=str(home), voice="NATF2")
    write_receipt(home, "someone", "0" * 40)
    with pytest.raises(UserError, match="cannot be loaded; "):
        load_from("personaplex", weights=str(home), voice="NATF2")
