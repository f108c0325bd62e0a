"""The prompt of PersonaPlex (of the capability duplex): what its model is given, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from moshi.utils.compile import no_compile

from scripts.backends.duplex import RATE
from scripts.backends.duplex.personaplex import loudness, tagged
from scripts.common import audio
from scripts.common.errors import UserError
from tests.models.talks import FRAME, GREEDY, NAMES, ROLE, SILENCE, SINE, load_from, same
from tests.models.tiny.moshi import sample

# The prompt: what is forced, and where.


def test_the_prompt_is_the_published_table(persona, call, fed):
    tokens, _, prompt = fed(persona, call)
    role = persona.net.tokenizer.encode(f"<system> {ROLE} <system>")
    (voice,) = persona.net.codes(
        [call.voice * 10 ** ((-24 - loudness(call.voice)) / 20)],
    )
    assert voice.shape == (8, 7) and prompt == 7 + 6 + len(role) + 6
    assert tokens[0, :prompt].tolist() == [3] * 7 + [3] * 6 + role + [3] * 6
    assert (tokens[1:9, :7] == voice).all()
    assert (tokens[1:9, 7:prompt].T == SILENCE).all()
    assert (tokens[9:, :prompt].T == SINE).all()
    (user,) = persona.net.codes([call.user])
    assert (tokens[9:, prompt:] == user[:, : tokens.shape[1] - prompt]).all()


def test_what_follows_the_prompt_is_the_models_choice(persona, call, fed):
    """The package's own forward pass, as in training, finds each token most likely."""
    tokens, _, prompt = fed(persona, call)
    with torch.no_grad(), no_compile():
        found = persona.net.lm(torch.from_numpy(tokens)[None])
    texts, codes = found.text_logits[0, 0].argmax(-1), found.logits[0].argmax(-1)
    assert tokens.shape[1] - prompt == 17
    assert (texts[prompt:] == torch.from_numpy(tokens[0, prompt:])).all()
    # Of the last frame the delayed codes are not known to the forward pass.
    assert (codes[:8, prompt:-1] == torch.from_numpy(tokens[1:9, prompt:-1])).all()
    assert len(np.unique(tokens[1:9, prompt:])) > 20
    assert not (codes[:8, :prompt] == torch.from_numpy(tokens[1:9, :prompt])).all()


def test_another_voice_changes_the_voice_and_nothing_else(persona, call, fed):
    one, _, prompt = fed(persona, call)
    other, _, same_length = fed(persona, replace(call, voice=call.voice[::-1].copy()))
    assert prompt == same_length
    streams, places = np.nonzero(one[:, :prompt] != other[:, :prompt])
    assert set(places) == set(range(7)) and set(streams) <= set(range(1, 9))


def test_another_role_changes_the_text_and_nothing_else(persona, call, fed):
    roles = ["fine seven pounds", "seven pounds fine"]
    (one, _, prompt), (other, _, length) = (
        fed(persona, replace(call, role_prompt=role)) for role in roles
    )
    assert prompt == length
    streams, places = np.nonzero(one[:, :prompt] != other[:, :prompt])
    assert set(streams) == {0} and min(places) >= 13 and max(places) < prompt - 6


def test_the_voice_after_the_role_moves_these_two(load, persona, call, fed):
    swapped = load("duplex", "personaplex", weights=NAMES["personaplex"], voice_first=False)
    one, _, prompt = fed(persona, call)
    other, _, length = fed(swapped, call)
    voice, pause, role = one[:, :7], one[:, 7:13], one[:, 13 : prompt - 6]
    assert prompt == length
    assert (other[:, :prompt] == np.hstack([role, pause, voice, pause])).all()


def test_an_empty_role_or_no_voice_leaves_its_frames_out(persona, call, fed):
    whole, _, prompt = fed(persona, call)
    for empty in ("", " \n"):
        tokens, side, length = fed(persona, replace(call, role_prompt=empty))
        assert length == 7 + 12 and (tokens[:, :13] == whole[:, :13]).all()
        assert (tokens[0, :length] == 3).all() and side.audio is not None
    tokens, side, length = fed(persona, replace(call, voice=call.voice[:0]))
    assert (tokens[:, :length] == whole[:, 7:prompt]).all() and side.audio is not None


