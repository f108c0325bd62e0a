"""Fine-tunes Moshi to play roles after a hybrid prompt: LoRA, with the package moshi's networks.

PersonaPlex (Roy et al., 2026, arXiv:2602.06053): it begins from Moshi, masks the prompt, weighs
codebooks and padding (scripts/duplex/training_loss.py), uses Adam with a rate of 4e-6 for the depth
transformer and 2e-6 for the rest, falling to 0 along a cosine, and trains 24,576 steps of 32
dialogues of up to 2,048 frames. The paper trains all parameters on eight GPUs; this trains an
adapter of all linear layers on one, `at_once` dialogues at a time, with the same number a step.

The adapter makes `duplex/personaplex` with `weights` of the base model another system. Checkpoints
are keyed by their inputs, outside the rule's outputs: a stopped job resumes from the last one, and
a finished training is not repeated.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from scripts.backends import moshi_adapter
from scripts.backends.device import free, opened
from scripts.backends.duplex import FRAME
from scripts.backends.duplex.personaplex import BOOKS, Networks
from scripts.common.errors import UserError, out_of_memory
from scripts.common.weights import RECEIPT, path
from scripts.duplex.training_loss import Loss, Weights, loss
from scripts.duplex.training_tokens import Example, batch, examples
from scripts.rows.duplex import TrainDuplex
from scripts.rows.jsonl import content_id, read_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

WHO = "duplex/finetune_duplex"
BASES = {"moshi": ("moshiko", BOOKS), "personaplex": ("personaplex-7b-v1", 2 * BOOKS)}
CHECKPOINT = "checkpoint-{step:06}.pt"


def finetune_duplex(
    material: Path,
    audio: Path,
    report: Path,
    adapter: Path,
    checkpoints: str,
    duplex: ModelSpec,
    settings: dict,
    share: float,
    seed: int,
    name: str,
) -> None:
    """Write the folder `adapter` (scripts/backends/moshi_adapter.py).

    `material` are TrainDuplex rows with files in `audio`, `report` the json of check_material,
    which must have passed. `duplex` is the spec of the moshi or personaplex to start from,
    `settings` the config's `duplex.training.settings`, `share` (0 to 1) how much of the dialogues
    is taken; a smaller share is part of a larger one. Raises UserError for another model, material
    that has not passed or leaves no example, a loss that is no number, and where memory runs out.
    """
    passed(report)
    weights, predicted, device = base_of(duplex)
    rows = chosen(read_rows(material, TrainDuplex), share)
    with opened(WHO, weights, device) as home:
        net = Networks(home, device, predicted)
    made, left = examples(net, rows, audio, settings["frames"])
    print(f"{len(made)} dialogues of {len(rows)}; left out: {dict(left) or 'none'}")
    if not made:
        reasons = ", ".join(f"{count} times: {reason}" for reason, count in left.items())
        raise UserError(f"{material}: there is no dialogue to train on ({reasons or 'no rows'}).")
    receipt = path(weights) / RECEIPT
    origin = json.loads(receipt.read_text("utf-8")) if receipt.exists() else {}
    key = training_key(made, settings, seed, origin or weights)
    trainer = Trainer(net.lm, settings, seed)
    losses = trainer.run(made, Path(checkpoints) / key)
    frames = sum(own.length - own.prompt for own in made)
    card = {
        "adapter": name,
        "weights": weights,
        "commit": origin.get("commit"),
        "predicted": predicted,
        "rank": settings["rank"],
        "scaling": settings["scaling"],
        "data_percent": 100 * share,
        "dialogues": len(made),
        "hours": round(frames * FRAME / 3600, 4),
        "left_out": dict(left),
        "loss_weights": {"acoustic": settings["acoustic"], "padding": settings["padding"]},
        "settings": settings,
        "seed": seed,
        "key": key,
        "steps": len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    moshi_adapter.write(adapter, trainer.adapter, card, net.config)


def passed(report: Path) -> None:
    """Raise UserError unless the preflight of the material has passed."""
    found = json.loads(Path(report).read_text("utf-8"))
    failed = [check for check in found["checks"] if not check["passed"]]
    if not found["passed"]:
        raise UserError(
            f"nothing is trained, as the material has not passed its preflight: "
            f"{failed[0]['says']} ({report} has all checks)."
        )


def base_of(duplex: ModelSpec) -> tuple[str, int, str]:
    """Weights, predicted codebooks and device of the model to start from."""
    if duplex.backend not in BASES:
        raise UserError(
            f"only duplex/moshi and duplex/personaplex can be fine-tuned, not {duplex.backend}."
        )
    if duplex.options.get("adapter"):
        raise UserError("a model with an adapter cannot be fine-tuned; name the one without.")
    weights, predicted = BASES[duplex.backend]
    options = {"weights": weights, "device": "cuda", **duplex.options}
    return options["weights"], predicted, options["device"]


def chosen(rows: Sequence[TrainDuplex], share: float) -> list[TrainDuplex]:
    """The usable rows, or a share of them, at least one; by hash, so that a smaller share is part
    of a larger one. Raises UserError for a share that is none."""
    if not 0 < share <= 1:
        raise UserError(f"a share of the material is above 0 and at most 1, not {share}.")
    usable = [row for row in rows if row.dropped is None]
    ranked = sorted(usable, key=lambda row: content_id("share", row.id))
    taken = {row.id for row in ranked[: max(1, round(share * len(ranked)))]}
    return [row for row in usable if row.id in taken]


def training_key(made: Sequence[Example], settings: dict, seed: int, origin: object) -> str:
    """A digest of a training's inputs. How often is saved and told changes no adapter."""
    digest = hashlib.sha256()
    for own in made:
        digest.update(f"{own.id} {own.prompt} {own.tokens.shape}".encode())
        digest.update(own.tokens.tobytes())
    apart = ("save_steps", "keep", "log_steps")
    counted = {key: value for key, value in settings.items() if key not in apart}
    text = json.dumps([counted, seed, origin], sort_keys=True)
    return content_id(digest.hexdigest(), hashlib.sha256(text.encode()).hexdigest())


