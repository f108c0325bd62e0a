"""Chooses each role's reference voice: the clip most like the role's other clips.

Paper, section 3.2: CAM++ embeddings, highest mean cosine to all other clips of the role. With unit
vectors u and their sum S that mean is (u . S - 1) / (n - 1), so it costs O(N D), not O(N^2 D).
A clip with more than one speaker is rejected and the next best is taken: first by the medium's own
turns, then by diarizing the clip itself if it is long enough (`ALONE` seconds). A diarized speaker
whose clips form two groups of voices is rejected with all clips: two people were taken for one, and
the most central clip may well be the wrong person's.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.clusters import FEWEST, two_groups
from scripts.backends.diarization import DiarizationBackend
from scripts.backends.speaker import SpeakerBackend
from scripts.common import audio
from scripts.common.progress import progress
from scripts.roles.voiceless import refuse_nobody, why_voiceless
from scripts.rows.corpus import Quality, Recording, Segment, Transcript, Turn
from scripts.rows.jsonl import given, read_all, read_rows, write_rows
from scripts.rows.roles import RefusedVoice, RoleSpeaker, Voice, roles_of
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

ALONE = 5.0  # seconds: a shorter clip has too few windows to tell two speakers apart
OTHERS = 5  # further clips of each role, for the judge
Heard = dict[tuple[str, str, str], list[np.ndarray]]  # embeddings by medium, speaker and role
TOLERANCE = 0.2  # seconds of another speaker's turn at a clip's edge that are tolerated


def choose_voices(
    speakers: Path,
    recordings: list[Path],
    vocals: list[Path],
    turns: list[Path],
    segments: list[Path],
    quality: list[Path],
    transcripts: list[Path],
    voices: Path,
    clips: Path,
    refused: Path,
    roles: list[dict],
    speaker: ModelSpec,
    diarization: ModelSpec,
    nobody: str,
) -> None:
    """Write one `Voice` a role that has a usable clip, its clips as FLAC, and rejected clips.

    recordings, vocals, turns ... are lists in the same order of batches; roles are the rows of
    roles.tsv that are played. Clips are named by their segment's id, never by the role. A clip
    without recognised words is rejected: it cannot be cloned from. A role with a single clip gets
    it, with a flag. `nobody`: what happens if no role has a voice: "fail" (UserError, with each
    role's reason) or "allow".
    """
    clips.mkdir(parents=True, exist_ok=True)
    folders = {}
    media: dict[str, Recording] = {}
    for folder, path in zip(vocals, recordings, strict=True):
        for row in read_rows(path, Recording):
            media[row.id], folders[row.id] = row, folder
    talk: dict[str, list[Turn]] = defaultdict(list)
    for turn in read_all(turns, Turn):
        talk[turn.media].append(turn)
    said = {row.id: row.text for row in read_all(transcripts, Transcript)}
    rated = {row.id: row for row in read_all(quality, Quality)}
    good = {key for key, row in rated.items() if row.dropped is None}
    people = read_rows(speakers, RoleSpeaker)
    role_of = roles_of(people)
    played: set[str] = {role["role"] for role in roles}
    usable: dict[str, list[Segment]] = defaultdict(list)
    refusals: list[RefusedVoice] = []
    clips_of_all = sorted(read_all(segments, Segment), key=lambda row: row.id)
    for clip in clips_of_all:
        whose = role_of.get((clip.media, clip.speaker))
        if whose is None or whose not in played or clip.dropped is not None or clip.id not in good:
            continue
        if said.get(clip.id, "").strip():
            usable[whose].append(clip)
        else:
            reason = "no words were recognised in it"
            refusals.append(RefusedVoice(role=whose, segment=clip.id, dropped=reason))

    def load(row: Segment) -> np.ndarray:
        return audio.read(folders[row.media] / given(media[row.media].file), row.start, row.end)

    embedder: SpeakerBackend = backends.load_for(usable, speaker)
    diarizer: DiarizationBackend = backends.load_for(usable, diarization)
    rows: list[Voice] = []
    heard: Heard = {}
    for role in progress(roles, len(roles), "choose voices"):
        own = usable.get(role["role"], [])
        if not own:
            reason = why_voiceless(role, people, media.values(), clips_of_all, rated)
            refusals.append(RefusedVoice(role=role["role"], segment=None, dropped=reason))
            continue
        samples = [load(row) for row in own]
        vectors = embedder.embed(samples)
        for clip, vector in zip(own, vectors, strict=True):
            heard.setdefault((clip.media, clip.speaker, role["role"]), []).append(vector)
        own, kept, faults = of_one_person(own, vectors)
        refusals += [RefusedVoice(role=role["role"], segment=None, dropped=why) for why in faults]
        if not own:
            continue
        samples, vectors = [samples[i] for i in kept], vectors[kept]
        likeness = mean_cosine(vectors)
        order = sorted(range(len(own)), key=lambda i: (-likeness[i], own[i].id))
        pure: list[int] = []
        for i in order:
            fault = "" if len(pure) > OTHERS else mixed(own[i], talk, samples[i], diarizer)
            if fault:
                refused_clip = RefusedVoice(role=role["role"], segment=own[i].id, dropped=fault)
                refusals.append(refused_clip)
            elif len(pure) <= OTHERS:
                pure.append(i)
        if not pure:
            reason = f"more than one speaker in each of its {len(own)} clips"
            refusals.append(RefusedVoice(role=role["role"], segment=None, dropped=reason))
            continue
        for i in pure:
            audio.write(clips / f"{own[i].id}.flac", audio.normalise(samples[i]))
        best = own[pure[0]]
        source = media[best.media]
        rows.append(
            Voice(
                role=role["role"],
                language=source.language,
                segment=best.id,
                media=best.media,
                file=f"{best.id}.flac",
                start=best.start,
                end=best.end,
                text=said[best.id],
                similarity=round(float(likeness[pure[0]]), 4) if len(own) > 1 else None,
                clips=len(own),
                others=[f"{own[i].id}.flac" for i in pure[1:]],
                synthetic=source.synthetic,
                redistribute=source.redistribute,
                flags=[] if len(own) > 1 else ["one clip only"],
            )
        )
    flagged = {(one.media, one.speaker) for one in people if one.flags}
    for voice in rows:
        voice.flags += against(voice.role, flagged, heard)
        for flag in voice.flags:
            print(f"{voice.role}: {flag}")
    if roles and not rows and nobody == "fail":
        refuse_nobody(refusals)
    write_rows(voices, rows)
    write_rows(refused, refusals)


def against(role: str, flagged: set[tuple[str, str]], heard: Heard) -> list[str]:
    """What the voices say against decisions for a role that all models contradict: one of its
    `flagged` speakers sounds like a speaker of another role, and like none of its others."""
    flags = []
    for (medium, who, own), vectors in heard.items():
        if own != role or (medium, who) not in flagged:
            continue
        others = [key for key in heard if key[:2] != (medium, who) and key[:2] not in flagged]
        alike = {key[2] for key in others if alike_voices(vectors, heard[key])}
        if alike and role not in alike:
            flags.append(
                f"{who} of {medium} was decided against all models and sounds like "
                f"{' and '.join(sorted(alike))}: listen again"
            )
    return flags


def alike_voices(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether the embeddings of two speakers' clips sound like one person; False for too few."""
    if min(len(one), len(other)) < FEWEST:
        return False
    return two_groups(np.stack([*one, *other])) is None


def of_one_person(
    clips: list[Segment], vectors: np.ndarray
) -> tuple[list[Segment], list[int], list[str]]:
    """The clips of speakers that sound like one person, their indices, and why others are
    rejected."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        places[clip.media, clip.speaker].append(place)
    kept, faults = [], []
    for (medium, who), mine in places.items():
        side = two_groups(vectors[mine])
        if side is None:
            kept += mine
            continue
        one, other = clips[mine[int(np.argmax(side))]], clips[mine[int(np.argmin(side))]]
        faults.append(
            f"the {len(mine)} clips of {who} of {medium} sound like two people ({side.sum()} and "
            f"{(~side).sum()}; listen to {one.id} and {other.id}): the diarization took them for "
            "one. Decide about stretches of it in speaker_decisions.tsv, or diarize with another "
            "model."
        )
    kept.sort()
    return [clips[place] for place in kept], kept, faults


def mean_cosine(vectors: np.ndarray) -> np.ndarray:
    """Mean cosine of each of n unit rows (n, d) to the n - 1 others, (n,) float64.

    Rounded to 9 decimals, so that equal clips tie whatever the order of the sums.
    """
    units = vectors.astype(np.float64)
    total = np.ones(len(units)) @ units  # a matrix product is twice as fast as sum(axis=0)
    return np.round((units @ total - 1) / max(1, len(units) - 1), 9)


def mixed(
    row: Segment, talk: dict[str, list[Turn]], samples: np.ndarray, diarizer: DiarizationBackend
) -> str:
    """Why a clip is not of one speaker, or an empty string."""
    for turn in talk[row.media]:
        inside = min(turn.end, row.end) - max(turn.start, row.start)
        if turn.speaker != row.speaker and inside > TOLERANCE:
            return f"{turn.speaker} talks in it too"
    if row.end - row.start >= ALONE:
        heard = {turn.speaker for turn in diarizer.diarize(samples)}
        if len(heard) > 1:
            return f"diarized by itself it holds {len(heard)} speakers"
    return ""


if __name__ == "__main__":
    stage.run(choose_voices, globals().get("snakemake"))
