"""The preflight's checks of rows and files, and SI-SDR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.backends.duplex import RATE
from scripts.duplex.check_material import si_sdr, texts_fit
from scripts.duplex.service_roles import templated
from scripts.duplex.training_rows import fault, rows_valid
from scripts.rows.duplex import TimedWord, TrainDuplex, TrainLine

ROOT = Path(__file__).resolve().parents[2] / "config/duplex"
SCENARIOS = templated(ROOT / "domains.yaml", ROOT / "service_roles.tsv")[:3]


def line(speaker: str, start: float, end: float) -> TrainLine:
    words = [TimedWord(word="yes", start=start, end=end)]
    return TrainLine(speaker=speaker, text="yes", start=start, end=end, words=words)


def made(folder: Path, **changed) -> TrainDuplex:
    """A dialogue of a second: the caller from 0.1 to 0.4 s, the agent from 0.3 to 0.8 s."""
    both = np.zeros((RATE, 2), np.float32)
    both[2400:9600, 1] = 0.1
    both[7200:19200, 0] = 0.1
    soundfile.write(folder / "a.wav", both, RATE)
    soundfile.write(folder / "v.wav", both[:, 0], RATE)
    given = {
        "id": "a",
        "kind": "service",
        "scenario": "s",
        "language": "English",
        "role_prompt": "You are kind.",
        "audio": "a.wav",
        "seconds": 1.0,
        "voice": "v.wav",
        "lines": [line("caller", 0.1, 0.4), line("agent", 0.3, 0.8)],
    }
    return TrainDuplex(**given | changed)


def test_good_rows_pass(tmp_path):
    row = made(tmp_path)
    assert fault(row, tmp_path, 2048) is None
    found = rows_valid([row], tmp_path, SCENARIOS, 2048)
    assert found.passed and found.value == 0 and "all 1 dialogues" in found.says


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"audio": "b.wav"}, "its file 'b.wav' is not in"),
        ({"voice": ""}, "its file '' is not in"),
        ({"seconds": 1.2}, r"lasts 1\.000 s, not 1\.200 s"),
        ({"role_prompt": " "}, "no role text"),
        ({"lines": [line("caller", 0.1, 0.4)]}, "the agent says nothing"),
        ({"lines": [line("agent", 0.3, 0.8)]}, r"caller's channel has sound at 0\.10 s"),
        (
            {"lines": [line("caller", 0.1, 0.4), line("agent", 0.3, 0.7)]},
            r"agent's channel has sound at 0\.70 s",
        ),
        (
            {"lines": [line("caller", 0.85, 0.95), line("agent", 0.3, 0.8)]},
            "caller's line 'yes' cannot be heard",
        ),
        ({"lines": [line("agent", 0.3, 1.1)]}, r"word 'yes' ends at 1\.1 s, after the end"),
        ({"lines": [line("agent", 0.5, 0.8), line("agent", 0.3, 0.5)]}, "out of order"),
        (
            {"lines": [TrainLine(speaker="agent", text="yes", start=0.3, end=0.8, words=[])]},
            "has no words with times",
        ),
    ],
)
def test_each_fault_is_named(tmp_path, changed, says):
    found = rows_valid([made(tmp_path, **changed)], tmp_path, [], 2048)
    assert not found.passed and found.value == 1
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(found.says)


def test_other_files_than_stereo_at_24_khz(tmp_path):
    row = made(tmp_path)
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE, np.float32), RATE)
    assert "1 channel(s) at 24000 Hz" in (fault(row, tmp_path, 2048) or "")
    soundfile.write(tmp_path / "a.wav", np.zeros((16_000, 2), np.float32), 16_000)
    assert "2 channel(s) at 16000 Hz" in (fault(row, tmp_path, 2048) or "")
    (tmp_path / "a.wav").write_bytes(b"nothing")
    assert "cannot be read" in (fault(row, tmp_path, 2048) or "")
    bad = np.zeros((RATE, 2), np.float32)
    bad[5, 0] = np.nan
    soundfile.write(tmp_path / "a.wav", bad, RATE, subtype="FLOAT")
    assert "no numbers" in (fault(row, tmp_path, 2048) or "")
    assert "more than 12 frames" in (fault(made(tmp_path), tmp_path, 12) or "")


def test_test_scenarios_are_found_in_all_texts(tmp_path):
    row = made(tmp_path, role_prompt=f"You work for {SCENARIOS[1].organisation}.")
    found = rows_valid([row], tmp_path, SCENARIOS, 2048)
    assert not found.passed and f"'{SCENARIOS[1].organisation}'" in found.says
    assert SCENARIOS[1].id in found.says


def test_texts_that_do_not_fit_are_counted(tmp_path):
    rows = [made(tmp_path, id=str(number)) for number in range(200)]
    one = lambda text: [7]  # noqa: E731
    found = texts_fit(one, rows, tmp_path, 200)
    assert found.passed and found.value == 0 and "200 of 200" in found.says
    # The sample has 13 frames, the role one token, the pauses 12, the dialogue 12.
    assert texts_fit(one, rows, tmp_path, 38).passed
    assert not texts_fit(one, rows, tmp_path, 37).passed
    long = made(tmp_path, id="long", lines=[line("agent", 0.3, 0.8)] * 13)
    found = texts_fit(one, [long, *rows], tmp_path, 200)
    assert found.passed and found.value == pytest.approx(1 / 201)
    assert "training leaves the others out, first long: the tokens of 'yes' do not" in found.says
    found = texts_fit(one, [long], tmp_path, 200)
    assert not found.passed and "lengthen the silence" in found.says


def test_no_rows_do_not_pass(tmp_path):
    assert not rows_valid([], tmp_path, [], 2048).passed


def test_si_sdr_by_hand():
    reference = np.array([1.0, -1.0, 1.0, -1.0])
    noise = np.array([1.0, 1.0, -1.0, -1.0])  # at a right angle to it
    # 1 to 0.1: 20 dB, at any scale and with any mean.
    assert si_sdr(reference + 0.1 * noise, reference) == pytest.approx(20)
    assert si_sdr(-5 * (reference + 0.1 * noise) + 3, reference + 7) == pytest.approx(20)
    assert si_sdr(reference + noise, reference) == pytest.approx(0)
    assert si_sdr(3 * reference, reference) > 200
    assert si_sdr(np.zeros(4), reference) == float("-inf")
    assert si_sdr(noise, reference) == float("-inf")
    with pytest.raises(ValueError, match="the reference is silent"):
        si_sdr(reference, np.zeros(4))
