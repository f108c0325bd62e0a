"""People's decisions apply to whoever speaks most in a stretch, whatever the diarization."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.roles.decisions import seconds, whose
from scripts.roles.pending import pending as list_pending
from scripts.roles.verify import verify
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Evidence, RoleSpeaker, Vote
from tests.roles.tiny import ID, MEDIUM, ROLES, SILENT, identity, turn
from tests.rows import written

HEADER = "media\tstart\tend\tverdict\trole\tby\tdate"
TURNS = [turn(0, 4, "speaker_0"), turn(4, 9, "speaker_1"), turn(10, 12, "speaker_0")]
FOUND = [identity("speaker_0", "ann"), identity("speaker_1", "joe")]


def line(start, end, verdict, role, media="The crash"):
    return f"{media}\t{start}\t{end}\t{verdict}\t{role}\tMK\t2026-11-20"


def run(tmp_path, *lines, unverified="drop", found=FOUND):
    """The speakers by name, and the cells of pending.tsv below the header."""
    decisions = tmp_path / "speaker_decisions.tsv"
    decisions.write_text("\n".join(["# who is who", HEADER, *lines]) + "\n", encoding="utf-8")
    speakers, pending = tmp_path / "roles.jsonl", tmp_path / "pending.tsv"
    given = {
        "identities": written(tmp_path / "identities.jsonl", found),
        "turns": [written(tmp_path / "turns.jsonl", TURNS)],
        "decisions": decisions,
        "media": [MEDIUM, SILENT],
        "roles": ROLES,
    }
    list_pending(**given, pending=pending)
    verify(**given, speakers=speakers, unverified=unverified)
    rows = {row.speaker: row for row in read_rows(speakers, RoleSpeaker)}
    assert len(rows) == len(found)
    header, *cells = [text.split("\t") for text in pending.read_text("utf-8").splitlines()]
    assert header[:7] == HEADER.split("\t")  # a line can be copied into speaker_decisions.tsv
    return rows, [dict(zip(header, row, strict=True)) for row in cells]


def test_a_decision_holds_for_whoever_speaks_most_in_its_stretch(tmp_path):
    rows, pending = run(tmp_path, line("3.5", "9", "yes", "zoe"))
    assert (rows["speaker_1"].role, rows["speaker_1"].status) == ("zoe", "verified")
    assert (rows["speaker_1"].by, rows["speaker_1"].dropped) == ("MK", None)
    assert [row["role"] for row in pending] == ["ann"]


def test_no_means_nobody_who_is_looked_for(tmp_path):
    rows, _ = run(tmp_path, line("0", "3", "no", ""))
    assert rows["speaker_0"].status == "rejected" and rows["speaker_0"].role is None
    assert "nobody" in rows["speaker_0"].dropped


@pytest.mark.parametrize(
    ("stretch", "why"),
    [
        (line("9.1", "9.9", "yes", "joe"), "nobody speaks"),
        (line("2", "6", "yes", "joe"), "more than one speaker"),
        (line("0", "3", "no", "", media="Telephone"), "nobody speaks"),
    ],
)
def test_a_decision_that_settles_nothing_is_pending(tmp_path, stretch, why):
    rows, pending = run(tmp_path, stretch)
    assert [row.status for row in rows.values()] == ["unverified"] * 2
    assert len(pending) == 3 and why in pending[0]["why"]


def test_what_becomes_of_the_undecided(tmp_path):
    dropped, pending = run(tmp_path, unverified="drop")
    assert all(row.dropped and row.role for row in dropped.values())
    assert [row["role"] for row in pending] == ["ann", "joe"]
    kept, pending = run(tmp_path, unverified="keep")
    assert not any(row.dropped for row in kept.values())
    assert {row.by for row in kept.values()} == {"models"} and len(pending) == 2
    with pytest.raises(UserError, match="speaker_0 of 'The crash', speaker_1 of 'The crash'"):
        run(tmp_path, unverified="fail")


def test_a_vote_that_is_not_for_the_role_is_shown_as_such(tmp_path):
    """Of one who is proposed, and of one who is not."""

    def vote(model, role, joe):
        return Vote(model=model, role=role, scores={"joe": joe}, somebody_else=round(1 - joe, 4))

    hero = [vote("one", "joe", 0.81), vote("two", None, 0.07)]
    other = [vote("one", None, 0.4), vote("two", None, 0.02)]
    found = [
        identity("speaker_0", "joe", candidates=["joe"], votes=hero, agreed=False),
        identity("speaker_1", None, candidates=["joe"], votes=other),
    ]
    rows, pending = run(tmp_path, unverified="keep", found=found)
    assert [(row.role, row.dropped is None) for row in rows.values()] == [
        ("joe", True), (None, False)
    ]  # fmt: skip
    assert pending[0]["role"] == "joe" and pending[1]["role"] == ""
    assert "one: joe 0.81, two: somebody else 0.93 (not joe, 0.07)" in pending[0]["why"]
    assert "one: somebody else 0.60, two: somebody else 0.98" in pending[1]["why"]


def test_nobody_decided_and_fail_passes_when_all_are_decided(tmp_path):
    lines = [line("0", "4", "yes", "ann"), line("4", "9", "yes", "joe")]
    rows, pending = run(tmp_path, *lines, unverified="fail")
    assert [row.role for row in rows.values()] == ["ann", "joe"] and not pending


def test_a_speaker_without_any_name_is_dropped_with_the_reason(tmp_path):
    rows, _ = run(tmp_path, unverified="keep", found=[identity("speaker_0", None)])
    assert "neither people nor models" in rows["speaker_0"].dropped


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("1.2.3", "4", "yes", "joe")], "line 3: '1.2.3' is not a time"),
        ([line("0", "1:75", "yes", "joe")], "line 3: '1:75' is not a time"),
        (["", line("5", "4", "yes", "joe")], r"line 4: the stretch ends \(4 s\) before it starts"),
        (
            [line("0", "3", "yes", "jo")],
            "no role of 'The Flight' is called 'jo'; did you mean 'joe'",
        ),
        ([line("0", "3", "yes", "")], "is called ''; valid are: ann, joe, zoe"),
        ([line("0", "3", "yes", "joe", "Telephone")], "nobody is looked for in 'Telephone'"),
        ([line("0", "3", "maybe", "joe")], "line 3: verdict"),
        (
            [line("0", "3", "yes", "joe", "the Crush")],
            "line 3: no medium is called 'the Crush'; did you mean 'The crash'",
        ),
        (["The crash\t0\t3"], "line 3: 3 cells where the header has 7"),
        (
            [line("0", "3", "yes", "joe"), line("10", "12", "yes", "ann")],
            "line 3 and .* line 4 are about the same speaker .* joe and ann",
        ),
        (
            [line("0", "3", "yes", "joe"), line("10", "12", "no", "")],
            "contradict each other: joe and nobody",
        ),
    ],
)
def test_bad_decisions_are_refused_with_file_and_line(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, *lines)


def test_times_are_seconds_or_minutes_and_seconds():
    assert [seconds(text, "here") for text in ("83.5", "1:23.5", "0:05")] == [83.5, 83.5, 5]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.floats(2, 8), min_size=2, max_size=10),
    shifts=st.lists(st.floats(-0.3, 0.3), min_size=10, max_size=10),
    chosen=st.integers(0, 9),
)
def test_a_decision_survives_another_diarization(lengths, shifts, chosen):
    """Other labels and ends moved by up to .3 s: the same person is found."""
    edges = [sum(lengths[:n]) for n in range(len(lengths) + 1)]
    moved = [edge + shift for edge, shift in zip(edges[1:-1], shifts, strict=False)]
    moved = [edges[0], *moved, edges[-1]]
    number = chosen % len(lengths)
    for ends, labels in ((edges, ("speaker_0", "speaker_1")), (moved, ("B", "A"))):
        turns = [turn(ends[n], ends[n + 1], labels[n % 2]) for n in range(len(lengths))]
        assert whose(edges[number], edges[number + 1], turns) == (labels[number % 2], "")


@pytest.mark.parametrize("title", ['=HYPERLINK("u")', "@home", "-2+3", "'=x", 'The "crash"', "-5"])
def test_a_pending_line_is_no_formula_and_can_be_copied(tmp_path, title):
    """What nobody decided on is decided by its own line, with a verdict."""
    medium = MEDIUM | {"media": title}
    pending = tmp_path / "pending.tsv"
    evidence = [Evidence(media=ID, start=0.0, end=4.0, text="=cmd|' /C calc'!A0\t@x")]
    found = [identity("speaker_0", "ann").model_copy(update={"evidence": evidence})]

    def decided(*lines):
        decisions = tmp_path / f"identities-{len(lines)}.tsv"  # tables are read once
        decisions.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        given = {
            "identities": written(tmp_path / "identities.jsonl", found),
            "turns": [written(tmp_path / "turns.jsonl", TURNS)],
            "decisions": decisions,
            "media": [medium],
            "roles": ROLES,
        }
        list_pending(**given, pending=pending)
        verify(**given, speakers=tmp_path / "roles.jsonl", unverified="drop")
        return [line.split("\t") for line in pending.read_text("utf-8").splitlines()[1:]]

    (cells,) = decided()
    for cell in cells:
        assert cell[:1] not in tuple("=+-@") or not cell or cell == "-5"
    assert decided("\t".join(cells)) == [cells]  # copied as it is, it is still open
    cells[3], cells[5], cells[6] = "yes", "MK", "2026-11-20"
    assert decided("\t".join(cells), "") == []
    (row,) = read_rows(tmp_path / "roles.jsonl", RoleSpeaker)
    assert (row.role, row.status) == ("ann", "verified")


@pytest.mark.parametrize("text", ["1,5", "nan", "9" * 400, f"{'9' * 5_000}:01", "١", "1:61", "-1"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UserError, match="here: .* is not a time; write seconds"):
        seconds(text, "here")
