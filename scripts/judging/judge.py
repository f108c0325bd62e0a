"""Scores each reply of a system beside the reference, metric by metric (paper, section 4.2).

The reference of a test dialogue is its own role speech, synthesised by `speak` from the written
dialogue. A judge scores both sides from 1 to 10.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from scripts import backends
from scripts.backends.judge import JudgeBackend, Metric, Pair, Scores, Side, Sound, read_metrics
from scripts.common.errors import UserError
from scripts.common.spoken_text import aloud
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import given, read_rows, write_rows
from scripts.rows.judging import Verdict
from scripts.rows.roles import Profile, Voice
from scripts.rows.systems import Reply
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

CLIPS = 5  # of the role's own speech for each pair, the reference clip first


def judge(
    replies: Path,
    answers: Path,
    test: Path,
    spoken: Path,
    speech: Path,
    profiles: Path,
    voices: Path,
    clips: Path,
    metrics: Path,
    verdicts: Path,
    name: str,
    judge: ModelSpec,
) -> None:
    """Write a Verdict row for each test dialogue and each metric of the table `metrics`.

    `answers`, `speech` and `clips` hold the audio that the Reply, Spoken and Voice rows name.
    A dialogue without a complete reply or a reference gets the reason instead of scores. `name` is
    the judge's in the config, `judge` its spec.
    """
    wanted = read_metrics(metrics)
    sound = cache(Sound)  # a file in several pairs is one Sound
    systems = {row.id: row for row in read_rows(replies, Reply)}
    references = {row.id: row for row in read_rows(spoken, Spoken)}
    people = {row.role: row for row in read_rows(profiles, Profile)}
    reference_voices = {row.role: row for row in read_rows(voices, Voice)}
    dialogues = sorted(read_rows(test, Dialogue), key=lambda row: row.id)
    scores, pairs = {}, []
    for dialogue in dialogues:
        if dialogue.id not in systems:
            raise UserError(
                f"{replies} has no row for the test dialogue {dialogue.id}: delete it, and it "
                "will be made again."
            )
        reason = reason_no_verdict(systems[dialogue.id], references.get(dialogue.id))
        if reason:
            scores[dialogue.id] = [Scores(None, None, "", reason=reason)] * len(wanted)
            continue
        voice = reference_voices[dialogue.role]
        pairs.append(
            pair_of(
                dialogue,
                people[dialogue.role],
                clips=(sound(clips / file) for file in (voice.file, *voice.others)[:CLIPS]),
                test=(
                    (sound(answers / given(turn.audio), turn.seconds), turn.text)
                    for turn in systems[dialogue.id].turns
                ),
                reference=(
                    (sound(speech / own.role_audio, own.role_seconds), aloud(turn.role))
                    for own, turn in zip(references[dialogue.id].turns, dialogue.turns, strict=True)
                ),
            )
        )
    integer_scores = False
    if pairs:
        model: JudgeBackend = backends.load(judge)
        integer_scores, judged = model.integer_scores, model.judge(pairs, wanted)
        scores |= {pair.id: row for pair, row in zip(pairs, judged, strict=True)}
    write_rows(
        verdicts,
        (
            verdict(dialogue, systems[dialogue.id], name, metric, score, integer_scores)
            for dialogue in dialogues
            for metric, score in zip(wanted, scores[dialogue.id], strict=True)
        ),
    )


def reason_no_verdict(reply: Reply, reference: Spoken | None) -> str | None:
    """Why a dialogue cannot be judged, or None."""
    if not reply.offered:
        return reply.dropped
    if reply.dropped:
        return f"no whole reply: {reply.dropped}"
    if reference is None or reference.dropped:
        return f"no reference: {reference.dropped if reference else 'the dialogue was not spoken'}"
    return None


def pair_of(
    dialogue: Dialogue,
    person: Profile,
    clips: Iterable[Sound],
    test: Iterable[tuple[Sound, str | None]],
    reference: Iterable[tuple[Sound, str | None]],
) -> Pair:
    """The input of a judge: both sides (audio and text of each turn) and the role."""
    return Pair(
        id=dialogue.id,
        language=dialogue.language,
        name=person.name,
        work=person.work,
        profile=person.described,
        lines=tuple(person.lines),
        clips=tuple(clips),
        questions=tuple(turn.user for turn in dialogue.turns),
        test=Side(*zip(*test, strict=True)),
        reference=Side(*zip(*reference, strict=True)),
        context=dialogue.context,
    )


def verdict(
    dialogue: Dialogue, reply: Reply, name: str, metric: Metric, score: Scores, integer_scores: bool
) -> Verdict:
    """The row of one metric of one dialogue; a score is given for both sides or for none.

    A pair with a score that is not a number from 1 to 10 (an integer, for judges with
    `integer_scores`) is missing, with the reason: never clamped.
    """
    for value in (score.test, score.reference):
        off = isinstance(value, bool) or (value is not None and not 1 <= value <= 10)
        if off or (integer_scores and value is not None and value % 1):
            kind = "whole numbers" if integer_scores else "scores"
            reason = f"the judge gave {score.test} and {score.reference}, not {kind} from 1 to 10"
            score = replace(score, test=None, reference=None, reason=reason)
            break
    return Verdict(
        id=dialogue.id,
        system=reply.system,
        judge=name,
        role=dialogue.role,
        mode=dialogue.mode,
        idx=given(dialogue.idx),
        language=dialogue.language,
        pool=dialogue.pool,
        metric=metric.id,
        score_test=score.test,
        score_ref=score.reference,
        rationale=score.rationale,
        trials=list(score.trials),
        asked=score.asked,
        version=score.version,
        system_asked=reply.asked,
        system_version=reply.version,
        cut=score.cut,
        raw=score.raw,
        offered=reply.offered,
        voiced=reply.voiced,
        dropped=score.reason,
    )


if __name__ == "__main__":
    stage.run(judge, globals().get("snakemake"))
