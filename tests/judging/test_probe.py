"""The stage probe, with a judge that scores by the length of the speech and a humming voice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import backends
from scripts.backends.judge import Pair, Scores, Side, Sound, Trial, read_metrics
from scripts.backends.tts import Unvoiced
from scripts.common import audio
from scripts.judging.probe import (
    GAIN,
    ORDER,
    ORDER_BOTH,
    PADDING,
    Item,
    choose,
    flipped,
    louder,
    probe,
    variants,
)
from scripts.judging.speak_probes import speak_probes
from scripts.paper.judge_audit import judge_audit
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.judging import Probe
from scripts.workflow.model_spec import ModelSpec
from tests.judging import test_judge as made
from tests.judging.ears import SERVICES, always_a, listen
from tests.paper.made_up import cells, outputs

TABLE = Path(__file__).resolve().parents[2] / "config" / "metrics.tsv"
METRICS = [row.id for row in read_metrics(TABLE)]
KINDS = [
    *("base", "again", "swapped", "identical", "louder", "quieter", "silence", "longer"),
    *("spoken", "written"),
]


class Ruler:
    integer_scores = False

    def __init__(self):
        self.calls = []

    def judge(self, pairs, metrics):
        self.calls.append(pairs)
        return [[self.score(pair) for _ in metrics] for pair in pairs]

    def score(self, pair):
        lengths = [len(side.audio[0].samples) / 3200 for side in (pair.test, pair.reference)]
        return Scores(*lengths, "measured", version="v1")


TTS = ModelSpec("tts", "made")


class Hum:
    rate = 24_000

    def voice(self, clip, text, language):
        return {"voice": "hum"}

    def speak(self, lines):
        return [np.full(2400, 0.3, np.float32) for _ in lines]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs probe on replies {system: {id: reason for none}}; rows, judge and loaded models."""

    def go(replies, number, ruler=None):
        ruler, loaded = ruler or Ruler(), []

        def load(spec):
            loaded.append(spec)
            return ruler if spec == "judge" else Hum()

        monkeypatch.setattr(backends, "load", load)
        for name, samples in (("test.flac", 4800), ("ref.flac", 8000), ("clip.flac", 1600)):
            audio.write(tmp_path / name, np.full(samples, 0.4, np.float32))
        ids = sorted({name for own in replies.values() for name in own})
        write_rows(tmp_path / "test.jsonl", [made.dialogue(name) for name in ids])
        write_rows(tmp_path / "spoken.jsonl", [made.spoken(name, False) for name in ids])
        write_rows(tmp_path / "profiles.jsonl", [made.PERSON])
        write_rows(tmp_path / "voices.jsonl", [made.voice(2)])
        for system, own in replies.items():
            rows = [made.reply(*item).model_copy(update={"system": system}) for item in own.items()]
            write_rows(tmp_path / f"{system}.jsonl", rows)
        shared = {
            "replies": [tmp_path / f"{system}.jsonl" for system in replies],
            "answers": [tmp_path for _ in replies],
            **{name: [tmp_path / f"{name}.jsonl"] for name in ("test", "spoken")},
            "speech": [tmp_path],
            **{name: tmp_path / f"{name}.jsonl" for name in ("voices", "sentences")},
            "clips": tmp_path,
            "sentences_speech": tmp_path / "sentences",
            "number": number,
        }
        speak_probes(**shared, tts=TTS)
        probe(
            **shared,
            **{name: tmp_path / f"{name}.jsonl" for name in ("profiles", "probes")},
            metrics=TABLE,
            name="ruler",
            judge="judge",
        )
        return read_rows(tmp_path / "probes.jsonl", Probe), ruler, loaded

    return go


def side(*sounds, text=None):
    return Side(
        tuple(Sound(np.asarray(s, np.float32)) for s in sounds), text or ("Hi.",) * len(sounds)
    )


def pair_of(test, reference, questions=("Who?", "Where?")):
    clips = (Sound(np.ones(10, np.float32)),)
    return Pair("i", "English", "Joe", "A", "Flies.", ("Hey.",), clips, questions, test, reference)


def samples(own):
    return [sound.samples for sound in own.audio]


def made_variants(own):
    hum = np.full(800, 0.2, np.float32)
    return {v.probe: v.pair for v in variants(own, hum, -hum)}


OWN = pair_of(side([0.1] * 50, [0.2] * 40), side([0.3] * 30, [0.4] * 20))