@given(st.text(max_size=40))
def test_tags_are_put_around_a_role_once(text):
    once = tagged(text)
    assert tagged(once) == once
    assert once.startswith("<system>") and once.endswith("<system>")
    assert tagged(f"  {once}\n") == once


def test_tags_that_are_there_stay():
    assert tagged("Be kind.") == "<system> Be kind. <system>"
    assert tagged("<system> Be kind. <system>") == "<system> Be kind. <system>"
    assert tagged("<system> Be kind.") == "<system> <system> Be kind. <system>"


def test_a_sample_is_as_loud_as_in_training(persona, call, fed):
    """A sine of amplitude 1 has -3.01 LUFS at 997 Hz (ITU-R BS.1770-4, annex 1)."""
    tone = np.sin(2 * np.pi * 997 * np.arange(2 * RATE) / RATE).astype(np.float32)
    assert abs(loudness(tone) + 3.01) < 0.1  # the tolerance of EBU Tech 3341
    one, _, prompt = fed(persona, call)
    louder, _, _ = fed(persona, replace(call, voice=2 * call.voice))
    assert (one[:, :prompt] == louder[:, :prompt]).all()


# Voices that all conversations share.


def test_a_published_voice_is_what_its_sample_is(load, persona, call, monkeypatch):
    """The program that saved it overwrote the first frame of the sample."""
    fixed = load("duplex", "personaplex", weights=NAMES["personaplex"], voice="NATF2", **GREEDY)
    assert fixed.voice_mode == "own" and fixed.past.length == 8
    (found,) = fixed.converse([call])
    codes = sample().numpy()[:, 1:]
    encode = persona.net.codes

    def stand_in(sounds):
        return [codes for _ in sounds] if len(sounds[0]) == 8 * FRAME else encode(sounds)

    monkeypatch.setattr(persona.net, "codes", stand_in)
    (wanted,) = persona.converse([replace(call, voice=np.tile(call.voice, 2)[: 8 * FRAME])])
    assert same(found, wanted)
    (plain,) = persona.converse([replace(call, voice=call.voice[:0])])
    assert not same(found, plain)


def test_a_published_voice_in_a_batch(load, call):
    fixed = load("duplex", "personaplex", weights=NAMES["personaplex"], voice="NATF2", **GREEDY)
    other = replace(call, role_prompt="Fine.", user=call.user[:9000])
    together = fixed.converse([call, other])
    for side, one in zip(together, (call, other), strict=True):
        assert same(side, fixed.converse([one])[0])


def test_a_sound_file_of_any_kind_is_a_voice(load, persona, call, tmp_path):
    """Two channels and 44.1 kHz, as the same sample given with a call."""
    file = tmp_path / "voice.wav"
    sound = audio.resample(call.voice, RATE, 44_100)
    soundfile.write(file, np.stack([sound, sound], axis=1), 44_100, subtype="FLOAT")
    fixed = load("duplex", "personaplex", weights=NAMES["personaplex"], voice=str(file), **GREEDY)
    assert fixed.voice_mode == "own"
    (found,) = fixed.converse([replace(call, voice=call.voice[:0])])
    (wanted,) = persona.converse([replace(call, voice=audio.read(file, rate=RATE))])
    assert same(found, wanted)


def test_voices_that_are_not_there(tiny_model, tmp_path):
    home = str(tiny_model(NAMES["personaplex"]))
    with pytest.raises(UserError, match="no voice 'NATF3' in .*voices.tgz; did you mean 'NATF2'"):
        load_from("personaplex", weights=home, voice="NATF3")
    with pytest.raises(UserError, match="cannot read audio from .*gone.wav"):
        load_from("personaplex", weights=home, voice=str(tmp_path / "gone.wav"))
    soundfile.write(tmp_path / "still.wav", np.zeros(RATE), RATE)
    with pytest.raises(UserError, match="still.wav: the voice sample is silent"):
        load_from("personaplex", weights=home, voice=str(tmp_path / "still.wav"))
    with pytest.raises(UserError, match="NATF2 can only come first: set `voice_first: true`"):
        load_from("personaplex", weights=home, voice="NATF2", voice_first=False)
