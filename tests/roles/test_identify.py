"""Speakers are matched with names by the likelihood of the scene."""

import gc
import itertools
import math
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scripts import backends
from scripts.backends.llm import Score
from scripts.common.prompts import read_prompt
from scripts.roles.identify import (
    LINES,
    PLACES,
    SHORTLIST,
    Scene,
    identify,
    letter,
    matched,
    shortlists,
    telling,
)
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Identity
from tests.roles.tiny import ID, MEDIUM, ROLES, SILENT, recording, role, segment, turn
from tests.rows import transcript, written

PROMPTS = Path(__file__).resolve().parents[2] / "config/prompts"
TALK = [  # (speaker, text), 2 s each
    ("speaker_0", "Hello Ann, have you seen the pilot and her old map anywhere?"),
    ("speaker_1", "No, Joe."),
    ("speaker_2", "He is right behind you, Ann."),
    ("speaker_1", "Thank you, Zoe. Where did you say that you had found it?"),
]


class NobodySaysTheirOwnName:
    """Gives a scene a low score if the speaker labelled {name} says that name."""

    def __init__(self, name, weight=5.0):
        self.name = name
        self.weight = weight

    def score(self, pairs):
        results = []
        for chat, scene in pairs:
            asked = chat[-1]["content"]
            letter, name = asked.split("Speaker ")[1].split(".")[0].split(" is ")
            if name == "somebody else":
                results.append(Score(-20, 10))
                continue
            own = [line for line in scene.splitlines() if line.startswith(f"Speaker {letter}:")]
            others = [line for line in scene.splitlines() if line not in own]
            count = sum(name in line for line in own) - sum(name in line for line in others)
            results.append(Score(-20 - self.weight * count, 10))
        return results


def run(tmp_path, monkeypatch, models, talk=TALK, roles=ROLES, medium=MEDIUM):
    loaded = iter(models)
    monkeypatch.setattr(backends, "load", lambda spec: next(loaded)())
    key = recording(medium).id
    turns = [turn(2 * n, 2 * n + 2, who, media=key) for n, (who, _) in enumerate(talk)]
    segments = [
        segment(f"s{n}", 2 * n, 2 * n + 2, who, media=key) for n, (who, _) in enumerate(talk)
    ]
    identities = tmp_path / "identities.jsonl"
    identify(
        recordings=[written(tmp_path / "recordings.jsonl", [recording(medium)])],
        turns=[written(tmp_path / "turns.jsonl", turns)],
        segments=[written(tmp_path / "segments.jsonl", segments)],
        transcripts=[
            written(
                tmp_path / "transcripts.jsonl",
                [transcript(f"s{n}", text) for n, (_, text) in enumerate(talk) if text],
            )
        ],
        english=PROMPTS / "identify_en.md",
        chinese=PROMPTS / "identify_zh.md",
        choice_english=PROMPTS / "identify_choice_en.md",
        choice_chinese=PROMPTS / "identify_choice_zh.md",
        identities=identities,
        llms=[{} for _ in models],
        roles=roles,
    )
    return read_rows(identities, Identity)


class Chooser:
    """Chooses as given: {number of a speaker: probabilities of the cast and of somebody else}."""

    name = "service"

    def __init__(self, told):
        self.told, self.asked = told, []

    def choose(self, chats, options):
        self.asked += [(chat[-1]["content"], options) for chat in chats]
        numbers = [chat[-1]["content"].split("Who is Speaker ")[1][0] for chat in chats]
        rows = [self.told[int(number)] for number in numbers]
        return [None if row is None else [math.log(share) for share in row] for row in rows]


def two(**changed):
    return [lambda: NobodySaysTheirOwnName("one"), lambda: NobodySaysTheirOwnName("two", **changed)]


def test_speakers_get_the_names_that_others_call_them(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch, two())
    assert {row.speaker: row.role for row in rows} == {
        "speaker_0": "joe", "speaker_1": "ann", "speaker_2": "zoe"
    }  # fmt: skip
    for row in rows:
        assert row.agreed and row.candidates == ["joe", "ann", "zoe"] and row.media == ID
        assert [vote.model for vote in row.votes] == ["one", "two"]
        for vote in row.votes:
            total = sum(vote.scores.values()) + vote.somebody_else
            assert total == pytest.approx(1, abs=1e-3) and vote.somebody_else >= 0
    assert [row.seconds for row in rows] == [2, 4, 2]