def turn(count: int, size: int, step: int, seed: int) -> list[int]:
    """The places of the `size` examples of a step: all come once, in an order of their own, before
    any comes again."""
    found = []
    for number in range(step * size, (step + 1) * size):
        epoch, place = divmod(number, count)
        order = np.random.RandomState(int(content_id("epoch", seed, epoch), 16) % 2**32)
        found.append(int(order.permutation(count)[place]))
    return found


def rate_share(step: int, steps: int) -> float:
    """The share of the learning rate at a step: from 1 to 0 along a cosine."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


class Trainer:
    """An adapter of `lm` while it is trained."""

    def __init__(self, lm: Any, settings: dict, seed: int):
        import torch

        self.lm, self.settings, self.seed = lm, settings, seed
        self.adapter = moshi_adapter.add(lm, settings["rank"], settings["scaling"], seed)
        self.weights = Weights(settings["acoustic"], settings["padding"])
        lm.transformer.checkpointing = lm.device.type != "cpu"  # memory for time
        depth = [own for key, own in self.adapter.items() if key.startswith(moshi_adapter.DEPTH)]
        rest = [own for key, own in self.adapter.items() if not key.startswith(moshi_adapter.DEPTH)]
        self.peaks = [settings["depth_rate"], settings["temporal_rate"]]
        groups = [{"params": depth}, {"params": rest}]
        self.optimizer = torch.optim.Adam(groups, lr=0.0)

    def run(self, made: Sequence[Example], folder: Path) -> list[float]:
        """Train to the last step, from the last checkpoint in `folder`; the loss of each step."""
        folder.mkdir(parents=True, exist_ok=True)
        losses, steps = self.resume(folder), self.settings["steps"]
        while len(losses) < steps:
            step = len(losses)
            places = turn(len(made), self.settings["batch"], step, self.seed)
            losses.append(self.step([made[place] for place in places], step))
            if (step + 1) % self.settings["log_steps"] == 0 or step + 1 == steps:
                print(f"step {step + 1} of {steps}: loss {losses[-1]:.4f}", flush=True)
            if (step + 1) % self.settings["save_steps"] == 0 or step + 1 == steps:
                self.save(folder, losses)
        return losses

    def step(self, parts: Sequence[Example], step: int) -> float:
        """One step on `parts`; returns their loss before it."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * rate_share(step, self.settings["steps"])
        self.optimizer.zero_grad()
        total, size = 0.0, max(1, self.settings["at_once"])
        try:
            for start in range(0, len(parts), size):
                some = parts[start : start + size]
                part = len(some) / len(parts)
                value = self.loss(some).total
                (value * part).backward()
                total += float(value.detach()) * part
        except Exception as error:
            if not out_of_memory(error):
                raise
            free()
            raise UserError(
                f"{WHO}: memory ran out with {size} dialogues at once; a lower `at_once` trains "
                "nearly the same adapter, a lower `frames` leaves out the longest dialogues."
            ) from error
        if not math.isfinite(total):
            raise UserError(
                f"{WHO}: the loss of step {step + 1} is no number; its dialogues are "
                f"{', '.join(own.id for own in parts)}. Lower the rates, or look at these."
            )
        self.optimizer.step()
        return total

    def half(self) -> AbstractContextManager[Any]:
        """Half precision on a GPU, where the adapter alone is in float32."""
        import torch

        on_cpu = self.lm.device.type == "cpu"
        return nullcontext() if on_cpu else torch.autocast("cuda", torch.bfloat16)

    def loss(self, parts: Sequence[Example]) -> Loss:
        """The loss of some examples."""
        import torch
        from moshi.utils.compile import no_compile

        tokens, learnt = batch(parts)
        device = self.lm.device
        given = torch.from_numpy(tokens).to(device), torch.from_numpy(learnt).to(device)
        with self.half(), no_compile():
            return loss(self.lm, *given, self.weights)

    def save(self, folder: Path, losses: list[float]) -> None:
        """Write a checkpoint, whole or not at all, and delete all but the last `keep`."""
        import torch

        file = folder / CHECKPOINT.format(step=len(losses))
        part = file.with_suffix(".part")
        state = {"losses": losses, "optimizer": self.optimizer.state_dict(), "adapter": {}}
        state["adapter"] = {key: own.detach() for key, own in self.adapter.items()}
        torch.save(state, part)
        part.replace(file)
        for old in sorted(folder.glob("checkpoint-*.pt"))[: -max(1, self.settings["keep"])]:
            old.unlink()

    def resume(self, folder: Path) -> list[float]:
        """Take the last checkpoint in `folder`, if there is one; the losses of its steps."""
        import torch

        found = sorted(folder.glob("checkpoint-*.pt"))
        if not found:
            return []
        state = torch.load(found[-1], map_location="cpu", weights_only=True)
        with torch.no_grad():
            for key, own in self.adapter.items():
                own.copy_(state["adapter"][key])
        self.optimizer.load_state_dict(state["optimizer"])
        print(f"going on from {found[-1]}")
        return state["losses"]


if __name__ == "__main__":
    stage.run(finetune_duplex, globals().get("snakemake"))
