"""Fine-tunes Qwen2.5-Omni on the spoken train dialogues: LoRA with ms-swift.

Paper, appendix E, Figure 11, with its flags under their ms-swift 4 names. One example a dialogue,
in the form that dialogue/qwen25_omni gives to the model: system message, the user's speech, the
role's line as text, and so on. The loss covers the role's lines only. As is ms-swift's default,
only the language model inside the thinker is trained ("all-linear" excludes the audio and image
encoders), never the talker: the agent's voice is Qwen's own.

The paper's flags evaluate every 500 steps without naming data: older ms-swift held out a hundredth
of the examples by default, the current one is told to (`held_out`). Eight devices with two examples
each make the paper's batch of 16; other numbers train another agent.

Checkpoints are keyed by their inputs (examples, settings, base model, seed), outside the rule's
outputs: a stopped job resumes from its last complete one, and a finished training is not repeated.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from scripts.backends.device import pick
from scripts.backends.dialogue.qwen25_omni import instruction
from scripts.backends.dialogue.speechrole_agent import CARD, CONFIG, TENSORS
from scripts.common.errors import UserError
from scripts.common.prompts import Prompt, read_prompt
from scripts.common.weights import RECEIPT, path, pinned
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import content_id, read_rows
from scripts.rows.roles import Profile
from scripts.systems.respond import PLACES, first_request
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

TAG = "<audio>"  # replaced by the next file of an example's `audios`
TAGS = re.compile(r"<(audio|image|video|bbox|ref-object|cot-process|start-image)>|<\|.*?\|>")
STATE = "trainer_state.json"  # the file of a checkpoint that is written last
PACKAGES = ("ms-swift", "transformers", "peft", "torch")

Example = dict[str, list]


def finetune(
    train: list[Path],
    spoken: list[Path],
    speech: list[Path],
    profiles: Path,
    prompt_english: Path,
    prompt_chinese: Path,
    examples: Path,
    adapter: Path,
    checkpoints: str,
    dialogue: ModelSpec,
    settings: dict,
    seed: int,
    name: str,
) -> None:
    """Write the `examples` (JSON lines) and the folder `adapter`, which dialogue/speechrole_agent
    loads, with a card of its inputs.

    The n-th of `train`, `spoken` and `speech` belong together; only the train split may be given.
    `checkpoints` is a folder that stays when the job fails. `dialogue` is the spec of the
    dialogue/qwen25_omni to start from, `settings` the config's `finetune.settings`, `name` the
    agent's. Raises UserError for another model, a missing GPU or package, without examples, and if
    the training fails.
    """
    if dialogue.backend != "qwen25_omni":
        raise UserError(f"only dialogue/qwen25_omni can be fine-tuned, not {dialogue.backend}.")
    options = {"weights": "qwen2.5-omni-7b", "device": "cuda", **dialogue.options}
    cpu = options["device"] == "cpu"
    gpu = f"cuda:{settings['gpus'] - 1}"
    pick("cpu" if cpu else gpu, "systems/finetune")
    home = path(options["weights"])
    pinned(home / "spk_dict.pt")
    files = {"English": prompt_english, "Chinese": prompt_chinese}
    prompts = {
        language: read_prompt(file, set(), PLACES, ("Role", "Answer"))
        for language, file in files.items()
    }
    people = {row.role: row for row in read_rows(profiles, Profile)}
    rows, left = build(train, spoken, speech, people, prompts)
    print(f"{len(rows)} examples; left out: {dict(left) or 'none'}")
    if not rows:
        raise UserError(
            f"there is no example to train on in {len(train)} file(s) of the train split "
            f"({', '.join(f'{n} times: {reason}' for reason, n in left.items()) or 'all empty'})."
        )
    origin = json.loads((home / RECEIPT).read_text("utf-8")) if (home / RECEIPT).exists() else {}
    key = training_key(rows, settings, seed, origin or options["weights"])
    folder = Path(checkpoints) / key
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    shutil.copy(folder / "train.jsonl", examples)
    last = train_to_the_end(folder, home, settings, seed, len(rows), cpu)
    card = {
        "agent": name,
        "weights": options["weights"],
        "commit": origin.get("commit"),
        "examples": len(rows),
        "left_out": dict(left),
        "key": key,
        "settings": settings,
        "seed": seed,
        **outcome(last),
        "versions": {package: version(package) for package in PACKAGES},
        "trained": "the language model of the thinker, on the role's lines; not the talker",
    }
    save_checkpoint(last, adapter, card)


def build(
    train: list[Path],
    spoken: list[Path],
    speech: list[Path],
    people: dict[str, Profile],
    prompts: dict[str, Prompt],
) -> tuple[list[Example], Counter]:
    """An example of each dialogue, by id, and the counts of those left out, by reason."""
    found: dict[str, Example] = {}
    left: Counter = Counter()
    for file, said, folder in zip(train, spoken, speech, strict=True):
        heard = {row.id: row for row in read_rows(said, Spoken)}
        for dialogue in read_rows(file, Dialogue):
            if dialogue.pool != "train" or dialogue.idx is not None:
                raise UserError(
                    f"{file}: the dialogue {dialogue.id} is not of the train split; an agent that "
                    "has seen it cannot be tested on it."
                )
            person = people.get(dialogue.role)
            reason = reason_no_example(dialogue, heard.get(dialogue.id), person)
            if reason or person is None:
                left[reason] += 1
                continue
            row = example(dialogue, heard[dialogue.id], folder, person, prompts[dialogue.language])
            texts = [message["content"] for message in row["messages"]]
            if any(TAGS.search(text) for text in texts if text != TAG):
                left["its text holds a mark that the model or ms-swift takes for its own"] += 1
                continue
            for sound in row["audios"]:
                if not Path(sound).exists():
                    raise UserError(f"{said} names {sound}, which is not there; run speak again.")
            found[dialogue.id] = row
    return [found[ident] for ident in sorted(found)], left


def reason_no_example(
    dialogue: Dialogue, said: Spoken | None, person: Profile | None
) -> str | None:
    """Why a dialogue cannot be an example, or None."""
    if dialogue.dropped:
        return "the dialogue was dropped"
    if said is None or said.dropped:
        return "the dialogue was not spoken"
    return None if person else "its role has no profile"


def example(
    dialogue: Dialogue, said: Spoken, folder: Path, person: Profile, prompt: Prompt
) -> Example:
    """A dialogue in ms-swift's form; see the module's docstring."""
    request = first_request(dialogue, person, prompt, np.zeros(0, np.float32), "")
    system = instruction(request.role_prompt, request.manner)
    messages = [{"role": "system", "content": system}]
    for turn in dialogue.turns:
        messages.append({"role": "user", "content": TAG})
        messages.append({"role": "assistant", "content": turn.role})
    files = [str(folder / turn.user_audio) for turn in said.turns]
    if len(files) != len(dialogue.turns):
        raise UserError(
            f"{dialogue.id}: {len(files)} of its {len(dialogue.turns)} turns are spoken."
        )
    return {"messages": messages, "audios": files}


def training_key(rows: list[Example], settings: dict, seed: int, origin: object) -> str:
    """A digest of a training's inputs; audio counts by name and size."""
    sounds = [(Path(s).name, Path(s).stat().st_size) for row in rows for s in row["audios"]]
    parts = ([row["messages"] for row in rows], sounds, settings, seed, origin)
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return content_id(hashlib.sha256(text.encode("utf-8")).hexdigest())


