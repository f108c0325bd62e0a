"""The preflight of training material: what to know before a GPU is rented.

Five checks: the rows and their files are what training needs; their texts fit into their frames;
the codec's tokens sound like the files (SI-SDR); one step of training gives a finite loss; the
adapter that it leaves reloads. Each has its number and a sentence, which names the first row that
fails and what to do. The stage itself ends well if they fail: finetune_duplex refuses to begin
then.

SI-SDR (Le Roux et al., 2019, arXiv:1811.02508): 10 log10 of the energy of the part of the estimate
that is a multiple of the reference over that of the rest, both without their means. A codec that is
trained to sound right does not keep the waveform, so its values are low; silence, shifted or broken
audio have far lower ones.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts.backends import moshi_adapter
from scripts.backends.device import opened
from scripts.backends.duplex import FRAME, RATE
from scripts.backends.duplex.personaplex import PAUSE, Networks, tagged
from scripts.common.errors import UserError
from scripts.duplex.finetune_duplex import Trainer, base_of
from scripts.duplex.scenario_checks import read_scenarios
from scripts.duplex.training_rows import Check, rows_valid
from scripts.duplex.training_tokens import Example, batch, examples, stereo, text_stream
from scripts.rows.duplex import TrainDuplex
from scripts.rows.jsonl import content_id, read_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

WHO = "duplex/check_material"
LEFT_OUT = 0.01  # share of the dialogues whose texts may not fit, so that training leaves them out
RELOADS = 0.05  # how far a reloaded adapter may be from the trained one, of what the adapter does


def check_material(
    material: Path,
    audio: Path,
    scenarios: Path,
    report: Path,
    page: Path,
    duplex: ModelSpec,
    settings: dict,
    gate: float,
    heard: int,
    seed: int,
) -> None:
    """Write the `report` (json: {"passed", "checks"}) and the same as a `page` in Markdown.

    `material` are TrainDuplex rows with files in `audio`, `scenarios` those of the tests. `duplex`
    and `settings` are those of the training; at most `heard` dialogues, chosen by hash, are encoded
    and decoded, and their median SI-SDR must be at least `gate` (dB). Raises UserError only where
    nothing can be checked: for malformed rows, and a model that cannot be trained or loaded.
    """
    rows = [row for row in read_rows(material, TrainDuplex) if row.dropped is None]
    checks = [rows_valid(rows, audio, read_scenarios(scenarios), settings["frames"])]
    weights, predicted, device = base_of(duplex)
    if checks[0].passed:
        with opened(WHO, weights, device) as home:
            net = Networks(home, device, predicted)
        some = sorted(rows, key=lambda row: content_id("heard", seed, row.id))[: max(1, heard)]
        checks.append(texts_fit(net.tokenizer.encode, rows, audio, settings["frames"]))
        checks.append(codes_decode(net, some, audio, gate))
        made, left = examples(net, some[: settings["batch"]], audio, settings["frames"])
        if made:
            checks += trains(net.lm, made, settings, seed, weights, predicted)
        else:
            says = f"no dialogue can be trained on: {next(iter(left), 'there is none')}"
            checks.append(Check("step", False, None, says))
    passed = len(checks) == 5 and all(check.passed for check in checks)
    found = {"passed": passed, "checks": [asdict(check) for check in checks]}
    Path(report).write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    Path(page).write_text(shown(checks, passed), "utf-8")
    print(shown(checks, passed))


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio of (n,) in dB; -inf for a silent estimate."""
    estimate, reference = (x.astype(np.float64) - x.mean() for x in (estimate, reference))
    energy = float(reference @ reference)
    if not energy:
        raise ValueError("the reference is silent")
    target = (estimate @ reference) / energy * reference
    noise = estimate - target
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 10 * np.log10(np.divide(target @ target, noise @ noise))
    return float("-inf") if np.isnan(value) else float(value)


