"""SpeechRole-Agent: Qwen2.5-Omni fine-tuned on role dialogues, with a merged LoRA adapter.

Paper, section 5.1 and appendix E. The adapter is the output of the rule `finetune`
(results/systems/finetune/<agent>/adapter) or any LoRA adapter for the thinker in peft's format:
adapter_config.json and adapter_model.safetensors. The paper's own adapter is not published.

Requirements, options and voices are those of dialogue/qwen25_omni. Only the text is fine-tuned; the
talker, which generates the speech, is Qwen's.
"""

from __future__ import annotations

import json
from pathlib import Path

from scripts.backends.device import pick
from scripts.backends.dialogue import DialogueBackend, qwen25_omni
from scripts.common.errors import UserError

ENV = "torch"
GPU = True

CONFIG, TENSORS, CARD = "adapter_config.json", "adapter_model.safetensors", "card.json"


def load(
    adapter: str,
    weights: str = "qwen2.5-omni-7b",
    voice: str = "Chelsie",
    max_tokens: int = 256,
    max_seconds: int = 60,
    device: str = "cuda",
    batch: int = 8,
) -> DialogueBackend:
    """Load the model `weights` with the adapter in folder `adapter`; other options as in
    dialogue/qwen25_omni."""
    pick(device, "dialogue/speechrole_agent")
    check(Path(adapter), weights)
    system = qwen25_omni.load(weights, voice, max_tokens, max_seconds, device, batch)
    system.model = merged(system.model, Path(adapter), weights)
    return system


def check(adapter: Path, weights: str) -> None:
    """Raise UserError if the folder is not an adapter or its card names another base model."""
    missing = [name for name in (CONFIG, TENSORS) if not (adapter / name).is_file()]
    if missing:
        raise UserError(
            f"the adapter {adapter} has no {' and no '.join(missing)}; the rule finetune makes it, "
            "or `adapter` must name a folder in peft's format."
        )
    if (adapter / CARD).exists():
        base = json.loads((adapter / CARD).read_text("utf-8"))["weights"]
        if base != weights:
            raise UserError(
                f"the adapter {adapter} was trained on '{base}' and is to be put on '{weights}'; "
                f"set `weights: {base}` for this model."
            )


def merged(model, adapter: Path, weights: str):
    """`model` with the adapter merged into its weights."""
    from peft import PeftModel
    from safetensors import safe_open

    try:
        with safe_open(adapter / TENSORS, "pt") as file:
            stored = {plain(name) for name in file.keys()}
        joined = PeftModel.from_pretrained(model, adapter, local_files_only=True)
        used = {plain(name) for name in joined.state_dict() if "lora_" in name}
        if stored != used:
            raise ValueError(
                f"{len(stored - used)} of its tensors find no place, e.g. "
                f"{next(iter(sorted(stored ^ used)))}"
            )
    except Exception as error:
        words = " ".join(str(error).split())[:300]
        raise UserError(
            f"the adapter {adapter} does not fit '{weights}'; it is corrupt or for another base "
            f"model ({type(error).__name__}: {words})."
        ) from error
    return joined.merge_and_unload().eval()


def plain(name: str) -> str:
    """A tensor's name without peft's adapter name."""
    return name.replace(".default.", ".")
