"""Ground-truth turns and lines: written, read back, matched."""

from __future__ import annotations

import itertools
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.common import audio
from scripts.common.errors import UserError
from scripts.media import truth
from scripts.rows.jsonl import read_rows, write_rows

IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"
RTTM = """SPEAKER x 1 0.000 2.000 <NA> <NA> s1 <NA> <NA>
SPEAKER x 1 1.500 2.000 <NA> <NA> s2 <NA> <NA>
"""


def test_what_is_written_is_read_back(tmp_path):
    turns = [(0.5, 1.25, "joe"), (2.0, 3.5, "云 峰")]
    lines = [truth.TruthLine(start=0.5, end=1.25, speaker="joe", character="Joe", text="Hi.")]
    stem = np.full(16_000, 0.1, np.float32)
    truth.write(tmp_path, "x", turns, lines, stem)
    assert truth.read_rttm(tmp_path / "x.rttm") == [(0.5, 1.25, "joe"), (2.0, 3.5, "云-峰")]
    assert read_rows(tmp_path / "x.jsonl", truth.TruthLine) == lines
    assert np.allclose(audio.read(tmp_path / "x.flac"), stem, atol=1e-4)


def test_an_rttm_alone_gives_turns_without_text(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM)
    turns, lines = truth.read(tmp_path / "x.rttm")
    assert turns == [(0.0, 2.0, "s1"), (1.5, 3.5, "s2")]
    assert [(line.speaker, line.text) for line in lines] == [("s1", ""), ("s2", "")]


def test_the_speakers_of_an_stm_are_those_of_the_rttm(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM)
    (tmp_path / "x.stm").write_text(
        ";; note\nx 1 Ann 0.1 1.9 Hello there.\nx 1 Bo 1.9 3.4 Hi, Ann\n"
    )
    turns, lines = truth.read(tmp_path / "x.rttm")
    assert len(turns) == 2
    assert [(line.speaker, line.character, line.text) for line in lines] == [
        ("s1", "Ann", "Hello there."),
        ("s2", "Bo", "Hi, Ann"),
    ]


def test_lines_beside_an_rttm_are_taken(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM)
    row = truth.TruthLine(start=0, end=2, speaker="s1", character="A", text="你好")
    write_rows(tmp_path / "x.jsonl", [row])
    assert truth.read(tmp_path / "x.rttm")[1] == [row]


def rttm(folder, *lines, name="x"):
    path = folder / f"{name}.rttm"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def speaker(start=0, length=2, who="s1", file="x", rest="<NA> <NA>"):
    return f"SPEAKER {file} 1 {start} {length} <NA> <NA> {who} {rest}"


def test_only_turns_of_type_speaker_count(tmp_path):
    path = rttm(
        tmp_path,
        "SPKR-INFO x 1 <NA> <NA> <NA> female s1 <NA> <NA>",
        ";;no blank after the sign",
        "# md-eval takes this for a comment too",
        speaker() + " ;; sure",
        "NON-SPEECH x 1 2.0 2.0 <NA> music <NA> <NA> <NA>",
        "LEXEME x 1 0.1 0.3 hello lex s1 0.9 <NA>",
        "noscore x 1 6 3 <NA> <NA> <NA> <NA> <NA>",
        "speaker\tx\t1\t4\t1.5\t<NA>\t<NA>\ts2",
    )
    assert truth.read_rttm(path) == [(0, 2, "s1"), (4, 5.5, "s2")]
    assert truth.read_unscored(path) == [(6, 9)]


@pytest.mark.parametrize(
    "data",
    [
        f"\ufeff{speaker(who='杏')}\r\n".encode(),
        f"{speaker(who='杏')}\r{speaker(5, 1, '杏')}".encode("utf-16"),
        f"\n\n  {speaker(who='杏')}  \n".encode(),
    ],
)
def test_what_editors_do_to_a_file_changes_nothing(tmp_path, data):
    (tmp_path / "x.rttm").write_bytes(data)
    assert truth.read_rttm(tmp_path / "x.rttm")[0] == (0, 2, "杏")