class Counter(NobodySaysTheirOwnName):
    """Records its requests."""

    def score(self, pairs):
        self.asked = [chat[-1]["content"] for chat, _ in pairs]
        return super().score(pairs)


def test_a_second_model_scores_the_names_that_the_first_finds_likely(tmp_path, monkeypatch):
    cast = [*ROLES, *map(role, ("Zed", "Max", "Kim"))]
    first, second = Counter("one"), Counter("two")
    rows = run(tmp_path, monkeypatch, [lambda: first, lambda: second], roles=cast)
    alone = run(tmp_path, monkeypatch, [lambda: Counter("one")], roles=cast)
    assert len(first.asked) == 3 * 7 and len(second.asked) == 3 * (SHORTLIST + 1)
    assert [row.votes[0] for row in rows] == [row.votes[0] for row in alone]
    for number, row in enumerate(rows):
        *asked, last = second.asked[number * (SHORTLIST + 1) :][: SHORTLIST + 1]
        assert "is somebody else." in last
        likely = sorted(row.votes[0].scores.values())[-SHORTLIST]
        names = {text.split(" is ")[1].split(".")[0].lower() for text in asked}
        assert all(row.votes[0].scores[name] >= likely for name in names)
        least = min(row.votes[1].scores[name] for name in names)
        assert {row.votes[1].scores[name] for name in row.candidates if name not in names} == {
            least
        }
    assert [row.role for row in rows] == ["joe", "ann", "zoe"]


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(float, (3, 6), elements=st.floats(-50, 0)),
    hnp.arrays(float, (3, 6), elements=st.floats(-50, 0)),
)
def test_a_shortlist_holds_the_likeliest_of_each_speaker(one, two):
    scene = Scene.__new__(Scene)
    scene.speakers, scene.cast = [0, 1, 2], [{}] * 5
    assert shortlists([scene], [])[0].all()
    (mask,) = shortlists([scene], [[one], [two]])
    assert (mask.sum(axis=1) == SHORTLIST).all()
    for row, chosen in zip((one + two)[:, :-1], mask, strict=True):
        assert row[chosen].min() >= row[~chosen].max()


def test_without_a_model_nobody_is_looked_for(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, []) == []


SURE = {1: (0.9, 0.05, 0.03, 0.02), 2: (0.1, 0.8, 0.05, 0.05), 3: (0.05, 0.05, 0.8, 0.1)}


def test_a_model_that_cannot_score_is_asked_and_votes_beside_one_that_can(tmp_path, monkeypatch):
    chooser = Chooser(SURE)
    rows = run(tmp_path, monkeypatch, [lambda: chooser, lambda: NobodySaysTheirOwnName("one")])
    assert [row.role for row in rows] == ["joe", "ann", "zoe"]
    assert [vote.model for vote in rows[0].votes] == ["service", "one"]
    assert rows[0].votes[0].scores == {"joe": 0.9, "ann": 0.05, "zoe": 0.03}
    assert rows[0].votes[0].somebody_else == 0.02
    text, options = chooser.asked[1]
    assert options[-1] == "somebody else" and len(options) == 4
    assert "Who is Speaker 2?" in text and "Speaker 3: He is right behind you, Ann." in text


def test_a_speaker_that_is_somebody_else_leaves_the_names_to_the_others(tmp_path, monkeypatch):
    """Four speakers and three names: whose likeliest name is nobody's goes without."""
    told = {**SURE, 4: (0.01, 0.01, 0.01, 0.97)}
    talk = [*TALK, ("speaker_3", "Taxi for anyone?")]
    rows = run(tmp_path, monkeypatch, [lambda: Chooser(told)], talk=talk)
    assert {row.speaker: row.role for row in rows}["speaker_3"] is None
    assert [row.role for row in rows][:3] == ["joe", "ann", "zoe"]


def test_where_a_service_gives_no_answer_all_are_alike_and_nobody_is_proposed(
    tmp_path, monkeypatch
):
    rows = run(tmp_path, monkeypatch, [lambda: Chooser({**SURE, 2: None})])
    (vote,) = rows[1].votes
    assert {*vote.scores.values(), vote.somebody_else} == {0.25} and vote.role is None
    assert [row.role for row in rows] == ["joe", None, "zoe"]


