"""The reference clip is the one most similar to the others, and has one speaker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts import backends
from scripts.backends.diarization import SpeakerTurn
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.roles.choose_voices import against, choose_voices, mean_cosine
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import RefusedVoice, Voice
from tests.roles.tiny import ID, ROLES, recording, role, segment, speaker, turn
from tests.rows import quality, transcript, written

LOUDNESS = {"a": 0.1, "b": 0.2, "c": 0.25, "d": 0.8}  # of the four clips, 6 s each


class ByLoudness:
    """Speaker embeddings that rotate with a clip's loudness: c is most similar to the others."""

    def embed(self, clips):
        angles = np.array([float(np.abs(clip).max()) for clip in clips])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


class Crowded:
    """A diarization that finds two people in clips of the given loudness."""

    def __init__(self, *crowded):
        self.crowded = crowded

    def diarize(self, clip):
        loudness = round(float(np.abs(clip).max()), 2)
        names = ["A", "B"] if loudness in self.crowded else ["A"]
        return [SpeakerTurn(n, n + 1, s, False) for n, s in enumerate(names)]


def run(
    tmp_path, monkeypatch, *, roles=ROLES[:1], crowded=(), turns=None, nobody="allow", **changed
):
    """Voices and refusals for clips a, b, c, d of speaker_0, who is the first of `roles`."""
    use = {"speaker": ByLoudness(), "diarization": Crowded(*crowded)}
    monkeypatch.setattr(backends, "load", lambda spec: use[spec])
    (tmp_path / "vocals").mkdir(exist_ok=True)
    clips = [np.full(6 * audio.RATE, level, np.float32) for level in LOUDNESS.values()]
    audio.write(tmp_path / "vocals" / f"{ID}.flac", np.concatenate(clips))
    rows = {
        "speakers": [speaker("speaker_0", roles[0]["role"])],
        "recordings": [recording()],
        "turns": turns or [turn(0, 24, "speaker_0")],
        "segments": [segment(key, 6 * n, 6 * n + 6, "speaker_0") for n, key in enumerate("abcd")],
        "quality": [quality(key) for key in "abcd"],
        "transcripts": [transcript(key, f"I am {key}.") for key in "abcd"],
    } | changed
    paths = {name: written(tmp_path / f"{name}.jsonl", value) for name, value in rows.items()}
    speakers = paths.pop("speakers")
    voices, refused = tmp_path / "voices.jsonl", tmp_path / "refused.jsonl"
    choose_voices(
        speakers=speakers,
        **{name: [path] for name, path in paths.items()},
        vocals=[tmp_path / "vocals"],
        voices=voices,
        clips=tmp_path / "clips",
        refused=refused,
        roles=roles,
        speaker="speaker",
        diarization="diarization",
        nobody=nobody,
    )
    return read_rows(voices, Voice), read_rows(refused, RefusedVoice)


def test_the_clip_most_like_the_others_is_the_voice(tmp_path, monkeypatch):
    (voice,), refused = run(tmp_path, monkeypatch)
    assert (voice.segment, voice.text, voice.clips) == ("c", "I am c.", 4)
    assert voice.others == ["b.flac", "a.flac", "d.flac"]
    expected = np.cos([0.05, 0.15, 0.55]).mean()
    assert voice.similarity == pytest.approx(expected, abs=1e-3)
    clip = audio.read(tmp_path / "clips" / voice.file)
    assert len(clip) == 6 * audio.RATE and np.allclose(clip, 0.25, atol=1e-3)
    assert not refused and not voice.flags


@pytest.mark.parametrize("free", [True, False])
def test_a_voice_goes_no_further_than_its_clip(tmp_path, monkeypatch, free):
    source = recording(redistribute=free, synthetic=not free)
    (voice,), _ = run(tmp_path, monkeypatch, recordings=[source])
    assert (voice.redistribute, voice.synthetic) == (free, not free)


@given(arrays(np.float32, st.tuples(st.integers(2, 30), st.just(5)), elements=st.integers(-9, 9)))
def test_mean_cosine_is_that_of_the_full_matrix(vectors):
    vectors = vectors[np.abs(vectors).sum(axis=1) > 0].astype(np.float64)
    if len(vectors) < 2:
        vectors = np.eye(2)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    matrix = units @ units.T
    np.fill_diagonal(matrix, 0)
    full = matrix.sum(axis=1) / (len(units) - 1)
    fast = mean_cosine(units)
    assert np.allclose(fast, full, atol=1e-8)
    assert full[int(fast.argmax())] == pytest.approx(full.max(), abs=1e-8)