def test_a_blank_that_is_no_space_belongs_to_the_name(tmp_path):
    path = rttm(tmp_path, speaker(who="Mary\u00a0Jane"), speaker(3, 1, "云\u3000峰"))
    assert [who for *_, who in truth.read_rttm(path)] == ["Mary\u00a0Jane", "云\u3000峰"]


@pytest.mark.parametrize(
    "line, fault",
    [
        (speaker(who="Mary Jane"), "it has 11 fields"),
        (speaker(file="film x"), "it has 11 fields"),
        (speaker(who="Mary Jane", rest="<NA>"), "'Jane' is no confidence"),
        (speaker(who="Mary Jane", rest=""), "'Jane' is no confidence"),
        (speaker(file="film x", rest="<NA>"), "the speaker, its eighth field, is <NA>"),
        (speaker(length=-4), "the length is -4 s"),
        (speaker(start="-0.5"), "the start is -0.5 s"),
        (speaker(start="nan"), "the start 'nan' is not a number"),
        (speaker(length="inf"), "the length 'inf' is not a number"),
        (speaker(length="1e999"), "the length is 1e999 s"),
        (speaker(start="1,5"), "the start '1,5' is not a number"),
        (speaker(start="1_0"), "the start '1_0' is not a number"),
        (speaker(start="<NA>"), "the start '<NA>' is not a number"),
        ("NOSCORE x 1 nan 3 <NA> <NA> <NA> <NA> <NA>", "the start 'nan'"),
        ("NOSCORE x y 1 2 3 <NA> <NA> <NA> <NA> <NA>", "it has 11 fields"),
        ("SPAEKER x 1 0 2 <NA> <NA> s1 <NA> <NA>", "no type 'SPAEKER'; did you mean 'SPEAKER'"),
        ("x 1 s1 0 2 hello", "there is no type 'x'"),
    ],
)
def test_a_line_that_cannot_be_is_refused_by_file_and_line(tmp_path, line, fault):
    path = rttm(tmp_path, speaker(), "", line, speaker(8))
    with pytest.raises(UserError) as told:
        truth.read(path)
    assert f"{path}, line 3: not RTTM: " in str(told.value) and fault in str(told.value)


def test_of_several_recordings_the_medium_counts(tmp_path):
    lines = [speaker(), speaker(2, 2, "s2"), speaker(0, 9, "s3", file="y")]
    path = rttm(tmp_path, *lines, name="corpus")
    (tmp_path / "corpus.stm").write_text("x 1 a 0 2 Hi.\ny 1 b 0 9 No.\ny 1 b 9 10 " + IGNORED)
    turns, rows = truth.read(path, "x")
    assert turns == [(0, 2, "s1"), (2, 4, "s2")] and [row.text for row in rows] == ["Hi."]
    assert truth.read_unscored(path, "x") == []
    assert truth.read_unscored(path, "y") == [(9, 10)]
    with pytest.raises(UserError, match=r"corpus\.rttm, line 3: another recording \('y'\)"):
        truth.read(path, "z")
    assert len(truth.read_rttm(rttm(tmp_path, *lines, name="x"))) == 2  # as the file is named
    assert len(truth.read(rttm(tmp_path, *lines[:2], name="only"), "z")[0]) == 2


def test_a_file_without_turns_is_refused(tmp_path):
    path = rttm(tmp_path, ";; nothing", "NON-SPEECH x 1 4 2 <NA> other <NA> <NA> <NA>")
    with pytest.raises(UserError, match="has no turn"):
        truth.read(path)


def test_what_lasts_no_millisecond_is_left_out_and_told(tmp_path, capsys):
    path = rttm(tmp_path, speaker(), speaker(3, "0.0001", "s2"))
    assert truth.read_rttm(path) == [(0, 2, "s1")]
    assert f"{path}, line 2: lasts less than a millisecond" in capsys.readouterr().out


def test_stretches_that_do_not_count_are_kept_in_the_copy(tmp_path):
    rttm(tmp_path, speaker(), "NOSCORE x 1 6 3 <NA> <NA> <NA> <NA> <NA>")
    (tmp_path / "x.stm").write_text(f"x 1 s1 0 2 Hi.\nx 1 inter_segment_gap 2 3 {IGNORED}\n")
    turns, lines = truth.read(tmp_path / "x.rttm")
    unscored = truth.read_unscored(tmp_path / "x.rttm")
    (tmp_path / "copy").mkdir()
    truth.write(tmp_path / "copy", "id", turns, lines, unscored=unscored)
    assert truth.read_unscored(tmp_path / "copy/id.rttm") == unscored == [(2, 3), (6, 9)]
    assert truth.read(tmp_path / "copy/id.rttm") == (turns, lines)


