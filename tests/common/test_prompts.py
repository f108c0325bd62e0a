"""Prompt files: placeholders, parts, lists, and what is refused."""

from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.common.prompts import read_prompt
from scripts.dialogues.write import DRAWN, PLACES

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "config/prompts").glob("write_*.md"))


def prompt(tmp_path, text):
    path = tmp_path / "prompt.md"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_prompts_have_an_example_a_beginning_and_tasks(path):
    shipped = read_prompt(path, PLACES, DRAWN)
    roles = [message["role"] for message in shipped.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert len(shipped.lists["Tasks"]) == 16  # two of each of the paper's eight sub-tasks
    assert all(task and opening for task, opening in shipped.lists["Tasks"])
    assert "<!--" not in shipped.text


def test_a_place_is_filled_once_and_json_is_left_alone(tmp_path):
    path = prompt(
        tmp_path, '<!-- {x} -->\n# User\n{name} says {"a": {}} {count}\n# Reply\n[{"a": "'
    )
    chat = read_prompt(path, {"name", "count"}).chat(name="{count} {0} %s", count="3")
    assert chat == [
        {"role": "user", "content": '{count} {0} %s says {"a": {}} 3'},
        {"role": "assistant", "content": '[{"a": "'},
    ]


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("# User\n{name}", "{count} is missing"),
        ("# User\n{name} {count} {nmae}", "did you mean 'name'"),
        ("# Usr\n{name} {count}", "did you mean 'User'"),
        ("{name} {count}", "no part '# User'"),
    ],
)
def test_a_faulty_prompt_is_refused_with_a_sentence(tmp_path, text, sentence):
    with pytest.raises(UserError) as error:
        read_prompt(prompt(tmp_path, text), {"name", "count"})
    assert sentence in str(error.value) and "prompt.md" in str(error.value)


@pytest.mark.parametrize("text", ["# Role\nBe {name}.", "# Answer\nBriefly.\n# Role\nBe it."])
def test_parts_must_stand_in_their_order(tmp_path, text):
    with pytest.raises(UserError, match="no part '# Answer'"):
        read_prompt(prompt(tmp_path, text), set(), {"name"}, ("Role", "Answer"))


def test_lists_are_pairs_of_what_stands_beside_a_bar(tmp_path):
    path = prompt(tmp_path, "# User\n{name} {task}\n# Tasks\na | b\n\nc\n")
    assert read_prompt(path, {"name"}, {"task"}).lists == {"Tasks": [("a", "b"), ("c", "")]}


def test_a_missing_prompt_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_prompt(tmp_path / "none.md", {"name"})


@pytest.mark.parametrize("mark, end", [("\ufeff", "\n"), ("\ufeff", "\r\n"), ("", "\r")])
def test_a_prompt_is_read_as_editors_save_it(tmp_path, mark, end):
    path = tmp_path / "prompt.md"
    text = f"{mark}<!-- note -->\n# System\nBe {{name}}.\n\n# User\nGo on."
    path.write_bytes(text.replace("\n", end).encode())
    assert [m["content"] for m in read_prompt(path, {"name"}).messages] == ["Be {name}.", "Go on."]


@pytest.mark.parametrize("encoding", ["utf-16", "gbk"])
def test_a_prompt_in_another_encoding_is_refused_by_name(tmp_path, encoding):
    path = tmp_path / "prompt.md"
    path.write_bytes("# User\n你好吗 {name}".encode(encoding))
    with pytest.raises(UserError, match="prompt.md.* save it as"):
        read_prompt(path, {"name"})
