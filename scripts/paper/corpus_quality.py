"""Quality of the corpus phase: its results for each medium against the ground truth.

The paper reports no such figures; people verified its clips. This is the only stage that reads
the truth (scripts/media/truth.py). A part of the truth that is missing leaves its cells empty.
"""

from collections.abc import Iterable
from pathlib import Path

from scripts.paper.report.corpus_measures import DROPPED, Batch, Scores, measure
from scripts.paper.report.layout import Section, write_table
from scripts.rows.corpus import Quality, Recording, Segment, Transcript, Turn
from scripts.rows.jsonl import read_all, read_rows
from scripts.rows.roles import Identity
from scripts.workflow import stage

TARGET_BATCH = "queen"  # the demo's game: real actors, known lines, music at a known level
HIGHEST_DER = 0.18
LEAST_GAIN = 3.0  # dB
LEAST_SPEAKERS = 8

COLUMNS = {
    "medium": "Medium",
    "batch": "Batch",
    "language": "Language",
    "synthetic": "Synthetic",
    "seconds": "Seconds",
    "unscored": "Not scored",
    "true_speakers": "Speakers",
    "found_speakers": "Found",
    "der": "DER",
    "der_forgiving": "DER, collar",
    "wer": "WER",
    "cer": "CER",
    "mix": "SI-SDR mix",
    "vocals": "SI-SDR vocals",
    "gain": "Gain",
    "segments": "Segments",
    "clips": "Clips",
    "identified": "Speakers",
    "identity": "Right",
    "chance": "Chance",
    "agreement": "Models agree",
}
PLACE = ["medium", "batch", "language", "synthetic"]
HEARD = [*PLACE, "seconds", "unscored", "true_speakers", "found_speakers", "der", "der_forgiving"]
SPOKEN = [*PLACE, "wer", "cer", "mix", "vocals", "gain"]
RECOGNISED = ["identified", "identity", "chance", "agreement"]
NAMED = [*PLACE, *RECOGNISED]

NOTES = [
    "Medium: the id of a recording; `all` sums up its batch (rates over all of its speech or words,"
    " SI-SDR as the mean). Synthetic: read by synthetic voices, because no real recording with"
    " several speakers was at hand; such figures say little about real speech. The batch `chinese`"
    " of the default media is synthetic.",
    "Speakers, Found: people who really speak, and speakers that diarization found. DER: missed,"
    " falsely found and wrongly attributed speech over true speech, everything counted. DER,"
    " collar: the same without .25 s on either side of each true boundary and without overlapped"
    " speech, as it is often reported.",
    "Not scored: the seconds that the truth leaves out of scoring (NOSCORE in RTTM,"
    " ignore_time_segment_in_scoring in STM), as given. DER, speakers, WER, CER, names do without"
    " them, and without what lies beyond the end of the sound; WER and CER without the lines and"
    " segments that are not scored for more than half of their time.",
    "WER (English) and CER (Chinese): all segments in which speech was found, their transcripts"
    " joined in time order, against the true text in time order. WER uses Whisper's English"
    " normaliser (case, punctuation, fillers, contractions and numbers do not count); CER counts"
    " letters, ideographs and digits. Where the truth has alternatives, the one counts that suits"
    " the score best.",
    "SI-SDR, in dB: scale-invariant signal-to-distortion ratio to the clean speech, of the mix and"
    " of the separated vocals, over the whole medium. Gain: what separation added.",
    "Clips: segments that passed every filter; with the dropped ones they add up to Segments.",
]
WHO = (
    'Right: speakers whom `identify` gave the right name, or "somebody else" if they are no'
    " candidate, of those it had candidates for, before people decided anything. Whose voice a"
    " found speaker is, is decided by the most speech time shared. Chance: what choosing blindly"
    ' among the candidates and "somebody else" would get. Models agree: both language models chose'
    " the same."
)
NOBODY = (
    "Who the speakers are was not asked: the configuration names no language model for it"
    " (`identify: {llms: []}`)."
)