def test_what_one_speaker_says_twice_at_once_counts_once(tmp_path):
    rttm(tmp_path, speaker())
    line = "x 1 s1 0 2 Hello.\n"
    (tmp_path / "x.stm").write_text(line + line + "x 1 s1 3 4 Hello.\n")
    assert [row.start for row in truth.read(tmp_path / "x.rttm")[1]] == [0, 3]


@pytest.mark.parametrize(
    "line, fault",
    [
        ("x 1 Mary Jane 0.0 4.0 Hello", "the start 'Jane' is not a number"),
        ("x 1 ann nan 4.0 Hello", "the start 'nan'"),
        ("x 1 ann 0.0 inf Hello", "the end 'inf'"),
        ("x 1 ann -1 4 Hello", "the start is -1 s"),
        ("x 1 ann 4 1 Hello", "it ends at 1 s, before it starts at 4 s"),
        ("x 1 ann 0 4 <o,f0,female Hello", "the label that opens with '<' is not closed"),
        ("x 1 ann 0 4 { one / two", "a '{' without its '}'"),
        ("x 1 ann 0 4 one } two", "a '}' without its '{'"),
        ("x 1 Inter_Segment_Gap 0 4 hello", "inter_segment_gap is a gap"),
        ("x 1 ann 0", "it has only 4 fields"),
    ],
)
def test_a_line_of_stm_that_cannot_be_is_refused_by_file_and_line(tmp_path, line, fault):
    path = rttm(tmp_path, speaker())
    (tmp_path / "x.stm").write_text(f";; note\nx 1 ann 0 1 Hi.\n{line}\n")
    with pytest.raises(UserError) as told:
        truth.read(path)
    assert "x.stm, line 3: not STM: " in str(told.value) and fault in str(told.value)


@pytest.mark.parametrize(
    "line, fault",
    [
        ('{"start": 0, "end": NaN, "speaker": "a", "character": "A", "text": ""}', "end nan"),
        ('{"start": -1, "end": 2, "speaker": "a", "character": "A", "text": ""}', "start -1"),
        ('{"start": 0, "end": 2, "speaker": "a", "character": "A", "text": "{ a"}', "a '{'"),
        ('{"start": 0, "end": 2, "speaker": "a", "character": "A"}', "text: Field required"),
        ("not json", "the line: Invalid JSON"),
    ],
)
def test_a_line_of_text_that_cannot_be_is_refused_by_file_and_line(tmp_path, line, fault):
    path = rttm(tmp_path, speaker())
    good = truth.TruthLine(start=0, end=1, speaker="a", character="A", text="{ a / b }")
    (tmp_path / "x.jsonl").write_text(f"\ufeff{good.model_dump_json()}\n\n{line}\n", "utf-8")
    with pytest.raises(UserError) as told:
        truth.read(path)
    assert "x.jsonl, line 3: not JSONL: " in str(told.value) and fault in str(told.value)


LABELS = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=6
).filter(lambda label: label not in ("<NA>", "<na>", "-") and ";" not in label)
TIMES = st.integers(0, 5_000_000).map(lambda milliseconds: milliseconds / 1000)
TURNS = st.lists(
    st.tuples(TIMES, st.integers(1, 60_000).map(lambda n: n / 1000), LABELS), min_size=1, max_size=6
)
OTHERS = ["", ";; note", "SPKR-INFO x 1 <NA> <NA> <NA> child a", speaker(file="y", who="z")]
AGAIN = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@AGAIN
@given(TURNS, st.data())
def test_turns_are_read_however_they_are_written(tmp_path, turns, data):
    lines = []
    for start, length, who in turns:
        blank = data.draw(st.sampled_from([" ", "\t", "  "]))
        rest = data.draw(st.sampled_from([[], ["<NA>"], ["0.93", "<NA>"]]))
        row = ["SPEAKER", "x", "1", f"{start:.3f}", f"{length:.4f}", "<NA>", "<NA>", who, *rest]
        lines += [data.draw(st.sampled_from(OTHERS)), blank.join(row)]
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    code = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    (tmp_path / "x.rttm").write_bytes(end.join(lines).encode(code))
    wanted = sorted((start, round(start + n, 3), normalize("NFC", who)) for start, n, who in turns)
    assert truth.read_rttm(tmp_path / "x.rttm") == wanted


