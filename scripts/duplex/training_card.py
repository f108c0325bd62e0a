"""The data card of training material, in Markdown."""

from __future__ import annotations

from scripts.rows.duplex import TrainDuplex
from scripts.workflow.model_spec import ModelSpec

CARD = """\
# Training dialogues of full-duplex systems

| kind | dialogues | dropped | hours | lines | overlaps |
| --- | ---: | ---: | ---: | ---: | ---: |
{kinds}

{roles} role texts, {voices} voice samples. Gaps between lines: {low} to {high} s, drawn evenly by
hash; one below 0 is an overlap, and is at most half of the shorter line. Median {median:.2f} s.

## How it was made

The texts are English, from templates (`config/duplex/training.yaml`){writer}, and spoken line by
line by {tts}. It is checked that no organisation, person, other name or fact of the test scenarios
is in them. PersonaPlex has 105,410 service dialogues (1,840 h) and 39,322 pairs of question and
answer (410 h), written by language models; those are not published.

## How to train with it

Stereo, 24 kHz: the agent left, the caller right. `data.jsonl` and the .json beside each file are
what kyutai's moshi-finetune reads; the hybrid prompt (`role_prompt`, `voice`) is in keys of its
own, which the rule finetune_duplex reads from the rows. Weights of the loss: text 1, padding
{padding}; the first codebook of a speaker 1, the others {acoustic}. In moshi-finetune's settings
these are `text_padding_weight: {padding}` and `first_codebook_weight_multiplier: {multiplier}`.

## Known limits

Few templates: a model learns their wordings. The times of words are spread by letters, not
measured. Synthetic voices without background; nobody laughs, hesitates or says "mm-hm".
{dropped}"""
TITLES = {"service": "service", "question": "question and answer"}


def card(
    rows: list[TrainDuplex],
    gaps: tuple[float, float],
    acoustic: float,
    padding: float,
    tts: str,
    llm: ModelSpec | None,
) -> str:
    """The card of the rows; the other arguments are those of train_material."""
    kinds = []
    for kind, title in TITLES.items():
        own = [row for row in rows if row.kind == kind]
        used = [row for row in own if row.dropped is None]
        hours = sum(row.seconds for row in used) / 3600
        lines = sum(len(row.lines) for row in used)
        below = sum(between < 0 for row in used for between in gaps_of(row))
        kinds.append(
            f"| {title} | {len(used)} | {len(own) - len(used)} | {hours:.3f} | {lines} | {below} |"
        )
    usable = [row for row in rows if row.dropped is None]
    all_gaps = sorted(between for row in usable for between in gaps_of(row))
    lost = [f"- {row.id}: {row.dropped}" for row in rows if row.dropped is not None]
    return CARD.format(
        kinds="\n".join(kinds),
        roles=len({row.role_prompt for row in usable}),
        voices=len({row.voice for row in usable}),
        low=gaps[0],
        high=gaps[1],
        median=all_gaps[len(all_gaps) // 2] if all_gaps else 0.0,
        tts=tts,
        writer=f", those of services from a language model ({llm.label})" if llm else "",
        acoustic=acoustic,
        padding=padding,
        multiplier=f"{1 / acoustic:g}" if acoustic else "unlimited",
        dropped="\n## Dropped\n\n" + "\n".join(lost) + "\n" if lost else "",
    )


def gaps_of(row: TrainDuplex) -> list[float]:
    """Seconds from the end of each line to the beginning of the next; below 0: they overlap."""
    pairs = zip(row.lines, row.lines[1:], strict=False)
    return [round(later.start - line.end, 3) for line, later in pairs]
