"""The embedded language model, voices and sentence embeddings, with their assembled weights."""

import functools
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import backends
from scripts.backends import embedding, llm
from scripts.backends.llm import Score
from scripts.backends.llm.openvino import BLOCK, ChatModel, harmful, heads
from scripts.backends.tts import _mandarin
from scripts.common.errors import UserError
from scripts.setup.convert_llm import requantize, tokenizer
from tests.backends.told import told
from tests.default_models import spec_of


@functools.cache
def model(name):
    return backends.load(spec_of(name))


@pytest.fixture
def chat_model():
    return model("qwen-0.5b")


@pytest.fixture
def kokoro():
    return model("kokoro")


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
    tokens = chat_model.prompt(ask("Hello", "I am"))
    text = chat_model.tokenizer.decode(tokens, skip_special_tokens=False)
    assert text.endswith("<|im_start|>assistant\nI am")
    assert "<|im_end|>" not in text[text.rindex("assistant") :]


def test_what_is_made_is_told_before_a_call_ends(chat_model, kokoro):
    chats = [ask(text) for text in ("Hello.", "What is 2 and 2?", "Hello.")]
    with told() as early:
        replies = chat_model.generate(chats, 4)
        scores = chat_model.score([(chat, " four") for chat in chats])
        sounds = kokoro.speak([(text, {"voice": "af_heart"}, "English") for text in ("Ah", "No")])
    assert early(chat_model, "generate") == replies and early(chat_model, "score") == scores
    for before, after in zip(early(kokoro, "speak"), sounds, strict=True):
        assert np.array_equal(before, after)


def test_sampling_follows_the_seed(chat_model):
    chats = [ask("Write a sentence about the sea.")]
    draw = functools.partial(chat_model.generate, chats, max_tokens=16, temperature=1.0)
    assert draw(seed=1) == draw(seed=1) != draw(seed=2)


def test_company_changes_nothing_but_the_last_digits(chat_model):
    """Prompts are shared between the texts of a call; nothing of one must get into another."""
    chat = ask("Where do the ships lie? " * 20, "They lie")
    ends = [" at the bottom of the sea.", " banana banana.", " where the", " and cheat us all,"]
    pairs = [(chat, text) for text in ends] + [(ask("And now?"), text) for text in ends]
    together = chat_model.score([*pairs, *pairs])
    assert together[: len(pairs)] == together[len(pairs) :]
    for pair, found in itertools.islice(zip(pairs, together, strict=False), None, None, 3):
        (alone,) = chat_model.score([pair])
        assert found.tokens == alone.tokens
        assert found.logprob == pytest.approx(alone.logprob, rel=0.03, abs=0.5)


def test_scores_are_those_of_the_words_themselves(chat_model):
    """The chance of a continuation is that of its beginning times that of its rest."""
    whole, start, rest = chat_model.score(
        [
            (ask("What is the capital of France?"), "The capital is Paris"),
            (ask("What is the capital of France?"), "The capital"),
            (ask("What is the capital of France?", "The capital"), " is Paris"),
        ]
    )
    assert whole.tokens == start.tokens + rest.tokens
    assert whole.logprob == pytest.approx(start.logprob + rest.logprob, abs=0.5)


def test_a_prompt_longer_than_the_model_reads_is_refused(chat_model):
    with pytest.raises(UserError, match="has 4.... tokens and the model reads at most 32768"):
        chat_model.generate([ask("sea " * 40_000)], 4)


def test_nothing_to_continue_scores_nothing(chat_model):
    scores = chat_model.score([(ask("Hello"), ""), (ask("Hello"), "")])
    assert scores == [Score(0.0, 0)] * 2


def test_chats_with_other_seeds_are_drawn_apart(monkeypatch):
    """The same prompt may come with several seeds, and a call of the pipeline has one."""
    model, asked = ChatModel.__new__(ChatModel), []
    model.penalty = 1.0
    model.tokenizer = SimpleNamespace(decode=str)
    monkeypatch.setattr(model, "prompt", lambda chat: [chat[-1]["content"]], raising=False)

    def draw(prompts, texts, **options):
        asked.append((texts, options))
        return enumerate(
            SimpleNamespace(generated_ids=(*t, options.get("rng_seed"))) for t in texts
        )

    monkeypatch.setattr(model, "ask", draw, raising=False)
    chats = [ask(letter) for letter in "aba"]
    found = model.generate(chats, 8, seed=[1, 1, 2], temperature=0.5)
    assert found == ["('a', 1)", "('b', 1)", "('a', 2)"]
    assert [(texts, options["rng_seed"]) for texts, options in asked] == [
        ([["a"], ["b"]], 1),
        ([["a"]], 2),
    ]
    asked.clear()
    model.generate(chats, 8, seed=[1, 1, 2])
    ((_, options),) = asked  # greedy: all together
    assert options == {"max_new_tokens": 8, "repetition_penalty": 1.0, "do_sample": False}


def test_what_several_prompts_begin_with_is_read_once():
    rules, role = [1] * 2 * BLOCK, [5] * BLOCK
    prompts = [[*rules, *role, 7], [*rules, 2, 8], [*rules, *role, 9], [*rules, 3]]
    assert heads(prompts) == [rules, [*rules, *role]]
    assert heads([]) == heads([rules]) == []