def train_to_the_end(
    folder: Path, home: Path, settings: dict, seed: int, count: int, cpu: bool
) -> Path:
    """Train in `folder`, from its last complete checkpoint; returns the final one."""
    last = newest(folder)
    if last and finished(last):
        print(f"{last} is the end of this very training: nothing is trained")
        return last
    if last:
        print(f"going on from {last}")
    command = [sys.executable, "-m", "swift.cli.main", "sft"]
    command += flags(settings, seed, home, folder, count, cpu, last)
    ended = launch(command, surroundings(folder, None if cpu else settings["gpus"]))
    last = newest(folder)
    if ended or last is None or not finished(last):
        kept = (
            f"{last.name} is kept: run the same command to go on from it"
            if last
            else "no step kept"
        )
        raise UserError(
            f"ms-swift ended with {ended} before the last step; what it said stands above. "
            f"{kept}. Where memory ran out, a smaller `batch` with more `accumulation` trains the "
            "same agent."
        )
    return last


def flags(
    settings: dict, seed: int, home: Path, folder: Path, count: int, cpu: bool, last: Path | None
) -> list[str]:
    """The arguments of `swift sft`."""
    held_out = settings["held_out"] if round(count * settings["held_out"]) else 0
    named = {
        "model": home,
        "model_type": "qwen2_5_omni",
        "check_model": "false",
        "tuner_type": "lora",
        "lora_rank": settings["rank"],
        "lora_alpha": settings["alpha"],
        "target_modules": "all-linear",
        "torch_dtype": "bfloat16",
        "dataset": folder / "train.jsonl",
        "split_dataset_ratio": held_out,
        "strict": "true",
        "num_train_epochs": settings["epochs"],
        "per_device_train_batch_size": settings["batch"],
        "per_device_eval_batch_size": settings["eval_batch"],
        "gradient_accumulation_steps": settings["accumulation"],
        "learning_rate": settings["learning_rate"],
        "warmup_ratio": settings["warmup"],
        "eval_steps": settings["eval_steps"],
        "save_steps": settings["save_steps"],
        "save_total_limit": settings["keep"],
        "logging_steps": settings["log_steps"],
        "dataloader_num_workers": settings["workers"],
        "seed": seed,
        "data_seed": seed,
        "output_dir": folder,
        "add_version": "false",
        "report_to": "none",
    }
    if settings["max_steps"]:
        named["max_steps"] = settings["max_steps"]
    if cpu:
        named["use_cpu"] = "true"
    if last:
        named["resume_from_checkpoint"] = last
    return [word for key, value in named.items() for word in (f"--{key}", str(value))]


