"""CosyVoice2 and F5-TTS through their own packages, on tiny checkpoints."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from scripts.backends import device, tts
from scripts.backends.tts import cosyvoice2, f5_tts
from scripts.backends.tts._cloning import Piece, join, pieces
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.common.weights import RECEIPT
from scripts.setup.download import write_receipt

SAID = "Hello there, my old friend, how are you?"
ENGLISH = "The old pilot looked at the map. Where was the river? "
CHINESE = "老飞行员看了看地图。那条河在哪里？"


@pytest.fixture(scope="module")
def user(tmp_path_factory, hum):
    file = tmp_path_factory.mktemp("user") / "user.wav"
    audio.write(file, hum[:24_000], 16_000)
    return {"user_clip_english": str(file), "user_text_english": "I am the user."}


@pytest.fixture(scope="module")
def cosy(load, user):
    torch.set_num_threads(1)
    return load("tts", "cosyvoice2", weights="cosyvoice2-0.5b", batch=4, **user)


@pytest.fixture(scope="module")
def f5(load, user, tiny_model):
    torch.set_num_threads(1)
    tiny_model("vocos-mel-24khz")
    return load("tts", "f5_tts", weights="f5-tts", steps=4, batch=4, **user)


@pytest.fixture(params=["cosy", "f5"])
def backend(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def copy(tiny_model, tmp_path):
    """Function: name of a model -> a copy of its tiny checkpoint to damage."""
    return lambda name: shutil.copytree(tiny_model(name), tmp_path / name)


def test_keeps_the_contract(backend, hum):
    tts.accept(backend, hum, SAID)
    assert backend.voice_mode == "cloned" and backend.rate == 24_000


def test_a_line_sounds_the_same_in_any_company(backend, hum):
    voice = backend.voice(hum, SAID, "English")
    lines = [
        ("Good morning to you.", voice, "English"),
        ("Yes!", backend.fixed_voice("English"), "English"),
        (CHINESE, voice, "Chinese"),
    ]
    together = backend.speak(lines[::-1])[::-1]
    for line, sound in zip(lines, together, strict=True):
        (alone,) = backend.speak([line])
        assert alone.dtype == np.float32 and len(alone) > 0.1 * backend.rate
        assert len(alone) == len(sound) and np.abs(alone - sound).max() < 1e-4
        assert np.abs(alone).std() > 1e-4
    assert len(together[0]) != len(together[1])


def test_the_voice_is_heard(backend, hum):
    """The same words in two voices are not the same sound."""
    other = backend.voice(hum[::-1], SAID, "English")
    one, two = backend.speak(
        [("Good day.", voice, "English") for voice in (backend.voice(hum, SAID, "English"), other)]
    )
    assert len(one) != len(two) or np.abs(one - two).max() > 1e-5


@pytest.mark.parametrize("language, sentence", [("English", ENGLISH), ("Chinese", CHINESE)])
def test_ten_minutes_of_text_are_spoken_whole_in_bounded_pieces(
    backend, hum, monkeypatch, language, sentence
):
    voice = backend.voice(hum, SAID, "English")
    most, size = backend.room(backend.prompts[tuple(voice.values())])
    heard, together = [], []

    def say(some: list[Piece]):
        together.append(len(some))
        heard.extend(piece.text for piece in some)
        return [np.full(1000 * size(piece.text), 0.5, np.float32) for piece in some]

    monkeypatch.setattr(backend, "say", say)
    monkeypatch.setattr(backend, "overlap", 0.0)
    text = "".join(f"{n}{sentence}" for n in range(200 if language == "English" else 150))
    (sound,) = backend.speak([(text, voice, language)])
    parts = [part.strip() for part in pieces(text, most, size)]
    assert "".join("".join(parts).split()) == "".join(text.split()) and len(parts) > 10
    assert sorted(heard) == sorted(parts)
    assert max(map(size, parts)) <= most and max(together) <= 4
    assert all(part[-1] in ".?。？" for part in parts)
    assert len(sound) == 1000 * sum(map(size, parts)) and sound.min() == 0.5


def test_a_line_of_several_pieces_is_as_long_as_they_are(backend, hum):
    voice = backend.voice(hum, SAID, "English")
    most, size = backend.room(backend.prompts[tuple(voice.values())])
    text = (ENGLISH * (2 * most // size(ENGLISH) + 1)).strip()
    parts = [part.strip() for part in pieces(text, most, size)]
    assert len(parts) > 1
    whole, *each = backend.speak([(line, voice, "English") for line in (text, *parts)])
    fades = round(backend.overlap * backend.rate) * (len(parts) - 1)
    assert len(whole) == sum(map(len, each)) - fades
    assert np.abs(whole[: len(each[0]) // 2] - each[0][: len(each[0]) // 2]).max() < 1e-4
    assert np.abs(whole[-len(each[-1]) // 2 :] - each[-1][-len(each[-1]) // 2 :]).max() < 1e-4


@pytest.mark.parametrize("text", ["", "  ", "...", "！？", "—"])
def test_text_with_nothing_to_say_is_refused(backend, text):
    with pytest.raises(ValueError, match="nothing to say"):
        backend.speak([(text, backend.fixed_voice("English"), "English")])


def test_no_lines_are_no_sounds(backend):
    assert backend.speak([]) == []


def test_a_language_that_is_not_spoken_is_named(backend, hum):
    voice = backend.voice(hum, SAID, "English")
    for ask in (
        lambda: backend.speak([("Guten Tag.", voice, "German")]),
        lambda: backend.voice(hum, SAID, "German"),
        lambda: backend.fixed_voice("German"),
    ):
        with pytest.raises(UserError, match="does not speak German; it speaks English, Chinese"):
            ask()


def test_users_without_a_voice_are_told_which_options_give_one(backend):
    with pytest.raises(UserError, match="user_clip_chinese and user_text_chinese"):
        backend.fixed_voice("Chinese")


def test_a_voice_is_small_and_goes_through_json(backend, hum):
    voice = json.loads(json.dumps(backend.voice(hum, SAID, "English")))
    assert voice["text"] == SAID and len(json.dumps(voice)) < 200
    backend.speak([("Yes.", voice, "English")])
    with pytest.raises(UserError, match="make it anew"):
        backend.speak([("Yes.", voice | {"clip": "0123"}, "English")])


def test_a_reference_is_read_once(cosy, hum, monkeypatch):
    calls, real = [], cosy.net.frontend.frontend_zero_shot
    monkeypatch.setattr(
        cosy.net.frontend, "frontend_zero_shot", lambda *a: calls.append(a) or real(*a)
    )
    voice = cosy.voice(hum[:40_000], SAID, "English")
    assert cosy.voice(hum[:40_000], SAID, "English") == voice
    cosy.speak([("Yes.", voice, "English")] * 2)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "seconds, text, says",
    [(0, SAID, "of 0.0 s cannot be cloned"), (40, SAID, "of 40.0 s"), (2, " … ", "transcript")],
)
def test_a_reference_that_cannot_be_used_is_refused(backend, hum, seconds, text, says):
    with pytest.raises(UserError, match=says):
        backend.voice(np.resize(hum, 16_000 * seconds), text, "English")


def test_f5_refuses_a_silent_reference(f5):
    with pytest.raises(UserError, match="silent"):
        f5.voice(np.zeros(32_000, np.float32), SAID, "English")


def test_memory_that_runs_out_halves_the_batch_and_then_is_an_error(backend, hum, monkeypatch):
    voice, real, tried = backend.voice(hum, SAID, "English"), backend.say, []
    lines = [(text, voice, "English") for text in ("Good morning.", "Good evening.", "No.")]
    wanted = backend.speak(lines)

    def small(some, most):
        tried.append(len(some))
        if len(some) > most:
            raise MemoryError
        return real(some)

    monkeypatch.setattr(backend, "say", lambda some: small(some, 1))
    for sound, other in zip(backend.speak(lines), wanted, strict=True):
        assert np.abs(sound - other).max() < 1e-4
    assert tried == [3, 1, 1, 1]
    monkeypatch.setattr(backend, "say", lambda some: small(some, 0))
    with pytest.raises(UserError, match="memory ran out on a single item"):
        backend.speak(lines)


@pytest.mark.parametrize("module", [cosyvoice2, f5_tts])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_loaded(module, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for place in (device, f5_tts):
        monkeypatch.setattr(place, "path", lambda name: pytest.fail("a model was looked for"))
    with pytest.raises(UserError, match="device: cpu"):
        module.load()


def test_cosyvoice_decodes_as_without_cache_padding_and_company(cosy, hum, monkeypatch):
    """The likeliest token each time, against the whole sequence read anew for each."""
    lm = cosy.net.model.llm
    end = lm.speech_token_size
    monkeypatch.setattr(cosy, "ras", cosy.ras | {"top_k": 1, "tau_r": 2.0})
    with torch.no_grad():
        kept = lm.speech_embedding.weight.clone(), lm.llm_decoder.bias.clone()
        lm.speech_embedding.weight *= 20  # else every token is alike to so small a model
        lm.llm_decoder.bias[end] -= 5
    prompt = cosy.prompts[tuple(cosy.voice(hum, SAID, "English").values())]
    some = [Piece(text, prompt, "English", 1) for text in ("Hi you.", "Good morning.", "No.")]
    with torch.inference_mode():
        for found, piece in zip(cosy.tokens(some), some, strict=True):
            read, size = cosy.start(piece)
            for token in found[: 2 * size]:
                state = lm.llm.model.model(inputs_embeds=read[None]).last_hidden_state
                logits = lm.llm_decoder(state[0, -1])
                assert token == int(logits[:end].argmax())
                read = torch.cat([read, lm.speech_embedding.weight[[token]]])
            assert len(found) >= 2 * size
    with torch.no_grad():
        lm.speech_embedding.weight.copy_(kept[0])
        lm.llm_decoder.bias.copy_(kept[1])


def test_cosyvoice_samples_by_its_rule(cosy):
    """Of the likeliest, up to a sum of .8; of all, where that one was spoken just before."""
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.1, 0.1, 0.05]])).repeat(4000, 1)
    chances = cosyvoice2.chance([7], 4000)[0]
    never = torch.full((4000, 10), -1)
    found = cosy.sample(logits, never, chances).bincount(minlength=5) / 4000
    assert np.allclose(found, np.array([0.5, 0.25, 0.1, 0, 0]) / 0.85, atol=0.03)
    again = cosy.sample(logits, torch.full((4000, 10), 0), chances).bincount(minlength=5) / 4000
    # A draw of 0 (.588) is made again from all five.
    expected = np.array([0, 0.25, 0.1, 0, 0]) / 0.85 + 0.588 * np.array([0.5, 0.25, 0.1, 0.1, 0.05])
    assert np.allclose(again, expected, atol=0.03)


def test_random_numbers_of_a_piece_are_its_own():
    alone, company = cosyvoice2.chance([5], 20), cosyvoice2.chance([4, 5], 700)
    assert torch.equal(alone[0], company[1, :20]) and not torch.equal(company[0], company[1])


@pytest.mark.parametrize(
    "text, language, read",
    [
        ("My son took the car at 5.", "English", "My son took the car at five."),
        ("我有3只猫。", "Chinese", "我有三只猫。"),
    ],
)
def test_cosyvoice_reads_numbers_in_the_lines_language(cosy, text, language, read):
    assert cosy.normalised(text, language) == read


def test_f5_says_what_its_package_says(f5, hum):
    from f5_tts.infer.utils_infer import infer_batch_process

    from scripts.backends.features import resample

    voice, text = f5.voice(hum, SAID + ".", "English"), "Good morning to you."
    ours, _ = f5.speak([(text, voice, "English"), ("And a longer one to you.", voice, "English")])
    clip = resample(np.concatenate([hum, np.zeros(800, np.float32)]), 16_000, 24_000)
    torch.manual_seed(f5_tts.SEED)
    theirs, rate, _ = next(
        infer_batch_process(
            (torch.from_numpy(clip)[None], 24_000),
            SAID + ". ",
            [text],
            f5.net,
            f5.vocos,
            progress=None,
            nfe_step=4,
            device="cpu",
        )
    )
    assert rate == f5.rate and len(theirs) == len(ours)
    assert np.abs(theirs - ours).max() < 0.01 * np.abs(theirs).max()


def test_f5_does_not_believe_a_transcript_of_another_clip(f5, hum):
    short, long = f5.voice(hum, "Oh.", "English"), f5.voice(hum, SAID * 20, "English")
    quick, slow = f5.speak([(ENGLISH, voice, "English") for voice in (long, short)])
    seconds = [len(sound) / f5.rate for sound in (quick, slow)]
    size = len(ENGLISH.strip())
    assert seconds[0] > size / 40 - 0.1 and seconds[1] < size / 5 + 0.1


@pytest.mark.parametrize("name", ["llm.pt", "flow.pt", "hift.pt", "cosyvoice2.yaml"])
def test_cosyvoice_opens_no_file_that_its_receipt_does_not_vouch_for(copy, name):
    home = copy("cosyvoice2-0.5b")
    with (home / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match=f"{name} .*receipt"):
        cosyvoice2.load(weights=str(home), device="cpu")
    (home / name).unlink()
    with pytest.raises(UserError, match=f"no {name} in"):
        cosyvoice2.load(weights=str(home), device="cpu")


@pytest.mark.parametrize("harm", ["missing", "shape"])
def test_cosyvoice_refuses_tensors_that_are_missing_or_of_another_shape(
    copy, cosy, monkeypatch, harm
):
    """The package would go on with random numbers in the place of missing ones."""
    import cosyvoice.cli.frontend as frontend

    # Its rules for Chinese take 10 s to build.
    monkeypatch.setattr(frontend, "ZhNormalizer", lambda **options: cosy.net.frontend.zh_tn_model)
    monkeypatch.setattr(frontend, "EnNormalizer", lambda: cosy.net.frontend.en_tn_model)
    home = copy("cosyvoice2-0.5b")
    state = torch.load(home / "llm.pt")
    weight = state.pop("speech_embedding.weight")
    if harm == "shape":
        state["speech_embedding.weight"] = weight[:5].clone()
    torch.save(state, home / "llm.pt")
    write_receipt(home, "test", "0" * 40)
    with pytest.raises(UserError, match="cannot be loaded.*speech_embedding"):
        cosyvoice2.load(weights=str(home), device="cpu")


def f5_error(home, vocoder, says):
    with pytest.raises(UserError, match=says):
        f5_tts.load(weights=str(home), vocoder=str(vocoder), device="cpu")


def test_f5_refuses_what_is_not_its_checkpoint(copy):
    home, vocoder = copy("f5-tts"), copy("vocos-mel-24khz")
    folder = home / "F5TTS_v1_Base"
    (folder / "vocab.txt").write_text(" \na\nb\n")
    f5_error(home, vocoder, "cannot be loaded.*text_embed")
    (file,) = folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    f5_error(home, vocoder, "cannot be loaded.*corrupt")
    file.rename(folder / "model_1250000.pt")
    f5_error(home, vocoder, "needs one .safetensors file.*there are: model_1250000.pt")


def test_f5_opens_no_vocoder_that_its_receipt_does_not_vouch_for(tiny_model, copy):
    vocoder = copy("vocos-mel-24khz")
    (vocoder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    f5_error(tiny_model("f5-tts"), vocoder, "can run code when it is opened")
    (vocoder / RECEIPT).unlink()
    f5_error(tiny_model("f5-tts"), vocoder, "no receipt.json vouches")


@pytest.mark.parametrize("most", [1, 7, 20, 60])
@pytest.mark.parametrize(
    "text",
    [ENGLISH, CHINESE, "one " * 30, "x" * 100, 'He said: "No." She left, at once!', "。。！"],
)
def test_pieces_are_the_text_and_small(text, most):
    parts = pieces(text, most)
    assert "".join(parts) == text and max(map(len, parts)) <= most


def test_pieces_end_where_a_speaker_would_pause():
    assert pieces(ENGLISH, 40) == ["The old pilot looked at the map. ", "Where was the river? "]
    assert pieces(CHINESE, 12) == ["老飞行员看了看地图。", "那条河在哪里？"]
    assert pieces("他说：“走吧。”我走了。", 8) == ["他说：“走吧。”", "我走了。"]
    assert pieces("It is 3.5, or so, I think", 12) == ["It is 3.5, ", "or so, ", "I think"]


def test_sounds_fade_into_each_other():
    ones = np.ones(100, np.float32)
    assert np.allclose(join([ones, ones, ones], 10), np.ones(280))
    assert len(join([ones, ones[:4], ones], 10)) == 200  # 4 samples are shared, then none
    assert np.array_equal(join([ones, 2 * ones], 0), np.repeat([1, 2], 100))
