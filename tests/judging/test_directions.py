"""The direction of the objective judge's metrics: at least eight of ten made pairs must be right.

The reference is a role's own line in its own voice; the test side is the same, degraded only in
what the metric measures. Metrics of content get their texts from a stub recognizer, so that they
are tested in isolation; everything else uses the models of the default config.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import parselmouth
import pytest
from parselmouth.praat import call

from scripts import backends
from scripts.backends.asr import Transcription
from scripts.backends.judge import Pair, Side, Sound, read_metrics
from scripts.backends.judge._gather import Models
from scripts.backends.judge._measures import RATE, loudness
from scripts.backends.judge.objective import Objective
from scripts.backends.llm import Score
from scripts.backends.quality import Ratings
from scripts.common import audio
from scripts.common.paths import ROOT
from tests.default_models import MODELS, spec_of
from tests.judging.talks import ROLES, Role

TABLE = read_metrics(ROOT / "config/metrics.tsv")
VOICES = ("am_michael", "bf_emma", "am_adam", "zf_xiaobei")  # of the four roles
TEN = [(role, talk) for talk in range(3) for role in range(4)][:10]
ASSISTANT = {
    "English": "As a language model I have no plane, but how can I assist you today?",
    "Chinese": "作为一个人工智能助手，我可以帮助您解答这个问题。",
}
FOREIGN = {
    "English": "我不知道你在说什么，我们还是明天再谈吧。",
    "Chinese": "I do not know what you mean, let us talk about it tomorrow.",
}
ASIDE = {
    "English": "Potatoes should be boiled for twenty minutes in salted water.",
    "Chinese": "土豆要放在盐水里煮二十分钟。",
}

PILOT_IN_CHINESE = (
    "暴风雨把我的老飞机打进了丛林，它再也飞不起来了。",
    "怕？我欠的债比这丛林里的野兽还吓人呢，女士。",
    "他是我的机械师，用口香糖修飞机。",
)


class Nothing:
    """Replaces the models that a test does not need: treats everything alike."""

    def rate(self, clips):
        return [Ratings(3.0, 3.0, 3.0) for _ in clips]

    def embed(self, items):
        return np.ones((len(items), 1), np.float32)

    def score(self, pairs):
        return [Score(-1.0, 1) for _ in pairs]

    def transcribe(self, clips, language=None):
        return [Transcription("something", language) for _ in clips]


class Reader(Nothing):
    """Speaks texts as hums of different lengths and recognizes them perfectly."""

    def __init__(self):
        self.texts = {}

    def side(self, text: str) -> Side:
        length = RATE // 2 + len(self.texts)
        self.texts[length] = text
        return side(hum(length if text else 0), text)

    def transcribe(self, clips, language=None):
        return [Transcription(self.texts[len(clip)], language) for clip in clips]


def side(speech: np.ndarray, text: str) -> Side:
    return Side((Sound(speech),), (text,))


def hum(samples: int) -> np.ndarray:
    return (0.1 * np.sin(np.arange(samples) / 15)).astype(np.float32)


@pytest.fixture(scope="module")
def load():
    """Loads a model of the default judge by capability."""

    @functools.cache
    def one(capability):
        return backends.load(spec_of(MODELS["objective"][capability]))

    return one


@pytest.fixture(scope="module")
def spoken():
    """Each role's answers in its voice: [role][talk] -> (n,) float32 at 16 kHz."""
    tts = backends.load(spec_of("kokoro"))
    lines = [
        (answer, {"voice": voice}, role.language)
        for role, voice in zip(ROLES, VOICES, strict=True)
        for _, answer in role.talks
    ]
    sounds = [audio.resample(sound, tts.rate, RATE) for sound in tts.speak(lines)]
    return [sounds[i : i + 3] for i in range(0, len(sounds), 3)]


def pair_of(role: Role, talk: int, test: Side, reference: Side, clips=()) -> Pair:
    return Pair(
        id=f"{role.name}-{talk}",
        language=role.language,
        name=role.name,
        work=role.work,
        profile=role.profile,
        lines=role.lines,
        clips=tuple(map(Sound, clips)) or (Sound(hum(RATE)),),
        questions=(role.talks[talk][0],),
        test=test,
        reference=reference,
    )


def spoilt(spoken, spoil) -> list[Pair]:
    """Ten pairs whose test side is `spoil(role, talk, speech)` of the reference's speech."""
    pairs = []
    for role, talk in TEN:
        speech, text = spoken[role][talk], ROLES[role].talks[talk][1]
        clips = [spoken[role][0 if talk == 2 else 2]]
        test = side(spoil(role, talk, speech), text)
        pairs.append(pair_of(ROLES[role], talk, test, side(speech, text), clips))
    return pairs


