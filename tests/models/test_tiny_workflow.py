"""The paper's workflow end to end, with every stage and model, as a user runs it:
config/paper.yaml, scaled down to three roles by tests/config/tiny.yaml.

Models that run here have tiny weights; the services are local servers that speak their protocols.
Each has its own key, which must not appear in anything that a run writes.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import read_rows
from scripts.rows.judging import Verdict
from scripts.rows.roles import Identity
from scripts.rows.systems import Reply
from scripts.setup import spending
from tests.models import tiny
from tests.servers.dashscope import ModelStudio
from tests.servers.gemini import Gemini
from tests.servers.openai_paper import PaperModel
from tests.servers.volcengine import Doubao

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = [str(ROOT / name) for name in ("config/paper.yaml", "tests/config/tiny.yaml")]
ASSEMBLED = ("dnsmos", "minilm")  # small enough to be real
KEYS = {
    name: f"sk-canary-{name.lower()}-6f1d"
    for name in (
        *("OPENAI_API_KEY", "OPENROUTER_API_KEY", "DASHSCOPE_API_KEY", "VOLCENGINE_API_KEY"),
        "GEMINI_API_KEY",
    )
}


@pytest.fixture(scope="module")
def servers():
    """The stand-ins for the services, by name."""
    with ExitStack() as stack:
        made = {
            "openai": PaperModel(),
            "dashscope": ModelStudio(
                key=KEYS["DASHSCOPE_API_KEY"], hears=lambda sound: ["Who are you?"]
            ),
            "volcengine": Doubao(key=KEYS["VOLCENGINE_API_KEY"]),
            "gemini": Gemini(answer=score),
        }
        yield {name: stack.enter_context(server) for name, server in made.items()}


def score(asked) -> str:
    """Scores by the amount of audio, so that scores differ between items."""
    return f"A is a little livelier.\n[Scores]: ({5 + len(asked.wavs[0]) % 5}, 7)"


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights, snakemake, servers):
    """Function (*targets) -> Snakemake's output; `run.folder` is its working folder."""
    for name in tiny.families():
        tiny.make(name, weights)
    for name in ASSEMBLED:
        (weights / name).symlink_to(ROOT / "weights" / name)
    folder = tmp_path_factory.mktemp("paper")
    addresses = {name: server.address for name, server in servers.items()}
    models = {
        **dict.fromkeys(("gpt-4.1", "deepseek-v3", "qwen-plus-character"), addresses["openai"]),
        **dict.fromkeys(("paraformer-realtime", "cosyvoice-v2"), addresses["dashscope"]),
        "GPT-Audio-1.5": addresses["openai"],
        "volcengine": addresses["volcengine"],
        "gemini-2.5-pro": addresses["gemini"],
    }
    overlay = {"models": {name: {"address": address} for name, address in models.items()}}
    (folder / "servers.yaml").write_text(yaml.safe_dump(overlay))

    def work(*targets: str) -> str:
        overlays = ("--configfile", *OVERLAYS, str(folder / "servers.yaml"))
        # Each job uses one core of two and asks for both.
        return snakemake(*targets, *overlays, "--cores", "4", directory=folder)

    work.folder = folder
    with pytest.MonkeyPatch.context() as patch:
        for name, key in KEYS.items():
            patch.setenv(name, key)
        yield work


@pytest.fixture(scope="module")
def paper(run) -> Path:
    """The folder of a finished run."""
    run("all")
    assert "Nothing to be done" in run("all")
    return run.folder


def rows(folder: Path, place: str, kind) -> list:
    found = [row for path in sorted(folder.glob(place)) for row in read_rows(path, kind)]
    assert found, f"no rows in {place}"
    return found


def test_every_table_and_figure_is_drawn(paper):
    made = {path.name for path in (paper / "results/paper").iterdir() if path.stat().st_size}
    tables = {f"table{n}.{kind}" for n in range(1, 8) for kind in ("csv", "md", "tex")}
    figures = {f"figure{n}.{kind}" for n in (3, 4, 5) for kind in ("pdf", "svg", "png")}
    assert tables | figures | {"figure2.md", "corpus_quality.md"} <= made


def test_each_test_dialogue_is_spoken_in_cloned_voices(paper):
    spoken = rows(paper, "results/dialogues/speech/test/*.jsonl", Spoken)
    assert {row.voice_mode for row in spoken} == {"cloned"}
    assert {row.language for row in spoken} == {"English", "Chinese"}
    assert all(row.dropped is None and row.turns for row in spoken)