HERO = [role("Joe")]


def of_hero(*shares):
    """What a service finds of each speaker in a work of one role: the hero, or somebody else."""
    return {number: (share, 1 - share) for number, share in enumerate(shares, 1)}


@pytest.mark.parametrize(
    ("shares", "proposed", "voted"),
    [
        ((0.9, 0.2, 0.1), ["joe", None, None], ["joe", None, None]),
        ((0.9, 0.8, 0.1), ["joe", None, None], ["joe", "joe", None]),  # one person, or two
        ((0.4, 0.2, 0.1), [None, None, None], [None, None, None]),
    ],
    ids=["one is the hero", "two may be", "nobody is"],
)
def test_in_a_work_of_one_role_somebody_else_is_a_choice(
    tmp_path, monkeypatch, shares, proposed, voted
):
    chooser = Chooser(of_hero(*shares))
    rows = run(tmp_path, monkeypatch, [lambda: chooser], roles=HERO)
    assert all(options == ["Joe", "somebody else"] for _, options in chooser.asked)
    assert [row.role for row in rows] == proposed
    assert [row.votes[0].role for row in rows] == voted
    for row, share in zip(rows, shares, strict=True):
        assert row.votes[0].scores == {"joe": share}
        assert row.votes[0].somebody_else == pytest.approx(1 - share)
    assert all("and so may others: Joe." in text for text, _ in chooser.asked)


def test_in_a_work_of_one_role_a_model_that_scores_is_told_of_somebody_else(tmp_path, monkeypatch):
    model = Counter("one")
    talk = [TALK[0], ("speaker_1", "No, Joe."), ("speaker_0", "Well, Ann?"), ("speaker_2", "Hm.")]
    rows = run(tmp_path, monkeypatch, [lambda: model], talk=talk, roles=HERO)
    told = [text.split("Speaker ")[1].split(".")[0] for text in model.asked]
    assert told == [f"{one} is {name}" for one in "ABC" for name in ("Joe", "somebody else")]
    assert [row.role for row in rows] == ["joe", None, None]
    assert [row.votes[0].role for row in rows] == ["joe", None, None]  # she says his name; nothing
    assert rows[0].votes[0].scores == {"joe": pytest.approx(1 / (1 + math.exp(-5)), abs=1e-4)}
    assert rows[1].votes[0].somebody_else == pytest.approx(1 / (1 + math.exp(-5)), abs=1e-4)
    assert rows[2].votes[0].somebody_else == 0.5


def test_a_name_is_proposed_if_one_model_finds_it_likelier_than_somebody_else(
    tmp_path, monkeypatch
):
    models = [lambda: Chooser(of_hero(0.6, 0.3, 0.2)), lambda: Chooser(of_hero(0.1, 0.01, 0.02))]
    rows = run(tmp_path, monkeypatch, models, roles=HERO)
    assert [row.role for row in rows] == ["joe", None, None]
    assert [row.agreed for row in rows] == [False, True, True]
    assert [vote.role for vote in rows[0].votes] == ["joe", None]


@given(st.integers(0, 2**32 - 1), st.floats(-5, 5))
def test_somebody_else_changes_no_name_where_every_speaker_can_have_one(seed, likely):
    """With as many names as speakers or more, it only takes away, never exchanges."""
    drawn = np.random.default_rng(seed)
    names, nobody = drawn.normal(size=(2, 3, 5)), drawn.normal(likely, size=(2, 3))
    tables = [np.c_[own, other] for own, other in zip(names, nobody, strict=True)]
    impossible = [np.c_[own, np.full(3, -99.0)] for own in names]
    found, without = matched(tables), matched(impossible)
    assert len(without) == 3 and found.items() <= without.items()
    for speaker in set(without) - set(found):
        assert all(row[speaker, without[speaker]] <= row[speaker, -1] for row in tables)


