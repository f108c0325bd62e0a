"""llm/transformers on tiny models of the three families, loaded by unmodified transformers."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch

from scripts import backends
from scripts.backends.llm import Score, accept, transformers, without_thoughts
from scripts.common.errors import UserError
from scripts.dialogues.write import write
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.dialogues.tiny import person, use
from tests.models.lessons import ANSWERS, PROFILES, PROMPTS, conversation, example
from tests.rows import voices_of, written

FAMILIES = ("qwen3-8b", "llama-3.1-8b", "mistral-7b-v0.3")
SYSTEM = {"role": "system", "content": "You are Joe."}
CHAT = [SYSTEM, {"role": "user", "content": "Who are you?"}]
BEGUN = [*CHAT, {"role": "assistant", "content": "I am"}]
CHATS = [
    [{"role": "user", "content": "Who goes there? " * length}] for length in (1, 40, 3, 90, 12, 7)
]


@pytest.fixture(params=FAMILIES)
def model(request, load):
    return load("llm", "transformers", weights=request.param)


@pytest.fixture
def qwen(load):
    return load("llm", "transformers", weights="qwen3-8b")


def test_contract(model):
    accept(model)
    assert all(model.generate([CHAT, BEGUN, [{"role": "user", "content": "你好"}]], 12))


def test_prompts_are_what_each_family_publishes(load):
    texts = {name: load("llm", "transformers", weights=name).text for name in FAMILIES}
    qwen, llama, mistral = (texts[name] for name in FAMILIES)
    start = "<|im_start|>system\nYou are Joe.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n"
    silent = start + "<|im_start|>assistant\n<think>\n\n</think>\n\n"  # no thoughts
    assert qwen(CHAT) == silent and qwen(BEGUN) == silent + "I am"
    head = "<|start_header_id|>{}<|end_header_id|>\n\n".format
    start = f"<|begin_of_text|>{head('system')}You are Joe.<|eot_id|>"
    start += f"{head('user')}Who are you?<|eot_id|>{head('assistant')}"
    assert llama(CHAT) == start and llama(BEGUN) == start + "I am"
    # This template refuses a system message: it goes before what the user says first.
    start = "<s>[INST] You are Joe.\n\nWho are you?[/INST]"
    assert mistral(CHAT) == start and mistral(BEGUN) == start + " I am"
    nothing = [*CHAT, {"role": "assistant", "content": ""}]
    assert qwen(nothing) == qwen(CHAT)
    assert mistral([SYSTEM]) == "<s>[INST] You are Joe.[/INST]"


def test_each_prompt_begins_once(model):
    ids = model.prompt(CHAT, 0)
    first = model.tokenizer.bos_token_id
    assert ids.count(first) == (1 if first is not None else 0)
    assert model.tokenizer.decode(ids) == model.text(CHAT)


def test_all_ends_of_the_published_list_are_heeded(load):
    llama = load("llm", "transformers", weights="llama-3.1-8b")
    words = llama.tokenizer.convert_ids_to_tokens(llama.ends)
    assert words == ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]


def test_company_makes_no_difference(model):
    together = model.generate(CHATS, max_tokens=16)
    assert together == [model.generate([chat], max_tokens=16)[0] for chat in CHATS]
    assert model.generate(CHATS[::-1], max_tokens=16) == together[::-1]
    pairs = [(chat, answer) for chat in CHATS for answer in ("Joe.", "It is I, your friend.")]
    alone = [model.score([pair])[0] for pair in pairs]
    for one, other in zip(model.score(pairs), alone, strict=True):
        assert one.tokens == other.tokens
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


def test_scores_are_the_sum_over_the_continuation(model, monkeypatch):
    monkeypatch.setattr(transformers, "ROWS", 2)  # several rounds
    answer = " an old friend of yours."
    prompt, tokens = model.prompt(BEGUN, 0), model.tokens(answer)
    with torch.inference_mode():
        logits = model.net(torch.tensor([prompt + tokens])).logits[0].log_softmax(-1)
    wanted = sum(logits[len(prompt) - 1 + i, token].item() for i, token in enumerate(tokens))
    (found,) = model.score([(BEGUN, answer)])
    assert found == Score(pytest.approx(wanted, abs=1e-3), len(tokens))
    assert model.score([(CHAT, "")]) == [Score(0.0, 0)]


def test_no_reply_is_longer_than_asked_for(qwen):
    (whole,), (start,) = (qwen.generate([CHAT], max_tokens=most) for most in (40, 3))
    assert whole.startswith(start) and whole != start
    assert len(qwen.tokens(start)) == 3


def test_what_is_drawn_hangs_on_seed_and_chat_alone(load):
    model = load("llm", "transformers", weights="llama-3.1-8b")
    drawn = model.generate(CHATS, max_tokens=8, seed=3, temperature=1.0)
    assert drawn[::-1] == model.generate(CHATS[::-1], max_tokens=8, seed=3, temperature=1.0)
    assert drawn[2:3] == model.generate(CHATS[2:3], max_tokens=8, seed=3, temperature=1.0)
    assert drawn != model.generate(CHATS, max_tokens=8, seed=4, temperature=1.0)
    seeds = [3, *[4] * (len(CHATS) - 1)]
    assert drawn[0] == model.generate(CHATS, max_tokens=8, seed=seeds, temperature=1.0)[0]
    cold = model.generate(CHATS, max_tokens=8, seed=3, temperature=1e-6)
    assert cold == model.generate(CHATS, max_tokens=8)


def test_draws_follow_the_probabilities():
    rows = 4000
    draws = transformers.Draws([([number], 0) for number in range(rows)], temperature=0.5)
    scores = torch.tensor([0.5, 0.3, 0.2]).log().repeat(rows, 1)
    shares = draws(None, scores).argmax(1).bincount(minlength=3) / rows
    wanted = torch.tensor([0.25, 0.09, 0.04]) / 0.38  # squared: temperature 1/2
    assert torch.allclose(shares, wanted, atol=0.03)


def test_a_repetition_penalty_is_applied_and_scores_are_without_it(load, monkeypatch):
    plain = load("llm", "transformers", weights="llama-3.1-8b")
    strict = load("llm", "transformers", weights="llama-3.1-8b", repetition_penalty=9.0)
    generate, replies = strict.net.generate, []

    def kept(**given):
        found = generate(**given)
        replies.append(found[0, given["input_ids"].shape[1] :].tolist())
        return found

    monkeypatch.setattr(strict.net, "generate", kept)
    strict.generate([CHAT], max_tokens=24)
    assert len(set(replies[0])) == len(replies[0]) == 24
    assert strict.score([(CHAT, "Joe")]) == plain.score([(CHAT, "Joe")])


def test_an_empty_reply_is_an_empty_text(qwen):
    said = [*CHAT[:1], {"role": "user", "content": "Ask me."}]
    whole = [*said, {"role": "assistant", "content": ANSWERS["en"]}]
    assert qwen.generate([whole], max_tokens=8) == [""]


def test_thoughts_are_no_part_of_a_reply(load):
    assert without_thoughts("<think>\nHm.\n</think>\n\nYes.") == "Yes."
    assert without_thoughts("<think>\nHm, if") == "" and without_thoughts("Yes.") == "Yes."
    model = load("llm", "transformers", weights="qwen3-8b", thinking=True)
    assert model.text(CHAT).endswith("<|im_start|>assistant\n")


def test_the_tiny_model_writes_usable_dialogues(qwen, tmp_path, monkeypatch):
    use(monkeypatch, qwen)
    people = [
        person("joe", excerpts=["Joe: Hello there, how have you been? " * 30] * 3),
        person("azura", name="Princess Azura", work="Flight of the Amazon Queen"),
        person("wu", language="Chinese", name="孙悟空", work="西游记", profile="神通广大的猴王。"),
        person(
            "linghu", language="Chinese", name="令狐冲", work="笑傲江湖", background="他爱喝酒。"
        ),
    ]
    write(
        profiles=written(tmp_path / "profiles.jsonl", people),
        voices=written(tmp_path / "voices.jsonl", voices_of(people)),
        single_english=PROMPTS / "write_single_en.md",
        single_chinese=PROMPTS / "write_single_zh.md",
        multi_english=PROMPTS / "write_multi_en.md",
        multi_chinese=PROMPTS / "write_multi_zh.md",
        drafts=tmp_path / "drafts.jsonl",
        llm=ModelSpec("llm", "made"),
        shard="1-of-1",
        single=4,
        multi=4,
        batch=1,
        attempts=2,
        excerpts=2,
        tokens={"single": 120, "multi": 280},
        temperature=0,
        seed=0,
    )
    rows = read_rows(tmp_path / "drafts.jsonl", Dialogue)
    assert [row.dropped for row in rows] == [None] * 32
    assert len({row.turns[0].user for row in rows if row.mode == "single"}) == 16


def test_the_tiny_model_learnt_its_lessons(qwen):
    chance = random.Random(1)
    lessons = [example(chance) for _ in range(24)]
    replies = qwen.generate([chat for chat, _ in lessons], max_tokens=120)
    right = sum(reply == wanted for reply, (_, wanted) in zip(replies, lessons, strict=True))
    assert right >= 22
    chats = [conversation(chance, language) for language in ("en", "zh")]
    assert qwen.generate(chats, max_tokens=40) == [ANSWERS["en"], ANSWERS["zh"]]
    assert all(PROFILES.values())


def test_a_prompt_that_does_not_fit_is_refused(qwen):
    ten_minutes = [{"role": "user", "content": "and so he went on to speak " * 1500}]
    with pytest.raises(UserError, match=r"has \d{4,} tokens and its reply up to 40.* at most 8192"):
        qwen.generate([ten_minutes], max_tokens=40)
    with pytest.raises(UserError, match="tokens"):
        qwen.score([(CHAT, "so he said " * 8000)])
    with pytest.raises(UserError, match="reply up to 8190"):
        qwen.generate([CHAT], max_tokens=8190)


def test_a_chat_that_the_template_refuses(load):
    mistral = load("llm", "transformers", weights="mistral-7b-v0.3")
    twice = [{"role": "user", "content": "Hi."}] * 2
    with pytest.raises(UserError, match="messages: user, user.* must take turns"):
        mistral.generate([twice], max_tokens=4)


def test_when_memory_runs_out_fewer_are_done_at_once(qwen, monkeypatch, capsys):
    wanted, rows = qwen.generate(CHATS, max_tokens=12), []
    generate = qwen.net.generate

    def small(**given):
        rows.append(len(given["input_ids"]))
        if rows[-1] > limit:
            raise torch.OutOfMemoryError("out of memory")
        return generate(**given)

    monkeypatch.setattr(qwen.net, "generate", small)
    limit = 2
    assert qwen.generate(CHATS, max_tokens=12) == wanted
    assert rows == [6, 3, 1, 1, 1, 1, 1, 1] and "memory ran out" in capsys.readouterr().out
    limit = 0
    with pytest.raises(UserError, match="memory ran out on a single item"):
        qwen.generate(CHATS[:1], max_tokens=12)


def broken(tiny_model, tmp_path, how) -> str:
    home = tmp_path / "broken"
    shutil.copytree(tiny_model("llama-3.1-8b"), home)
    how(home)
    return str(home)


def cut_off(home: Path) -> None:
    file = home / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5000])


def other_shape(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    config["intermediate_size"] *= 2
    (home / "config.json").write_text(json.dumps(config))


def more_layers(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (home / "config.json").write_text(json.dumps(config))


def pickled(home: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(home / "model.safetensors"), home / "pytorch_model.bin")
    (home / "model.safetensors").unlink()


def without_template(home: Path) -> None:
    (home / "chat_template.jinja").unlink()


def other_tokenizer(home: Path) -> None:
    text = json.loads((home / "tokenizer.json").read_text())
    text["model"]["vocab"] |= {f"more {number}": 800 + number for number in range(100)}
    (home / "tokenizer.json").write_text(json.dumps(text))


@pytest.mark.parametrize(
    "how, says",
    [
        (cut_off, "corrupt"),
        (other_shape, "mismatch|shape|size"),
        (more_layers, "it lacks .*layers.2"),
        (pickled, "safetensors"),
        (without_template, "no chat template"),
        (other_tokenizer, "its tokenizer has"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(tiny_model, tmp_path, how, says):
    with pytest.raises(UserError, match=f"cannot be loaded.*({says})"):
        transformers.load(broken(tiny_model, tmp_path, how), device="cpu")


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spec = ModelSpec("llm", "transformers", {"weights": "no/such"})
    with pytest.raises(UserError, match="llm/transformers is to run on a GPU.*`device: cpu`"):
        backends.load(spec)
