"""Fine-tuning a tiny Moshi on the CPU: what is learnt, what changes, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scripts.backends import moshi_adapter
from scripts.backends.duplex import accept
from scripts.backends.duplex._moshi_lm import BOOKS, Networks
from scripts.common.errors import UserError
from scripts.duplex.finetune_duplex import Trainer, finetune_duplex, turn
from scripts.duplex.training_loss import Weights, combined
from scripts.duplex.training_tokens import batch, example, examples
from scripts.rows.jsonl import write_rows
from scripts.workflow.model_spec import ModelSpec
from tests.models.duplex_lessons import SETTINGS, dialogues
from tests.models.talks import GREEDY, load_from
from tests.models.talks import example as a_call


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The networks are so small that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tiny_model) -> Path:
    return tiny_model("moshiko")


@pytest.fixture(scope="module")
def material(tmp_path_factory, hum):
    folder = tmp_path_factory.mktemp("material")
    return dialogues(folder, hum), folder


@pytest.fixture
def net(home) -> Networks:
    return Networks(home, "cpu", BOOKS)


@pytest.fixture(scope="module")
def made(home, material):
    found, left = examples(Networks(home, "cpu", BOOKS), *material, 120)
    assert not left
    return found


def logits(lm, tokens) -> torch.Tensor:
    from moshi.utils.compile import no_compile

    with torch.no_grad(), no_compile():
        return lm(torch.from_numpy(tokens)).text_logits


def run(folder: Path, material, weights: str = "moshiko", **changed) -> Path:
    rows, audio = material
    folder.mkdir(exist_ok=True)
    write_rows(folder / "rows.jsonl", rows)
    checks = [{"passed": True, "says": "all is well"}]
    (folder / "report.json").write_text(json.dumps({"passed": True, "checks": checks}))
    given = {
        "material": folder / "rows.jsonl",
        "audio": audio,
        "report": folder / "report.json",
        "adapter": folder / "adapter",
        "checkpoints": str(folder / "checkpoints"),
        "duplex": ModelSpec("duplex", "moshi", {"weights": weights, "device": "cpu"}),
        "settings": SETTINGS,
        "share": 1.0,
        "seed": 3,
        "name": "harbour",
    }
    finetune_duplex(**given | changed)
    return folder / "adapter"


def test_an_example_is_the_prompt_and_then_the_dialogue(net, material, made):
    rows, _ = material
    tokens, start = made[0].tokens, made[0].prompt
    # A sample of half a second (7 frames), the role, and twice half a second of silence.
    role = len(net.tokenizer.encode(f"<system> {rows[0].role_prompt} <system>"))
    assert start == 7 + role + 12 and tokens.shape == (17, start + 30)
    said = [int(token) for token in tokens[0, start:] if token not in (0, 3)]
    assert net.tokenizer.decode(said) == "Fine, very fine."
    first = int(1.2 / 0.08)
    assert tokens[0, start + first] not in (0, 3) and tokens[0, start + first - 1] == 0
    assert (tokens[0, start : start + first - 1] == 3).all()


def test_the_loss_is_what_the_weights_say():
    # Two frames: text 5 and padding; one codebook that carries meaning, one that does not.
    card, out = 4, SimpleNamespace()
    tokens = torch.tensor([[[5, 3], [1, 2]] + [[0, 1]] + [[0, 0]] * 6 + [[0, 0]] * 8])
    out.text_logits = torch.zeros(1, 1, 2, 8)
    out.text_logits[0, 0, 0, 5] = 2.0
    out.logits = torch.zeros(1, 8, 2, card)
    out.logits[0, 0, :, 1] = 1.0
    out.logits[0, 7, 1] = float("nan")
    out.text_mask = torch.ones(1, 1, 2, dtype=torch.bool)
    out.mask = torch.ones(1, 8, 2, dtype=torch.bool)
    out.mask[0, 7, 1] = False
    found = combined(out, tokens, torch.ones(1, 2, dtype=torch.bool), Weights(0.02, 0.3))
    right, flat = np.log(np.e**2 + 7) - 2, np.log(8)
    assert found.text.item() == pytest.approx((right + 0.3 * flat) / 1.3, abs=1e-6)
    semantic = (np.log(np.e + 3) - 1) + np.log(np.e + 3)  # the codes 1 and 2
    acoustic = 0.02 * 13 * np.log(card)  # 7 codebooks of 2 frames, but for the place that is NaN
    expected = (semantic + acoustic) / (2 + 0.02 * 13)
    assert found.audio.item() == pytest.approx(expected, abs=1e-6)
    assert found.total.item() == pytest.approx(found.text.item() + found.audio.item())


def test_a_prompt_and_what_is_behind_the_end_are_not_learnt(net, made):
    long, short = made[0], made[1]
    short = type(short)(short.id, short.tokens[:, :-4], short.prompt)
    tokens, learnt = batch([long, short])
    assert learnt.sum(axis=1).tolist() == [30, 26]
    out = net.lm(torch.from_numpy(tokens))
    text = out.text_logits.detach().requires_grad_()
    audio = torch.nan_to_num(out.logits.detach()).requires_grad_()
    given = SimpleNamespace(text_logits=text, text_mask=out.text_mask, logits=audio, mask=out.mask)
    combined(
        given, torch.from_numpy(tokens), torch.from_numpy(learnt), Weights(0.02, 0.3)
    ).total.backward()
    for row, mask in enumerate(learnt):
        reached = text.grad[row, 0].abs().sum(-1) > 0
        assert (reached.numpy() == mask).all()
        heard = audio.grad[row].abs().sum(-1) > 0
        assert not heard[:, ~torch.from_numpy(mask)].any() and heard[0][mask].all()


def test_the_loss_falls_and_only_the_adapter_changes(net, made):
    before = {name: own.clone() for name, own in net.lm.named_parameters()}
    plain = logits(net.lm, made[0].tokens[None].astype(np.int64))
    trainer = Trainer(net.lm, SETTINGS | {"steps": 3}, 3)
    again = logits(net.lm, made[0].tokens[None].astype(np.int64))
    assert torch.equal(torch.nan_to_num(plain), torch.nan_to_num(again))
    start = {name: own.detach().clone() for name, own in trainer.adapter.items()}
    losses = [trainer.step(made, step) for step in range(3)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0] - 1e-3
    for name, own in net.lm.named_parameters():
        if name in trainer.adapter:
            assert own.requires_grad
        else:
            assert torch.equal(own, before[name.replace(".frozen_W", "")]), name
    assert all(not torch.equal(own, start[name]) for name, own in trainer.adapter.items())


def test_smaller_pieces_of_a_step_give_the_same_loss(home, net, made):
    other = Networks(home, "cpu", BOOKS)
    whole = Trainer(net.lm, SETTINGS, 3).step(made, 0)
    pieces = Trainer(other.lm, SETTINGS | {"at_once": 1}, 3).step(made, 0)
    assert whole == pytest.approx(pieces, rel=1e-3)


def test_two_steps_make_an_adapter_that_gives_the_same_logits(home, net, material, made, tmp_path):
    adapter = run(tmp_path, material)
    card = json.loads((adapter / moshi_adapter.CARD).read_text())
    assert card["steps"] == 2 and card["last_loss"] < card["first_loss"]
    assert card["loss_weights"] == {"acoustic": 0.02, "padding": 0.3}
    assert card["data_percent"] == 100 and card["dialogues"] == 2
    tokens = made[0].tokens[None].astype(np.int64)
    plain = logits(net.lm, tokens)
    trainer = Trainer(net.lm, SETTINGS, 3)
    losses = trainer.run(made, tmp_path / "again")
    assert losses == [card["first_loss"], card["last_loss"]]
    trained = logits(net.lm, tokens)
    loaded = Networks(home, "cpu", BOOKS)
    moshi_adapter.merge(loaded.lm, adapter, card["scaling"])
    merged = logits(loaded.lm, tokens)
    assert torch.allclose(merged, trained, atol=1e-4)
    assert not torch.allclose(plain, trained, atol=1e-3)


def test_the_package_itself_reads_the_adapter(home, net, material, made, tmp_path):
    from moshi.models import loaders

    adapter = run(tmp_path, material)
    config = json.loads((adapter / moshi_adapter.CONFIG).read_text())
    lm = loaders.get_moshi_lm(
        home / loaders.MOSHI_NAME,
        config,
        "cpu",
        torch.float32,
        lora_weights=adapter / moshi_adapter.TENSORS,
        fuse_lora=True,
    )
    tokens = made[0].tokens[None].astype(np.int64)
    card = moshi_adapter.card_of(adapter, "moshiko")
    moshi_adapter.merge(net.lm, adapter, card["scaling"])
    assert torch.allclose(logits(lm, tokens), logits(net.lm, tokens), atol=1e-4)


def test_the_adapter_is_a_system_with_a_role(home, material, hum, tmp_path):
    adapter = run(tmp_path, material)
    system = load_from("personaplex", weights="moshiko", adapter=str(adapter), **GREEDY)
    accept(system, a_call(hum))
    assert system.takes_role and system.voice_mode == "cloned"


def test_a_stopped_training_goes_on(net, home, made, tmp_path):
    settings = SETTINGS | {"steps": 3}
    whole = Trainer(net.lm, settings, 3)
    losses = whole.run(made, tmp_path / "whole")
    other = Networks(home, "cpu", BOOKS)
    first = Trainer(other.lm, settings, 3)
    for step in range(2):
        first.step([made[place] for place in turn(len(made), 2, step, 3)], step)
    (tmp_path / "parts").mkdir()
    first.save(tmp_path / "parts", losses[:2])
    moshi_adapter.remove(other.lm)
    second = Trainer(other.lm, settings, 3)
    assert second.run(made, tmp_path / "parts") == pytest.approx(losses, abs=1e-6)
    for name, own in whole.adapter.items():
        assert torch.allclose(own, second.adapter[name], atol=1e-6), name
    # At its end there is nothing to train, and only the last checkpoints are kept.
    assert len([*(tmp_path / "whole").iterdir()]) == SETTINGS["keep"]
    moshi_adapter.remove(other.lm)
    third = Trainer(other.lm, settings, 3)
    third.step = None
    assert third.run(made, tmp_path / "parts") == pytest.approx(losses, abs=1e-6)


def test_what_cannot_be_trained_on(net, material, tmp_path):
    rows, folder = material
    with pytest.raises(UserError, match="no dialogue to train on .*2 times: longer than 20"):
        run(tmp_path / "a", material, settings=SETTINGS | {"frames": 20})
    with pytest.raises(UserError, match="only duplex/moshi"):
        run(tmp_path / "b", material, duplex=ModelSpec("duplex", "echo", {}))
    with pytest.raises(UserError, match="no number; its dialogues are d"):
        trainer = Trainer(net.lm, SETTINGS, 3)
        with torch.no_grad():
            next(iter(trainer.adapter.values())).fill_(float("nan"))
        trainer.step([example(net, rows[0], folder)], 0)


def test_adapters_that_do_not_fit(net, material, tmp_path):
    adapter = run(tmp_path, material)
    with pytest.raises(UserError, match="trained on 'moshiko' and is to be put on 'other'"):
        moshi_adapter.card_of(adapter, "other")
    with pytest.raises(UserError, match=r"has no lora\.safetensors"):
        moshi_adapter.card_of(tmp_path, "moshiko")
    (adapter / moshi_adapter.TENSORS).write_bytes(b"nothing")
    with pytest.raises(UserError, match="does not fit; it is corrupt"):
        moshi_adapter.merge(net.lm, adapter, 2.0)
