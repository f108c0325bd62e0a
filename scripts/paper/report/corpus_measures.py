"""Measures of one medium: results of the corpus phase against the ground truth, where known.

The truth of a medium is up to three files (scripts/media/truth.py); missing parts are not scored.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from scripts.common import audio as sound
from scripts.media.truth import TruthLine, read_rttm, read_unscored, same_people
from scripts.paper.report import corpus_scores
from scripts.paper.report.corpus_scores import Span
from scripts.rows.corpus import Recording, Segment, Turn
from scripts.rows.jsonl import given, read_rows
from scripts.rows.roles import Identity

DROPPED = "dropped: "  # prefix of the counts of dropped segments, before the reason
SLACK = 0.5  # seconds by which a turn may exceed the audio without a note


@dataclass
class Batch:
    """The rows of one batch, and its folders."""

    name: str
    truth: Path
    audio: Path
    vocals: Path
    recordings: list[Recording]
    turns: list[Turn]
    segments: list[Segment]
    dropped: dict[str, str | None]  # reason by segment, of those that were rated
    texts: dict[str, str]


@dataclass
class Scores:
    """Counts, and (sum, weight) pairs of rates and means; unknown values are absent.

    `notes` are sentences about what could not be scored.
    """

    counts: dict[str, float] = field(default_factory=Counter)  # type: ignore[arg-type]  # seconds, too
    pairs: dict[str, corpus_scores.Pair] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set(self, name: str, pair: corpus_scores.Pair | None) -> None:
        if pair is not None:
            self.pairs[name] = pair

    def add(self, other: Scores) -> None:
        self.counts.update(other.counts)
        for name, pair in other.pairs.items():
            self.set(name, corpus_scores.add([self.pairs.get(name), pair]))

    def cells(self) -> dict[str, float | None]:
        """Numbers by name; pairs become ratios."""
        counts: dict[str, float | None] = {
            name: round(number, 3) for name, number in self.counts.items()
        }
        return counts | {name: corpus_scores.ratio(pair) for name, pair in self.pairs.items()}


def measure(batch: Batch, recording: Recording, identities: list[Identity]) -> Scores:
    """All measures of one recording.

    Stretches that the truth excludes from scoring, and those beyond the end of the audio, are left
    out of every comparison with the truth except that of the audio itself.
    """
    turns = [(t.start, t.end, t.speaker) for t in batch.turns if t.media == recording.id]
    segments = [row for row in batch.segments if row.media == recording.id]
    result = Scores()
    result.counts["seconds"] = recording.duration
    count_clips(result, segments, batch.dropped)
    rttm = batch.truth / f"{recording.id}.rttm"
    unscored: list[Span] = []
    if rttm.is_file():
        true = read_rttm(rttm)
        unscored = [*read_unscored(rttm), (recording.duration, math.inf)]
        compare_turns(result, recording, true, turns, unscored)
    result.counts["found_speakers"] = speakers(turns, unscored)
    text = batch.truth / f"{recording.id}.jsonl"
    if text.is_file():
        lines = read_rows(text, TruthLine)
        compare_text(result, recording, lines, segments, batch.texts, unscored)
        compare_names(result, lines, turns, identities, unscored)
    stem = batch.truth / f"{recording.id}.flac"
    if stem.is_file():
        compare_sound(result, recording, stem, batch)
    return result


def speakers(turns: corpus_scores.Turns, unscored: list[Span]) -> int:
    """The number of speakers in the scored stretches."""
    return len({speaker for _, _, speaker in corpus_scores.without(turns, unscored)})


def compare_turns(
    result: Scores,
    recording: Recording,
    true: corpus_scores.Turns,
    turns: corpus_scores.Turns,
    unscored: list[Span],
) -> None:
    """DER, number of speakers, and the unscored share of the audio."""
    whole = recording.duration
    scored = sum(end - start for start, end, _ in corpus_scores.without([(0, whole, "")], unscored))
    result.counts["unscored"] = whole - scored
    result.counts["true_speakers"] = speakers(true, unscored)
    for name, forgiving in (("der", False), ("der_forgiving", True)):
        result.set(name, corpus_scores.diarization_error(true, turns, whole, forgiving, unscored))
    beyond = max(end for _, end, _ in true) - whole
    if beyond >= SLACK:
        result.notes.append(f"the true turns go on for {beyond:.1f} s after the end of the sound")


def count_clips(result: Scores, segments: list[Segment], rated: dict[str, str | None]) -> None:
    """Segments, clips, and dropped segments by reason, without the figures in it."""
    reasons = [row.dropped or rated[row.id] for row in segments]
    result.counts["segments"] = len(segments)
    result.counts["clips"] = reasons.count(None)
    for reason in filter(None, reasons):
        result.counts[DROPPED + re.sub(r"^OVRL [\d.]+ is", "OVRL is", reason)] += 1


def compare_text(
    result: Scores,
    recording: Recording,
    lines: list[TruthLine],
    segments: list[Segment],
    texts: dict[str, str],
    unscored: list[Span],
) -> None:
    """WER or CER, if the text of every true line is known.

    A line or segment counts where at least half of it is scored.
    """
    lines = [line for line in lines if counts(line, unscored)]
    if not lines or not all(line.text for line in lines):
        return
    true = " ".join(line.text for line in sorted(lines, key=lambda line: line.start))
    order = sorted(segments, key=lambda row: row.start)
    heard = " ".join(texts[row.id] for row in order if row.id in texts and counts(row, unscored))
    if recording.language == "English":
        result.set("wer", corpus_scores.word_error(true, heard))
    else:
        result.set("cer", corpus_scores.character_error(true, heard))


def counts(row: TruthLine | Segment, unscored: list[Span]) -> bool:
    """Whether at least half of a line or a segment is scored."""
    parts = corpus_scores.without([(row.start, row.end, "")], unscored)
    return 2 * sum(end - start for start, end, _ in parts) >= row.end - row.start


def compare_names(
    result: Scores,
    lines: list[TruthLine],
    turns: corpus_scores.Turns,
    identities: list[Identity],
    unscored: list[Span],
) -> None:
    """Correct names and agreement of the models, over speakers with candidates. Of a person who is
    no candidate, "somebody else" (None) is correct."""
    said = [(line.start, line.end, line.speaker) for line in lines]
    people = same_people(
        corpus_scores.without(turns, unscored), corpus_scores.without(said, unscored)
    )
    known = [row for row in identities if row.candidates and row.speaker in people]
    if not known:
        return
    right = [
        row.role == (people[row.speaker] if people[row.speaker] in row.candidates else None)
        for row in known
    ]
    chance = [1 / (len(row.candidates) + 1) for row in known]
    result.counts["identified"] = len(known)
    result.set("identity", (sum(right), len(known)))
    result.set("chance", (sum(chance), len(known)))
    result.set("agreement", (sum(row.agreed for row in known), len(known)))


def compare_sound(result: Scores, recording: Recording, stem: Path, batch: Batch) -> None:
    """SI-SDR of the mix and of the vocals over the length that all three share."""
    name = f"{recording.id}.flac"
    clean, mix, vocals = (
        sound.read(path)
        for path in (stem, batch.audio / name, batch.vocals / given(recording.file))
    )
    length = min(len(clean), len(mix), len(vocals))
    before = corpus_scores.si_sdr(mix[:length], clean[:length])
    after = corpus_scores.si_sdr(vocals[:length], clean[:length])
    if before is None or after is None:
        return
    for key, value in (("mix", before), ("vocals", after), ("gain", after - before)):
        result.set(key, (value, 1))