def test_a_row_an_item_probe_and_metric_of_one_call(run):
    rows, ruler, loaded = run({"a": {"x": None, "y": None}, "b": {"x": None, "y": "empty"}}, 2)
    assert len(ruler.calls) == 1 and len(ruler.calls[0]) == 2 * len(KINDS)
    assert loaded == [TTS, "judge"]
    assert [r.probe for r in rows[:: len(METRICS)]] == 2 * KINDS
    assert Counter(r.metric for r in rows) == dict.fromkeys(METRICS, 2 * len(KINDS))
    assert {r.system for r in rows} == {"a", "b"} and {r.judge for r in rows} == {"ruler"}
    assert {r.version for r in rows} == {"v1"}


def test_a_role_whose_voice_is_refused_keeps_rows_with_the_reason(run, monkeypatch):
    def speak(self, lines):
        raise Unvoiced("the service refused")

    monkeypatch.setattr(Hum, "speak", speak)
    rows, ruler, _ = run({"a": {"x": None}}, 1)
    assert ruler.calls == [[]] and len(rows) == len(KINDS) * len(METRICS)
    reason = "its added sentences cannot be spoken: the service refused"
    assert {(row.score_test, row.dropped) for row in rows} == {(None, reason)}
    assert {row.probe for row in rows} == set(KINDS)


def test_scores_are_of_the_reply_whichever_side_it_was(run):
    rows, _, _ = run({"a": {"x": None}}, 1)
    scores = {row.probe: (row.score_test, row.score_ref) for row in rows}
    assert scores["base"] == scores["again"] == scores["swapped"] == (1.5, 2.5)
    assert scores["identical"] == (1.5, 1.5)
    assert scores["silence"] == (6.5, 2.5) and scores["longer"][0] > 1.5


def test_a_score_off_the_scale_is_missing_with_its_reason(run):
    ruler = Ruler()
    ruler.score = lambda pair: Scores(11.0, 5.0, "measured")
    rows, _, _ = run({"a": {"x": None}}, 1, ruler)
    assert {row.score_test for row in rows} == {None}
    assert "the judge gave 11.0 and 5.0, not scores from 1 to 10" in {row.dropped for row in rows}


@pytest.mark.parametrize("replies, number", [({"a": {"x": None}}, 0), ({"a": {"x": "empty"}}, 5)])
def test_nothing_to_ask_loads_no_model(run, replies, number):
    assert run(replies, number)[0] == [] and run(replies, number)[2] == []


def test_only_what_is_probed_is_changed():
    found = made_variants(OWN)
    assert list(found) == KINDS and found["base"] is OWN
    assert found["again"].sample == 1 and found["again"].test == OWN.test
    assert (found["swapped"].test, found["swapped"].reference) == (OWN.reference, OWN.test)
    assert found["identical"].test == found["identical"].reference == OWN.test
    for name in ("quieter", "silence", "longer", "spoken", "written"):
        assert found[name].reference == OWN.reference and found[name].id == OWN.id
        assert found[name].clips == OWN.clips and found[name].sample == 0
    for name in set(KINDS) - {"written"}:
        assert found[name].questions == OWN.questions


def test_levels_and_silence():
    found = made_variants(OWN)
    for quiet, loud, own in zip(
        *(samples(found[name].test) for name in ("quieter", "louder", "base")), strict=True
    ):
        assert 20 * np.log10(own / quiet) == pytest.approx(6, abs=1e-5)
        assert 20 * np.log10(loud / own) == pytest.approx(6, abs=1e-5)
    late, rest = samples(found["silence"].test)
    assert not late[: audio.RATE].any()
    assert np.array_equal(late[audio.RATE :], samples(OWN.test)[0])
    assert np.array_equal(rest, samples(OWN.test)[1])


def test_what_is_added_comes_last_at_the_level_of_the_reply():
    found = made_variants(OWN)
    for name, sign, words in (("longer", 1, PADDING), ("spoken", -1, ORDER)):
        first, last = samples(found[name].test)
        assert np.array_equal(first, samples(OWN.test)[0])
        assert np.array_equal(last[:40], samples(OWN.test)[1])
        assert last[-800:] == pytest.approx(sign * 0.2, abs=1e-6)
        assert found[name].test.text == ("Hi.", f"Hi. {words['English']}")
    written = found["written"]
    assert written.questions == ("Who?", f"Where? {ORDER_BOTH['English']}")
    assert written.test.audio == OWN.test.audio and ORDER["English"] in written.test.text[-1]


