"""Near-duplicates: one is kept, whatever the order, and each dropped row names it."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.dialogues.deduplicate import deduplicate, near_duplicates
from scripts.rows.dialogues import Dialogue, Exchange
from scripts.rows.jsonl import read_rows
from tests.dialogues.tiny import Embedder, dialogue, use
from tests.rows import written


def units(seed: int, count: int, groups: int) -> np.ndarray:
    """`count` unit vectors scattered around `groups` directions, so that many are close."""
    random_ = np.random.default_rng(seed)
    centres = random_.standard_normal((groups, 8))
    rows = centres[random_.integers(groups, size=count)] + 0.3 * random_.standard_normal((count, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(1, 5), st.floats(0.5, 0.99))
def test_kept_ones_are_apart_and_dropped_ones_near_their_keeper(seed, count, groups, threshold):
    vectors = units(seed, count, groups)
    result = near_duplicates(vectors, threshold, block=7)
    kept = [i for i in range(count) if result[i] is None]
    cosines = vectors @ vectors.T
    for i in range(count):
        earlier = [cosines[i, j] for j in kept if j < i]
        if result[i] is None:
            assert max(earlier, default=-1) <= threshold + 1e-6
        else:
            keeper, cosine = result[i]
            assert keeper in kept and keeper < i
            assert threshold < cosine == pytest.approx(max(earlier), abs=1e-6)
    assert [r and r[0] for r in result] == [r and r[0] for r in near_duplicates(vectors, threshold)]


def test_the_threshold_itself_is_not_a_duplicate():
    same = np.array([[1, 0], [1, 0]], np.float32)
    assert near_duplicates(same, 1.0) == [None, None]
    assert near_duplicates(same, 0.999) == [None, (0, 1.0)]
    assert near_duplicates(np.zeros((0, 4), np.float32), 0.9) == []


def test_of_a_crowd_of_clones_one_is_kept():
    vectors = np.concatenate([units(0, 40, 40), np.repeat(units(1, 1, 1), 150, axis=0)])
    result = near_duplicates(vectors, 0.9, block=32)
    assert sum(found is None for found in result[40:]) <= 1
    assert {found[0] for found in result[41:]} <= {40}


def rows_of(texts: str, role="joe", **changed) -> list[Dialogue]:
    """A dialogue for each comma-separated text."""
    return [
        dialogue(f"{role}{number}", role, turns=[Exchange(user=text, role="Yes.")], **changed)
        for number, text in enumerate(texts.split(","))
    ]


def run(tmp_path, monkeypatch, rows, compare="dialogue", within="role", shard="1-of-1"):
    use(monkeypatch, Embedder())
    paths = [written(tmp_path / f"{i}.jsonl", part) for i, part in enumerate(rows)]
    kept, dropped = tmp_path / f"kept-{shard}.jsonl", tmp_path / f"dropped-{shard}.jsonl"
    deduplicate(
        classified=paths if len(paths) > 1 else paths[0],
        kept=kept,
        dropped=dropped,
        embeddings={"English": {}, "Chinese": {}},
        thresholds={"English": 0.9, "Chinese": 0.9},
        compare=compare,
        within=within,
        shard=shard,
    )
    return read_rows(kept, Dialogue), read_rows(dropped, Dialogue)


def test_the_order_of_the_file_does_not_matter(tmp_path, monkeypatch):
    rows = rows_of("how are you,how are you,who is she,how are you you,why,why")
    first = run(tmp_path, monkeypatch, [rows])
    random.Random(1).shuffle(rows)
    assert run(tmp_path, monkeypatch, [rows]) == first
    kept, dropped = first
    assert len(kept) + len(dropped) == 6 and len(dropped) >= 2
    ids = {row.id for row in kept}
    for row in dropped:
        assert row.duplicate_of in ids and row.similarity > 0.9
        assert row.dropped == f"near-duplicate of {row.duplicate_of}"


def test_single_and_multi_turn_of_a_role_are_compared_but_not_two_roles(tmp_path, monkeypatch):
    turns = [Exchange(user="why", role="so"), Exchange(user="and then", role="nothing")]
    same = [
        dialogue("a", mode="multi", turns=turns),
        dialogue("b", mode="single", turns=[Exchange(user="why so and then", role="nothing")]),
        dialogue("c", "faye", mode="multi", turns=turns),
    ]
    kept, dropped = run(tmp_path, monkeypatch, [same])
    assert {row.role for row in kept} == {"joe", "faye"} and len(dropped) == 1
    kept, _ = run(tmp_path, monkeypatch, [same], within="language")
    assert len(kept) == 1


def test_first_questions_alone_can_be_compared(tmp_path, monkeypatch):
    rows = [
        dialogue("a", turns=[Exchange(user="why", role="because it rained all night")]),
        dialogue("b", turns=[Exchange(user="why", role="nobody ever told me anything")]),
    ]
    assert len(run(tmp_path, monkeypatch, [rows])[0]) == 2
    assert len(run(tmp_path, monkeypatch, [rows], compare="first_question")[0]) == 1


def test_shards_together_give_what_one_gives(tmp_path, monkeypatch):
    rows = [rows_of("why,who,why", role) for role in ("joe", "faye", "lola", "tam")]
    whole = run(tmp_path, monkeypatch, [sum(rows, [])], within="language")
    parts = [run(tmp_path, monkeypatch, rows, within="language", shard=f"{n}-of-2") for n in (1, 2)]
    for side in (0, 1):
        joined = sorted(row.id for part in parts for row in part[side])
        assert joined == sorted(row.id for row in whole[side])


def test_rows_dropped_before_pass_on_untouched_and_no_model_is_loaded(tmp_path, monkeypatch):
    lost = dialogue("lost", turns=[], raw="Sorry.", dropped="not usable: no JSON")
    monkeypatch.setattr(Embedder, "embed", lambda self, texts: 1 / 0)
    assert run(tmp_path, monkeypatch, [[lost]]) == ([], [lost])
    assert run(tmp_path, monkeypatch, [[]]) == ([], [])


@pytest.mark.parametrize("changed", [{"compare": "dialog"}, {"within": "roles"}])
def test_another_word_is_refused(tmp_path, monkeypatch, changed):
    with pytest.raises(UserError, match="did you mean"):
        run(tmp_path, monkeypatch, [[]], **changed)
