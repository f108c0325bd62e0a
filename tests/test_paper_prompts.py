"""What models are really sent by config/paper.yaml: its prompts, through its stages."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from scripts import backends
from scripts.backends.dialogue import Answer
from scripts.backends.judge import Scores, _protocol, read_metrics
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.common.prompts import parts_of, read_prompt
from scripts.common.tables import read_table
from scripts.dialogues.write import write
from scripts.judging.judge import judge
from scripts.roles import profile as profiles
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_rows, write_rows
from scripts.systems.finetune import build
from scripts.systems.respond import PLACES, first_request, respond
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.requirements import Work
from scripts.workflow.workload import part, size
from tests import rows as made
from tests.dialogues.tiny import person, use
from tests.rows import voices_of, written

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
PAPER = copy.deepcopy(DEFAULT)
update_config(PAPER, yaml.safe_load((ROOT / "config/paper.yaml").read_text("utf-8")))
WRITE, RESPOND = PAPER["write"], PAPER["respond"]["prompts"]
METRICS = [metric.id for metric in read_metrics(ROOT / "config/metrics.tsv")]
SPLITS = ("train", "out_of_domain", "test")
LONG = re.compile(
    r"[\d一二三四五六七八九十百两]+ ?个?(?:字(?!段)|句)|\d words|words in all|sentence"
    r"|\b(?:brief|concise|short)(?! description)|简短(?!介绍)|简洁|简明"
)
SCRIPT = [f"Joe: This is line {number}.\nAnn: Is it?" for number in range(1, 41)]
CHINESE = [f"阿飞：这是第{number}句。" for number in range(1, 41)]
CONTEXT = "Ann: Who owns the plane?\nJoe: Nobody that I know."
JOE = person(excerpts=SCRIPT)
FEI = person("fei", language="Chinese", name="阿飞", work="长夜", excerpts=CHINESE)


def files_of(config: dict) -> list[Path]:
    """The prompts that dialogues are written with."""
    prompts = config["write"]["prompts"]
    return [ROOT / path for mode in ("single", "multi") for path in prompts[mode].values()]


class Writer:
    """Writes what it is asked for; remembers all requests. A token is a letter."""

    name = "recorder"

    def __init__(self, context: int | None = None):
        self.context = context
        self.asked: list[dict] = []

    def count(self, texts):
        return [len(text) for text in texts]

    def generate(self, chats, max_tokens, seed, temperature):
        for chat, own in zip(chats, seed, strict=True):
            kind = {"tokens": max_tokens, "seed": own, "temperature": temperature}
            text = next(part["content"] for part in chat[::-1] if part["role"] == "user")
            self.asked.append({"chat": chat, "text": text, **kind})
        return [self.reply(call) for call in self.asked[-len(chats) :]]

    def reply(self, call):
        turns = 3 if "2 到 4" in call["text"] or "2 to 4" in call["text"] else 1
        line = "为什么{}？" if "角色是" in call["text"] else "Why {}?"
        count = int(re.search(r"(?:Write|请写) (\d+)", call["text"])[1])
        rows = [
            {"user": line.format(f"{call['seed']} {place}"), "role": line.format(f"不 {place} no")}
            for place in range(count * turns)
        ]
        talks = [rows[place * turns : (place + 1) * turns] for place in range(count)]
        items = [{"dialogue": talk, "context": CONTEXT} for talk in talks]
        return json.dumps(items, ensure_ascii=False)


@pytest.fixture
def writing(tmp_path, monkeypatch):
    """Runs write with the paper's options, on fewer dialogues; returns the rows and requests."""

    def run(*people, context: int | None = None, config: dict = WRITE, **changed):
        writer = Writer(context)
        use(monkeypatch, writer)
        names = ("batch", "attempts", "excerpts", "tokens", "temperature")
        options = {name: config[name] for name in names} | {"single": 30, "multi": 20, "seed": 0}
        write(
            profiles=written(tmp_path / "profiles.jsonl", people),
            voices=written(tmp_path / "voices.jsonl", voices_of(list(people))),
            **{
                f"{mode}_{language.lower()}": ROOT / path
                for mode in ("single", "multi")
                for language, path in config["prompts"][mode].items()
            },
            drafts=tmp_path / "drafts.jsonl",
            llm=ModelSpec("llm", "made"),
            shard="1-of-1",
            **options | changed,
        )
        return read_rows(tmp_path / "drafts.jsonl", Dialogue), writer.asked

    return run


