"""The embedded language model, voices and sentence embeddings, on their assembled weights."""

import functools

import numpy as np
import pytest

from scripts import backends
from scripts.backends import embedding, llm
from scripts.backends.llm.ctranslate2 import common, groups
from scripts.common import mandarin
from scripts.common.stage import UserError
from scripts.setup.convert_llm import tokenizer

SPEAKER = {"capability": "speaker", "backend": "campplus", "options": {}}


@functools.cache
def model(capability, backend, **options):
    options |= {"speaker": SPEAKER} if capability == "tts" else {}
    return backends.load({"capability": capability, "backend": backend, "options": options})


@pytest.fixture
def chat_model():
    return model("llm", "ctranslate2", weights="qwen2.5-0.5b")


@pytest.fixture
def kokoro():
    return model("tts", "kokoro")


def ask(text, begun=None):
    chat = [{"role": "user", "content": text}]
    return [*chat, {"role": "assistant", "content": begun}] if begun else chat


def test_chat_model_keeps_the_contract(chat_model):
    llm.accept(chat_model)
    assert chat_model.name == "qwen2.5-0.5b"


def test_a_begun_reply_is_continued_and_not_repeated(chat_model):
    (reply,) = chat_model.generate([ask("What is the capital of France?", "The capital is")], 6)
    assert reply.startswith(" Paris")


def test_the_prompt_ends_where_the_assistant_goes_on(chat_model):
    text = "".join(chat_model.prompt(ask("Hello", "I am")))
    assert text.endswith("<|im_start|>assistantĊIĠam")
    assert "<|im_end|>" not in text[text.rindex("assistant") :]


def test_sampling_follows_the_seed(chat_model):
    chats = [ask("Write a sentence about the sea.")]
    draw = functools.partial(chat_model.generate, chats, max_tokens=16, temperature=1.0)
    assert draw(seed=1) == draw(seed=1) != draw(seed=2)


def test_both_ways_of_scoring_agree(chat_model):
    prompt = chat_model.prompt(ask("What is the capital of France?", "The capital is"))
    answers = [chat_model.tokens(text) for text in (" Paris", " Berlin", " a big banana")]
    alone = chat_model._score_one_by_one(prompt, answers)
    together = chat_model._score_at_once(prompt, answers)
    assert alone == pytest.approx(together, abs=1.0)  # int8: some tenths of a nat
    assert np.argmax(alone) == np.argmax(together) == 0


def test_nothing_to_continue_scores_nothing(chat_model):
    scores = chat_model.score([(ask("Hello"), ""), (ask("Hello"), "")])
    assert scores == [{"logprob": 0.0, "tokens": 0}] * 2


def test_groups_hold_each_prompt_once_and_are_of_similar_length():
    lengths = [300, 10, 12, 290, 11, 900]
    found = groups(lengths, size=2, spread=20)
    assert sorted(i for group in found for i in group) == list(range(6))
    assert all(len(group) <= 2 for group in found)
    for group in found:
        chosen = [lengths[i] for i in group]
        assert max(chosen) - min(chosen) <= 20
    assert groups([], 2, 20) == []


def test_the_common_beginning_leaves_two_tokens():
    assert common([list("abcd"), list("abcxyz")]) == 2
    assert common([list("abcd"), list("abcd")]) == 2
    assert common([list("ab"), list("cd")]) == 0
    assert common([list("a")]) == 0


def test_a_tokenizer_from_lists_gives_back_what_it_read():
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, "he", "<|end|>"]
    bpe = tokenizer(tokens, [1] * (len(letters) + 1) + [3], ["h e"])
    read = bpe.encode("he, 你好<|end|>", add_special_tokens=False)
    assert read.tokens[0] == "he" and read.tokens[-1] == "<|end|>"
    assert bpe.decode(read.ids) == "he, 你好"