def worse(pairs: list[Pair], metrics: list[str], **models) -> dict[str, int]:
    """The number of pairs whose test side scores below the reference, by metric."""
    parts = ("asr", "quality", "speaker", "embedding", "llm")
    judge = Objective(Models(*(models.get(part, Nothing()) for part in parts)))
    judged = judge.judge(pairs, [row for name in metrics for row in TABLE if row.id == name])
    for pair, scores in zip(pairs, judged, strict=True):
        for metric, score in zip(metrics, scores, strict=True):
            print(f"{pair.id} {metric} {score.test} {score.reference} {score.rationale}")
    return {
        metric: sum(scores[i].test < scores[i].reference for scores in judged)
        for i, metric in enumerate(metrics)
    }


def test_noise_lowers_sn(spoken, load):
    def noisy(role, talk, speech):
        noise = np.random.default_rng(talk).standard_normal(len(speech))
        mixed = speech + noise * np.sqrt(np.mean(speech**2)) * 10 ** (-15 / 20)
        return audio.normalise(mixed.astype(np.float32))

    assert worse(spoilt(spoken, noisy), ["SN"], quality=load("quality"))["SN"] >= 8


def test_gaps_and_stutters_lower_sf(spoken, load):
    def broken(role, talk, speech):
        third = len(speech) // 3
        if talk == 0:
            gap = np.zeros(int(1.5 * RATE), np.float32)
            return np.concatenate([speech[:third], gap, speech[third:]])
        return np.concatenate(
            [speech[: 2 * third], *[speech[third : 2 * third]] * 3, speech[third:]]
        )

    assert worse(spoilt(spoken, broken), ["SF"], asr=load("asr"))["SF"] >= 8


def test_another_voice_lowers_pc(spoken, load):
    def other(role, talk, speech):
        return spoken[(role + 1 + talk) % 4][talk]

    assert worse(spoilt(spoken, other), ["PC"], speaker=load("speaker"))["PC"] >= 8


def test_a_flat_voice_lowers_ea(spoken):
    def flat(role, talk, speech):
        return monotone(speech) if talk % 2 == 0 else level(speech)

    assert worse(spoilt(spoken, flat), ["EA"])["EA"] >= 8


def test_no_reply_to_the_instruction_lowers_ia(load):
    reader = Reader()
    wrong = [ASSISTANT, FOREIGN, ASIDE, {"English": "", "Chinese": ""}]
    pairs = []
    for number, (role, talk) in enumerate(TEN):
        text = wrong[number % 4][ROLES[role].language]
        own = reader.side(ROLES[role].talks[talk][1])
        pairs.append(pair_of(ROLES[role], talk, reader.side(text), own))
    assert worse(pairs, ["IA"], asr=reader, embedding=load("embedding"))["IA"] >= 8


def test_another_roles_reply_lowers_cc_pec_and_kc(load):
    reader = Reader()
    pairs = []
    for role, talk in TEN:
        other = (role + 1) % 3 if role < 3 else 0
        text = ROLES[other].talks[talk][1] if role < 3 else PILOT_IN_CHINESE[talk]
        own = reader.side(ROLES[role].talks[talk][1])
        pairs.append(pair_of(ROLES[role], talk, reader.side(text), own))
    metrics = ["CC", "PeC", "KC"]
    right = worse(pairs, metrics, asr=reader, embedding=load("embedding"), llm=load("llm"))
    assert min(right.values()) >= 8, right


def test_equal_sides_score_the_same(spoken):
    pairs = spoilt(spoken, lambda role, talk, speech: speech)[:2]
    swapped = [replace(pair, test=pair.reference, reference=pair.test) for pair in pairs]
    metrics = ["SN", "PC", "EA"]
    assert worse(pairs, metrics) == worse(swapped, metrics) == dict.fromkeys(metrics, 0)


def monotone(speech: np.ndarray) -> np.ndarray:
    """The same speech at constant pitch, its median."""
    sound = parselmouth.Sound(speech.astype(np.float64), RATE)
    median = call(sound.to_pitch(), "Get quantile", 0, 0, 0.5, "Hertz")
    manipulation = call(sound, "To Manipulation", 0.01, 65, 500)
    tier = call(manipulation, "Extract pitch tier")
    call(tier, "Remove points between", 0, sound.duration)
    call(tier, "Add point", sound.duration / 2, median)
    call([tier, manipulation], "Replace pitch tier")
    flat = call(manipulation, "Get resynthesis (overlap-add)")
    return audio.normalise(flat.values[0].astype(np.float32))


def level(speech: np.ndarray) -> np.ndarray:
    """The same speech with 70 % of its loudness variation removed."""
    levels = loudness(speech)
    gains = np.where(levels > -60, 0.7 * (levels.max() - levels), 0)
    at = np.arange(len(speech)) / 160 - 0.5
    louder = speech * 10 ** (np.interp(at, np.arange(len(gains)), gains) / 20)
    return audio.normalise(louder.astype(np.float32))