def test_no_prompt_of_the_paper_has_a_rule_about_length():
    files = files_of(PAPER) + [
        ROOT / path for stage in ("profile", "respond") for path in PAPER[stage]["prompts"].values()
    ]
    assert len(set(files)) == 8 and not any(LONG.search(parts_of(file)[0].text) for file in files)
    assert all(LONG.search(parts_of(file)[0].text) for file in files_of(DEFAULT))  # it finds them


def test_a_profile_is_asked_for_without_a_length_and_has_room():
    asked = []

    def generate(chats, max_tokens):
        asked.extend((chat, max_tokens) for chat in chats)
        return [" is cheerful. " * 40 + "\nBackground: A pilot."] * len(chats)

    for language, path in PAPER["profile"]["prompts"].items():
        row = person(language=language, profile="", background="")
        prompt = read_prompt(ROOT / path, profiles.PLACES)
        profiles.describe(
            SimpleNamespace(generate=generate), prompt, [row], PAPER["profile"]["tokens"]
        )
        assert row.profile.count("is cheerful.") == 40 and row.background == "A pilot."
    for chat, most in asked:
        assert not LONG.search("".join(part["content"] for part in chat)) and most == 600
    assert DEFAULT["profile"]["tokens"] == 160


def test_no_task_and_no_opening_is_imposed(writing):
    assert not any(parts_of(file)[0].lists for file in files_of(PAPER))
    _, asked = writing(JOE, FEI)
    for call in asked:
        assert call["chat"][-1]["role"] == "user" and "{" not in call["text"]
    listed = [pair for file in files_of(DEFAULT) for pair in parts_of(file)[0].lists["Tasks"]]
    texts = "\n".join(call["text"] for call in asked)
    imposed = [part for pair in listed for part in pair]
    assert not [part for part in imposed if part.replace("{name}", "Joe King") in texts]


def test_every_call_shows_the_whole_script_as_it_is(writing):
    rows, asked = writing(JOE, FEI)
    assert len(rows) == 100 and not [row.dropped for row in rows if row.dropped]
    for call in asked:
        script = FEI.excerpts if "角色是" in call["text"] else JOE.excerpts
        assert "\n\n".join(script) in call["text"]
    assert {row.context for row in rows} == {CONTEXT}  # the words that the model quoted


def test_a_dialogue_that_quotes_nothing_has_no_context_rather_than_the_whole_script(
    writing, monkeypatch
):
    quoted = Writer.reply
    for said in ("", [], [3], "[1, 2]", None):
        bare = json.dumps(said)
        own = lambda self, call, bare=bare: quoted(self, call).replace(json.dumps(CONTEXT), bare)  # noqa: E731
        monkeypatch.setattr(Writer, "reply", own)
        rows, _ = writing(JOE)
        assert {row.context for row in rows} == {""} and rows[0].dropped is None


def test_the_temperature_is_one_and_each_call_has_its_seed(writing):
    _, asked = writing(JOE, FEI)
    assert {call["temperature"] for call in asked} == {1}
    assert len({call["seed"] for call in asked}) == len(asked) == 10
    assert len({json.dumps(call["chat"]) for call in asked}) == 4  # only the seed tells them apart
    _, again = writing(FEI, JOE)
    assert [call["seed"] for call in again] == [call["seed"] for call in asked]
    _, other = writing(JOE, FEI, seed=1)
    assert not {call["seed"] for call in other} & {call["seed"] for call in asked}
    _, greedy = writing(JOE, config=DEFAULT["write"])
    assert {call["temperature"] for call in greedy} == {0}


def test_replies_have_room_for_lines_without_a_limit(writing):
    _, asked = writing(JOE)
    assert {call["tokens"] for call in asked} == {5000, 10_000}
    assert all(WRITE["tokens"][mode] > DEFAULT["write"]["tokens"][mode] for mode in WRITE["tokens"])


