"""finetune, with a trainer that only writes checkpoints (tests/models runs the real one)."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from scripts.backends.dialogue.qwen25_omni import CARD
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import write_rows
from scripts.setup.download import write_receipt
from scripts.systems import finetune as module
from scripts.systems.finetune import finetune
from scripts.workflow.model_spec import ModelSpec
from tests import rows as made

PAPER = {
    "rank": 8,
    "alpha": 32,
    "learning_rate": 1e-4,
    "epochs": 1,
    "batch": 2,
    "eval_batch": 1,
    "accumulation": 1,
    "warmup": 0.05,
    "eval_steps": 500,
    "save_steps": 500,
    "keep": 2,
    "log_steps": 5,
    "workers": 4,
    "gpus": 8,
    "max_steps": None,
    "held_out": 0.01,
}


class Trainer:
    """Replaces ms-swift: writes the checkpoints of steps 1 and 2, or is killed while writing the
    second."""

    def __init__(self):
        self.calls = []
        self.killed = False

    def __call__(self, command, environment):
        flags = dict(zip(command[4::2], command[5::2], strict=True))
        self.calls.append((flags, environment))
        folder = Path(flags["--output_dir"])
        begun = flags.get("--resume_from_checkpoint", "checkpoint-0")
        for step in range(int(begun.rpartition("-")[2]) + 1, 3):
            place = folder / f"checkpoint-{step}"
            place.mkdir(exist_ok=True)
            (place / "adapter_model.safetensors").write_bytes(bytes([step]))
            (place / "adapter_config.json").write_text('{"base_model_name_or_path": "/a/path"}')
            losses = [{"loss": 2.0, "step": 1}, {"eval_loss": 3.0, "step": 1}, {"loss": 1.0}]
            state = {"global_step": step, "max_steps": 2, "epoch": 1.0, "log_history": losses}
            text = json.dumps(state)
            if self.killed and step == 2:
                (place / "trainer_state.json").write_text(text[:20])
                return -9
            (place / "trainer_state.json").write_text(text)
        return 0


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """Runs finetune on dialogues {id: number of turns}; returns the examples and the card."""
    trainer = Trainer()
    monkeypatch.setattr(module, "launch", trainer)
    monkeypatch.setattr(module, "version", lambda package: "1.0")
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "weights" / "omni"
    home.mkdir(parents=True)
    (home / "spk_dict.pt").write_bytes(b"voices")
    write_receipt(home, "hf:Some/Omni", "a" * 40)

    def run(turns, changes=(), settings=(), backend="qwen25_omni", shards=2):
        names = sorted(turns)
        files = {"train": [], "spoken": [], "speech": []}
        for number in range(1, shards + 1):
            own = names[number - 1 :: shards]
            rows = [dialogue(name, turns[name]) for name in own]
            folder = Path(f"speech-{number}")
            folder.mkdir(exist_ok=True)
            said = [spoken(name, turns[name], folder) for name in own]
            for row in [*rows, *said]:
                for key, value in dict(changes).get((type(row), row.id), {}).items():
                    setattr(row, key, value)
            write_rows(Path(f"train-{number}.jsonl"), rows)
            write_rows(Path(f"spoken-{number}.jsonl"), [row for row in said if row.voice])
            files["train"].append(Path(f"train-{number}.jsonl"))
            files["spoken"].append(Path(f"spoken-{number}.jsonl"))
            files["speech"].append(folder)
        write_rows(Path("profiles.jsonl"), [made.profile()])
        Path("prompt.md").write_text("# Role\nYou are {name}.\n# Answer\nBriefly.", "utf-8")
        finetune(
            **files,
            profiles=Path("profiles.jsonl"),
            prompt_english=Path("prompt.md"),
            prompt_chinese=Path("prompt.md"),
            examples=Path("examples.jsonl"),
            adapter=Path("adapter"),
            checkpoints="checkpoints",
            dialogue=ModelSpec("dialogue", backend, {"weights": str(home), "device": "cpu"}),
            settings={**PAPER, **dict(settings)},
            seed=7,
            name="agent",
        )
        lines = Path("examples.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines], json.loads(
            Path("adapter/card.json").read_text()
        )

    run.trainer = trainer
    run.home = home
    return run


def dialogue(name: str, turns: int) -> Dialogue:
    lines = [(f"Ask {n}?", f"Line {n}.") for n in range(turns)]
    return made.dialogue(name, turns=made.exchanges(*lines))


def spoken(name: str, turns: int, folder: Path) -> Spoken:
    said = [made.spoken_turn(f"{name}_{number}_user.flac") for number in range(turns)]
    for turn in said:
        audio.write(folder / turn.user_audio, np.zeros(2000, np.float32), 24_000)
    return made.spoken(name, said, sample_rate=24_000)


def test_an_example_is_a_dialogue_as_the_model_gets_it(agent):
    rows, card = agent({"d1": 1, "d2": 2})
    system = f"{CARD}\n\nYou are Joe.\n\nBriefly."
    user = {"role": "user", "content": "<audio>"}
    assert rows[1] == {
        "messages": [
            {"role": "system", "content": system},
            user,
            {"role": "assistant", "content": "Line 0."},
            user,
            {"role": "assistant", "content": "Line 1."},
        ],
        "audios": ["speech-2/d2_0_user.flac", "speech-2/d2_1_user.flac"],
    }
    assert len(rows) == 2 and rows[0]["audios"] == ["speech-1/d1_0_user.flac"]
    assert card["examples"] == 2 and card["left_out"] == {}


def test_what_cannot_be_an_example_is_counted(agent):
    marked = made.exchanges(("?", "Look: <image>"))
    changes = {
        (Dialogue, "d1"): {"dropped": "a duplicate"},
        (Spoken, "d2"): {"dropped": "cannot be spoken"},
        (Spoken, "d3"): {"voice": ""},  # no row at all
        (Dialogue, "d4"): {"role": "stranger"},
        (Dialogue, "d5"): {"turns": marked},
    }
    rows, card = agent({f"d{n}": 1 for n in range(1, 7)}, changes)
    assert len(rows) == card["examples"] == 1
    assert card["left_out"] == {
        "the dialogue was dropped": 1,
        "the dialogue was not spoken": 2,
        "its role has no profile": 1,
        "its text holds a mark that the model or ms-swift takes for its own": 1,
    }


def test_no_example_is_an_error(agent):
    changes = {(Dialogue, name): {"dropped": "a duplicate"} for name in ("d1", "d2")}
    with pytest.raises(UserError, match="no example .*2 times: the dialogue was dropped"):
        agent({"d1": 1, "d2": 1}, changes)
    with pytest.raises(UserError, match="no example .*all empty"):
        agent({})
    assert agent.trainer.calls == []


@pytest.mark.parametrize("change", [{"pool": "out_of_domain"}, {"idx": 3}])
def test_only_the_train_split_is_taken(agent, change):
    with pytest.raises(UserError, match="dialogue d2 is not of the train split"):
        agent({"d1": 1, "d2": 1}, {(Dialogue, "d2"): change})


def test_a_missing_file_is_named(agent):
    lost = [made.spoken_turn("lost.flac")]
    with pytest.raises(UserError, match="names speech-1/lost.flac, which is not there"):
        agent({"d1": 1}, {(Spoken, "d1"): {"turns": lost}})


def test_the_flags_are_the_papers(agent):
    agent({f"d{n:02}": 1 for n in range(60)})
    ((flags, environment),) = agent.trainer.calls
    figure_11 = {
        "--tuner_type": "lora",
        "--torch_dtype": "bfloat16",
        "--num_train_epochs": "1",
        "--per_device_train_batch_size": "2",
        "--per_device_eval_batch_size": "1",
        "--learning_rate": "0.0001",
        "--lora_rank": "8",
        "--lora_alpha": "32",
        "--target_modules": "all-linear",
        "--gradient_accumulation_steps": "1",
        "--eval_steps": "500",
        "--save_steps": "500",
        "--save_total_limit": "2",
        "--logging_steps": "5",
        "--warmup_ratio": "0.05",
        "--dataloader_num_workers": "4",
    }
    assert figure_11.items() <= flags.items()
    assert flags["--model"] == str(agent.home) and flags["--split_dataset_ratio"] == "0.01"
    assert flags["--use_cpu"] == "true" and "--max_steps" not in flags
    assert "--resume_from_checkpoint" not in flags
    assert environment["HF_HUB_OFFLINE"] == "1" and "NPROC_PER_NODE" not in environment


def test_a_process_a_gpu_and_no_held_out_share_of_less_than_one(tmp_path):
    assert module.surroundings(tmp_path, 8)["NPROC_PER_NODE"] == "8"
    words = module.flags({**PAPER, "max_steps": 3}, 1, tmp_path, tmp_path, 40, False, None)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    assert flags["--split_dataset_ratio"] == "0" and flags["--max_steps"] == "3"
    assert "--use_cpu" not in flags


def test_the_adapter_is_the_last_checkpoints_and_says_what_made_it(agent):
    _, card = agent({"d1": 1})
    assert Path("adapter/adapter_model.safetensors").read_bytes() == bytes([2])
    config = json.loads(Path("adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == card["weights"] == str(agent.home)
    assert card["agent"] == "agent" and card["commit"] == "a" * 40 and card["seed"] == 7
    assert (card["steps"], card["loss"], card["eval_loss"]) == (2, 1.0, 3.0)


def test_a_killed_training_goes_on_from_its_last_whole_checkpoint(agent):
    agent.trainer.killed = True
    with pytest.raises(UserError, match="ended with -9 .* checkpoint-1 is kept"):
        agent({"d1": 1})
    assert not Path("adapter").exists()
    agent.trainer.killed = False
    _, card = agent({"d1": 1})
    flags, _ = agent.trainer.calls[1]
    assert flags["--resume_from_checkpoint"].endswith("/checkpoint-1") and card["steps"] == 2
    agent({"d1": 1})
    assert len(agent.trainer.calls) == 2  # nothing was left to train


@pytest.mark.parametrize(
    ("turns", "settings"), [({"d1": 2}, {}), ({"d1": 1}, {"rank": 4})], ids=["examples", "settings"]
)
def test_another_training_starts_anew(agent, turns, settings):
    agent({"d1": 1})
    agent(turns, settings=settings)
    flags, _ = agent.trainer.calls[1]
    assert "--resume_from_checkpoint" not in flags
    assert flags["--output_dir"] != agent.trainer.calls[0][0]["--output_dir"]


def test_other_shards_are_the_same_training(agent):
    rows, _ = agent({"d1": 1, "d2": 1, "d3": 1})
    again, _ = agent({"d1": 1, "d2": 1, "d3": 1}, shards=3)
    assert [Path(row["audios"][0]).name[:2] for row in again] == ["d1", "d2", "d3"]
    assert [row["messages"] for row in rows] == [row["messages"] for row in again]
    assert len(agent.trainer.calls) == 1


def test_another_model_is_refused(agent):
    with pytest.raises(UserError, match="only dialogue/qwen25_omni .*, not cascade"):
        agent({"d1": 1}, backend="cascade")


def test_voices_that_are_not_those_downloaded_are_refused(agent):
    (agent.home / "spk_dict.pt").write_bytes(b"other")
    with pytest.raises(UserError, match="can run code when it is opened"):
        agent({"d1": 1})


def test_a_missing_package_is_named(monkeypatch):
    def absent(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(module, "version", absent)
    with pytest.raises(UserError, match="needs the package 'ms-swift'; .* envs/torch.yaml"):
        module.launch(["nothing"], {})