def test_each_system_answers_and_the_english_one_is_not_asked_in_chinese(paper):
    replies = rows(paper, "results/systems/*/1-of-1.jsonl", Reply)
    systems = yaml.safe_load((ROOT / "config/paper.yaml").read_text("utf-8"))["evaluate"]
    assert {row.system for row in replies} == set(systems)
    gaps = {(row.system, row.language) for row in replies if not row.offered}
    assert gaps == {("LLaMA-Omni", "Chinese")}
    answered = {row.system for row in replies if row.offered and not row.dropped}
    assert answered == set(systems), [row.dropped for row in replies if row.dropped]
    page = (paper / "results/paper/table2.md").read_text("utf-8")
    assert "LLaMA-Omni does not speak Chinese" in page and "| Chinese | LLaMA-Omni |" in page


def test_the_agent_was_tuned_for_two_steps_and_answers_with_its_adapter(paper):
    agent = paper / "results/systems/finetune/SpeechRole-Agent"
    examples = (agent / "train.jsonl").read_text("utf-8").splitlines()
    assert examples and all(json.loads(line)["messages"] for line in examples)
    assert (agent / "adapter/adapter_model.safetensors").stat().st_size
    states = [json.loads(p.read_text()) for p in agent.glob("checkpoints/**/trainer_state.json")]
    assert max(state["global_step"] for state in states) == 2


def test_each_reply_is_scored_or_says_why_not(paper):
    verdicts = rows(paper, "results/judging/*/*/1-of-1.jsonl", Verdict)
    assert any(row.score_test is not None for row in verdicts)
    assert all(row.dropped for row in verdicts if row.score_test is None)


def test_speakers_are_named_by_two_services(paper):
    found = read_rows(paper / "results/roles/identities.jsonl", Identity)
    models = {tuple(vote.model for vote in row.votes) for row in found}
    assert models == {("gpt-4.1-2025-04-14", "deepseek/deepseek-chat-v3-0324")}


def test_the_users_have_a_voice_of_a_service_and_the_roles_do_not(paper, servers):
    lines = rows(paper, "results/dialogues/*/1-of-1.jsonl", Dialogue)
    asked = {turn.user for row in lines if row.dropped is None for turn in row.turns}
    assert servers["volcengine"].texts and set(servers["volcengine"].texts) <= asked
    assert not (paper / "results/dialogues/speech/users/test").exists()  # temporary


def test_the_judge_hears_every_reply_once_for_each_metric(paper, servers):
    verdicts = rows(paper, "results/judging/gemini-2.5-pro/*/1-of-1.jsonl", Verdict)
    scored = [row for row in verdicts if row.score_test is not None]
    assert scored and all(len(row.trials) == 1 for row in scored)
    assert {row.version for row in scored} == {"gemini-2.5-pro"}
    assert all(row.trials[0].order == "test first" for row in scored)
    assert len(servers["gemini"].asked) >= len(scored)


def test_both_judges_are_compared_and_probed(paper):
    agree = (paper / "results/paper/agree.md").read_text("utf-8")
    audit = (paper / "results/paper/judge_audit.md").read_text("utf-8")
    for judge in ("gemini-2.5-pro", "objective-paper"):
        assert judge in agree and judge in audit


def test_the_ledger_knows_every_stage_that_asks(paper):
    store = paper / "cache/calls.sqlite"
    with sqlite3.connect(store) as db:
        stages = {row[0] for row in db.execute("SELECT DISTINCT stage FROM attempts")}
        assert db.execute("SELECT COUNT(*) FROM attempts WHERE state = 'open'").fetchone() == (0,)
    assert stages == {
        *("identify", "profile", "write", "classify", "speak_users", "respond", "judge", "probe"),
    }
    assert "gemini-2.5-pro at http://127.0.0.1" in spending.table(store)


def test_what_was_answered_is_not_asked_for_again(paper, run, servers):
    """The files of a judge are lost, and made again from the store, byte for byte."""
    asked = len(servers["gemini"].asked)
    files = sorted((paper / "results/judging/gemini-2.5-pro").glob("*/1-of-1.jsonl"))
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    run("judging")
    assert [file.read_bytes() for file in files] == before
    assert len(servers["gemini"].asked) == asked


def test_no_key_is_in_anything_that_a_run_writes(paper, run):
    run("all", "--report", "report.html")
    looked = 0
    for file in paper.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            looked += 1
            assert b"sk-canary-" not in data, file
    assert looked > 500 and (paper / "report.html").stat().st_size > 10_000
