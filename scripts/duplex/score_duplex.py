"""Scores conversations of a full-duplex system: turn taking, voices, and ratings of its answers.

Each measure of each item is a row, with a value or the reason why it has none. Full-Duplex-Bench's
measures come in two forms (scripts/duplex/fdb_official.py and fdb_corrected.py), with each
recogniser of transcribe_duplex, by the system's own text where it has one, and from voice activity
alone (scripts/duplex/measures.py); `by` tells with what.

Of items in which something overlaps the agent, scripts/duplex/overlap_measures.py; of questions to
service roles, scripts/duplex/named_choice.py; a clean counterpart has only measures of voices, and
is what the other item is compared with.

similarity, official: cosine of a speaker model between the voice sample and the output's speech
(the PersonaPlex paper's SSIM); corrected: on a scale where a stranger is 0 and the same speaker 1
(scripts/duplex/likeness.py). voice_drift: on that scale, the last third of the speech less the
first. own_voice: whether no other voice sample of the collection is nearer. Ratings by a language
model: scripts/duplex/rated_replies.py.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.speaker import SpeakerBackend
from scripts.common.audio import RATE, read
from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.duplex import rated_replies, ratings
from scripts.duplex.likeness import Scale, drift, likeness, nearest, scales, voice_of
from scripts.duplex.measures import Heard, Key, Work, plan, taken
from scripts.duplex.measuring import label_of, labelled, read_distributions
from scripts.duplex.named_choice import choices
from scripts.duplex.overlap_measures import overlap_plan
from scripts.duplex.spans import Gap, Measure, Span
from scripts.duplex.track import Track, track_of
from scripts.rows.duplex import DuplexItem, DuplexScore, SideTranscript
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

SAME = 0.08  # seconds by which an output may be longer or shorter than its item


def score_duplex(
    item_rows: Path,
    transcripts: Path,
    audio: Path,
    user_audio: Path,
    prompt_interruption: Path,
    prompt_service: Path,
    prompt_behaviour: Path,
    scores: Path,
    system: str,
    speakers: list[ModelSpec],
    llm: ModelSpec | None = None,
    expected: Path | list[Path] | None = None,
) -> None:
    """Write a DuplexScore row for each measure of each DuplexItem row that was not dropped.

    `transcripts` are SideTranscript rows, the first of whose recognisers is heard by the judge
    `llm` (None: no ratings); `audio` is the folder of the system's sides, `user_audio` that of the
    items. `expected` is Full-Duplex-Bench's icc_gt_distribution.json, for items of its backchannel
    task (none, or an empty list: their official distance is a gap).

    What is wrong with one item is the reason of its rows and stops no other. Raises UserError for
    an invalid prompt or `expected`, and for two models of one label.
    """
    prompts = rated_replies.read_prompts(prompt_interruption, prompt_service, prompt_behaviour)
    distributions = read_distributions(expected)
    items = {row.id: row for row in read_rows(item_rows, DuplexItem)}
    rows = [row for row in items.values() if row.dropped is None]
    found = {row.id: row for row in read_rows(transcripts, SideTranscript)}
    results: dict[str, dict[Key, Measure]] = {}
    notes: dict[str, str] = {}
    replies: dict[tuple[str, Key], ratings.Asked] = {}
    if rows:
        embedders = {by: backends.load(spec) for by, spec in labelled(speakers).items()}
        voices, silent = voice_samples(rows, user_audio)
        known = {by: scales(voices, embedder) for by, embedder in embedders.items()}
    judge = label_of(llm) if llm else None
    counterparts = {row.clean for row in items.values()}
    for row in progress(rows, len(rows), "score_duplex"):
        own = found[row.id]
        side = cache(partial(side_of, row, own, audio))
        clean = cache(partial(counterpart, row.clean, items, found, audio)) if row.clean else None
        expected_of = distribution_of(row, distributions)
        heard = Heard(row, side, partial(users_activity, own), expected_of, clean)
        ways = [*own.words]
        works: dict[Key, Work] = {}
        if row.id not in counterparts:
            works |= plan(heard, ways) | overlap_plan(heard, ways[0]) | choices(heard, ways)
        for by, embedder in embedders.items():
            scale = partial(scale_of, row, known[by], silent)
            works |= voice_measures(row, side, scale, known[by], embedder, by)
        results[row.id] = {key: taken(work) for key, work in works.items()}
        notes[row.id] = length_note(row, own)
        if judge and row.id not in counterparts:
            for key in rated_replies.keys(row, judge):
                asked = rated_replies.request(heard, key, prompts, ways[0])
                if isinstance(asked, Measure):
                    results[row.id][key] = asked
                else:
                    replies[row.id, key] = asked
    if llm and replies:
        rated = ratings.rate(backends.load(llm), list(replies.values()))
        for (ident, key), asked in replies.items():
            results[ident][key] = rated[asked]
    write_rows(
        scores,
        (
            score(row, system, key, measure, notes[row.id])
            for row in rows
            for key, measure in results[row.id].items()
        ),
    )


def distribution_of(item: DuplexItem, known: dict[str, list[float]]) -> list[float] | None:
    """The vector of an item, by the number at the end of its id; none of an item whose own places
    for backchannels are marked, which is not of the benchmark."""
    number = re.search(r"(\d+)$", item.id)
    own = any(event.kind == "backchannel_place" for event in item.events)
    return known.get(str(int(number[1]))) if number and not own else None


def side_of(item: DuplexItem, transcript: SideTranscript, folder: Path) -> Track:
    """The system's side of an item. Raises Gap, saying why, if it cannot be scored."""
    if fault := fault_of(item):
        raise Gap(fault)
    return track_of(transcript, folder)


