"""Fine-tuning full-duplex models: what is trained on, and when. Models: tests/models."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.duplex.finetune_duplex import base_of, chosen, passed, rate_share, training_key, turn
from scripts.duplex.training_tokens import Example, batch, text_stream
from scripts.rows.duplex import TimedWord, TrainDuplex
from scripts.workflow.model_spec import ModelSpec


def row(number: int, **changed) -> TrainDuplex:
    given = {"id": f"d{number}", "kind": "service", "scenario": "s", "language": "English"}
    return TrainDuplex(**given | {"role_prompt": "You are kind."} | changed)


def said(*words: tuple[str, float]) -> list[TimedWord]:
    return [TimedWord(word=word, start=start, end=start + 0.1) for word, start in words]


def letters(word: str) -> list[int]:
    """A token a letter, from 10 on."""
    return [10 + ord(letter) - ord("a") for letter in word]


def test_words_stand_where_they_begin_with_a_mark_before_them():
    found = text_stream(said(("ab", 0.0), ("c", 0.33)), 8, letters)
    assert found.tolist() == [10, 11, 3, 0, 12, 3, 3, 3]  # 0.33 s is in frame 4


def test_words_that_come_too_fast_follow_each_other():
    found = text_stream(said(("abcd", 0.16), ("e", 0.24), ("f", 0.64)), 10, letters)
    assert found.tolist() == [3, 0, 10, 11, 12, 13, 14, 0, 15, 3]
    assert text_stream([], 3, letters).tolist() == [3, 3, 3]
    with pytest.raises(ValueError, match="tokens of 'abcd' do not fit"):
        text_stream(said(("abcd", 0.64)), 10, letters)


def test_a_batch_is_filled_up_and_prompts_are_not_learnt():
    one = Example("a", np.full((17, 5), 7, np.int16), 2)
    other = Example("b", np.full((17, 3), 8, np.int16), 1)
    tokens, learnt = batch([one, other])
    assert tokens.shape == (2, 17, 5) and tokens.dtype == np.int64
    assert (tokens[1, :, 3:] == -1).all() and (tokens[1, :, :3] == 8).all()
    assert learnt.tolist() == [[False, False, True, True, True], [False, True, True, False, False]]


def test_a_smaller_share_is_part_of_a_larger_one():
    rows = [row(number, dropped="mute" if number == 3 else None) for number in range(21)]
    ids = {share: [own.id for own in chosen(rows, share)] for share in (1.0, 0.5, 0.25, 0.001)}
    assert [len(own) for own in ids.values()] == [20, 10, 5, 1]
    assert set(ids[0.001]) < set(ids[0.25]) < set(ids[0.5]) < set(ids[1.0])
    assert ids[0.5] == [ident for ident in ids[1.0] if ident in ids[0.5]] and "d3" not in ids[1.0]
    for share in (0, 1.5):
        with pytest.raises(UserError, match="above 0 and at most 1"):
            chosen(rows, share)


def test_every_example_comes_once_before_any_comes_again():
    places = [place for step in range(6) for place in turn(5, 5, step, 1)]
    epochs = [places[start : start + 5] for start in range(0, 30, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs) and epochs[0] != epochs[1]
    # A step of another size goes through the same order.
    assert [place for step in range(10) for place in turn(5, 3, step, 1)] == places


def test_the_rate_falls_along_a_cosine():
    assert [rate_share(step, 4) for step in (0, 2, 4)] == pytest.approx([1, 0.5, 0])
    assert rate_share(1, 4) == pytest.approx(0.8536, abs=1e-4)


def test_a_training_is_known_by_what_changes_its_adapter():
    one = Example("a", np.zeros((17, 5), np.int16), 2)
    other = Example("a", np.ones((17, 5), np.int16), 2)
    settings = {"rank": 4, "at_once": 2, "save_steps": 1}
    key = training_key([one], settings, 1, "moshiko")
    assert key == training_key([one], settings | {"save_steps": 5}, 1, "moshiko")
    changed = [([other], settings, 1, "moshiko"), ([one], settings | {"rank": 8}, 1, "moshiko")]
    changed += [([one], settings, 2, "moshiko"), ([one], settings, 1, "other")]
    assert key not in {training_key(*own) for own in changed}


def test_what_is_refused_before_a_model_is_loaded(tmp_path):
    assert base_of(ModelSpec("duplex", "moshi", {})) == ("moshiko", 8, "cuda")
    given = {"weights": "mine", "device": "cpu"}
    assert base_of(ModelSpec("duplex", "personaplex", given)) == ("mine", 16, "cpu")
    with pytest.raises(UserError, match="only duplex/moshi and duplex/personaplex"):
        base_of(ModelSpec("duplex", "silent", {}))
    with pytest.raises(UserError, match="name the one without"):
        base_of(ModelSpec("duplex", "personaplex", {"adapter": "somewhere"}))
    checks = [{"passed": False, "says": "3 of 4 dialogues cannot be used"}]
    (tmp_path / "r.json").write_text(json.dumps({"passed": False, "checks": checks}))
    with pytest.raises(UserError, match="nothing is trained.*3 of 4 dialogues cannot be used"):
        passed(tmp_path / "r.json")
