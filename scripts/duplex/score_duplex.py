"""Scores conversations of a full-duplex system: turn taking, voices, and ratings of its answers.

Each measure of each item is a row, with a value or the reason why it has none. Full-Duplex-Bench's
measures come in two forms (scripts/duplex/fdb_official.py and fdb_corrected.py), with each
recogniser, by the system's own text where it has one, and from voice activity alone
(scripts/duplex/measures.py); `by` tells with what.

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
from scripts.backends.asr import Word
from scripts.backends.speaker import SpeakerBackend
from scripts.backends.vad import VadBackend
from scripts.common.audio import RATE, read
from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.duplex import rated_replies, ratings
from scripts.duplex.counterparts import counterpart, together
from scripts.duplex.hear import Track, recognise, track
from scripts.duplex.likeness import Scale, drift, likeness, nearest, scales, voice_of
from scripts.duplex.measures import Heard, Key, Work, plan, taken
from scripts.duplex.measuring import label_of, labelled, read_distributions
from scripts.duplex.named_choice import choices
from scripts.duplex.overlap_measures import overlap_plan
from scripts.duplex.spans import Gap, Measure, Span
from scripts.rows.duplex import Conversation, DuplexItem, DuplexScore
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

BATCH = 16  # conversations in memory at a time
OWN_TEXT = "own text"  # in `by`
SAME = 0.08  # seconds by which an output may be longer or shorter than its item


def score_duplex(
    item_rows: Path,
    conversations: Path,
    audio: Path,
    user_audio: Path,
    prompt_interruption: Path,
    prompt_service: Path,
    prompt_behaviour: Path,
    scores: Path,
    system: str,
    asr: list[ModelSpec],
    vad: ModelSpec,
    speakers: list[ModelSpec],
    llm: ModelSpec | None = None,
    expected: Path | list[Path] | None = None,
) -> None:
    """Write a DuplexScore row for each measure of each DuplexItem row that was not dropped.

    `audio` and `user_audio` are the folders beside the Conversation and the DuplexItem rows. `asr`
    are recognisers with times of words, the first of which is heard by the judge `llm` (None: no
    ratings). `expected` is Full-Duplex-Bench's icc_gt_distribution.json, for items of its
    backchannel task (none, or an empty list: their official distance is a gap).

    What is wrong with one item is the reason of its rows and stops no other. Raises UserError for
    an invalid prompt or `expected`, and for a recogniser without times of words.
    """
    prompts = rated_replies.read_prompts(prompt_interruption, prompt_service, prompt_behaviour)
    distributions = read_distributions(expected)
    items = read_rows(item_rows, DuplexItem)
    rows = [row for row in items if row.dropped is None]
    sides = {row.id: row for row in read_rows(conversations, Conversation)}
    results: dict[str, dict[Key, Measure]] = {row.id: {} for row in rows}
    notes: dict[str, str] = {}
    replies: dict[tuple[str, Key], ratings.Asked] = {}
    if rows:
        detector: VadBackend = backends.load(vad)
        recognisers = {by: backends.load(spec) for by, spec in labelled(asr).items()}
        embedders = {by: backends.load(spec) for by, spec in labelled(speakers).items()}
        voices, silent = voice_samples(rows, user_audio)
        known = {by: scales(voices, embedder) for by, embedder in embedders.items()}
    judge = label_of(llm) if llm else None
    batches = together(rows, BATCH)
    counterparts = {row.clean for row in items}
    for batch in progress(batches, len(batches), "score_duplex, batches"):
        tracks = {row.id: track_of(row, sides.get(row.id), audio, detector) for row in batch}
        good = [(t, row.language) for row in batch if isinstance(t := tracks[row.id], Track)]
        recognise([own for own, _ in good], [language for _, language in good], recognisers)
        for row in batch:
            side = partial(given, tracks[row.id])
            user = cache(partial(user_activity, user_audio / row.audio, detector))
            clean = partial(counterpart, row.clean, tracks) if row.clean else None
            heard = Heard(row, side, user, distribution_of(row, distributions), clean)
            ways = [*recognisers, *own_text(tracks[row.id], sides.get(row.id))]
            works: dict[Key, Work] = {}
            if row.id not in counterparts:
                works |= plan(heard, ways) | overlap_plan(heard, ways[0]) | choices(heard, ways)
            for by, embedder in embedders.items():
                scale = partial(scale_of, row, known[by], silent)
                works |= voice_measures(row, side, scale, known[by], embedder, by)
            results[row.id] = {key: taken(work) for key, work in works.items()}
            notes[row.id] = length_note(row, tracks[row.id])
            if judge and row.id not in counterparts:
                for key in rated_replies.keys(row, judge):
                    found = rated_replies.request(heard, key, prompts, next(iter(recognisers)))
                    if isinstance(found, Measure):
                        results[row.id][key] = found
                    else:
                        replies[row.id, key] = found
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


def track_of(
    item: DuplexItem, side: Conversation | None, folder: Path, detector: VadBackend
) -> Track | str:
    """The agent's side of an item, or why it cannot be scored."""
    if fault := fault_of(item):
        return fault
    if side is None or side.audio is None or side.dropped:
        return f"no conversation: {side.dropped if side else 'the system was not asked'}"
    try:
        return track(folder / side.audio, detector, unresampled=item.task == "backchannel")
    except Gap as why:
        return str(why)


def fault_of(item: DuplexItem) -> str | None:
    """What is wrong with an item's marks, or None."""
    for event in item.events:
        times = event.start, event.end
        # NaN compares as false.
        if not (0 <= event.start <= event.end <= item.seconds + SAME):
            return f"its {event.kind} is marked at {times}, not inside its {item.seconds} s"
    return None if item.seconds > 0 else "it has no length"


def own_text(found: Track | str, side: Conversation | None) -> list[str]:
    """OWN_TEXT if a system gave its words with times (a text stream, or a transcript recorded with
    the sound): they join those that recognisers heard."""
    if isinstance(found, str) or side is None or side.words is None:
        return []
    found.words[OWN_TEXT] = [Word(own.word, own.start, own.end) for own in side.words]
    return [OWN_TEXT]


def given(found: Track | str) -> Track:
    """The track. Raises Gap with the reason why there is none."""
    if isinstance(found, str):
        raise Gap(found)
    return found


def user_activity(file: Path, detector: VadBackend) -> list[Span]:
    """When the user talks. Raises Gap if that cannot be heard."""
    return track(file, detector).activity


def length_note(item: DuplexItem, found: Track | str) -> str:
    """A word on an output that is not as long as its item."""
    if isinstance(found, str) or abs(found.seconds - item.seconds) <= SAME:
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
