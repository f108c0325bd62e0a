"""The paper's workflow end to end on tiny weights: every stage, model by model, as a user runs it.

config/tiny.yaml over config/paper.yaml; the only thing that the two leave to the user, a clip of
the users' voice, comes out of the f5-tts package.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from scripts.common.records import Reply, Spoken, Verdict, read_rows
from tests.models import tiny

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = [str(ROOT / f"config/{name}.yaml") for name in ("paper", "tiny")]
ASSEMBLED = ("dnsmos", "minilm")  # small enough to be real
SAID = "Some call me nature, others call me mother nature."


@pytest.fixture(scope="module")
def paper(tmp_path_factory, weights, snakemake) -> Path:
    """The folder of a finished run."""
    for name in tiny.families():
        tiny.make(name, weights)
    for name in ASSEMBLED:
        (weights / name).symlink_to(ROOT / "weights" / name)
    folder = tmp_path_factory.mktemp("paper")
    (package,) = find_spec("f5_tts").submodule_search_locations
    clip = str(Path(package) / "infer/examples/basic/basic_ref_en.wav")
    voice = {f"user_clip_{language}": clip for language in ("english", "chinese")}
    voice |= {f"user_text_{language}": SAID for language in ("english", "chinese")}
    (folder / "voice.yaml").write_text(yaml.safe_dump({"models": {"cosyvoice2": voice}}))
    overlays = ("--configfile", *OVERLAYS, str(folder / "voice.yaml"))
    snakemake("all", *overlays, directory=folder)
    assert "Nothing to be done" in snakemake("all", *overlays, directory=folder)
    return folder


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
