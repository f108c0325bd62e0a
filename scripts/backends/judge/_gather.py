"""Measures sides of judged pairs in batches, with the models of the objective judge.

A side is measured as a whole: the turns of a dialogue joined with half a second of silence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scripts.backends.asr import AsrBackend
from scripts.backends.embedding import EmbeddingBackend
from scripts.backends.judge import Pair, Side, _measures
from scripts.backends.judge._measures import RATE, Prosody
from scripts.backends.llm import ScoringLlm
from scripts.backends.quality import QualityBackend
from scripts.backends.speaker import SpeakerBackend
from scripts.common.audio import Sound
from scripts.common.progress import progress

BETWEEN = np.zeros(RATE // 2, np.float32)  # between turns
RATED = 9 * RATE  # samples for the quality model
LONGEST_PAUSE = 0.6  # seconds of a pause within an utterance that are acceptable
LINES = 3  # of the role, given to the language model
PROFILE = {"English": 400, "Chinese": 130}  # characters given to it
SAY = {"English": "Say something.", "Chinese": "说句话吧。"}
WHO = {"English": "You are {name} from {work}.", "Chinese": "你是《{work}》里的{name}。"}
TALK = {"English": "This is how you talk:", "Chinese": "你平时这样说话："}
UNRELATED = {
    "English": (
        "The meeting begins at nine on Monday.",
        "The bridge is forty metres long.",
        "Mix the flour with two eggs.",
    ),
    "Chinese": ("会议星期一九点开始。", "这座桥有四十米长。", "把面粉和两个鸡蛋拌匀。"),
}


@dataclass(frozen=True)
class Measured:
    """One side of a pair. Log-probabilities are means per token of what is heard (nats)."""

    language: str  # the role's
    heard: str  # the recogniser's text; if empty (no speech), all that follows is meaningless
    meant: str | None  # the system's own text; None if a turn has none
    turns: int = 1
    seconds: float = 0.0
    pauses: float = 0.0  # seconds beyond acceptable pauses
    ovrl: float = 0.0
    sig: float = 0.0
    speaker_similarity: float = 0.0  # cosine to the role's speaker embedding
    prosody: Prosody | None = None
    role_prosody: Prosody | None = None
    logprob_alone: float = 0.0  # after "say something"
    logprob_given_question: float = 0.0  # after the user's words
    logprob_given_lines: float = 0.0  # after the role's lines and the user's words
    logprob_given_profile: float = 0.0  # after the role's profile and the user's words
    near_question: float = 0.0  # similarity to the user's words, see `nearness`
    near_lines: float = 0.0  # to the two nearest lines of the role
    near_profile: float = 0.0  # to the nearest sentence of the profile


@dataclass(frozen=True)
class Models:
    """The models that measure."""

    asr: AsrBackend
    quality: QualityBackend
    speaker: SpeakerBackend
    embedding: EmbeddingBackend
    llm: ScoringLlm


def gather(sides: list[tuple[Pair, Side]], models: Models) -> list[Measured]:
    """Measure each side, given with its pair."""
    clips = [concatenated(side.audio) for _, side in sides]
    meant = [
        None if None in side.text else " ".join(text or "" for text in side.text)
        for _, side in sides
    ]
    heard = hear(clips, meant, [pair.language for pair, _ in sides], models.asr)
    found = [
        Measured(language=pair.language, heard=text, meant=own, turns=len(side.audio))
        for (pair, side), text, own in zip(sides, heard, meant, strict=True)
    ]
    said = [i for i, text in enumerate(heard) if text]
    if not said:
        return found
    pairs = [sides[i][0] for i in said]
    speech = [clips[i] for i in said]
    texts = [heard[i] for i in said]
    parts = zip(
        said,
        speech,
        models.quality.rate([clip[:RATED] for clip in speech]),
        speakers(pairs, speech, models.speaker),
        likelihoods(pairs, texts, models.llm),
        nearness(pairs, texts, models.embedding),
        strict=True,
    )
    for i, clip, quality, speaker, likelihood, near in parts:
        found[i] = replace(
            found[i],
            seconds=len(clip) / RATE,
            pauses=sum(_measures.gaps(turn.samples, LONGEST_PAUSE) for turn in sides[i][1].audio),
            ovrl=quality.ovrl,
            sig=quality.sig,
            **speaker,
            **likelihood,
            **near,
        )
    return found


def concatenated(sounds: tuple[Sound, ...]) -> np.ndarray:
    """All sounds with half a second of silence between them, (n,) float32 at 16 kHz."""
    parts = [part for sound in sounds for part in (sound.samples, BETWEEN)]
    return np.concatenate(parts[:-1]).astype(np.float32)


def hear(clips: list, meant: list[str | None], languages: list[str], asr: AsrBackend) -> list[str]:
    """The recognised text of each clip, "" for silence. The language is the intended text's."""
    heard = [""] * len(clips)
    expected = [
        language if text is None else _measures.language_of(text)
        for text, language in zip(meant, languages, strict=True)
    ]
    for language in sorted(set(expected)):
        chosen = [
            i
            for i, clip in enumerate(clips)
            if expected[i] == language and _measures.speaking(clip).any()
        ]
        results = asr.transcribe([clips[i] for i in chosen], language)
        for i, result in zip(chosen, results, strict=True):
            heard[i] = result.text if _measures.units(result.text) else ""
    return heard


