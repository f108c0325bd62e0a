"""When sides talk and what is said, on tones and simulated models; sides that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.duplex import hear
from scripts.duplex.spans import Gap
from scripts.duplex.track import track_of
from scripts.duplex.transcribe_duplex import OWN_TEXT
from scripts.rows.duplex import SideTranscript, TimedWord
from scripts.rows.jsonl import read_rows
from tests.duplex.made_folder import SECONDS, SPECS, Folder, item
from tests.duplex.simulated_models import RATE, Recogniser, tone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return Folder(tmp_path, monkeypatch)


def transcripts(folder: Folder, *asr: str) -> dict[str, SideTranscript]:
    folder.transcribe(asr or ("words", "deaf"))
    rows = read_rows(folder.home / "transcripts.jsonl", SideTranscript)
    return {row.id: row for row in rows}


def test_a_side_has_its_activity_and_the_words_of_each_recogniser(folder):
    folder.add(item("turn"), tone([(4.8, 5.7), (9.0, 9.6)], SECONDS))
    row = transcripts(folder)["turn-1"]
    assert row.seconds == SECONDS and row.dropped is None and row.audio == "turn-1.flac"
    assert row.activity == [(4.8, 5.7), (9.0, 9.6)] == row.unresampled
    assert row.words["deaf"] == []
    assert [(w.start, w.end) for w in row.words["words"]] == [
        (4.8, 5.1), (5.1, 5.4), (5.4, 5.7), (9.0, 9.3), (9.3, 9.6),
    ]  # fmt: skip
    assert row.user is None, "the user's words are marked"


def test_only_the_backchannel_task_is_heard_at_the_wrong_rate(folder):
    """0.5 s at 24 kHz are 0.75 s for a detector that takes them for 16 kHz."""
    for task in ("turn", "backchannel"):
        folder.add(item(task), tone([(2.0, 2.5)], SECONDS, 24_000), 24_000)
    found = transcripts(folder)
    assert found["turn-1"].unresampled == found["turn-1"].activity
    (moved,) = found["backchannel-1"].unresampled
    assert moved == pytest.approx((3.0, 3.75), abs=0.02)


def test_the_users_activity_is_heard_where_no_words_are_marked(folder):
    folder.add(item("turn", "heard", events=[]), tone([], SECONDS))
    soundfile.write(folder.home / "user/heard.flac", tone([(1, 4)], SECONDS), RATE)
    folder.add(item("turn", "lost", events=[]), tone([], SECONDS))
    found = transcripts(folder)
    assert found["heard"].user == [(1.0, 4.0)]
    assert "cannot read lost.flac" in str(found["lost"].user)


def test_the_systems_own_words_stand_beside_the_recognisers(folder):
    said = [TimedWord(word="well", start=4.8, end=5.0)]
    folder.add(item("turn"), tone([(4.8, 5.1)], SECONDS), words=said)
    row = transcripts(folder)["turn-1"]
    assert [*row.words] == ["words", "deaf", OWN_TEXT] and row.words[OWN_TEXT] == said


def test_a_side_that_cannot_be_used_is_dropped_with_the_reason(folder):
    folder.add(item("turn", "failed"), tone([], 1.0), audio=None, dropped="the server stalled")
    folder.items.append(item("turn", "never"))
    folder.add(item("turn", "good"), tone([(4.8, 7.8)], SECONDS))
    folder.add(item("turn", "lost", dropped="no such file"), tone([], SECONDS))
    found = transcripts(folder)
    assert {ident: row.dropped for ident, row in found.items()} == {
        "failed": "no conversation: the server stalled",
        "never": "no conversation: the system was not asked",
        "good": None,
    }
    assert found["failed"].words == dict.fromkeys(("words", "deaf"), found["failed"].dropped)
    with pytest.raises(Gap, match="the server stalled"):
        track_of(found["failed"], folder.home / "audio")


def test_speech_is_cut_from_the_file(folder):
    folder.add(item("turn"), tone([(4.8, 5.7), (9.0, 9.6)], SECONDS, 24_000), 24_000)
    track = track_of(transcripts(folder)["turn-1"], folder.home / "audio")
    assert len(track.speech) / RATE == pytest.approx(1.5, abs=0.05)
    (folder.home / "audio/turn-1.flac").unlink()
    with pytest.raises(Gap, match=r"cannot read turn-1\.flac"):
        _ = track_of(transcripts(folder)["turn-1"], folder.home / "audio").speech


def test_a_language_that_a_recogniser_does_not_know_is_its_reason(folder):
    folder.add(item("turn", "zh", language="Chinese"), tone([(4.8, 7.8)], SECONDS))
    row = transcripts(folder, "words")["zh"]
    assert row.dropped is None and "does not speak Chinese" in str(row.words["words"])


def test_any_other_error_of_a_recogniser_ends_the_job(folder, monkeypatch):
    class Broken(Recogniser):
        def transcribe(self, clips, language=None):
            raise UserError("no key")

    monkeypatch.setitem(SPECS, "words", Broken())
    folder.add(item("turn"), tone([(4.8, 7.8)], SECONDS))
    with pytest.raises(UserError, match="no key"):
        transcripts(folder)


def test_a_recogniser_without_times_is_refused(folder, monkeypatch):
    monkeypatch.setitem(SPECS, "words", Recogniser(times=False))
    folder.add(item("turn"), tone([(4.8, 7.8)], SECONDS))
    with pytest.raises(UserError, match="word_times: true"):
        transcripts(folder)


def test_two_models_of_one_name_are_refused(folder):
    folder.add(item("turn"), tone([(4.8, 7.8)], SECONDS))
    with pytest.raises(UserError, match="2 models are called words"):
        transcripts(folder, "words", "words")


def test_recognisers_get_speech_alone():
    """Utterances that are near one another are recognised together; no clip shares any sound."""
    spans = hear.pieces([(1.0, 2.0), (2.3, 3.0), (3.55, 4.0), (9.0, 10.0)], 10.05)
    assert np.allclose(spans, [(0.9, 3.1), (3.45, 4.1), (8.9, 10.05)])
    near = hear.pieces([(0.0, 11.9), (12.0, 17.0)], 30.0)
    assert np.allclose(near, [(0.0, 11.95), (11.95, 17.1)])
    assert hear.pieces([], 3.0) == []


def test_long_speech_is_cut_where_it_is_quiet():
    sound = tone([(0.0, 30.0)], 30.0)
    sound[round(11.1 * RATE) : round(11.2 * RATE)] *= 0.1
    sound[round(21.5 * RATE) : round(21.6 * RATE)] *= 0.1
    (_, first), (again, second), (last, end) = hear.shorter(sound, (0.0, 30.0))
    assert 11.1 < first == again < 11.2 and 21.5 < second == last < 21.6 and end == 30.0


@given(start=st.floats(0, 5), seconds=st.floats(0.1, 60))
def test_cut_speech_is_whole_and_short(start, seconds):
    sound = np.random.default_rng(0).normal(0, 0.1, 78 * RATE).astype(np.float32)
    parts = hear.shorter(sound, (start, start + seconds))
    assert parts[0][0] == start and parts[-1][1] == start + seconds
    assert all(a[1] == b[0] for a, b in zip(parts, parts[1:], strict=False))
    assert all(0 < b - a <= hear.LONGEST + 1e-9 for a, b in parts)
    # What comes after decides nothing.
    longer = hear.shorter(sound, (start, start + seconds + hear.LONGEST))
    assert longer[: len(parts) - 1] == parts[:-1]