def test_equal_clips_tie_and_the_first_id_wins(tmp_path, monkeypatch):
    monkeypatch.setitem(LOUDNESS, "b", 0.25)
    (voice,), _ = run(tmp_path, monkeypatch)
    assert voice.segment == "b"


def test_a_clip_with_two_speakers_is_refused_and_the_next_best_taken(tmp_path, monkeypatch):
    (voice,), refused = run(tmp_path, monkeypatch, crowded=[0.25])
    assert voice.segment == "b" and "c.flac" not in voice.others
    assert [(row.role, row.segment) for row in refused] == [("joe", "c")]
    assert "2 speakers" in refused[0].dropped


def test_the_medium_s_own_turns_can_refuse_a_clip(tmp_path, monkeypatch):
    turns = [turn(0, 24, "speaker_0"), turn(14, 15, "speaker_1"), turn(5.9, 6.1, "speaker_1")]
    (voice,), (refused,) = run(tmp_path, monkeypatch, turns=turns)
    assert voice.segment == "b"  # a tenth of a second at its edge is inexactness
    assert (refused.segment, refused.dropped) == ("c", "speaker_1 talks in it too")


def test_a_role_whose_clips_all_hold_two_speakers_is_recorded(tmp_path, monkeypatch):
    voices, refused = run(tmp_path, monkeypatch, crowded=LOUDNESS.values())
    assert not voices and len(refused) == 5
    assert refused[-1].segment is None and "each of its 4 clips" in refused[-1].dropped


def test_a_single_clip_is_used_and_flagged(tmp_path, monkeypatch):
    rated = [quality("a"), *(quality(key, dropped="2.5 is below 3") for key in "bcd")]
    (voice,), _ = run(tmp_path, monkeypatch, quality=rated)
    assert (voice.segment, voice.similarity, voice.clips, voice.others) == ("a", None, 1, [])
    assert voice.flags == ["one clip only"]


def test_a_clip_without_words_is_refused(tmp_path, monkeypatch):
    transcripts = [transcript(key, " " if key == "c" else "Yes.") for key in "abcd"]
    (voice,), (refused,) = run(tmp_path, monkeypatch, transcripts=transcripts)
    assert voice.segment == "b" and refused.segment == "c"


def test_a_role_without_a_clip_is_recorded(tmp_path, monkeypatch):
    _, (refused,) = run(tmp_path, monkeypatch, roles=ROLES[:2])
    assert (refused.role, refused.segment) == ("ann", None)
    assert refused.dropped == (
        "no speaker of 'The Flight' was taken for this role, by models or by people"
    )


BAD = [quality(key, ovrl=n + 1, dropped=f"OVRL {n + 1} is below 5") for n, key in enumerate("abcd")]
OPEN = speaker("speaker_0", "joe", status="unverified", dropped="nobody has decided who this is")


@pytest.mark.parametrize(
    "changed, reason",
    [
        ({"recordings": [], "segments": []}, "no medium of 'The Flight' could be read"),
        (
            {"recordings": [recording(dropped="no sound")], "segments": []},
            "no medium of 'The Flight' could be read",
        ),
        ({"speakers": []}, "no speaker of 'The Flight' was taken for this role"),
        ({"speakers": [OPEN]}, "1 speaker could be this role: nobody has decided who this is"),
        ({"segments": []}, "no stretch of speech of its 1 speaker makes a clip"),
        (
            {"segments": [segment("a", 0, 1, "speaker_0", dropped="under 3 s")]},
            "1 clip, none of use: under 3 s",
        ),
        ({"quality": BAD}, "4 clips, none good enough: of the best one, OVRL 4 is"),
        ({"transcripts": []}, "no words were recognised in its 4 clips"),
    ],
)
def test_a_role_without_a_voice_has_the_one_reason_and_is_an_error(
    tmp_path, monkeypatch, changed, reason
):
    _, refused = run(tmp_path, monkeypatch, **changed)
    assert refused[-1].segment is None and refused[-1].dropped.startswith(reason)
    with pytest.raises(UserError, match="no role has a voice") as error:
        run(tmp_path, monkeypatch, nobody="fail", **changed)
    assert f"joe: {reason}" in str(error.value) and "pending.tsv" in str(error.value)


def test_one_voice_is_enough(tmp_path, monkeypatch):
    voices, refused = run(tmp_path, monkeypatch, roles=ROLES[:2], nobody="fail")
    assert len(voices) == len(refused) == 1


def test_a_dropped_speaker_s_clips_are_not_used(tmp_path, monkeypatch):
    nobody = [speaker("speaker_0", "joe", status="unverified", dropped="nobody has decided")]
    voices, refused = run(tmp_path, monkeypatch, speakers=nobody)
    assert not voices and [row.role for row in refused] == ["joe"]