def test_a_side_without_a_text_gets_none():
    own = pair_of(side([0.1], text=(None,)), side([0.1]))
    assert made_variants(own)["longer"].test.text == (None,)


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20),
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20),
)
def test_louder_clips_nothing_and_is_six_decibels_beside_the_reference(test, reference):
    own = pair_of(side(test), side(reference))
    found = louder(own)
    (loud,), (other,) = samples(found.pair.test), samples(found.pair.reference)
    assert max(np.abs(loud).max(), np.abs(other).max()) <= 1 + 1e-6
    lowered = 1 / max(1.0, GAIN * float(np.abs(np.float32(test)).max()))
    assert loud == pytest.approx(np.float32(test) * GAIN * lowered, abs=1e-6)
    assert other == pytest.approx(np.float32(reference) * lowered, abs=1e-6)
    assert (found.note is None) == (lowered == 1)


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_an_added_sentence_is_never_beyond_full_scale(level, peak):
    own = pair_of(side([level] * 10), side([0.1]))
    hum = np.full(100, 0.001, np.float32)
    hum[0] = peak
    (heard,) = samples({v.probe: v.pair for v in variants(own, hum, hum)}["longer"].test)
    assert np.abs(heard).max() <= 1 + 1e-6
    assert np.sqrt(np.mean(heard[-100:] ** 2)) <= level * (1 + 1e-5)


def test_flipping_twice_changes_nothing():
    trial = Trial(order="test first", sample=3, test=9, reference=2)
    score = Scores(9, 2, "", trials=(trial,))
    once = flipped(score)
    assert (once.test, once.reference, once.trials[0].order) == (2, 9, "reference first")
    assert (once.trials[0].test, once.trials[0].reference) == (2, 9)
    assert flipped(once) == score


@pytest.mark.parametrize("order", ["paper", "both", "random"])
def test_a_listening_judge_that_always_prefers_a_is_found_out(run, services, tmp_path, order):
    """By way of a service: in every order, also where the means of both orders hide it."""
    with SERVICES["gemini"].server(always_a) as server:
        judge = listen("gemini", server, order=order)
        rows, _, _ = run({"a": {"x": None, "y": None}}, 2, judge)
        asked = len(server.asked)
    assert {row.dropped for row in rows} == {None}
    assert all(row.trials and row.version for row in rows)
    assert asked <= 2 * len(KINDS) * len(METRICS) * (2 if order == "both" else 1)
    specs = {"ruler": ModelSpec("judge", "gemini")}
    judge_audit(
        [tmp_path / "probes.jsonl"],
        *([], [], [], []),
        **outputs(tmp_path),
        judges=specs,
        number=0,
        about_judge=["A word on the judge."],
        expected={"systems": [], "judges": [], "metrics": []},
    )
    found = {r["probe"]: r for r in cells(tmp_path / "table.csv") if r["metric"] == "all"}
    gap = abs(rows[0].trials[0].test - rows[0].trials[0].reference)
    for name in ("swapped", "identical"):
        assert (float(found[name]["gap"]), float(found[name]["agree"])) == (gap, 0)
    assert float(found["spoken"]["shift"]) == 0
    # Where the order is drawn, asking again draws it anew.
    assert float(found["again"]["mean_abs"]) == 0 or order == "random"


def items(languages, systems, roles):
    return [
        Item(
            SimpleNamespace(id=f"{language}{role}", language=language, role=f"{language}{role}"),
            SimpleNamespace(system=system),
            *(None,) * 3,
        )
        for language in languages
        for system in systems
        for role in range(roles)
    ]


@given(st.integers(0, 30), st.randoms())
def test_the_choice_is_spread_and_not_of_the_order_of_files(number, random):
    whole = items(("English", "Chinese"), ("a", "b", "c"), 4)
    chosen = choose(whole, number)
    assert len(chosen) == min(number, len(whole)) == len(set(map(id, chosen)))
    mixed = random.sample(whole, len(whole))
    assert [id(item) for item in choose(mixed, number)] == [id(item) for item in chosen]
    counts = Counter(item.dialogue.language for item in chosen)
    assert max(counts.values(), default=0) - min(counts.values(), default=0) <= 1 or number > 24


@given(st.integers(0, 30), st.integers(0, 23), st.randoms())
def test_one_more_role_or_system_only_takes_places(number, before, random):
    whole = items(("English", "Chinese"), ("a", "b", "c"), 4)
    random.shuffle(whole)
    first, second = choose(whole[:before], number), choose(whole, number)
    assert {id(i) for i in second} <= {id(i) for i in [*first, *whole[before:]]}
