"""The objective judge on given measurements: every formula, and what has no score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scripts import backends
from scripts.backends import judge
from scripts.backends.asr import Transcription
from scripts.backends.judge import Pair, Side, Sound, read_metrics
from scripts.backends.judge._gather import Measured
from scripts.backends.judge._measures import Prosody
from scripts.backends.judge.objective import FORMULAS, compare, load
from scripts.backends.llm import Score
from scripts.backends.quality import Ratings
from scripts.common.errors import UserError
from scripts.common.paths import ROOT

TABLE = read_metrics(ROOT / "config/metrics.tsv")
METRICS = [row.id for row in TABLE]
VOICE = Prosody(pitch=90.0, pitch_span=6.0, loudness_span=12.0, pace=4.5)
GOOD = Measured(
    language="English",
    heard="I fly the old plane over the jungle.",
    meant="I fly the old plane over the jungle.",
    seconds=3.0,
    pauses=0.0,
    ovrl=4.0,
    sig=4.0,
    speaker_similarity=0.9,
    prosody=VOICE,
    role_prosody=VOICE,
    logprob_alone=-4.0,
    logprob_given_question=-2.0,
    logprob_given_lines=-0.5,
    logprob_given_profile=-0.5,
    near_question=1.0,
    near_lines=1.0,
    near_profile=1.0,
)
WORSE = {
    "IA": [
        {"meant": "你好，我是飞行员。"},
        {"heard": "As an AI I cannot fly the old plane.", "meant": None},
        {"heard": "No."},
        {"heard": "word " * 140},
        {"near_question": -0.1},
        {"logprob_given_lines": -2.0, "logprob_given_profile": -2.0},
    ],
    "CC": [{"logprob_given_question": -3.9}, {"near_question": -0.1}],
    "SF": [
        {"heard": "I try the gold pan over the jungle."},
        {"pauses": 1.0},
        {"heard": "I fly I fly the old plane over the jungle.", "meant": None},
        {"prosody": replace(VOICE, pace=1.5)},
        {"prosody": replace(VOICE, pace=8.5)},
    ],
    "SN": [{"ovrl": 2.0}, {"sig": 2.0}],
    "PC": [
        {"speaker_similarity": 0.2},
        {"prosody": replace(VOICE, pitch=96.0)},
        {"prosody": replace(VOICE, pitch_span=2.0)},
        {"prosody": replace(VOICE, pace=7.0)},
    ],
    "EA": [
        {"prosody": replace(VOICE, pitch_span=2.0)},
        {"prosody": replace(VOICE, loudness_span=4.0)},
        {"prosody": replace(VOICE, pitch_span=20.0)},
        {"meant": "I fly the old plane! Over the jungle!"},
    ],
    "PeC": [{"logprob_given_lines": -2.0}, {"near_lines": -0.1}],
    "KC": [{"logprob_given_profile": -2.0}, {"near_profile": -0.1}],
}


@pytest.mark.parametrize("metric", METRICS)
def test_a_faultless_side_gets_ten_and_equal_sides_are_equal(metric):
    score = compare(metric, GOOD, GOOD)
    assert score.test == score.reference == 10 and score.reason is None and score.rationale


@pytest.mark.parametrize("metric, fault", [(m, f) for m, faults in WORSE.items() for f in faults])
def test_each_part_of_a_formula_lowers_its_score(metric, fault):
    score = compare(metric, replace(GOOD, **fault), GOOD)
    assert 1 <= score.test < score.reference


def adherence(words: int, turns: int, word: str = "word ", language: str = "English") -> float:
    text = word * words
    side = replace(GOOD, language=language, heard=text, meant=text, turns=turns)
    return compare("IA", side, side).test


@pytest.mark.parametrize("turns", [1, 2, 3, 5])
def test_ia_counts_the_words_of_a_turn(turns):
    """45 words a turn are no more than a role says in 15 s, however many turns there are."""
    assert adherence(45 * turns, turns) == 10
    assert adherence(120 * turns, turns) == adherence(120, 1) == pytest.approx(4, abs=0.01)
    assert adherence(2 * turns, turns) == adherence(2, 1) == pytest.approx(5.5, abs=0.01)


def test_ia_counts_characters_of_chinese_as_parts_of_words():
    for characters in (8, 40, 72, 96):  # 5 to 60 English words
        assert adherence(characters, 1, "说", "Chinese") == 10
    assert adherence(192, 1, "说", "Chinese") == pytest.approx(adherence(120, 1), abs=0.01)
    assert adherence(3 * 72, 3, "说", "Chinese") == 10


@pytest.mark.parametrize("words", [1, 4, 45, 60, 90, 150])
def test_ia_of_one_english_turn_is_what_it_was(words):
    length = min(1, words / 4) * max(0, min(1, (150 - words) / 90))
    assert adherence(words, 1) == pytest.approx(1 + 9 * length, abs=0.006)


def test_every_metric_has_a_formula():
    assert list(FORMULAS) == METRICS == list(WORSE)


def test_a_metric_without_a_formula_has_a_reason_and_no_score():
    score = compare("Wit", GOOD, GOOD)
    assert score.test is None and score.reference is None
    assert score.reason == "Wit has no formula in scripts/backends/judge/objective.py"


@pytest.mark.parametrize("metric", METRICS)
def test_silence_scores_one(metric):
    score = compare(metric, Measured("English", heard="", meant="I fly."), GOOD)
    assert (score.test, score.reference) == (1, 10) and "nothing is heard" in score.rationale


@pytest.mark.parametrize("metric", ["PC", "EA"])
def test_without_pitch_there_is_a_reason_and_no_score(metric):
    score = compare(metric, replace(GOOD, prosody=None), GOOD)
    assert score.test is None and score.reference is None and "voiced" in score.reason


class Parts:
    """All five models in one: recognizes `words` for a clip by its length."""

    def __init__(self, words):
        self.words = words
        self.asked, self.embedded = [], 0

    def transcribe(self, clips, language=None):
        self.asked += [language] * len(clips)
        return [Transcription(self.words[len(clip)], language) for clip in clips]

    def rate(self, clips):
        return [Ratings(3.0, 3.0, 3.0) for _ in clips]

    def embed(self, items):
        self.embedded += 1
        return np.ones((len(items), 1), np.float32)

    def score(self, pairs):
        return [Score(-float(len(str(chat))), 2) for chat, _ in pairs]


def buzz(samples: int) -> np.ndarray:
    return (0.2 * (np.arange(samples) / 100 % 1 - 0.5)).astype(np.float32)


@pytest.fixture
def pair_and_judge(monkeypatch):
    parts = Parts({8000: "I fly.", 24000: "I fly. Far away.", 16000: "我飞得很远。"})
    monkeypatch.setattr(backends, "load", lambda spec: parts)
    pair = Pair(
        id="d1",
        language="English",
        name="Joe",
        work="A Game",
        profile="Joe flies. Joe owes money.",
        lines=("Hey.", "No plane, no pay."),
        clips=(Sound(buzz(16000)),),
        questions=("What do you do?", "Where to?"),
        test=Side((Sound(buzz(16000)),), ("我飞得很远。",)),
        reference=Side((Sound(buzz(8000)), Sound(buzz(8000))), ("I fly.", "Far away.")),
    )
    return pair, load(*[{}] * 5), parts


def test_keeps_the_contract_and_hears_turns_in_a_row(pair_and_judge):
    pair, objective, parts = pair_and_judge
    judge.accept(objective, pair)
    ((fluency,),) = objective.judge([pair], [row for row in TABLE if row.id == "SF"])
    assert "errors 0.00" in fluency.rationale.split("; reference")[1]


def test_a_reply_is_heard_in_its_own_language(pair_and_judge):
    pair, objective, parts = pair_and_judge
    ((adherence,),) = objective.judge([pair], [row for row in TABLE if row.id == "IA"])
    assert sorted(parts.asked) == ["Chinese", "English"]
    assert adherence.test == 1 and "script 0.00" in adherence.rationale


def test_scores_do_not_depend_on_the_other_pairs(pair_and_judge):
    pair, objective, _ = pair_and_judge
    other = replace(pair, id="d2", name="Faye", test=pair.reference, clips=(Sound(buzz(8000)),))
    alone = objective.judge([pair], TABLE)
    assert objective.judge([other, pair], TABLE)[1:] == alone


def test_a_silent_reply_is_scored_and_does_not_reach_the_models(pair_and_judge):
    pair, objective, parts = pair_and_judge
    silent = replace(pair, test=Side((Sound(np.zeros(8000, np.float32)),), ("",)))
    (scores,) = objective.judge([silent], TABLE)
    assert [score.test for score in scores] == [1] * len(TABLE)
    assert parts.asked == ["English"]


def test_a_roles_clips_are_measured_once_for_all_its_pairs(pair_and_judge):
    pair, objective, parts = pair_and_judge
    objective.judge([pair], TABLE)
    alone, parts.embedded = parts.embedded, 0
    objective.judge([pair, replace(pair, id="d2", clips=(*pair.clips,))], TABLE)
    assert parts.embedded == alone


def test_a_language_model_that_only_answers_is_refused(monkeypatch):
    """A service does not tell how likely a text is."""
    service = type("Service", (), {"name": "gpt-x", "choose": None})()
    monkeypatch.setattr(backends, "load", lambda spec: service)
    with pytest.raises(UserError, match="'gpt-x' does not tell.*llm/transformers"):
        load(*[{}] * 5)
