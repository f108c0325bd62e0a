"""Estimating the number of speakers: clouds of embeddings, near and far, many and few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.backends import clusters
from scripts.backends.clusters import two_groups

SIZE = 192


def people(count: int, windows: int, apart: float, seed: int, together: int = 3):
    """Embeddings of `count` people: (n, 192), their stretches of up to `together`, who each one is.

    Stretches scatter around their person as windows do around their stretch; `apart` is the
    distance between people, in multiples of one person's spread.
    """
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal(SIZE) * 1.5
    vectors, stretches, who = [], [], []
    for person in range(count):
        own = middle + apart * rng.standard_normal(SIZE)
        for n in range(windows):
            if n % together == 0:
                stretch = own + 0.6 * rng.standard_normal(SIZE)
            vectors.append(stretch + 0.8 * rng.standard_normal(SIZE))
            stretches.append(1000 * person + n // together)
            who.append(person)
    order = rng.permutation(len(who))
    return np.array(vectors)[order], np.array(stretches)[order], np.array(who)[order]


def same(labels, who) -> bool:
    """Whether labels match the people up to renaming."""
    pairs = set(zip(labels.tolist(), who.tolist(), strict=True))
    return len(pairs) == len(set(labels.tolist())) == len(set(who.tolist()))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("windows", [20, 60])
def test_people_are_counted_and_told_apart(count, windows):
    vectors, stretches, who = people(count, windows, 0.8, seed=count)
    assert same(clusters.speakers(vectors, stretches), who)


def test_like_voices_are_told_apart_by_the_recording_s_own_spread():
    """The mean cosine of two different people is above what one person has elsewhere."""
    vectors, stretches, who = people(2, 80, 0.45, seed=7)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (units[who == 0] @ units[who == 1].T).mean() > 0.6
    assert same(clusters.speakers(vectors, stretches), who)


def test_two_who_say_much_are_told_apart_by_less():
    """Further apart than one person's speech of that length ever seems to be, if not of any."""
    vectors, stretches, who = people(2, 64, 0.25, seed=2)
    found = clusters.speakers(vectors, stretches)
    assert found.max() == 1 and max((found == who).mean(), (found != who).mean()) > 0.95


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 120), st.integers(1, 6), st.integers(0, 1000))
def test_one_person_stays_one(windows, together, seed):
    vectors, stretches, _ = people(1, windows, 1.0, seed, together)
    assert clusters.speakers(vectors, stretches).max() == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 60), st.integers(0, 1000))
def test_clips_of_one_person_are_one_group(clips, seed):
    vectors, _, _ = people(1, clips, 1.0, seed, together=1)
    assert two_groups(vectors.reshape(clips, SIZE)) is None


@pytest.mark.parametrize("clips", [4, 12, 40])
def test_clips_of_two_people_are_two_groups(clips):
    vectors, _, who = people(2, clips, 1.0, 3, together=1)
    assert same(two_groups(vectors), who)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 100))
def test_neither_order_nor_length_of_vectors_matters(seed, scale):
    vectors, stretches, who = people(2, 40, 0.8, seed)
    order = np.random.default_rng(seed).permutation(len(who))
    labels = clusters.speakers(vectors, stretches)
    again = clusters.speakers(scale * vectors[order], stretches[order])
    assert same(labels[order], again)
    assert labels[0] == 0


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_handful_is_one_person(count):
    vectors = np.random.default_rng(0).standard_normal((count, SIZE))
    assert (clusters.speakers(vectors, np.arange(count)) == 0).all()


def test_alike_to_the_last_number_is_one_person():
    assert (clusters.speakers(np.ones((50, 4)), np.arange(50)) == 0).all()
