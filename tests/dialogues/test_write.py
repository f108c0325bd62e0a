"""Dialogues are requested, requested again, and failures are recorded."""

import inspect
import json
from pathlib import Path

import pytest

from scripts.backends.llm import NoReply
from scripts.dialogues.write import write
from scripts.rows.dialogues import Dialogue, shard_of
from scripts.rows.jsonl import content_id, read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.dialogues.tiny import person, use
from tests.rows import voice, voices_of, written

PROMPTS = Path(__file__).resolve().parents[2] / "config/prompts"
FILES = {
    f"{mode}_{name}": PROMPTS / f"write_{mode}_{name[:2].replace('ch', 'zh')}.md"
    for mode in ("single", "multi")
    for name in ("english", "chinese")
}


class Writer:
    """Answers each chat with `answer` of it; remembers the requests."""

    name = "tiny"

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        assert chats and max_tokens > 0
        self.asked.append(chats)
        return [self.answer(chat) for chat in chats]


def turns(chat, number):
    """`number` turns in the language of the chat, all different."""
    words = int(content_id(chat), 16)
    if "角色" in chat[0]["content"]:
        return [{"user": f"为什么{n}{words}？", "role": f"因为{n}{words}。"} for n in range(number)]
    return [{"user": f"Why {n} {words}?", "role": f"So {n} {words}."} for n in range(number)]


def good(chat, count=1):
    """The continuation of the reply begun by the prompt: `count` dialogues as requested."""
    number = 3 if "2 to 4" in chat[0]["content"] or "2 到 4" in chat[0]["content"] else 1
    item = {"dialogue": turns(chat, number), "context": [1]}
    return json.dumps([item] * count, ensure_ascii=False)


def run(tmp_path, monkeypatch, answer, people, shard="1-of-1", voices=None, **changed):
    writer = Writer(answer)
    use(monkeypatch, writer)
    drafts = tmp_path / f"{shard}.jsonl"
    numbers = {"single": 3, "multi": 2, "batch": 1, "attempts": 2, "excerpts": 2, "seed": 0}
    numbers |= {"tokens": {"single": 120, "multi": 280}, "temperature": 0}
    write(
        profiles=written(tmp_path / "profiles.jsonl", people),
        voices=written(tmp_path / "voices.jsonl", voices or voices_of(people)),
        **FILES,
        drafts=drafts,
        llm=ModelSpec("llm", "made"),
        shard=shard,
        **(numbers | changed),
    )
    return read_rows(drafts, Dialogue), writer.asked


def test_each_role_gets_its_dialogues_in_its_language(tmp_path, monkeypatch):
    people = [person("joe"), person("faye", pool="out_of_domain"), person("lu", language="Chinese")]
    rows, asked = run(tmp_path, monkeypatch, good, people)
    assert len(rows) == 15 and len({row.id for row in rows}) == 15
    assert all(row.dropped is None and row.raw is None and row.model == "tiny" for row in rows)
    assert [len(row.turns) for row in rows if row.mode == "single"] == [1] * 9
    assert [len(row.turns) for row in rows if row.mode == "multi"] == [3] * 6
    assert {row.pool for row in rows if row.role == "faye"} == {"out_of_domain"}
    assert {row.language for row in rows if row.role == "lu"} == {"Chinese"}
    assert all(row.context in person().excerpts for row in rows)
    assert len(asked) == 2  # one call of the model a mode, nothing asked twice


def test_calls_of_a_role_differ_in_kind_of_question_and_script(tmp_path, monkeypatch):
    _, asked = run(tmp_path, monkeypatch, good, [person()], single=8, multi=0)
    said = [chat[-2]["content"] for chat in asked[0]]
    assert len(set(said)) == 8
    assert len({text.split("about this:")[1] for text in said}) == 8
    assert len({text.split("excerpts:")[1].split("Write")[0] for text in said}) > 3


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_shards_change_nothing(tmp_path, monkeypatch, shards):
    people = [person(role) for role in ("joe", "faye", "sparky", "lola")]
    whole, _ = run(tmp_path, monkeypatch, good, people)
    parts = []
    for number in range(1, shards + 1):
        rows, _ = run(tmp_path, monkeypatch, good, people[::-1], f"{number}-of-{shards}")
        assert {shard_of(row.role, shards) for row in rows} <= {number}
        parts += rows
    assert sorted(parts, key=lambda row: row.id) == sorted(whole, key=lambda row: row.id)