def texts_fit(
    encode: Callable[[str], list[int]], rows: list[TrainDuplex], folder: Path, longest: int
) -> Check:
    """Whether the tokens of words and prompts fit; the value is the share that does not."""
    lost = []
    for row in rows:
        count = round(row.seconds / FRAME)
        said = [word for line in row.lines if line.speaker == "agent" for word in line.words]
        sample = -(-soundfile.info(folder / row.voice).frames // round(FRAME * RATE))
        whole = sample + len(encode(tagged(row.role_prompt))) + 2 * PAUSE + count
        try:
            text_stream(said, count, encode)
            if whole > longest:
                raise ValueError(f"it has {whole} frames with its prompt, more than {longest}")
        except ValueError as error:
            lost.append((row.id, error))
    share = len(lost) / len(rows)
    says = f"the texts of {len(rows) - len(lost)} of {len(rows)} dialogues fit into their frames"
    if lost:
        says += f"; training leaves the others out, first {lost[0][0]}: {lost[0][1]}"
    if share > LEFT_OUT:
        says += f". At most {LEFT_OUT:.0%} may be left out: lengthen the silence at their ends"
    return Check("texts", share <= LEFT_OUT, share, says)


def codes_decode(net: Any, rows: list[TrainDuplex], folder: Path, gate: float) -> Check:
    """Whether what the codec makes of the agents' channels is like them: their median SI-SDR."""
    found = []
    for row in rows:
        agent = stereo(folder / row.audio)[0]
        (sound,) = net.sounds(net.codes([agent]))
        found.append((si_sdr(sound[: len(agent)], agent[: len(sound)]), row.id))
    found.sort()
    median = float(np.median([value for value, _ in found]))
    worst = f"the lowest is {found[0][0]:.1f} dB, of {found[0][1]}"
    says = f"median SI-SDR {median:.1f} dB of {len(found)} agents after encoding; {worst}"
    if median < gate:
        says += f": below the gate of {gate:g} dB; listen to it, and look at its level and rate"
    return Check("codes", median >= gate, median if np.isfinite(median) else None, says)


def trains(
    lm: Any, made: list[Example], settings: dict, seed: int, weights: str, predicted: int
) -> list[Check]:
    """One step of training, and the adapter read again; leaves `lm` with the adapter merged."""
    trainer = Trainer(lm, settings, seed)
    try:
        value = trainer.step(made, 0)
    except UserError as error:
        return [Check("step", False, None, str(error))]
    frames = max(own.length for own in made)
    says = f"a step on {len(made)} dialogues of up to {frames} frames has the loss {value:.4f}"
    return [
        Check("step", True, value, says),
        reloads(trainer, made[0], settings, weights, predicted),
    ]


def reloads(trainer: Trainer, one: Example, settings: dict, weights: str, predicted: int) -> Check:
    """Whether an adapter that was written and read again does the same as before."""
    import torch

    lm, random = trainer.lm, torch.Generator().manual_seed(1)
    with torch.no_grad():  # one step changes too little to be told from rounding
        for name, own in trainer.adapter.items():
            if name.endswith(moshi_adapter.UP):
                own.add_(0.02 * torch.randn(own.shape, generator=random).to(own))
    trained = _logits(trainer, one)
    card = {"rank": settings["rank"], "scaling": settings["scaling"]}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "adapter"
        moshi_adapter.write(
            place, trainer.adapter, card | {"weights": weights, "predicted": predicted}, {}
        )
        moshi_adapter.remove(lm)
        plain = _logits(trainer, one)
        moshi_adapter.merge(lm, place, moshi_adapter.card_of(place, weights)["scaling"])
        merged = _logits(trainer, one)
    effect, off = (float((x - trained).square().mean().sqrt()) for x in (plain, merged))
    share = off / effect if effect else float("inf")
    says = f"the reloaded adapter is off by {share:.2%} of what it does to the logits"
    if share > RELOADS:
        says += f", more than {RELOADS:.0%}: look at scripts/backends/moshi_adapter.py"
    return Check("reload", share <= RELOADS, share if np.isfinite(share) else None, says)


def _logits(trainer: Trainer, one: Example) -> Any:
    """The logits of an example's text, (frames, tokens), as float32."""
    import torch
    from moshi.utils.compile import no_compile

    tokens = torch.from_numpy(batch([one])[0]).to(trainer.lm.device)
    with torch.no_grad(), no_compile(), trainer.half():
        return trainer.lm(tokens).text_logits[0, 0].float()


def shown(checks: list[Check], passed: bool) -> str:
    """The report for people."""
    title = "passed" if passed else "FAILED: nothing should be trained on this material"
    lines = ["# Preflight of the training material", "", f"It has {title}.", ""]
    lines += ["| check | passed | value | |", "| --- | --- | ---: | --- |"]
    for check in checks:
        value = "–" if check.value is None else f"{check.value:.4g}"
        says = check.says.replace("|", "\\|")
        lines.append(f"| {check.name} | {'yes' if check.passed else 'NO'} | {value} | {says} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    stage.run(check_material, globals().get("snakemake"))