def counterpart(
    ident: str, items: dict[str, DuplexItem], found: dict[str, SideTranscript], folder: Path
) -> Track:
    """The agent's side of a clean counterpart. Raises Gap if there is none."""
    try:
        if ident not in found:
            raise Gap("it was dropped")
        return side_of(items[ident], found[ident], folder)
    except Gap as why:
        raise Gap(f"the clean counterpart: {why}") from why


def users_activity(transcript: SideTranscript) -> list[Span]:
    """When the user talks. Raises Gap if that is not known."""
    if isinstance(transcript.user, str):
        raise Gap(transcript.user)
    return transcript.user or []


def fault_of(item: DuplexItem) -> str | None:
    """What is wrong with an item's marks, or None."""
    for event in item.events:
        times = event.start, event.end
        # NaN compares as false.
        if not (0 <= event.start <= event.end <= item.seconds + SAME):
            return f"its {event.kind} is marked at {times}, not inside its {item.seconds} s"
    return None if item.seconds > 0 else "it has no length"


def length_note(item: DuplexItem, found: SideTranscript) -> str:
    """A word on an output that is not as long as its item."""
    if found.dropped or abs(found.seconds - item.seconds) <= SAME:
        return ""
    return f"the output has {found.seconds:.2f} s, the item {item.seconds:.2f} s"


def voice_samples(items: Sequence[DuplexItem], folder: Path) -> tuple[dict, dict[str, str]]:
    """The voice samples of the items, (n,) float32 at 16 kHz by file, and why others have none."""
    sounds, faults = {}, {}
    for name in sorted({item.voice for item in items if item.voice}):
        try:
            sound = read(folder / name)
            if len(sound) < 2 * RATE:
                raise Gap(f"the voice sample {name} is shorter than 2 s")
            if not (np.isfinite(sound).all() and sound.any()):
                raise Gap(f"the voice sample {name} is silent or holds values that are no numbers")
            sounds[name] = sound
        except (UserError, Gap) as why:
            faults[name] = str(why)
    return sounds, faults


def scale_of(item: DuplexItem, known: dict[str, Scale], faults: dict[str, str]) -> Scale:
    """The scale of an item's voice. Raises Gap if it has none."""
    if item.voice is None:
        raise Gap("the system was given no voice")
    if item.voice in faults:
        raise Gap(faults[item.voice])
    return known[item.voice]


def voice_measures(
    item: DuplexItem,
    side: Callable[[], Track],
    scale: Callable[[], Scale],
    known: dict[str, Scale],
    embedder: SpeakerBackend,
    by: str,
) -> dict[Key, Work]:
    """How like the voice sample the output is, and which of the `known` ones it is nearest to."""

    @cache
    def found() -> tuple[Measure, Measure, Measure]:
        speech, own = side().speech, scale()
        voice = voice_of(speech, embedder)
        return *likeness(voice, own), nearest(voice, str(item.voice), known)

    return {
        Key("similarity", "official", by): lambda: found()[0],
        Key("similarity", "corrected", by): lambda: found()[1],
        Key("own_voice", "corrected", by): lambda: found()[2],
        Key("voice_drift", "corrected", by): lambda: drift(side().speech, scale(), embedder),
    }


def score(item: DuplexItem, system: str, key: Key, measure: Measure, note: str) -> DuplexScore:
    """The row of a measure; numbers have six decimals."""
    return DuplexScore(
        id=item.id,
        collection=item.collection,
        task=item.task,
        scenario=item.scenario,
        system=system,
        metric=key.metric,
        form=key.form,
        by=key.by,
        value=None if measure.value is None else round(measure.value, 6),
        label=measure.label,
        note="; ".join(part for part in (measure.note, note) if part),
        each=[round(value, 3) for value in measure.each],
        dropped=measure.reason,
    )


if __name__ == "__main__":
    stage.run(score_duplex, globals().get("snakemake"))