def test_an_empty_corpus_loads_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load", None)
    empty = written(tmp_path / "empty.jsonl", [])
    lists = ("recordings", "turns", "segments", "quality", "transcripts")
    choose_voices(
        speakers=empty,
        **{name: [empty] for name in lists},
        vocals=[tmp_path],
        voices=tmp_path / "voices.jsonl",
        clips=tmp_path / "clips",
        refused=tmp_path / "refused.jsonl",
        roles=ROLES[:1],
        speaker={},
        diarization={},
        nobody="allow",
    )
    assert read_rows(tmp_path / "voices.jsonl", Voice) == []
    assert len(read_rows(tmp_path / "refused.jsonl", RefusedVoice)) == 1


@pytest.mark.parametrize("name", ["../../x", "a/b", "胡桃", "x" * 300])
def test_files_are_never_named_by_the_role(tmp_path, monkeypatch, name):
    (voice,), _ = run(tmp_path, monkeypatch, roles=[role(name)])
    assert voice.role == name.lower()
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == [
        "a.flac", "b.flac", "c.flac", "d.flac"
    ]  # fmt: skip


class BySign:
    """Two voices, divided by whether a clip's loudness is above or below .3."""

    def embed(self, clips):
        rng = np.random.default_rng(0)
        rows = [
            [
                4.0 * (np.abs(clip).max() > 0.3),
                4.0 * (np.abs(clip).max() < 0.3),
                *rng.normal(size=8),
            ]
            for clip in clips
        ]
        return np.array(rows, np.float32) / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("levels, chosen", [([0.1] * 12, True), ([0.1] * 6 + [0.6] * 6, False)])
def test_a_speaker_whose_clips_are_of_two_people_is_refused(tmp_path, monkeypatch, levels, chosen):
    use = {"speaker": BySign(), "diarization": Crowded()}
    monkeypatch.setattr(backends, "load", lambda spec: use[spec])
    (tmp_path / "vocals").mkdir()
    clips = [np.full(3 * audio.RATE, level, np.float32) for level in levels]
    audio.write(tmp_path / "vocals" / f"{ID}.flac", np.concatenate(clips))
    names = [f"clip{n:02d}" for n in range(len(levels))]
    rows = {
        "recordings": [recording()],
        "turns": [turn(0, 36, "speaker_0")],
        "segments": [segment(key, 3 * n, 3 * n + 3, "speaker_0") for n, key in enumerate(names)],
        "quality": [quality(key) for key in names],
        "transcripts": [transcript(key, f"I am {key}.") for key in names],
    }
    choose_voices(
        speakers=written(tmp_path / "speakers.jsonl", [speaker("speaker_0", ROLES[0]["role"])]),
        **{name: [written(tmp_path / f"{name}.jsonl", value)] for name, value in rows.items()},
        vocals=[tmp_path / "vocals"],
        voices=tmp_path / "voices.jsonl",
        clips=tmp_path / "clips",
        refused=tmp_path / "refused.jsonl",
        roles=ROLES[:1],
        speaker="speaker",
        diarization="diarization",
        nobody="allow",
    )
    assert bool(read_rows(tmp_path / "voices.jsonl", Voice)) == chosen
    if not chosen:
        (row,) = read_rows(tmp_path / "refused.jsonl", RefusedVoice)
        assert "the 12 clips of speaker_0" in row.dropped and "(6 and 6; listen to" in row.dropped


@pytest.mark.parametrize(
    ("others", "flagged", "flags"),
    [
        ({"joe": 1}, True, ["sounds like joe"]),
        ({"joe": 1}, False, []),  # the models agree
        ({"joe": -1}, True, []),
        ({"joe": 1, "ann": 1}, True, []),  # its role has the same voice elsewhere
    ],
)
def test_a_decision_against_the_models_and_the_voice_is_flagged(others, flagged, flags):
    def clips(sign, offset):
        return [np.array([sign, (n + offset) / 1000], np.float32) for n in range(6)]

    heard = {("m", "speaker_0", "ann"): clips(1, 0)}
    for number, (name, sign) in enumerate(others.items(), 1):
        heard["m", f"speaker_{number}", name] = clips(sign, 7 * number)
    found = against("ann", {("m", "speaker_0")} if flagged else set(), heard)
    assert len(found) == len(flags) and all(map(str.__contains__, found, flags))
    few = {key: vectors[:2] for key, vectors in heard.items()}
    assert against("ann", {("m", "speaker_0")}, few) == []