def test_a_head_ends_before_its_prompt_does():
    prompt = list(range(3 * BLOCK))
    assert heads([prompt, prompt, [*prompt, 1]]) == [prompt[: 2 * BLOCK]]


def test_a_chat_that_goes_on_is_not_read_again_and_finds_the_same(chat_model, monkeypatch):
    started = []
    start = chat_model.start
    monkeypatch.setattr(chat_model, "start", lambda: started.append(1) or start())
    chats = [ask(f"How far is it to {place}? " * 8) for place in ("Rome", "Ithaca", "Troy")]
    begun = [*chats, [{"role": "system", "content": "You are short. " * 20}, *chats[0]]]
    replies = chat_model.generate(begun, max_tokens=4)
    told = [
        [*chat, {"role": "assistant", "content": reply}, *ask("How many days by ship?")]
        for chat, reply in zip(begun, replies, strict=True)
    ]
    chat_model.generate(chats[:0], max_tokens=4)
    started.clear()
    on = chat_model.generate(told, max_tokens=4)
    assert not started
    chat_model.pipeline, chat_model.read = start(), []
    anew = chat_model.generate(told, max_tokens=4)
    assert [a.split()[0] for a in on] == [b.split()[0] for b in anew]
    assert chat_model.generate(told, max_tokens=4) == anew and started == [1]


def test_two_that_part_within_a_block_find_what_each_finds_alone(chat_model):
    """The fault of OpenVINO GenAI that `harmful` keeps away; without it the first line differs."""
    stem = ask("Where do the ships lie? " * 20)
    chat_model.generate([stem], max_tokens=1)
    others = [
        [*stem, {"role": "assistant", "content": text}]
        for text in ("They lie at the bottom of the deep", "I saw two of them burn before the")
    ]
    together = chat_model.generate(others, max_tokens=6)
    chat_model.pipeline, chat_model.read = chat_model.start(), []
    assert together == chat_model.generate(others, max_tokens=6)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_reading_on_is_harmless_only_where_nothing_parts_within_a_block(data):
    tokens = st.lists(st.integers(0, 1), max_size=2 * BLOCK + 2).map(tuple)
    old = data.draw(tokens)
    texts = sorted({old + end for end in data.draw(st.lists(tokens, max_size=3))}, reverse=True)
    found = harmful(texts, [old])
    if old in texts or (len(old) % BLOCK and len(texts) > 1):
        assert found
    elif len(old) % BLOCK == 0 or len(texts) < 2:
        assert not found
    assert not harmful(texts, [])


def test_a_file_of_blocks_without_a_reader_is_put_into_8_bits(tmp_path):
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, dequantize, quantize

    rng = np.random.default_rng(0)
    weight, norm = rng.normal(size=(4, 64)).astype(np.float32), np.ones(4, np.float32)
    writer = GGUFWriter(tmp_path / "old.gguf", "qwen2")
    writer.add_array("tokenizer.ggml.tokens", ["he", "你"])
    writer.add_block_count(3)
    five = GGMLQuantizationType.Q5_0
    writer.add_tensor("blk.0.weight", quantize(weight, five), raw_dtype=five)
    writer.add_tensor("blk.0.norm", norm)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    requantize(GGUFReader(tmp_path / "old.gguf"), tmp_path / "new.gguf")
    new = GGUFReader(tmp_path / "new.gguf")
    assert new.fields["tokenizer.ggml.tokens"].contents() == ["he", "你"]
    assert new.fields["qwen2.block_count"].contents() == 3
    assert new.fields["general.architecture"].contents() == "qwen2"
    first, second = new.tensors
    assert first.tensor_type == GGMLQuantizationType.Q8_0
    assert np.allclose(dequantize(first.data, first.tensor_type), weight, atol=0.15)
    assert np.array_equal(second.data, norm)


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
    assert _mandarin.phonemes(text, lambda word: f"<{word}>") == read


def test_every_chinese_character_with_a_reading_is_read():
    silent = [chr(c) for c in range(0x4E00, 0x9FA6) if not _mandarin.word(chr(c))]
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
    embedding.accept(model("minilm"), texts)


def test_minilm_reads_long_texts_whole():
    minilm = model("minilm")
    start = "The pilot flew low over the jungle and looked for the river. " * 40
    vectors = minilm.embed([start, start + "The queen baked a chocolate cake for her cat. " * 40])
    assert vectors[0] @ vectors[1] < 0.99  # 1 if only the beginning were read


def test_minilm_does_not_depend_on_company():
    minilm = model("minilm")
    texts = ["hi", "A much longer sentence about pilots, jungles and rivers.", ""]
    alone = np.concatenate([minilm.embed([text]) for text in texts])
    assert np.allclose(minilm.embed(texts), alone, atol=1e-5)


def test_e5_keeps_the_contract():
    texts = ("如果找到宝藏，你会怎么花？", "要是找到了宝藏，你打算怎么用？", "你害怕暴风雨吗？")
    e5 = model("e5")
    embedding.accept(e5, texts)
    first, second, other = e5.embed(list(texts))
    assert first @ second > 0.95 > first @ other  # the threshold of the config lies between