@AGAIN
@given(st.integers(0, 3), st.sampled_from([3, 4]), st.data())
def test_no_time_but_a_number_of_seconds_is_taken(tmp_path, at, field, data):
    bad = st.sampled_from(
        ["nan", "-nan", "inf", "-1", "-1e-2", "1:30", "0x1", "１２", "1e400", "."]
    )
    rows = [speaker(number, 1).split() for number in range(4)]
    rows[at][field] = data.draw(bad)
    path = rttm(tmp_path, *(" ".join(row) for row in rows))
    with pytest.raises(UserError, match=rf"x\.rttm, line {at + 1}: not RTTM"):
        truth.read(path)


def test_every_blank_in_a_name_is_refused(tmp_path):
    names = ["Mary Jane", "1 2", "the old man", "a <NA>"]
    for who, file, tail in itertools.product(names, ["x", "my film"], [2, 1, 0]):
        path = rttm(tmp_path, speaker(who=who, file=file, rest=" ".join(["<NA>"] * tail)))
        if who == "a <NA>" and file == "x" and tail < 2:
            continue  # that is the name a
        if who == "1 2" and file == "x" and tail < 2:
            continue  # that is the name 1, and a confidence of 2
        with pytest.raises(UserError, match="line 1"):
            truth.read(path)


@pytest.mark.parametrize("name, text", [("x.rttm", "SPEAKER x 1 one 2\n"), ("x.stm", "x 1 Ann\n")])
def test_a_malformed_line_is_named(tmp_path, name, text):
    (tmp_path / "x.rttm").write_text(RTTM)
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}, line 1"):
        truth.read(tmp_path / "x.rttm")


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.rttm does not exist"):
        truth.read(tmp_path / "x.rttm")
    (tmp_path / "x.rttm").write_bytes("云".encode("gb18030"))
    with pytest.raises(UserError, match="not UTF-8"):
        truth.read(tmp_path / "x.rttm")


def test_an_stm_of_another_recording_is_refused(tmp_path):
    rttm(tmp_path, speaker())
    (tmp_path / "x.stm").write_text("y 1 Ann 0 2 Hello.\n")
    for reader in (truth.read, truth.read_unscored):
        with pytest.raises(UserError, match="x.stm tells of the recording 'y', and x.rttm of 'x'"):
            reader(tmp_path / "x.rttm")


def test_who_shares_no_time_with_the_turns_keeps_a_name_of_their_own(tmp_path):
    rttm(tmp_path, speaker())
    (tmp_path / "x.stm").write_text("x 1 Ann 0 2 Hello.\nx 1 Carl 9 10 Hi.\n")
    assert [line.speaker for line in truth.read(tmp_path / "x.rttm")[1]] == ["s1", "Carl"]


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u200e", "\u2060", "\u00ad"])
def test_a_mark_that_nobody_sees_makes_no_other_speaker(tmp_path, mark):
    rttm(tmp_path, speaker(), speaker(start=3, who=f"s{mark}1"))
    assert {who for _, _, who in truth.read_rttm(tmp_path / "x.rttm")} == {"s1"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_zero_bytes_are_no_text(tmp_path, encoding):
    (tmp_path / "x.rttm").write_bytes(RTTM.encode(encoding))
    with pytest.raises(UserError, match="x.rttm holds zero bytes"):
        truth.read_rttm(tmp_path / "x.rttm")


def test_found_speakers_are_whom_they_share_most_time_with():
    found = [(0, 4, "x"), (4, 6, "y"), (6, 10, "x"), (20, 21, "z")]
    true = [(0.0, 5.0, "ann"), (5.0, 10.0, "bob")]
    assert truth.same_people(found, true) == {"x": "ann", "y": "ann"}
