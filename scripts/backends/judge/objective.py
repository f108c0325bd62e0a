"""Scores from measurements: not the paper's judge, and deaf to acting.

It replaces the paper's listening language model (section 4.2) where there is none. Both sides are
measured by the same rules, each as a whole (all turns of a dialogue in a row). A score is 1 + 9 x,
where x in [0, 1] is computed as below; ramp(v, a, b) is 0 up to a, 1 from b, and linear between.
The constants were set by hand, so that the good and bad lines of tests/judging/test_directions.py
spread over the ramps; nothing was fitted to human ratings. A metric without a formula has no
scores, and the reason says so.

What is *heard* is the recogniser's text of the audio, in the language of the reply's own text.
near(t) is the cosine of the sentence embeddings of what is heard and t, minus the mean cosine to
three unrelated sentences. gain(c) is the mean log-likelihood per token of what is heard given c and
the user's words, minus that given the user's words alone (nats).

IA   script * mask * length * (.4 + .3 ramp(near(question), -.04, .08) + .3 ramp(g, -.1, .5)):
     share of letters in the role's script; .2 with an assistant's stock phrase, else 1;
     ramp(w, 0, 4) * ramp(w, 150, 60), w being the words of a turn (the mean over the turns); a
     Chinese character is 1 / 1.6 of a word; does it answer the question; g, does it follow the
     instruction to be this role: the larger of gain(three of the role's lines) and gain(the role's
     profile)
CC   .5 ramp(d, -.4, .9) + .5 ramp(near(question), -.04, .08), where d is the log-likelihood per
     token given the user's words minus that given "say something". Contradictions are not detected
SF   (1 - errors) * (1 - 2 gaps) * (1 - 2 again) * pace: word (Chinese: character) error rate
     between the intended and the heard text, omitted if a system gives no text; seconds of pauses
     beyond .6 s each over the duration; share of words repeated at once, beyond the intended text;
     ramp(syllables/s, 1, 2.5) * ramp(syllables/s, 9, 6.5)
SN   ramp((OVRL + SIG) / 2, 1, 4), DNSMOS P.835 of the first 9 s
PC   .5 ramp(cosine of speaker embeddings, .25, .75) + .2 ramp(|pitch|, 8, 1) +
     .15 ramp(|span|, 1.5, .25) + .15 ramp(|pace|, 1, .15): compared with the role's own clips,
     difference of the median pitch in semitones, log2 of the ratio of pitch spans and of
     syllables per second
EA   .5 e(pitch span) + .5 e(loudness span), e(v) = ramp(max(-r, r - 1), 1.5, 0), r = log2 of v over
     its target: the span of the role's clips, up to a quarter more by the share of exclamations
PeC  .6 ramp(gain(three of the role's lines), 0, 1.2) + .4 ramp(near(its two nearest lines), .02,
     .11)
KC   .6 ramp(gain(the role's profile), -.1, 1) + .4 ramp(near(the nearest sentence of the profile),
     0, .11)

Silence, or speech in which nothing is recognised, scores 1 on every metric. With less than .2 s of
voiced speech, PC and EA have no score. The scoring language model should not be one of those
judged: it would find its own words likely. The ramps of near() are for multilingual-e5-small.

Needs an asr, a quality, a speaker, an embedding and an llm model, praat-parselmouth and jiwer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from scripts import backends
from scripts.backends.judge import JudgeBackend, Metric, Pair, Scores
from scripts.backends.judge._gather import Measured, Models, gather
from scripts.backends.judge._measures import (
    error_rate,
    exclaimed,
    length_in_words,
    ramp,
    repeated,
    share_in,
)
from scripts.backends.llm import must_score
from scripts.workflow.model_spec import ModelSpec

ENV = ("core", "torch")  # those of its parts
GPU = False
PARTS = True  # their results for a reference serve every system

MASK_OFF = (
    *("as an ai", "an ai ", "language model", "virtual assistant", "artificial intelligence"),
    *("can i assist", "may i assist", "how can i help", "happy to help", "here to help"),
    *("人工智能", "语言模型", "ai助手", "虚拟助手", "为您服务", "可以帮您", "可以帮助您"),
)
Parts = tuple[float, str]  # x of the docstring, and its explanation


def load(
    asr: ModelSpec, quality: ModelSpec, speaker: ModelSpec, embedding: ModelSpec, llm: ModelSpec
) -> JudgeBackend:
    """Load the measuring models (specs). Raises UserError for an llm that cannot score."""
    specs = (asr, quality, speaker, embedding, llm)
    ear, rater, voices, meaning, model = (backends.load(spec) for spec in specs)
    return Objective(Models(ear, rater, voices, meaning, must_score(model, "judge/objective")))


class Objective:
    """See the contract in scripts/backends/judge/__init__.py."""

    integer_scores = False  # measured, not chosen

    def __init__(self, models: Models):
        self.models = models

    def judge(self, pairs: list[Pair], metrics: list[Metric]) -> list[list[Scores]]:
        """Score both sides of each pair on each metric.

        A side that occurs in several pairs of a dialogue and sample is measured once.
        """
        sides = [
            (replace(pair, test=side, reference=side), side)
            for pair in pairs
            for side in (pair.test, pair.reference)
        ]
        unique = list(dict.fromkeys(sides))
        known = dict(zip(unique, gather(unique, self.models), strict=True))
        found = [known[side] for side in sides]
        both = zip(found[::2], found[1::2], strict=True)
        return [[compare(metric.id, *two) for metric in metrics] for two in both]


def compare(metric: str, test: Measured, reference: Measured) -> Scores:
    """The scores of one metric; both are None if one side has none."""
    if metric not in FORMULAS:
        reason = f"{metric} has no formula in scripts/backends/judge/objective.py"
        return Scores(None, None, "", reason=reason)
    scores: list[float | None] = []
    words = []
    for side in (test, reference):
        part, why = FORMULAS[metric](side) if side.heard else (0.0, "nothing is heard")
        scores.append(None if math.isnan(part) else round(1 + 9 * part, 2))
        words.append(why)
    rationale = f"test: {words[0]}; reference: {words[1]}"
    if None in scores:
        return Scores(None, None, rationale, reason="too little voiced speech to measure")
    return Scores(scores[0], scores[1], rationale)


def adherence(side: Measured) -> Parts:
    script = share_in(side.meant or side.heard, side.language)
    text = f"{side.meant or ''} {side.heard}".lower()
    mask = 0.2 if any(phrase in text for phrase in MASK_OFF) else 1.0
    words = length_in_words(side.heard) / side.turns
    length = ramp(words, 0, 4) * ramp(words, 150, 60)
    gain = max(side.logprob_given_lines, side.logprob_given_profile) - side.logprob_given_question
    answer = 0.3 * ramp(side.near_question, -0.04, 0.08) + 0.3 * ramp(gain, -0.1, 0.5)
    return (
        script * mask * length * (0.4 + answer),
        f"script {script:.2f}, mask {mask:.1f}, {words:.0f} words a turn, near "
        f"the question {side.near_question:+.2f}, {gain:+.2f} nats a token from the role",
    )


def coherence(side: Measured) -> Parts:
    gain = side.logprob_given_question - side.logprob_alone
    return (
        0.5 * ramp(gain, -0.4, 0.9) + 0.5 * ramp(side.near_question, -0.04, 0.08),
        f"{gain:+.2f} nats a token from the question, near it {side.near_question:+.2f}",
    )


def fluency(side: Measured) -> Parts:
    errors = 0.0 if side.meant is None else error_rate(side.meant, side.heard)
    again = max(0.0, repeated(side.heard) - repeated(side.meant or ""))
    pauses = side.pauses / side.seconds
    pace = side.prosody.pace if side.prosody else 0.0
    steady = ramp(pace, 1, 2.5) * ramp(pace, 9, 6.5)
    return (
        (1 - errors) * max(0.0, 1 - 2 * pauses) * max(0.0, 1 - 2 * again) * steady,
        f"errors {errors:.2f}, pauses {pauses:.2f}, repeated {again:.2f}, {pace:.1f} syllables/s",
    )


def naturalness(side: Measured) -> Parts:
    return (
        ramp((side.ovrl + side.sig) / 2, 1, 4),
        f"DNSMOS OVRL {side.ovrl:.2f}, SIG {side.sig:.2f}",
    )


def prosody_consistency(side: Measured) -> Parts:
    if side.prosody is None or side.role_prosody is None:
        return math.nan, "no pitch"
    own, usual = side.prosody, side.role_prosody
    pitch = abs(own.pitch - usual.pitch)
    span = abs(math.log2(own.pitch_span / usual.pitch_span))
    pace = abs(math.log2(own.pace / usual.pace))
    return (
        0.5 * ramp(side.speaker_similarity, 0.25, 0.75)
        + 0.2 * ramp(pitch, 8, 1)
        + 0.15 * ramp(span, 1.5, 0.25)
        + 0.15 * ramp(pace, 1, 0.15),
        f"voice {side.speaker_similarity:.2f}, pitch {pitch:.1f} semitones off, "
        f"span {span:.2f} and pace {pace:.2f} octaves off",
    )


def emotion(side: Measured) -> Parts:
    if side.prosody is None or side.role_prosody is None:
        return math.nan, "no pitch"
    due = 1 + 0.25 * exclaimed(side.meant or side.heard)
    pitch = math.log2(side.prosody.pitch_span / (due * side.role_prosody.pitch_span))
    level = math.log2(side.prosody.loudness_span / (due * side.role_prosody.loudness_span))
    fit = [ramp(max(-ratio, ratio - 1), 1.5, 0) for ratio in (pitch, level)]
    return (
        sum(fit) / 2,
        f"pitch span {pitch:+.2f}, loudness span {level:+.2f} octaves from what is due",
    )


def personality(side: Measured) -> Parts:
    gain = side.logprob_given_lines - side.logprob_given_question
    return (
        0.6 * ramp(gain, 0, 1.2) + 0.4 * ramp(side.near_lines, 0.02, 0.11),
        f"{gain:+.2f} nats a token from the role's lines, near them {side.near_lines:+.2f}",
    )


def knowledge(side: Measured) -> Parts:
    gain = side.logprob_given_profile - side.logprob_given_question
    return (
        0.6 * ramp(gain, -0.1, 1) + 0.4 * ramp(side.near_profile, 0, 0.11),
        f"{gain:+.2f} nats a token from the profile, near it {side.near_profile:+.2f}",
    )


FORMULAS: dict[str, Callable[[Measured], Parts]] = {
    "IA": adherence,
    "CC": coherence,
    "SF": fluency,
    "SN": naturalness,
    "PC": prosody_consistency,
    "EA": emotion,
    "PeC": personality,
    "KC": knowledge,
}
