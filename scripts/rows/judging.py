"""Rows of the judges' verdicts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scripts.rows.jsonl import Language, Mode, Pool, Row

Order = Literal["test first", "reference first"]  # which side a judge hears as A
Form = Literal[
    "base", "again", "swapped", "identical", "louder", "quieter", "silence", "longer", "spoken",
    "written",
]  # fmt: skip


class Trial(Row):
    """One answer of a prompted judge: the integer scores it gave, by side."""

    order: Order
    sample: int  # repetition of the same question, from 0
    test: int
    reference: int


class Verdict(Row):
    """One metric of one item: a pair of scores from 1 to 10, or null with a reason.

    For a judge that is asked several times the scores are the means of its `trials`.
    """

    id: str
    system: str
    judge: str
    role: str
    mode: Mode
    idx: int
    language: Language
    pool: Pool
    metric: Annotated[str, Field(min_length=1)]  # an id of config/metrics.tsv
    score_test: float | None
    score_ref: float | None
    rationale: str
    trials: list[Trial] = []
    asked: str | None = None  # the model that the judge's service was asked for
    version: str | None = None  # the one that answered, as the service says
    system_asked: str | None = None  # of the judged system, likewise
    system_version: str | None = None
    cut: int = 0  # audio parts that the judge heard only the beginning of
    raw: str | None = None
    offered: bool = True  # False: the system does not speak the item's language
    voiced: bool = True  # False: a service will not voice the item; a gap, not a failure
    dropped: str | None = None


class Probe(Verdict):
    """A verdict on a perturbed pair; `base` is the original pair.

    `score_test` is always the score of the system's reply, whichever side the judge was told it is;
    the rationale refers to the sides as the judge was given them.
    """

    probe: Form
    note: str | None = None  # e.g. "both sides lowered by 2.1 dB first"


class Sentences(Row):
    """What is added to replies of a role when a judge is probed: files beside the table."""

    role: str
    padding: str | None = None
    order: str | None = None
    dropped: str | None = None  # why a service will not speak them