def test_a_long_scene_is_shown_around_the_speaker(tmp_path, monkeypatch):
    filler = [
        ("speaker_1", f"Line {n} of something that nobody needs to know.") for n in range(400)
    ]
    talk = [TALK[0], *filler, ("speaker_2", "He is right behind you, Ann.")]
    chooser = Chooser(SURE)
    run(tmp_path, monkeypatch, [lambda: chooser], talk=talk)
    shown = chooser.asked[2][0]
    assert len(shown) < 8000 and "He is right behind you" in shown and "..." in shown
    assert "Line 399 " in shown and "Line 100 " not in shown


def test_evidence_is_the_speaker_s_own_longest_lines_with_times(tmp_path, monkeypatch):
    row = run(tmp_path, monkeypatch, two())[1]
    assert [(quote.start, quote.end) for quote in row.evidence] == [(6, 8), (2, 4)]
    assert row.evidence[1].text == "No, Joe."


def test_models_that_differ_do_not_agree_and_their_mean_decides(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch, two(weight=-1.0))
    assert not all(row.agreed for row in rows)
    assert [row.role for row in rows] == ["joe", "ann", "zoe"]


def test_a_model_is_gone_before_the_next_is_loaded(tmp_path, monkeypatch):
    alive = []

    def load():
        gc.collect()
        assert not [reference for reference in alive if reference()]
        model = NobodySaysTheirOwnName(str(len(alive)))
        alive.append(weakref.ref(model))
        return model

    run(tmp_path, monkeypatch, [load, load])
    assert len(alive) == 2


@pytest.mark.parametrize(
    "medium", [SILENT, MEDIUM | {"work": "A work without roles"}], ids=["no work", "no roles"]
)
def test_where_nobody_is_looked_for_no_model_is_loaded(tmp_path, monkeypatch, medium):
    assert run(tmp_path, monkeypatch, [], medium=medium) == []


def test_a_speaker_of_whom_nothing_was_understood_keeps_a_row(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch, two(), talk=[("speaker_0", "")])
    assert len(rows) == 1 and rows[0].evidence == [] and rows[0].role is None
    assert rows[0].votes[0].scores == {"joe": 0.25, "ann": 0.25, "zoe": 0.25}
    assert rows[0].votes[0].somebody_else == 0.25


def test_more_speakers_than_roles(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch, two(), roles=[role("Ann")])
    assert sorted(str(row.role) for row in rows) == ["None", "None", "ann"]


def test_one_to_one_is_the_best_of_all_ways():
    table = np.random.default_rng(0).normal(size=(3, 5))
    best = max(
        itertools.permutations(range(5), 3),
        key=lambda way: sum(table[i, j] for i, j in enumerate(way)),
    )
    assert matched([np.c_[table, np.full(3, -9.0)]]) == dict(enumerate(best))


def scene(talk):
    lines = [(who, segment(f"s{n}", n, n + 1, who), text) for n, (who, text) in enumerate(talk)]
    return Scene(recording(), ROLES, [], lines)


def test_a_speaker_s_lines_are_those_with_names_and_their_neighbours():
    talk = [("A", f"Word {n}.") if n % 2 else ("B", f"Answer {n}.") for n in range(40)]
    talk[31] = ("A", "Listen, Joe!")
    lines = telling(scene(talk), "A", ["Joe", "Ann"])
    assert len(lines) == LINES and lines[-3:] == [talk[30], talk[31], talk[32]]
    assert lines[0] == talk[0]
    assert telling(scene(talk), "C", ["Joe"]) == []


def test_a_line_is_cut_to_a_length_that_a_model_can_read():
    ((_, text),) = telling(scene([("A", "long " * 200)]), "A", ["Joe"])
    assert len(text) <= 110


def test_letters_are_never_the_same():
    letters = [letter(number) for number in range(200)]
    assert len(set(letters)) == 200 and letters[:2] == ["A", "B"] and letters[26] == "A1"


@pytest.mark.parametrize("name", ["identify_en.md", "identify_zh.md"])
def test_the_prompts_end_on_who_the_speaker_is(name):
    chat = read_prompt(PROMPTS / name, PLACES).chat(
        work="雾港灯塔", cast="陆远航、苏小满", speaker="B", name="苏小满"
    )
    text = "\n".join(message["content"] for message in chat)
    assert all(word in text for word in ("雾港灯塔", "陆远航、苏小满", "B", "苏小满"))