@pytest.mark.parametrize(
    "text, read",
    [
        ("中国", "ꭧʊ→ŋkwo↗"),
        ("是", "ʂɨ↘"),
        ("3天。", "sa→n tʰjɛ→n."),
        ("嗯", "n↗"),
        ("女儿，绿", "ny↓ɚ↗, ly↘"),
        ("他叫Joe！", "tʰa→ ʨjau↘ <Joe> !"),
        ("……", "……"),
    ],
)
def test_mandarin_phonemes(text, read):
    assert mandarin.phonemes(text, lambda word: f"<{word}>") == read


def test_every_chinese_character_with_a_reading_is_read():
    silent = [chr(c) for c in range(0x4E00, 0x9FA6) if not mandarin.word(chr(c))]
    assert len(silent) < 100


def test_what_cannot_be_said_is_refused_by_name(kokoro):
    voice = kokoro.fixed_voice("English")
    for text, language in (("", "English"), ("...", "English"), ("！？", "Chinese")):
        with pytest.raises(ValueError, match="nothing to say"):
            kokoro.speak([(text, voice, language)])


def test_an_unknown_voice_is_refused_with_a_near_name(kokoro):
    with pytest.raises(UserError, match="did you mean 'am_michael'"):
        kokoro.speak([("Hello.", {"voice": "am_micheal"}, "English")])


def test_long_text_is_spoken_to_its_end(kokoro):
    """More than the 510 phonemes that the model takes at once."""
    sentence = "The old pilot looked at the map, because the river had moved again. "
    voice = kokoro.fixed_voice("English")
    short, long = kokoro.speak([(sentence, voice, "English"), (sentence * 8, voice, "English")])
    assert len(kokoro._phonemes(sentence * 8, voice, "English")) > 510
    assert 6 < len(long) / len(short) < 10
    assert np.abs(long[-len(short) :]).max() > 0.1


def test_speech_is_the_same_alone_and_in_company(kokoro):
    lines = [("晚上好。", kokoro.fixed_voice("Chinese"), "Chinese")]
    (alone,) = kokoro.speak(lines)
    assert all(np.array_equal(alone, again) for again in kokoro.speak(lines * 2))
    assert alone.dtype == np.float32 and np.abs(alone).max() <= 1


def test_a_role_gets_the_nearest_voice_but_never_the_users(kokoro, monkeypatch):
    names, vectors = ["zf_xiaobei", "zf_xiaoyi", "zm_yunxi"], np.eye(3, dtype=np.float32)
    monkeypatch.setattr(kokoro, "stock", lambda language: (names, vectors))
    own = np.array([[0.3, 0.9, 0.2]], np.float32)
    monkeypatch.setitem(vars(kokoro), "speaker", type("Fake", (), {"embed": lambda _, c: own})())
    assert kokoro.fixed_voice("Chinese") == {"voice": "zf_xiaoyi"}
    clip = np.zeros(16_000, np.float32)
    assert kokoro.voice(clip, "", "Chinese") == {"voice": "zf_xiaobei", "cosine": 0.3}


def test_minilm_keeps_the_contract():
    texts = ("A man is eating food.", "Someone is eating something.", "The stars are far away.")
    embedding.accept(model("embedding", "minilm"), texts)


def test_minilm_reads_long_texts_whole():
    minilm = model("embedding", "minilm")
    start = "The pilot flew low over the jungle and looked for the river. " * 40
    vectors = minilm.embed([start, start + "The queen baked a chocolate cake for her cat. " * 40])
    assert vectors[0] @ vectors[1] < 0.99  # 1 if only the beginning were read


def test_minilm_does_not_depend_on_company():
    minilm = model("embedding", "minilm")
    texts = ["hi", "A much longer sentence about pilots, jungles and rivers.", ""]
    alone = np.concatenate([minilm.embed([text]) for text in texts])
    assert np.allclose(minilm.embed(texts), alone, atol=1e-5)


def test_e5_keeps_the_contract():
    texts = ("如果找到宝藏，你会怎么花？", "要是找到了宝藏，你打算怎么用？", "你害怕暴风雨吗？")
    e5 = model("embedding", "e5")
    embedding.accept(e5, texts)
    first, second, other = e5.embed(list(texts))
    assert first @ second > 0.95 > first @ other  # the threshold of the config lies between
