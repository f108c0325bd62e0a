"""What is left to decide is listed with all that a line of speaker_decisions.tsv needs."""

import pytest

from scripts.common.errors import UserError
from scripts.roles.pending import pending
from scripts.roles.verify import verify
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import RoleSpeaker, Vote
from tests.roles.tiny import MEDIUM, ROLES, identity, turn
from tests.rows import written

HEADER = "media\tstart\tend\tverdict\trole\tby\tdate"
TURNS = [turn(0, 4, "speaker_0"), turn(4, 9, "speaker_1"), turn(10, 12, "speaker_0")]


def vote(model, role):
    return Vote(model=model, role=role, scores={"ann": 0.9, "joe": 0.1}, somebody_else=0.0)


ANN = identity("speaker_0", "ann", votes=[vote("one", "ann"), vote("two", "ann")], evidence=[])
JOE = identity("speaker_1", "joe", evidence=[])


class Decided:
    """Decisions about a scene of two speakers, and what the stages make of them."""

    def __init__(self, folder, *lines):
        folder.mkdir(exist_ok=True)
        self.table, self.folder = folder / "decisions.tsv", folder
        self.table.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
        self.given = {
            "identities": written(folder / "identities.jsonl", [ANN, JOE]),
            "turns": [written(folder / "turns.jsonl", TURNS)],
            "decisions": self.table,
            "media": [MEDIUM],
            "roles": ROLES,
        }

    def open(self):
        """The lines of pending.tsv."""
        pending(**self.given, pending=self.folder / "pending.tsv")
        return (self.folder / "pending.tsv").read_text("utf-8").splitlines()[1:]

    def rows(self):
        verify(**self.given, speakers=self.folder / "roles.jsonl", unverified="drop")
        return read_rows(self.folder / "roles.jsonl", RoleSpeaker)


def test_two_that_contradict_each_other_are_listed_and_then_refused(tmp_path):
    lines = [f"The crash\t0\t3\tyes\t{role}\tMK\t2026-11-20" for role in ("ann", "joe")]
    scene = Decided(tmp_path, *lines)
    found = scene.open()
    assert [line.split("\t")[:7] for line in found[:2]] == [
        ["The crash", "0.00", "3.00", "yes", role, "MK", "2026-11-20"] for role in ("ann", "joe")
    ]
    assert "line 3 contradicts it" in found[0] and "line 2 contradicts it" in found[1]
    with pytest.raises(UserError, match="line 2 and .*line 3 are about the same speaker"):
        scene.rows()


def test_every_line_can_be_copied_as_it_is(tmp_path):
    """Open, it stays open; a stretch is there without any quote; decided, it is a decision."""
    lines = Decided(tmp_path / "a").open()
    assert [line.split("\t")[:3] for line in lines] == [
        ["The crash", "0.00", "4.00"],
        ["The crash", "4.00", "9.00"],
    ]
    assert Decided(tmp_path / "b", *lines).open() == lines
    said = [
        line.replace("\t\t", "\tyes\t", 1).replace("\t\t\t", "\tMK\t2026-11-20\t") for line in lines
    ]
    scene = Decided(tmp_path / "c", *said)
    assert scene.open() == [] and [row.role for row in scene.rows()] == ["ann", "joe"]
    idle = Decided(tmp_path / "d", "The crash\t9.1\t9.9\tyes\tjoe\tMK\t2026-11-20")
    first = idle.open()[0]
    assert Decided(tmp_path / "e", first).open()[0].split("\t")[:7] == first.split("\t")[:7]


def test_decisions_about_other_media_are_no_news(tmp_path, capsys):
    scene = Decided(tmp_path, "Casablanca\t0\t3\tyes\trick\tdemo\t2026-11-20")
    assert len(scene.open()) == 2 and "Casablanca" not in "".join(scene.open())
    assert "1 decisions are about media of other runs" in capsys.readouterr().out


@pytest.mark.parametrize(("by", "date", "what"), [("", "2026-11-20", "by"), ("MK", "", "date")])
def test_a_verdict_says_whose_and_when(tmp_path, by, date, what):
    scene = Decided(tmp_path, f"The crash\t0\t3\tyes\tann\t{by}\t{date}")
    with pytest.raises(UserError, match=f"line 2: a verdict needs .* in the column '{what}'"):
        scene.open()


def test_a_decision_against_all_models_is_flagged(tmp_path, capsys):
    row, _ = Decided(tmp_path, "The crash\t0\t3\tyes\tjoe\tMK\t2026-11-20").rows()
    flag = "a person said 'joe' of speaker_0 of 'The crash', all 2 models 'ann'"
    assert row.role == "joe" and row.flags == [flag]
    assert f"line 2: {flag}; listen again" in capsys.readouterr().out
