"""A role's voice is made from one clip, or from several joined for a service that wants more."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.backends.tts import PAUSE, reference
from scripts.common import audio
from scripts.workflow.model_spec import ModelSpec

SERVICE = ModelSpec("tts", "dashscope")
LEAST, MOST = (seconds * audio.RATE for seconds in (10, 20))
PARTS = {"asr": ModelSpec("asr", "dashscope"), "llm": ModelSpec("llm", "openai")}
CASCADE = ModelSpec("dialogue", "cascade", PARTS | {"tts": SERVICE})


def clips(folder: Path, lengths: list[float]) -> list[Path]:
    """A file of each length in seconds; of the n-th all samples are n hundredths."""
    files = [folder / f"{number}.flac" for number in range(1, len(lengths) + 1)]
    for number, (file, seconds) in enumerate(zip(files, lengths, strict=True), 1):
        audio.write(file, np.full(round(seconds * audio.RATE), number / 100, np.float32))
    return files


def joined(sound: np.ndarray) -> list[int]:
    """The numbers of the clips in a sound, in order."""
    return [int(n) for n in dict.fromkeys(np.rint(sound * 100).tolist()) if n]


@pytest.mark.parametrize("spec", [SERVICE, CASCADE], ids=["service", "in a cascade"])
def test_clips_are_joined_until_there_is_enough(tmp_path, spec):
    files = clips(tmp_path, [4, 3.5, 5, 6])
    sound = reference(spec, files)
    assert joined(sound) == [1, 2, 3] and len(sound) == 12.5 * audio.RATE + 2 * len(PAUSE)


def test_a_clip_that_would_be_too_much_is_left_out(tmp_path):
    assert joined(reference(SERVICE, clips(tmp_path, [9.9, 10, 3]))) == [1, 3]


@pytest.mark.parametrize(
    "spec", [ModelSpec("tts", "cosyvoice2"), ModelSpec("tts", "kokoro"), ModelSpec("tts", "own")]
)
def test_others_get_the_first_clip_whose_words_are_known(tmp_path, spec):
    (first, *_) = files = clips(tmp_path, [3, 4])
    files[1].unlink()
    assert np.array_equal(reference(spec, files), audio.read(first))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(3, 10), min_size=1, max_size=6))
def test_what_a_service_gets_is_within_its_bounds_if_the_clips_allow(lengths):
    with TemporaryDirectory() as folder:
        sound = reference(SERVICE, clips(Path(folder), lengths))
    assert joined(sound)[0] == 1 and joined(sound) == sorted(joined(sound))
    assert len(sound) <= MOST
    if len(sound) < LEAST:  # none of the others fits
        left = [n for n in range(1, len(lengths) + 1) if n not in joined(sound)]
        room = MOST - len(sound) - len(PAUSE)
        assert all(round(lengths[n - 1] * audio.RATE) > room for n in left)
