"""Whether rows of training material and their files are what training needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.backends.duplex import FRAME, RATE
from scripts.common.errors import UserError
from scripts.duplex.scenario_checks import overlapping
from scripts.duplex.training_tokens import stereo
from scripts.rows.duplex import Scenario, TrainDuplex

SLACK = 1e-3  # seconds by which a time may be beyond
QUIET = 1e-4  # the loudest sample of a channel where nobody speaks, of full scale: -80 dB


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    value: float | None
    says: str


def rows_valid(
    rows: list[TrainDuplex], folder: Path, scenarios: list[Scenario], longest: int
) -> Check:
    """Whether rows and files are what training needs; the value is how many are not."""
    if not rows:
        return Check(
            "rows", False, 0, "there is no usable dialogue; look at the reasons in `dropped`"
        )
    faults = [(row.id, found) for row in rows if (found := fault(row, folder, longest))]
    texts = [(row.id, text) for row in rows for text in _texts(row)]
    for own in overlapping(scenarios, (text for _, text in texts)):
        says = f"it has '{own.what}' of the test scenario '{own.scenario}'; change its template"
        faults.append((texts[own.text][0], says))
    if faults:
        bad = len({ident for ident, _ in faults})
        says = (
            f"{bad} of {len(rows)} dialogues cannot be used, first {faults[0][0]}: {faults[0][1]}"
        )
        return Check("rows", False, bad, says)
    hours = sum(row.seconds for row in rows) / 3600
    return Check("rows", True, 0, f"all {len(rows)} dialogues ({hours:.3f} hours) can be used")


def fault(row: TrainDuplex, folder: Path, longest: int) -> str | None:
    """What is wrong with a dialogue or its files, and what to do; None: nothing."""
    for file in (row.audio, row.voice):
        if not file or not (folder / file).is_file():
            return f"its file '{file}' is not in {folder}; run train_material again"
    try:
        both = stereo(folder / row.audio)
    except UserError as error:
        return str(error)
    seconds = both.shape[1] / RATE
    if abs(seconds - row.seconds) > SLACK:
        return (
            f"{row.audio} lasts {seconds:.3f} s, not {row.seconds:.3f} s as the row says; run "
            "train_material again, or correct `seconds`"
        )
    if seconds > longest * FRAME:
        return f"it lasts {seconds:.0f} s, more than {longest} frames; split it, or raise `frames`"
    if not np.isfinite(both).all():
        return f"{row.audio} has samples that are no numbers; make it again"
    if not row.role_prompt.strip():
        return "it has no role text; a hybrid prompt needs one"
    if not any(line.speaker == "agent" for line in row.lines):
        return "the agent says nothing in it; leave it out"
    return _times(row, seconds) or _channels(row, both)


def _times(row: TrainDuplex, seconds: float) -> str | None:
    """What is wrong with the times of words."""
    for speaker in ("agent", "caller"):
        at = 0.0
        for line in (line for line in row.lines if line.speaker == speaker):
            for word in line.words:
                if word.start < at - SLACK or word.end < word.start:
                    return f"the {speaker}'s word '{word.word}' at {word.start} s is out of order"
                if word.end > seconds + SLACK:
                    return f"the {speaker}'s word '{word.word}' ends at {word.end} s, after the end"
                at = word.end
            if not line.words:
                return f"the line '{line.text}' has no words with times; align it"
    return None


def _channels(row: TrainDuplex, both: np.ndarray) -> str | None:
    """What is wrong with who can be heard when."""
    for channel, speaker in zip(both, ("agent", "caller"), strict=True):
        silent = np.ones(len(channel), bool)
        for line in (line for line in row.lines if line.speaker == speaker):
            start, end = round((line.start - SLACK) * RATE), round((line.end + SLACK) * RATE)
            if np.abs(channel[max(0, start) : end]).max(initial=0.0) <= QUIET:
                return f"the {speaker}'s line '{line.text}' cannot be heard; are channels swapped?"
            silent[max(0, start) : end] = False
        loud = np.flatnonzero(silent & (np.abs(channel) > QUIET))
        if len(loud):
            return (
                f"the {speaker}'s channel has sound at {loud[0] / RATE:.2f} s, where the {speaker} "
                "says nothing: each speaker must be alone on a channel"
            )
    return None


def _texts(row: TrainDuplex) -> list[str]:
    return [row.role_prompt, row.voice_text, *(line.text for line in row.lines)]