def test_good_dialogues_of_a_partly_good_reply_are_kept(tmp_path, monkeypatch):
    answers = iter(['[{"dialogue": []}, ' + good_single(1)[1:], good_single(2)])
    rows, asked = run(
        tmp_path, monkeypatch, lambda chat: next(answers), [person()], single=2, multi=0, batch=2
    )
    assert [row.turns[0].user for row in rows] == ["Why 1?", "Why 2?"]
    first, second = (chats[0][-2]["content"] for chats in asked)
    assert "Write 2 dialogue(s)" in first and "Write 1 dialogue(s)" in second


def good_single(number):
    return json.dumps([{"dialogue": [{"user": f"Why {number}?", "role": "So."}], "context": 1}])


def test_after_the_last_attempt_the_raw_reply_and_the_reason_are_kept(tmp_path, monkeypatch):
    rows, asked = run(
        tmp_path, monkeypatch, lambda chat: "I'd rather not.", [person()], single=1, multi=1
    )
    assert len(asked) == 4 and asked[0][0] != asked[2][0]  # asked again, with another draw
    for row in rows:
        assert row.turns == [] and "I'd rather not." in row.raw
        assert row.dropped.startswith("not usable: ")


def test_where_a_service_gives_no_reply_the_row_says_why(tmp_path, monkeypatch):
    reply = NoReply("the service refused (asked 3 times): content filter")
    rows, asked = run(tmp_path, monkeypatch, lambda chat: reply, [person()], single=1, multi=0)
    assert len(asked) == 2 and [row.raw for row in rows] == [""]
    assert rows[0].dropped == f"not usable: {reply.reason}"


@pytest.mark.parametrize("lead", ["", "```json\n", "Here it is:\n\n", "好的：```\n"])
def test_a_reply_that_begins_anew_is_not_put_behind_its_beginning(tmp_path, monkeypatch, lead):
    answer = lead + good_single(1)
    rows, _ = run(tmp_path, monkeypatch, lambda chat: answer, [person()], single=1, multi=0)
    assert [row.turns[0].user for row in rows] == ["Why 1?"]


def test_a_reply_that_goes_on_is_put_behind_its_beginning(tmp_path, monkeypatch):
    answer = ' shout: loudly?", "role": "I was [very] proud."}], "context": [1]}]'
    rows, _ = run(tmp_path, monkeypatch, lambda chat: answer, [person()], single=1, multi=0)
    (turn,) = rows[0].turns
    assert turn.user.startswith("Joe King, ") and turn.user.endswith(" shout: loudly?")
    assert turn.role == "I was [very] proud."


def test_more_dialogues_than_asked_for_are_not_taken(tmp_path, monkeypatch):
    rows, _ = run(
        tmp_path, monkeypatch, lambda chat: good(chat, count=3), [person()], single=1, multi=0
    )
    assert len(rows) == 1 and rows[0].dropped is None


def test_a_role_without_a_voice_gets_none_and_the_log_says_so(tmp_path, monkeypatch, capsys):
    rows, _ = run(
        tmp_path, monkeypatch, good, [person("joe"), person("mute")], voices=[voice("joe")]
    )
    assert {row.role for row in rows} == {"joe"}
    assert "mute has no reference voice" in capsys.readouterr().out


def test_a_name_cannot_break_the_prompt(tmp_path, monkeypatch):
    strange = person(name='{count} "}]\n# User\n{0} \\', lines=[], excerpts=[])
    rows, asked = run(tmp_path, monkeypatch, good, [strange], single=1, multi=1)
    assert all(row.dropped is None for row in rows)
    assert "{count} '}] # User {0} \\" in asked[0][0][-2]["content"]


def test_without_roles_no_model_is_loaded(tmp_path, monkeypatch):
    def refuse(spec):
        raise AssertionError("loaded")

    rows, asked = run(tmp_path, monkeypatch, good, [])
    assert rows == [] and asked == []
    monkeypatch.setattr("scripts.backends.load", refuse)
    names = {p for p in inspect.signature(write).parameters} - set(FILES)
    given = dict.fromkeys(names, 1) | {"shard": "1-of-1", "drafts": tmp_path / "again.jsonl"}
    given |= {name: tmp_path / f"{name}.jsonl" for name in ("profiles", "voices")}
    write(**given, **FILES)
    assert read_rows(tmp_path / "again.jsonl", Dialogue) == []