def test_a_script_is_cut_only_where_the_model_cannot_read_more_and_that_is_said(writing, capsys):
    _, asked = writing(JOE, single=10, multi=0)
    (whole,) = asked
    used = sum(len(message["content"]) for message in whole["chat"]) + whole["tokens"]
    messages = len(whole["chat"])
    _, fits = writing(JOE, single=10, multi=0, context=used + 16 * messages)
    assert fits[0]["text"] == whole["text"] and "is cut" not in capsys.readouterr().out
    _, cut = writing(JOE, single=10, multi=0, context=used + 16 * messages - 200)
    lines = "\n\n".join(SCRIPT).split("\n")
    told = capsys.readouterr().out
    found = re.search(r"joe, single: the script is cut at line (\d+) of 119 \('(.*)'\)", told)
    last = int(found[1]) - 1
    assert lines[last].startswith(found[2]) and "recorder reads at most" in told
    kept = "\n".join(lines[:last])
    assert kept in cut[0]["text"] and f"{kept}\n{lines[last]}" not in cut[0]["text"]
    read = sum(len(message["content"]) for message in cut[0]["chat"]) + cut[0]["tokens"]
    assert used - 200 - 60 < read <= used - 200  # no more is left out than must be


def test_a_model_that_can_read_nothing_of_a_script_is_refused(writing):
    with pytest.raises(UserError, match="joe: recorder reads at most 6000 .*`write.batch`"):
        writing(JOE, context=6000)


def test_greedy_calls_that_would_all_be_the_same_are_refused_before_one_is_made(writing):
    with pytest.raises(UserError, match="single-turn dialogues in English would be the same"):
        writing(JOE, temperature=0)
    writing(JOE, temperature=0, single=10, multi=0)  # one call
    writing(JOE, temperature=0, excerpts=2)


def test_the_model_that_writes_says_how_much_it_reads():
    model = specs.resolve(PAPER["models"], WRITE["llm"], "llm", "paper.yaml")
    assert specs.option(model, "context") == 1_047_576


def test_the_estimate_follows_the_prompts_in_use():
    """Table 1's hours by the paper's prompts, about half of them by the demo's."""
    roles = read_table(ROOT / "config/paper/roles.tsv", "roles")
    hours, tokens = {}, {}
    for name, prompts in (("paper", WRITE), ("demo", DEFAULT["write"])):
        config = PAPER | {"write": WRITE | {"prompts": prompts["prompts"]}}
        own = size(config, [], roles, METRICS)
        parts = [part(Work("speak", {"split": split}, {}), own) for split in SPLITS]
        hours[name] = sum(one.spoken * (one.user + one.role) for one in parts) / 3600
        tokens[name] = part(Work("write", {}, {}), own).tokens
    assert hours["paper"] == pytest.approx(1083, rel=0.1)
    assert 0.3 < hours["demo"] / hours["paper"] < 0.6
    assert tokens["demo"] < tokens["paper"]


SPOKEN = [("Who owns the plane?", "Nobody that I know."), ("And who flies it?", "I do.")]


def talk(**fields) -> Dialogue:
    turns = made.exchanges(*SPOKEN)
    return made.dialogue("d1", turns=turns, context=CONTEXT, **fields)


class Listener:
    """Answers each request with a hum, and remembers it; or scores each pair."""

    voice_mode, rate, languages = "own", 8000, ("English",)
    integer_scores = False

    def __init__(self):
        self.asked = []

    def reply(self, requests):
        self.asked += requests
        return [Answer(np.full(800, 0.1, np.float32), "Me.", "Who?", 0.1) for _ in requests]

    def judge(self, pairs, metrics):
        self.asked += pairs
        return [[Scores(5.0, 5.0, "same") for _ in metrics] for _ in pairs]