def corpus_quality(
    truth: list[Path],
    audio: list[Path],
    vocals: list[Path],
    recordings: list[Path],
    turns: list[Path],
    segments: list[Path],
    quality: list[Path],
    transcripts: list[Path],
    identities: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    batches: list[str],
) -> None:
    """Write one row a medium and one a batch, and whether the targets were met.

    The lists have one entry a batch, in the order of `batches`. truth, audio and vocals are
    folders; the others are JSON lines of the row types of the same names. `identities` is one file,
    or none if no roles were identified: the table then leaves that out, and says so.
    """
    found = read_all(identities, Identity)
    rows: list[dict] = []
    for number, name in enumerate(batches):
        batch = Batch(
            name=name,
            truth=truth[number],
            audio=audio[number],
            vocals=vocals[number],
            recordings=read_rows(recordings[number], Recording),
            turns=read_rows(turns[number], Turn),
            segments=read_rows(segments[number], Segment),
            dropped={row.id: row.dropped for row in read_rows(quality[number], Quality)},
            texts={row.id: row.text for row in read_rows(transcripts[number], Transcript)},
        )
        rows += batch_rows(batch, found)
    reasons = sorted({key for row in rows for key in row if key.startswith(DROPPED)})
    for row in rows:
        if "segments" in row:
            row.update({reason: row.get(reason, 0) for reason in reasons})
    targets = judged(rows)
    columns = [key for key in COLUMNS if identities or key not in RECOGNISED]
    header = ["kind", *columns, *reasons, "note", "target", "value", "met"]
    counted = [*PLACE, "segments", "clips", *reasons, "note"]
    named = Section(rows, headings(NAMED), "Who was recognised, before people decided")
    reached = Section(
        targets,
        {"target": "Target", "value": "Reached", "met": "Met"},
        f"Targets, on the batch {TARGET_BATCH}",
    )
    sections = [
        Section(rows, headings(HEARD), "Who speaks when"),
        Section(rows, headings(SPOKEN), "What is said, and how clean it is"),
        Section(rows, headings(counted), "What became of the segments"),
        *([named] if identities else []),
        *([reached] if targets else []),
    ]
    write_table(
        [*rows, *targets],
        table_csv,
        table_md,
        table_tex,
        "Quality of the corpus",
        [*NOTES, WHO if identities else NOBODY],
        header=header,
        sections=sections,
    )


def batch_rows(batch: Batch, identities: list[Identity]) -> list[dict]:
    """The rows of a batch's media, by id, and the row that sums them up."""
    rows, total = [], Scores()
    for recording in sorted(batch.recordings, key=lambda row: row.id):
        place = {
            "kind": "medium",
            "medium": recording.id,
            "batch": batch.name,
            "language": recording.language,
            "synthetic": recording.synthetic,
        }
        own = [row for row in identities if row.media == recording.id]
        measured = Scores() if recording.dropped else measure(batch, recording, own)
        notes = [recording.dropped or recording.note, *measured.notes]
        rows.append(place | measured.cells() | {"note": "; ".join(filter(None, notes))})
        total.add(measured)
    whole = {
        "kind": "batch",
        "medium": "all",
        "batch": batch.name,
        "language": ", ".join(sorted({row.language for row in batch.recordings})),
        "synthetic": any(row.synthetic for row in batch.recordings),
    }
    return [*rows, whole | total.cells()]


def judged(rows: list[dict]) -> list[dict]:
    """The targets as rows: target, value, and whether it was met."""
    media = [row for row in rows if row["batch"] == TARGET_BATCH and row["kind"] == "medium"]
    media = [row for row in media if row.get("true_speakers") is not None]
    totals = [row for row in rows if row["batch"] == TARGET_BATCH and row["kind"] == "batch"]
    if not media or not totals:
        return []
    total = totals[0]
    right = sum(row["true_speakers"] == row["found_speakers"] for row in media)
    der, gain = total.get("der"), total.get("gain")
    identity, chance, n = (total.get(key) for key in ("identity", "chance", "identified"))
    return [
        target(
            "right number of speakers in every medium",
            f"{right} of {len(media)}",
            right == len(media),
        ),
        target(
            f"DER ≤ {HIGHEST_DER}, without collar",
            shown(der),
            None if der is None else der <= HIGHEST_DER,
        ),
        target(
            f"separation gains {LEAST_GAIN:g} dB SI-SDR or more",
            shown(gain),
            None if gain is None else gain >= LEAST_GAIN,
        ),
        target(
            f"identity better than chance, over {LEAST_SPEAKERS} speakers or more",
            f"{shown(identity)} (chance {shown(chance)}, n = {n or 0})",
            None if identity is None else identity > chance and (n or 0) >= LEAST_SPEAKERS,
        ),
    ]


def target(wanted: str, value: str, met: bool | None) -> dict:
    verdict = {True: "yes", False: "missed", None: "not measured"}[met]
    return {"kind": "target", "target": wanted, "value": value, "met": verdict}


def shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def headings(keys: Iterable[str]) -> dict[str, str]:
    """Columns by key; a reason is its own heading."""
    reasons = {key: key.removeprefix(DROPPED) for key in keys}
    return {key: COLUMNS.get(key, text[0].upper() + text[1:]) for key, text in reasons.items()}


if __name__ == "__main__":
    stage.run(corpus_quality, globals().get("snakemake"))
