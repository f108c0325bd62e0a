"""Profiles come from the role's files or transcripts, never from another role's."""

from pathlib import Path

import pytest

from scripts import backends
from scripts.backends.llm import NoReply
from scripts.common.errors import UserError
from scripts.roles.profile import LINES, longest, profile, whole
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Profile
from scripts.workflow.model_spec import ModelSpec
from tests.roles.tiny import ROLES, recording, role, segment, speaker
from tests.rows import transcript, voice, written

PROMPTS = Path(__file__).resolve().parents[2] / "config/prompts"
TALK = [
    ("speaker_0", "Ann, the plane is leaving."),
    ("speaker_1", "Then let us run, Joe."),
    ("speaker_2", "Wait for me!"),
    ("speaker_9", "Who are they?"),
    ("speaker_0", "I told you to pack last night."),
]
NAMED = [speaker("speaker_0", "joe"), speaker("speaker_1", "ann"), speaker("speaker_2", "zoe")]
REPLY = " is in a hurry and likes to be right.\nBackground: A pilot and Ann's friend. He al"


class Writer:
    """Gives the same reply to every chat; records the requests."""

    def __init__(self, reply):
        self.reply = reply
        self.asked = []

    def generate(self, chats, max_tokens):
        self.asked += chats
        return [self.reply] * len(chats)


def run(tmp_path, monkeypatch, *, reply=REPLY, roles=ROLES, voices=None, model=None):
    model = model or Writer(reply)
    monkeypatch.setattr(backends, "load", lambda spec: model)
    segments = [segment(f"s{n}", 3 * n, 3 * n + 3, who) for n, (who, _) in enumerate(TALK)]
    transcripts = [transcript(f"s{n}", text) for n, (_, text) in enumerate(TALK)]
    profiles = tmp_path / "profiles.jsonl"
    profile(
        speakers=written(tmp_path / "roles.jsonl", NAMED),
        voices=written(tmp_path / "voices.jsonl", voices or [voice(row["role"]) for row in roles]),
        recordings=[written(tmp_path / "recordings.jsonl", [recording()])],
        segments=[written(tmp_path / "segments.jsonl", segments)],
        transcripts=[written(tmp_path / "transcripts.jsonl", transcripts)],
        english=PROMPTS / "profile_en.md",
        chinese=PROMPTS / "profile_zh.md",
        profiles=profiles,
        llm=ModelSpec("llm", "made"),
        tokens=160,
        roles=roles,
    )
    return {row.role: row for row in read_rows(profiles, Profile)}


def test_a_profile_from_transcripts(tmp_path, monkeypatch):
    model = Writer(REPLY)
    rows = run(tmp_path, monkeypatch, model=model)
    joe = rows["joe"]
    assert joe.profile == "Joe is in a hurry and likes to be right."
    assert joe.background == "A pilot and Ann's friend."  # the unfinished sentence is left out
    assert joe.lines == [TALK[0][1], TALK[4][1]]
    assert joe.origin == "transcripts of 2 segments" and not joe.flags and not joe.synthetic
    asked = model.asked[1][-2]["content"]
    assert "Joe" in asked and "The Flight" in asked and TALK[0][1] in asked
    assert "let us run" not in asked  # only the role's own lines


def test_excerpts_are_the_scene_in_order_with_names(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch)
    assert rows["ann"].excerpts == [
        "Joe: Ann, the plane is leaving.\nAnn: Then let us run, Joe.\nZoe: Wait for me!\n"
        "?: Who are they?\nJoe: I told you to pack last night."
    ]


def test_only_played_roles_with_a_voice_are_described(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch, voices=[voice("joe", synthetic=True), voice("zoe")])
    assert list(rows) == ["joe"] and rows["joe"].synthetic


def test_without_voices_no_model_is_loaded(tmp_path, monkeypatch):
    assert run(tmp_path, monkeypatch, voices=[voice("nobody")], model=object()) == {}


def test_an_empty_reply_leaves_the_lines_to_speak(tmp_path, monkeypatch):
    joe = run(tmp_path, monkeypatch, reply="  ")["joe"]
    assert joe.profile == "\n".join(joe.lines) and joe.background == ""
    assert len(joe.flags) == 2 and "the lines stand for it" in joe.flags[0]