@pytest.fixture
def spoken(tmp_path, monkeypatch):
    """A folder with one spoken test dialogue, and the listener that every stage loads."""
    listener = Listener()
    monkeypatch.setattr(backends, "load", lambda spec: listener)
    for name in ("user.flac", "role.flac", "joe.flac"):
        audio.write(tmp_path / name, np.full(1600, 0.1, np.float32))
    turns = [made.spoken_turn("user.flac", "role.flac")] * len(SPOKEN)
    write_rows(tmp_path / "test.jsonl", [talk(idx=0)])
    write_rows(tmp_path / "train.jsonl", [talk()])
    write_rows(tmp_path / "spoken.jsonl", [made.spoken("d1", turns)])
    write_rows(tmp_path / "profiles.jsonl", [JOE])
    write_rows(tmp_path / "voices.jsonl", [made.voice()])
    return tmp_path, listener


def shared(home: Path) -> dict[str, Path]:
    names = ("test", "spoken", "profiles", "voices", "replies")
    return {name: home / f"{name}.jsonl" for name in names}


def responses(home: Path) -> None:
    respond(
        **shared(home),
        speech=home,
        clips=home,
        answers=home,
        prompt_english=ROOT / RESPOND["English"],
        prompt_chinese=ROOT / RESPOND["Chinese"],
        name="echo",
        dialogue=ModelSpec("dialogue", "made"),
    )


def test_a_system_is_told_profile_and_script_as_in_the_release(spoken):
    home, listener = spoken
    responses(home)
    assert len(listener.asked) == len(SPOKEN)
    for request in listener.asked:
        profile, script = request.role_prompt.split("[Character script]\n")
        assert JOE.described in profile and script == CONTEXT
        told = f"{request.role_prompt}\n{request.manner}"
        assert not LONG.search(told) and "{" not in told and "Joe" not in request.manner


@pytest.mark.parametrize("overlay", ["paper", "benchmark"])
@pytest.mark.parametrize("role", [JOE, FEI], ids=["English", "Chinese"])
def test_so_it_is_in_both_languages_and_on_the_released_benchmark(overlay, role):
    settings = copy.deepcopy(DEFAULT)
    update_config(settings, yaml.safe_load((ROOT / f"config/{overlay}.yaml").read_text("utf-8")))
    file = ROOT / settings["respond"]["prompts"][role.language]
    prompt = read_prompt(file, set(), PLACES, ("Role", "Answer"))
    row = made.dialogue("d1", role.role, language=role.language, context=CONTEXT)
    request = first_request(row, role, prompt, np.zeros(0, np.float32), "")
    profile, script = request.role_prompt.split("[Character script]\n")
    assert role.described in profile and script == CONTEXT
    assert not LONG.search(f"{request.role_prompt}\n{request.manner}")


def test_an_agent_is_tuned_on_what_systems_are_told(spoken):
    home, listener = spoken
    responses(home)
    request = listener.asked[0]
    files = {
        name: read_prompt(ROOT / path, set(), PLACES, ("Role", "Answer"))
        for name, path in RESPOND.items()
    }
    (example,), left = build(
        [home / "train.jsonl"], [home / "spoken.jsonl"], [home], {"joe": JOE}, files
    )
    system = example["messages"][0]["content"]
    assert not left and request.role_prompt in system and request.manner in system
    assert f"[Character script]\n{CONTEXT}" in system


def test_the_question_that_the_judge_reads_has_the_script(spoken):
    home, listener = spoken
    responses(home)
    listener.asked.clear()
    metrics = ROOT / "config/metrics.tsv"
    judge(
        **shared(home),
        **{name: home for name in ("answers", "speech", "clips")},
        metrics=metrics,
        verdicts=home / "verdicts.jsonl",
        name="listener",
        judge=ModelSpec("judge", "made"),
    )
    (pair,) = listener.asked
    assert pair.context == CONTEXT
    model = specs.resolve(PAPER["models"], PAPER["judge"], "judge", "paper.yaml")
    prompts = {name: specs.option(model, f"prompt_{name}") for name in ("per_metric", "joint")}
    for name in prompts:  # the overlay's, and that of config/as_published.yaml
        asked = _protocol.load(name, prompts)
        question, *_ = asked.texts(pair)
        assert _protocol.fenced(CONTEXT) in question and JOE.described in question
        assert asked.groups(read_metrics(metrics))
