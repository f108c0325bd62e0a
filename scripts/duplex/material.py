"""What is said in the set with known truth, and role prompts: the files of config/duplex."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.tables import text_of
from scripts.rows.duplex import EventKind, Task
from scripts.rows.jsonl import fault_of

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Entry = TypeVar("Entry")
Some = Annotated[list[Entry], Field(min_length=1)]
DEFAULT = "default"
OVERLAPS: dict[Task, EventKind] = {
    "interruption": "interruption",
    "user_backchannel": "backchannel",
    "bystander": "bystander",
    "noise": "noise",
}
KINDS: tuple[Task, ...] = ("pause", "turn", "backchannel", *OVERLAPS)


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Bystander(_Written):
    """Words that are not for the system: `aside` by the user, or `nearby` by somebody else."""

    aside: Text | None = None
    nearby: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Bystander:
        if (self.aside is None) == (self.nearby is None):
            raise ValueError("give one of aside and nearby")
        return self

    @property
    def text(self) -> str:
        return self.aside or self.nearby or ""


class Noise(_Written):
    """A sound in the background, `snr` dB below the user's speech."""

    sound: Literal["babble", "hiss", "knocks", "rumble"]
    snr: float = Field(ge=-20, le=40)
    seconds: float = Field(gt=0, le=30)


class Known(_Written):
    """The lines of config/duplex/known.yaml."""

    voice_text: Text
    openers: Some[Text]
    pause: Some[tuple[Text, Text]]
    turn: Some[Text]
    interruption: Some[Text]
    backchannel: Some[Annotated[list[Text], Field(min_length=2)]]
    user_backchannel: Some[Text]
    bystander: Some[Bystander]
    noise: Some[Noise]


def read_known(path: Path) -> Known:
    """The checked lines. Raises UserError that names the file and the place."""
    try:
        return Known.model_validate(_document(path))
    except ValidationError as error:
        raise UserError(f"{path}: {fault_of(error)}.") from error


def check_known(
    known: Known,
    path: Path,
    voices: list[str],
    system_voice: str,
    each: int,
    wait: float,
    reply: float,
) -> None:
    """Raises UserError for settings of `duplex.known` that do not give a set."""
    if len(set(voices)) < max(4, len(voices)):
        raise UserError("duplex.known.voices: there must be four or more, none of them twice.")
    if system_voice in voices:
        raise UserError(
            f"duplex.known.voices: '{system_voice}' is the system's voice (`system_voice`); take "
            "it out."
        )
    if each < 1 or min(wait, reply) <= 0:
        raise UserError("duplex.known: `each`, `wait` and `reply` must be above 0.")
    for task in KINDS:
        most = len(sources(known, task)) * len(voices)
        if each > most:
            raise UserError(
                f"duplex.known.each: {each} items of '{task}' are wanted, but {path} and "
                f"{len(voices)} voices give {most}; add lines or voices, or lower `each`."
            )


def sources(known: Known, task: Task) -> list:
    """The lines of which each begins an item: those of the task, or the questions."""
    return known.openers if task in OVERLAPS else getattr(known, task)


def read_role_prompts(path: Path) -> dict[str, str]:
    """The role prompt of each task. Raises UserError for a file that leaves one without."""
    document, tasks = _document(path), get_args(Task)
    for task, text in document.items():
        if task not in (*tasks, DEFAULT):
            raise UserError(f"{path}: there is no task '{task}'{nearest(str(task), tasks)}")
        if not isinstance(text, str):
            raise UserError(f"{path}: {task}: a role prompt is a text, not {text!r}.")
    lacking = [task for task in tasks if task not in document and DEFAULT not in document]
    if lacking:
        raise UserError(f"{path} has no role prompt for '{lacking[0]}'; add it, or a `{DEFAULT}`.")
    return {task: document.get(task, document.get(DEFAULT, "")).strip() for task in tasks}


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text_of(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise UserError(f"{path} must have keys, each with a value.")
    return document