def test_a_reply_may_begin_with_a_comma(tmp_path, monkeypatch):
    joe = run(tmp_path, monkeypatch, reply=", the pilot, is loud.\nBackground: Alone.")["joe"]
    assert joe.profile == "Joe, the pilot, is loud." and not joe.flags


@pytest.mark.parametrize("label", ["Profile: ", "**Profile:** ", " PROFILE :"])
def test_a_reply_may_begin_anew(tmp_path, monkeypatch, label):
    joe = run(tmp_path, monkeypatch, reply=f"{label}Joe is loud.\nBackground: Alone.")["joe"]
    assert (joe.profile, joe.background) == ("Joe is loud.", "Alone.") and not joe.flags


def test_where_a_service_gives_no_reply_the_flag_says_why(tmp_path, monkeypatch):
    reply = NoReply("the service refused (asked 3 times): content filter")
    joe = run(tmp_path, monkeypatch, reply=reply)["joe"]
    assert joe.profile == "\n".join(joe.lines)
    assert "gave no profile (the service refused (asked 3 times): content filter)" in joe.flags[0]


def files(tmp_path, **texts):
    """Roles, of which Joe has the given files."""
    for name, text in texts.items():
        path = tmp_path / f"{name}.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [role("Joe", **{name: str(tmp_path / f"{name}.txt") for name in texts}), *ROLES[1:]]


def test_a_role_s_files_are_used_and_named_as_origin(tmp_path, monkeypatch):
    roles = files(
        tmp_path,
        profile="I want you to act like Joe from The Flight.\n\nBackground: Joe flies a plane.\n",
        script="Joe: Jump!\nAnn: Never.\n\nAnn：Joe?\nJoe：「Here I am.」\n",
    )
    joe = run(tmp_path, monkeypatch, roles=roles)["joe"]
    assert joe.profile == "I want you to act like Joe from The Flight."
    assert joe.background == "Joe flies a plane."
    assert joe.lines == ["Jump!", "Here I am."]
    assert joe.excerpts == ["Joe: Jump!\nAnn: Never.", "Ann：Joe?\nJoe：「Here I am.」"]
    assert joe.origin.startswith("files: ") and "; profile: " in joe.origin and not joe.flags


def test_a_script_without_the_role_s_lines_is_flagged(tmp_path, monkeypatch):
    joe = run(tmp_path, monkeypatch, roles=files(tmp_path, script="Ann: Where is Joe?"))["joe"]
    assert joe.lines == [TALK[0][1], TALK[4][1]] and "no line of the script" in joe.flags[0]
    assert joe.profile  # worded by the model


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"profile": "You are Blair Waldorf."}, "role 'joe': .*profile.txt never says 'Joe'"),
        ({"script": "Blair: Hello."}, "script.txt never says 'Joe'.* wrong persona"),
        ({"profile": "Joe é".encode("latin-1")}, "role 'joe': .*profile.txt, line 1, is not UTF-8"),
        ({"script": "Joe: Hi.".encode("utf-16")}, "script.txt is UTF-16"),
    ],
)
def test_files_about_somebody_else_are_refused(tmp_path, monkeypatch, texts, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, monkeypatch, roles=files(tmp_path, **texts))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_script_is_read_as_editors_save_it(tmp_path, monkeypatch, end):
    script = "\ufeffJoe: Where?\n\nJoe: There.".replace("\n", end)
    joe = run(tmp_path, monkeypatch, roles=files(tmp_path, script=script.encode()))["joe"]
    assert joe.lines == ["Where?", "There."] and joe.excerpts == ["Joe: Where?", "Joe: There."]


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="nowhere.txt does not exist"):
        run(tmp_path, monkeypatch, roles=[role("Joe", script="nowhere.txt")])


def test_lines_are_different_and_the_longest_are_kept_in_order():
    lines = [f"{'word ' * (n % 30)}{n % 40}" for n in range(80)]
    chosen = longest(lines)
    assert len(chosen) == len(set(chosen)) == LINES
    assert [lines.index(line) for line in chosen] == sorted(lines.index(line) for line in chosen)
    assert min(map(len, chosen)) >= max(len(line) for line in set(lines) - set(chosen))


@pytest.mark.parametrize(
    ("text", "kept"),
    [("He runs. He ju", "He runs."), ("他很急。他", "他很急。"), ("no end", ""), ("", "")],
)
def test_whole_sentences(text, kept):
    assert whole(text) == kept
