"""What a run left out is told at its end: media and roles by name with a reason, open decisions."""

from __future__ import annotations

from scripts.rows.corpus import Medium, media_id
from scripts.workflow.left_out import left_out
from tests import rows

FILM = {"media": "The crash", "location": "crash.mp4", "work": "The Flight"}
CALL = {"media": "Telephone", "location": "telephone.wav", "work": ""}
PLAYED = [{"role": role, "work": "The Flight", "pool": "train"} for role in ("joe", "ann", "bob")]
RULES = ("fetch", "verify", "choose_voices")


def results(folder):
    """A run that lost a film at its sound, and two of three roles."""
    for step in ("corpus/media", "corpus/audio", "corpus/vocals", "roles"):
        (folder / step).mkdir(parents=True)
    given = {"work": "", "language": "English", "file": "f"}
    media = [Medium(id=media_id(row), **given) for row in (FILM, CALL)]
    sound = "no sound could be read from f"
    for step in ("audio", "vocals"):
        lost = [rows.recording(media_id(FILM), dropped=sound), rows.recording(media_id(CALL))]
        rows.written(folder / "corpus" / step / "b.jsonl", lost)
    rows.written(folder / "corpus/media/b.jsonl", media)
    rows.written(folder / "roles/voices.jsonl", [rows.voice("joe")])
    refused = [rows.refused_voice("ann", "nobody has decided who this is")]
    refused += [rows.refused_voice("joe", "speaker_1 talks in it too", "clip")]
    refused += [rows.refused_voice("bob", "no words"), rows.refused_voice("zoe", "not played")]
    rows.written(folder / "roles/voices_refused.jsonl", refused)
    lines = ["media\tstart\twhy", "The crash\t1.00\tspeaker_0", "The crash\t9.00\tspeaker_1"]
    lines.append("Another run's film\t9.00\tno medium has this name")
    (folder / "roles/pending.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def told(rules, folder):
    return left_out(rules, [FILM, CALL], ["b"], PLAYED, folder)


def test_media_and_roles_are_named_with_a_reason_each_and_decisions_counted(tmp_path):
    folder = results(tmp_path)
    assert told(RULES, folder) == [
        "medium The crash: no sound could be read from f",
        "role ann: nobody has decided who this is",
        "role bob: no words",
        f"open decisions about speakers, in {folder / 'roles/pending.tsv'}: 2 of The crash",
    ]


def test_a_target_that_does_not_reach_a_phase_tells_nothing_of_it(tmp_path):
    folder = results(tmp_path)
    assert told(["table4", "compare"], folder) == []
    assert told(["fetch", "rate"], folder) == ["medium The crash: no sound could be read from f"]


def test_before_anything_is_made_nothing_is_told(tmp_path):
    assert told(RULES, tmp_path) == []