def surroundings(folder: Path, gpus: int | None) -> dict[str, str]:
    """The environment of the training: `gpus` processes (None: the CPU), no hub, own caches."""
    cache = str((folder / "cache").absolute())
    own = {"HF_HUB_OFFLINE": "1", "MODELSCOPE_CACHE": cache, "HF_DATASETS_CACHE": cache}
    return {**os.environ, **own, **({"NPROC_PER_NODE": str(gpus)} if gpus else {})}


def launch(command: list[str], environment: dict[str, str]) -> int:
    """Run ms-swift with this process's output; returns its exit status."""
    try:
        version("ms-swift")
    except PackageNotFoundError as error:
        raise UserError(
            "fine-tuning needs the package 'ms-swift'; install what envs/torch.yaml lists."
        ) from error
    print(" ".join(command), flush=True)
    return subprocess.run(command, env=environment, check=False).returncode


def newest(folder: Path) -> Path | None:
    """The last complete checkpoint in `folder`."""
    found = [place for place in folder.glob("checkpoint-*") if state(place)]
    return max(found, key=lambda place: state(place)["global_step"], default=None)


def state(place: Path) -> dict:
    """The trainer's state in a checkpoint; empty if that is incomplete."""
    if not all((place / name).exists() for name in (CONFIG, TENSORS, STATE)):
        return {}
    try:
        return json.loads((place / STATE).read_text("utf-8"))
    except json.JSONDecodeError:
        return {}


def finished(place: Path) -> bool:
    return state(place)["global_step"] >= state(place)["max_steps"]


def outcome(place: Path) -> dict[str, float]:
    """Steps and epochs done, and the last logged losses."""
    found = state(place)
    losses = {
        key: log[key] for log in found["log_history"] for key in ("loss", "eval_loss") if key in log
    }
    return {"steps": found["global_step"], "epochs": found["epoch"], **losses}


def save_checkpoint(place: Path, adapter: Path, card: dict) -> None:
    """Copy a checkpoint's adapter, with its base model by the config's name instead of a path."""
    adapter.mkdir(parents=True, exist_ok=True)
    shutil.copy(place / TENSORS, adapter / TENSORS)
    config = json.loads((place / CONFIG).read_text("utf-8"))
    config["base_model_name_or_path"] = card["weights"]
    for name, content in ((CONFIG, config), (CARD, card)):
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (adapter / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage.run(finetune, globals().get("snakemake"))