def speakers(pairs: list[Pair], speech: list[np.ndarray], speaker: SpeakerBackend) -> list[dict]:
    """`speaker_similarity`, `prosody` and `role_prosody` of each clip of speech."""
    known = {}  # each of a role's pairs has the same clips
    rows = []
    parts = zip(pairs, speech, speaker.embed(speech), strict=True)
    for pair, clip, vector in progress(parts, len(pairs), "voices"):
        if pair.clips not in known:
            centre = speaker.embed([sound.samples for sound in pair.clips]).mean(axis=0)
            centre = centre / np.linalg.norm(centre)
            known[pair.clips] = (centre, _measures.prosody(concatenated(pair.clips)))
        centre, usual = known[pair.clips]
        rows.append(
            {
                "speaker_similarity": float(vector @ centre),
                "prosody": _measures.prosody(clip),
                "role_prosody": usual,
            }
        )
    return rows


def likelihoods(pairs: list[Pair], texts: list[str], llm: ScoringLlm) -> list[dict]:
    """The four `logprob_...` of each text."""
    requests = [
        (name, chat, text)
        for pair, text in zip(pairs, texts, strict=True)
        for name, chat in contexts(pair).items()
    ]
    scores = llm.score([(chat, text) for _, chat, text in requests])
    found = [
        (name, score.logprob / max(1, score.tokens))
        for (name, _, _), score in zip(requests, scores, strict=True)
    ]
    size = len(found) // max(1, len(pairs))
    return [dict(found[i : i + size]) for i in range(0, len(found), size)]


def contexts(pair: Pair) -> dict[str, list[dict[str, str]]]:
    """The chats that condition a text's likelihood, by name of the measure."""
    who = WHO[pair.language].format(name=pair.name, work=pair.work)
    lines = "\n".join(f"- {line}" for line in pair.lines[:LINES])
    profile = _measures.first_sentences(pair.profile, PROFILE[pair.language])
    question = {"role": "user", "content": "\n".join(pair.questions)}
    return {
        "logprob_alone": [{"role": "user", "content": SAY[pair.language]}],
        "logprob_given_question": [question],
        "logprob_given_lines": [
            {"role": "system", "content": f"{who}\n{TALK[pair.language]}\n{lines}"},
            question,
        ],
        "logprob_given_profile": [{"role": "system", "content": f"{who}\n{profile}"}, question],
    }


def nearness(pairs: list[Pair], texts: list[str], embedding: EmbeddingBackend) -> list[dict]:
    """`near_question`, `near_lines` and `near_profile` of each text.

    Each is a cosine minus the text's mean cosine to UNRELATED sentences: some models give all texts
    high cosines, and more so in some languages.
    """
    questions = [(" ".join(pair.questions),) for pair in pairs]
    profiles = [_measures.sentences(pair.profile) for pair in pairs]
    groups = [*questions, *profiles, *(pair.lines for pair in pairs), *UNRELATED.values(), texts]
    unique = sorted({text for group in groups for text in group})
    vectors = dict(zip(unique, embedding.embed(unique), strict=True))

    def near(text: str, others, nearest: int) -> float:
        cosines = sorted(float(vectors[text] @ vectors[other]) for other in others)
        return float(np.mean(cosines[-nearest:])) if cosines else 0.0

    rows = []
    for pair, text, question, profile in zip(pairs, texts, questions, profiles, strict=True):
        usual = near(text, UNRELATED[pair.language], len(UNRELATED[pair.language]))
        rows.append(
            {
                "near_question": near(text, question, 1) - usual,
                "near_lines": near(text, pair.lines, 2) - usual,
                "near_profile": near(text, profile, 1) - usual,
            }
        )
    return rows
