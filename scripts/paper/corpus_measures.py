"""What can be said about one medium: what the corpus phase found against the truth, where known.

The truth of a medium is up to three files (scripts/media/truth.py); what is missing is not scored.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from scripts.common import audio as sound
from scripts.common.records import Identity, Recording, Segment, Turn, read_rows
from scripts.media.truth import TruthLine, read_rttm
from scripts.paper import corpus_scores as scores

DROPPED = "dropped: "  # the counts of dropped segments are named so, with the reason


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
    """Counts, and (sum, weight) pairs of rates and means; what is unknown is not in here."""

    counts: Counter[str] = field(default_factory=Counter)
    pairs: dict[str, scores.Pair] = field(default_factory=dict)

    def set(self, name: str, pair: scores.Pair | None) -> None:
        if pair is not None:
            self.pairs[name] = pair

    def add(self, other: Scores) -> None:
        self.counts.update(other.counts)
        for name, pair in other.pairs.items():
            self.set(name, scores.add([self.pairs.get(name), pair]))

    def cells(self) -> dict[str, float | int]:
        """One number by name; a pair becomes its ratio."""
        counts = {name: round(number, 3) for name, number in self.counts.items()}
        return counts | {name: scores.ratio(pair) for name, pair in self.pairs.items()}


def measure(batch: Batch, recording: Recording, identities: list[Identity]) -> Scores:
    """Everything that can be said about one recording."""
    turns = [(t.start, t.end, t.speaker) for t in batch.turns if t.media == recording.id]
    segments = [row for row in batch.segments if row.media == recording.id]
    result = Scores()
    result.counts["seconds"] = recording.duration
    result.counts["found_speakers"] = len({speaker for _, _, speaker in turns})
    count_clips(result, segments, batch.dropped)
    rttm = batch.truth / f"{recording.id}.rttm"
    if rttm.is_file():
        true = read_rttm(rttm)
        result.counts["true_speakers"] = len({speaker for _, _, speaker in true})
        for name, forgiving in (("der", False), ("der_forgiving", True)):
            error = scores.diarization_error(true, turns, recording.duration, forgiving)
            result.set(name, error)
    text = batch.truth / f"{recording.id}.jsonl"
    if text.is_file():
        lines = read_rows(text, TruthLine)
        compare_text(result, recording, lines, segments, batch.texts)
        compare_names(result, lines, turns, identities)
    stem = batch.truth / f"{recording.id}.flac"
    if stem.is_file():
        compare_sound(result, recording, stem, batch)
    return result


def count_clips(result: Scores, segments: list[Segment], rated: dict[str, str | None]) -> None:
    """Segments, clips, and the dropped ones by reason; figures in a reason are left out."""
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
) -> None:
    """WER or CER, where the text of every true line is known."""
    if not lines or not all(line.text for line in lines):
        return
    true = " ".join(line.text for line in sorted(lines, key=lambda line: line.start))
    order = sorted(segments, key=lambda row: row.start)
    heard = " ".join(texts[row.id] for row in order if row.id in texts)
    if recording.language == "English":
        result.set("wer", scores.word_error(true, heard))
    else:
        result.set("cer", scores.character_error(true, heard))


def compare_names(
    result: Scores, lines: list[TruthLine], turns: scores.Turns, identities: list[Identity]
) -> None:
    """Right names and agreement of the models, over the speakers that have candidates."""
    people = scores.same_people(turns, [(line.start, line.end, line.speaker) for line in lines])
    known = [row for row in identities if row.candidates and row.speaker in people]
    if not known:
        return
    right = [row.role == people[row.speaker] for row in known]
    chance = [(people[row.speaker] in row.candidates) / len(row.candidates) for row in known]
    result.counts["identified"] = len(known)
    result.set("identity", (sum(right), len(known)))
    result.set("chance", (sum(chance), len(known)))
    result.set("agreement", (sum(row.agreed for row in known), len(known)))


def compare_sound(result: Scores, recording: Recording, stem: Path, batch: Batch) -> None:
    """SI-SDR of the mix and of the vocals over the length that all three share."""
    name = f"{recording.id}.flac"
    clean, mix, vocals = (
        sound.read(path) for path in (stem, batch.audio / name, batch.vocals / recording.file)
    )
    length = min(len(clean), len(mix), len(vocals))
    before = scores.si_sdr(mix[:length], clean[:length])
    after = scores.si_sdr(vocals[:length], clean[:length])
    if before is None or after is None:
        return
    for key, value in (("mix", before), ("vocals", after), ("gain", after - before)):
        result.set(key, (value, 1))
