"""Qwen2.5-Omni and its fine-tuning: transformers, ms-swift and peft on a tiny model."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.backends.dialogue import Answer, Request, accept, qwen25_omni
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.common.prompts import read_prompt
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.roles import Profile
from scripts.systems import finetune as module
from scripts.systems.respond import first_request
from scripts.workflow.model_spec import ModelSpec
from tests import rows as made
from tests.systems.test_finetune import PAPER

NAME = "qwen2.5-omni-7b"
SMALL = {"weights": NAME, "max_tokens": 6, "max_seconds": 1}
STEPS = {"eval_steps": 1, "save_steps": 1, "log_steps": 1, "max_steps": 2}
SETTINGS = PAPER | STEPS | {"workers": 0, "gpus": 1, "held_out": 0.25}


@pytest.fixture(scope="module")
def omni(load):
    return load("dialogue", "qwen25_omni", **SMALL)


@pytest.fixture
def request_of(hum):
    def make(start: int = 0, end: int | None = None, **changes) -> Request:
        request = Request(
            role="joe",
            language="English",
            name="Joe",
            role_prompt="You are Joe, a pilot.",
            manner="Answer briefly.",
            clip=np.zeros(0, np.float32),
            clip_text="",
            user=hum[start:end],
        )
        return replace(request, **changes)

    return make


@pytest.fixture
def spoiled(tiny_model, tmp_path):
    """A copy of the tiny model that the test may damage."""
    return Path(shutil.copytree(tiny_model(NAME), tmp_path / "omni"))


def fresh(home: Path, **options):
    spec = {"weights": str(home), "device": "cpu", **options}
    return backends.load(ModelSpec("dialogue", "qwen25_omni", spec))


def test_contract(omni, request_of):
    accept(omni, request_of(0, 16_000))
    accept(omni, request_of(0, 16_000, language="Chinese"))


def test_a_reply_depends_on_its_request_only(omni, request_of, monkeypatch):
    before = (request_of(0, 9_000).user, Answer(None, "I was.", None, 1.0))
    requests = [
        request_of(0, 8_000),
        request_of(3_000, 40_000, role_prompt="You are somebody with a much longer description."),
        request_of(0, 100),
        request_of(5_000, 30_000, history=(before,)),
    ]
    together = omni.reply(requests)
    monkeypatch.setattr(omni, "batch", 1)
    alone = omni.reply(requests[::-1])[::-1]
    for one, other in zip(together, alone, strict=True):
        assert one.text == other.text and len(one.audio) == len(other.audio) > 0
        assert np.abs(one.audio).max() > 1e-3
        np.testing.assert_allclose(one.audio, other.audio, atol=1e-4)
    assert not np.allclose(alone[0].audio, alone[1].audio, atol=1e-3)


def test_the_network_hears_what_the_package_would_give_it(omni, request_of):
    request = request_of(0, 30_001)
    ours = omni.inputs([request])
    text = omni.processor.batch_decode(ours["input_ids"])[0]
    plain = text.replace("<|AUDIO|>", "").replace("<|audio_bos|>", "<|audio_bos|><|AUDIO|>")
    theirs = omni.processor(text=plain, audio=[request.user], return_tensors="pt")
    assert (ours["input_ids"] == theirs["input_ids"]).all()
    heard = [
        inputs["input_features"][0][:, inputs["feature_attention_mask"][0].bool()]
        for inputs in (ours, theirs)
    ]
    assert heard[0].shape == heard[1].shape == (128, 188)
    np.testing.assert_allclose(heard[0], heard[1], atol=1e-5)


def test_history_and_system_message(omni, request_of):
    before = (request_of(0, 9_000).user, Answer(None, "I was.", None, 1.0))
    inputs = omni.inputs([request_of(0, 16_000, history=(before,))])
    text = omni.processor.batch_decode(inputs["input_ids"])[0]
    heard = [f"<|audio_bos|>{'<|AUDIO|>' * n}<|audio_eos|><|im_end|>\n" for n in (14, 25)]
    assert text == (
        f"<|im_start|>system\n{qwen25_omni.CARD}\n\nYou are Joe, a pilot.\n\nAnswer briefly."
        f"<|im_end|>\n<|im_start|>user\n{heard[0]}<|im_start|>assistant\nI was.<|im_end|>\n"
        f"<|im_start|>user\n{heard[1]}<|im_start|>assistant\n"
    )


def test_codes_are_drawn_as_the_package_draws_them():
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    scores = torch.linspace(0, 3, 60)[None].repeat(4000, 1)
    chosen = qwen25_omni.draw(list(range(4000)))(None, scores.clone()).argmax(dim=-1)
    kept = TemperatureLogitsWarper(0.9)(None, scores[:1])
    kept = TopPLogitsWarper(0.8)(None, TopKLogitsWarper(40)(None, kept))
    wanted = kept.softmax(dim=-1)[0]
    found = torch.bincount(chosen, minlength=60) / 4000
    assert (found[wanted == 0] == 0).all() and (wanted == 0).sum() > 20
    np.testing.assert_allclose(found, wanted, atol=0.02)


def forced(token: int, rows: list[int]):
    """A logits processor that makes `token` the first one of some rows."""
    begun = []

    def force(ids, scores):
        if not begun:
            begun.append(True)
            scores[rows, token] = 1e9
        return scores

    return force


def test_an_empty_reply(omni, request_of, monkeypatch):
    requests = [request_of(0, 16_000), request_of(0, 12_000)]
    end = omni.ends[0]
    monkeypatch.setattr(qwen25_omni, "speaks", lambda ends: forced(end, [0]))
    first, second = omni.reply(requests)
    assert first.audio is None and first.text == "" and "reply is empty" in first.reason
    assert second.audio is not None and second.text
    monkeypatch.undo()
    real = qwen25_omni.speaks

    def silent(ends):
        look, force = real(ends), forced(end, [0, 1])
        return lambda ids, scores: look(ids, force(ids, scores))

    monkeypatch.setattr(qwen25_omni, "speaks", silent)
    for answer in omni.reply(requests):
        assert answer.audio is None and "reply is empty" in answer.reason


def test_text_without_speech(omni, request_of, monkeypatch):
    monkeypatch.setattr(qwen25_omni, "draw", lambda seeds: forced(8294, [0]))
    (answer,) = omni.reply([request_of(0, 16_000)])
    assert answer.audio is None and answer.text and answer.reason == "the model's speech is empty"


def test_speech_that_cannot_be_heard(omni, request_of):
    empty = request_of(0, 0)
    long = request_of(user=np.zeros(600 * 16_000, np.float32))
    good = request_of(0, 8_000)
    first, second, third = omni.reply([empty, long, good])
    assert first.audio is None and first.reason == "the user's audio is empty"
    assert second.reason == "the user speaks for 600 s, the model hears 300 s"
    assert third.audio is not None


def test_memory_runs_out(omni, request_of, monkeypatch):
    real, sizes = omni.generate, []

    def tight(requests):
        sizes.append(len(requests))
        if len(requests) > room:
            raise MemoryError
        return real(requests)

    monkeypatch.setattr(omni, "generate", tight)
    room = 1
    answers = omni.reply([request_of(0, 8_000), request_of(0, 9_000)])
    assert sizes == [2, 1, 1] and all(answer.audio is not None for answer in answers)
    room = 0
    with pytest.raises(UserError, match="memory ran out on a single item"):
        omni.reply([request_of(0, 8_000)])


def test_options_that_cannot_be(spoiled):
    with pytest.raises(UserError, match="has no voice 'Chelsy'; did you mean 'Chelsie'"):
        fresh(spoiled, voice="Chelsy")
    assert fresh(spoiled, voice="Ethan").voice == "Ethan"
    (spoiled / "model.safetensors").unlink()
    with pytest.raises(UserError, match="this machine has none; .*`device: cpu`"):
        fresh(spoiled, device="cuda")


def test_a_checkpoint_that_is_none(spoiled):
    import torch

    tensors = spoiled / "model.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-5000])
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt"):
        fresh(spoiled)
    tensors.unlink()
    torch.save({}, spoiled / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"cannot be loaded.*model\.safetensors"):
        fresh(spoiled)
    tensors.write_bytes(whole)
    config = json.loads((spoiled / "config.json").read_text())
    config["thinker_config"]["text_config"]["hidden_size"] = 64
    (spoiled / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="cannot be loaded; it is corrupt or of another model"):
        fresh(spoiled)
    (spoiled / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="model_type llama, not qwen2_5_omni"):
        fresh(spoiled)


def test_voices_that_are_not_those_downloaded(spoiled):
    import torch

    torch.save({"Chelsie": {}}, spoiled / "spk_dict.pt")
    with pytest.raises(UserError, match="spk_dict.pt can run code when it is opened"):
        fresh(spoiled)


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """Trains on four spoken dialogues, one of two turns, in a folder; returns ms-swift's output.
    Started again, it resumes."""
    tiny_model(NAME)
    here = tmp_path_factory.mktemp("finetune")
    (here / "speech").mkdir()
    random = np.random.default_rng(0)
    dialogues, said = [], []
    for number in range(4):
        count = 2 if number == 2 else 1
        turns = []
        for turn in range(count):
            file = f"d{number}_{turn}.flac"
            sound = (random.standard_normal(24_000 + 900 * turn) * 0.05).astype(np.float32)
            audio.write(here / "speech" / file, sound, 24_000)
            turns.append(made.spoken_turn(file))
        lines = made.exchanges(*[("Hi.", f"Hello {turn}.") for turn in range(count)])
        dialogues.append(made.dialogue(f"d{number}", turns=lines))
        said.append(made.spoken(f"d{number}", turns, sample_rate=24_000, voice_mode="cloned"))
    write_rows(here / "train.jsonl", dialogues)
    write_rows(here / "spoken.jsonl", said)
    write_rows(here / "profiles.jsonl", [made.profile(profile="A pilot.", lines=["Up!"])])
    (here / "prompt.md").write_text("# Role\nYou are {name}. {lines}\n# Answer\nBriefly.")

    def run() -> str:
        def launch(command, environment):
            done = subprocess.run(
                command, env=environment, cwd=here, capture_output=True, text=True, timeout=300
            )
            said.append(done.stdout + done.stderr)
            return done.returncode

        said = []
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(here)
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.setattr(module, "launch", launch)
            module.finetune(
                train=[Path("train.jsonl")],
                spoken=[Path("spoken.jsonl")],
                speech=[Path("speech")],
                profiles=Path("profiles.jsonl"),
                prompt_english=Path("prompt.md"),
                prompt_chinese=Path("prompt.md"),
                examples=Path("examples.jsonl"),
                adapter=Path("adapter"),
                checkpoints="checkpoints",
                dialogue=ModelSpec("dialogue", "qwen25_omni", {"weights": NAME, "device": "cpu"}),
                settings=SETTINGS,
                seed=1,
                name="agent",
            )
        return said[0] if said else ""

    return here, run, run()


def test_two_steps_and_going_on(trained):
    here, run, printed = trained
    card = json.loads((here / "adapter" / "card.json").read_text())
    assert card["examples"] == 4 and card["steps"] == 2 and card["weights"] == NAME
    assert card["loss"] > 0 and card["eval_loss"] > 0
    assert run() == ""  # nothing is left to train
    (last,) = here.glob("checkpoints/*/checkpoint-2")
    before = (here / "adapter" / "adapter_model.safetensors").read_bytes()
    (last / "trainer_state.json").write_text('{"glob')  # killed while it was written
    printed = run()
    logged = [json.loads(line) for line in (last.parent / "logging.jsonl").open()]
    steps = [log["global_step/max_steps"] for log in logged if "loss" in log]
    assert steps == ["1/2", "2/2", "2/2"] and "--resume_from_checkpoint" in printed
    assert (here / "adapter" / "adapter_model.safetensors").read_bytes() == before


def test_examples_have_the_shape_of_requests(trained, omni):
    here, _, printed = trained
    line = next(line for line in printed.splitlines() if "[INPUT_IDS]" in line)
    given = ast.literal_eval(line.partition("[INPUT_IDS] ")[2])
    prompt = read_prompt(here / "prompt.md", set(), module.PLACES, ("Role", "Answer"))
    (person,) = read_rows(here / "profiles.jsonl", Profile)
    same = []
    for row in read_rows(here / "train.jsonl", Dialogue):
        request = first_request(row, person, prompt, np.zeros(0, np.float32), "")
        sounds = [audio.read(here / "speech" / f"{row.id}_{n}.flac") for n in range(len(row.turns))]
        history = tuple(
            (sound, Answer(None, turn.role, None, 1.0))
            for sound, turn in zip(sounds, row.turns, strict=True)
        )
        request = replace(request, user=sounds[-1], history=history[:-1])
        ours = omni.inputs([request])["input_ids"][0].tolist()
        said = omni.processor.tokenizer(f"{row.turns[-1].role}<|im_end|>\n")["input_ids"]
        same.append(ours + said == given)
    assert any(same)
    labels = next(line for line in printed.splitlines() if "[LABELS] " in line)
    assert labels.endswith("Hello 0.<|im_end|>")


def test_the_agent_answers(trained, load, omni, request_of):
    here, _, _ = trained
    agent = load("dialogue", "speechrole_agent", adapter=str(here / "adapter"), **SMALL)
    accept(agent, request_of(0, 16_000))
    ours, base = (system.model.thinker.model.layers[0] for system in (agent, omni))
    assert not (ours.self_attn.q_proj.weight == base.self_attn.q_proj.weight).all()
    assert (ours.input_layernorm.weight == base.input_layernorm.weight).all()


def test_an_adapter_that_does_not_fit(trained, spoiled, tmp_path):
    here, _, _ = trained

    def agent(adapter: Path, **options):
        spec = {"adapter": str(adapter), "weights": NAME, "device": "cpu", **options}
        return backends.load(ModelSpec("dialogue", "speechrole_agent", spec))

    with pytest.raises(UserError, match="has no adapter_config.json and no adapter_model"):
        agent(tmp_path / "nowhere")
    with pytest.raises(UserError, match=f"was trained on '{NAME}' and is to be put on '/"):
        agent(here / "adapter", weights=str(spoiled))
    with pytest.raises(UserError, match="speechrole_agent is to run on a GPU"):
        agent(here / "adapter", device="cuda")
    adapter = Path(shutil.copytree(here / "adapter", tmp_path / "adapter"))
    (adapter / "card.json").unlink()
    config = json.loads((adapter / "adapter_config.json").read_text())
    for changes in ({"r": 4}, {"target_modules": "thinker.*v_proj"}, {"target_modules": "no.*"}):
        (adapter / "adapter_config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(UserError, match=f"does not fit '{NAME}'; it is corrupt or for another"):
            agent(adapter)
