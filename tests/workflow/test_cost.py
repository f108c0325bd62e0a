"""The cost of a run is reported before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scripts.common.tables import read_table
from scripts.paper.report.published import PAPER_METRICS
from scripts.services import settings
from scripts.workflow import cost as cost_
from scripts.workflow import specs
from scripts.workflow.cost import HEARD, RATIONALE, SPOKEN, report
from scripts.workflow.lengths import BYTES, ROLE, SCRIPT, TURNS, USER, Length, mean_length
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.requirements import Work
from scripts.workflow.stage_costs import PROMPT, Amount
from scripts.workflow.workload import KEPT, REPLY, size

ROOT = Path(__file__).resolve().parents[2]
SPEEDS = ROOT / "config/speeds.tsv"
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
PLAIN = '''"""For the test."""
ENV = "torch"
GPU = {gpu}

def load(device: str = "cuda"{options}):
    pass
'''
SERVICE = (
    ', model="one", address="https://api.example.com", key="KEY", protocol="per_metric"'
    ', order="paper", samples=1'
)
RULES = settings.rules(DEFAULT)
LENGTHS = {"single": Length(1, 5, 10, 100, 900), "multi": Length(3, 10, 30, 200, 1100)}
ASKED, ANSWERED = 7.5, 20.0  # seconds of a dialogue, of one of each mode


def estimate(work, run_size, speeds, rules=RULES):
    return cost_.estimate(work, run_size, speeds, rules)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Function (capability, gpu, more options of load, options) -> a spec."""
    monkeypatch.setattr(specs, "BACKENDS", tmp_path)

    def spec(capability: str, gpu: bool = True, more: str = "", **options):
        name = f"made{len(list(tmp_path.rglob('*.py')))}"
        (tmp_path / capability).mkdir(exist_ok=True)
        (tmp_path / capability / f"{name}.py").write_text(PLAIN.format(gpu=gpu, options=more))
        return ModelSpec(capability, name, options)

    return spec


def speed(spec: ModelSpec, seconds: str = "0.5", source: str = "measured") -> dict:
    name = spec.label
    return {
        "model": name,
        "unit": "audio second",
        "seconds": seconds,
        "source": source,
    }


def run_size(roles: int = 10, shards: int = 2, media: int = 3):
    config = {**DEFAULT, "shards": shards}
    config["write"] = {**DEFAULT["write"], "single": 100, "multi": 100}
    config["split"] = {"single": 2, "multi": 2}
    common = {"language": "English", "script": ""}
    pools = [common | {"pool": "train" if n < roles - 2 else "out_of_domain"} for n in range(roles)]
    films = [{"batch": f"film{n}"} for n in range(media)]
    return replace(size(config, films, [*pools, {"pool": ""}], PAPER_METRICS), lengths=LENGTHS)


def test_the_size_of_a_run():
    run = run_size()
    assert (run.roles, run.trained, run.media) == (10, 8, {"film0": 1, "film1": 1, "film2": 1})
    assert run.dialogues("test") == 40
    assert run.dialogues("train") + run.dialogues("out_of_domain") + 40 == pytest.approx(
        KEPT * 10 * 200
    )


def test_gpu_hours_are_work_times_speed(model):
    tts = model("tts")
    jobs = [Work("speak", {"split": "test", "shard": f"{k}-of-2"}, {"tts": tts}) for k in (1, 2)]
    (cost,) = estimate(jobs, run_size(), [speed(tts)])
    assert (cost.jobs, cost.gpu_jobs, cost.calls, cost.usd) == (2, 2, 0, 0)
    assert cost.gpu_hours == pytest.approx(40 * (ASKED + ANSWERED) * 0.5 / 3600)
    (half,) = estimate(jobs[:1], run_size(), [speed(tts)])
    assert half.gpu_hours == pytest.approx(cost.gpu_hours / 2)
    assert half.gigabytes > 0


def test_users_with_a_synthesiser_of_their_own_have_a_rule_of_their_own(model):
    tts, users = model("tts"), model("tts")
    where = {"split": "test", "shard": "1-of-1"}
    work = [Work("speak_users", where, {"user_tts": users}), Work("speak", where, {"tts": tts})]
    run = replace(run_size(shards=1), separate_user_tts=True)
    asked, answered = estimate(work, run, [speed(tts, "1"), speed(users, "1")])
    assert asked.gpu_hours == pytest.approx(40 * ASKED / 3600)
    assert answered.gpu_hours == pytest.approx(40 * ANSWERED / 3600)
    assert (asked.speech, answered.speech) == (0, pytest.approx(40 * (ASKED + ANSWERED) / 3600))
    assert "Dialogues: about 0.3 hours of speech" in report([asked, answered])
    assert "hours of speech" not in report([asked])


def test_a_model_on_the_cpu_costs_no_gpu(model):
    jobs = [Work("separate", {"batch": "film0"}, {"separation": model("separation", gpu=False)})]
    jobs += [Work("separate", {"batch": "film1"}, {"m": model("separation", device="cpu")})]
    (cost,) = estimate(jobs, run_size(), [])
    assert (cost.gpu_jobs, cost.gpu_hours, cost.unknown) == (0, 0.0, set())
    (line,) = [line for line in report([cost]).splitlines() if line.startswith("separate")]
    assert line.split()[:3] == ["separate", "2", "0"]
    assert "1 other rules" in report([cost, *estimate([Work("table1", {}, {})], run_size(), [])])


def test_a_speed_that_nobody_stated_is_named(model):
    found = model("asr")
    (cost,) = estimate([Work("transcribe", {"batch": "film0"}, {"asr": found})], run_size(), [])
    name = f"asr/{found.backend}"
    assert cost.unknown == {name} and cost.gpu_hours == 0
    assert f"config/speeds.tsv lacks them: {name}" in report([cost])
    row = speed(found, source="assumed (a guess)")
    (cost,) = estimate([Work("transcribe", {"batch": "film0"}, {"asr": found})], run_size(), [row])
    assert f"only assumed: {name}" in report([cost]) and cost.gpu_hours > 0


@pytest.fixture
def priced(tmp_path):
    """Rules with a price table of the invented service."""
    table = tmp_path / "prices.tsv"
    head = ("host", "model", "unit", "usd", "per", "date", "source")
    units = {"input token": "1", "input audio token": "2", "output token": "10"}
    rows = [
        ("api.example.com", "one", unit, usd, "1000000", "2026-01-01", "its page")
        for unit, usd in units.items()
    ]
    table.write_text("\n".join("\t".join(row) for row in (head, *rows)) + "\n", "utf-8")
    return replace(RULES, prices=table)


def judged(service: dict) -> list[Work]:
    return [
        Work("judge", {"system": "s", "shard": f"{k}-of-2", "judge": "j"}, {"judge": service})
        for k in (1, 2)
    ]


def test_calls_and_cost_of_a_service(model, priced):
    service = model("judge", False, SERVICE)
    (cost,) = estimate(judged(service), run_size(), [], priced)
    assert cost.calls == pytest.approx(40 * 8) and cost.gpu_hours == 0
    read = PROMPT + 2 * 2 * ANSWERED * HEARD
    assert cost.usd == pytest.approx(40 * 8 * (read + 10 * RATIONALE["per_metric"]) / 1e6)
    line = next(line for line in report([cost]).splitlines() if line.startswith("judge"))
    assert line.split()[:5] == ["judge", "2", "0", "0.0", "320"]
    assert f"{cost.usd:.2f}" in line
    assert "is taken as 600 tokens" in report([cost])


def test_all_metrics_in_one_reply_are_one_longer_reply(model, priced):
    joint = SERVICE.replace("per_metric", "joint")
    (cost,) = estimate(judged(model("judge", False, joint)), run_size(), [], priced)
    assert cost.calls == pytest.approx(40)
    read = PROMPT + 2 * 2 * ANSWERED * HEARD
    assert cost.usd == pytest.approx(40 * (read + 10 * RATIONALE["joint"]) / 1e6)


def test_writing_is_billed_by_what_the_prompts_show_and_ask_for(model, priced):
    writer = model("llm", False, SERVICE)
    (cost,) = estimate(
        [Work("write", {"shard": "1-of-2"}, {"llm": writer, "batch": 10})], run_size(), [], priced
    )
    dialogues = 10 * 200 / 2
    assert cost.calls == pytest.approx(dialogues / 10)
    assert cost.usd == pytest.approx((dialogues / 10 * 1000 + 10 * dialogues * 150) / 1e6)


TALK = """# System
You write.
# User
{count} {name} {work} {profile} {script}
# Reply
[{"dialogue": [{"user": "%s", "role": "%s"}], "context": [1]}]
# User
{count} {name} {work} {profile} {script}
"""


@pytest.fixture
def settings_of(tmp_path):
    """Function (prompt, more of the config's `write`) -> the section."""

    def made(text: str, **more):
        file = tmp_path / "prompt.md"
        file.write_text(text, "utf-8")
        prompts = {mode: {"English": str(file), "Chinese": str(file)} for mode in TURNS}
        return {**DEFAULT["write"], "prompts": prompts, **more}

    return made


ENGLISH, CHINESE = ({"language": name, "script": ""} for name in ("English", "Chinese"))


def test_lines_are_as_long_as_those_of_the_prompts_example(settings_of):
    found = mean_length(settings_of(TALK % ("a" * 30, "b" * 450)), "multi", [ENGLISH])
    assert (found.turns, found.user, found.role) == (3, pytest.approx(6), pytest.approx(90))
    found = mean_length(settings_of(TALK % ("a" * 9, "b" * 45)), "single", [ENGLISH, CHINESE])
    assert found.user == pytest.approx((9 / 15 + 9 / 4.5) / 2)
    assert found.role == pytest.approx((45 / 15 + 45 / 4.5) / 2)


@pytest.mark.parametrize(
    "text", ["# User\n{count}", "# User\n?\n# Reply\n[{", "# Nothing\n", TALK.replace("role", "x")]
)
def test_without_an_example_dialogues_are_as_long_as_the_papers(settings_of, text):
    for mode, turns in TURNS.items():
        found = mean_length(settings_of(text), mode, [ENGLISH])
        assert (found.user, found.role) == (turns * USER, turns * ROLE)
    gone = settings_of("") | {"prompts": {"single": {"English": "not here.md"}}}
    assert mean_length(gone, "single", [ENGLISH]).role == ROLE


def test_a_whole_script_is_read_at_its_length(settings_of, tmp_path):
    text = TALK % ("a", "b")
    few = mean_length(settings_of(text, excerpts=1), "single", [ENGLISH]).read
    usual = mean_length(settings_of(text, excerpts="all"), "single", [ENGLISH]).read
    (tmp_path / "script.txt").write_text("x" * 350_000)
    role = ENGLISH | {"script": str(tmp_path / "script.txt")}
    own = mean_length(settings_of(text, excerpts="all"), "single", [role]).read
    assert few < usual < own and own - usual == pytest.approx(350_000 / BYTES - SCRIPT)


def test_a_protocol_says_how_many_calls_there_are(model, priced):
    def calls(**options) -> float:
        (cost,) = estimate(
            judged(model("judge", False, SERVICE, **options)), run_size(), [], priced
        )
        return cost.calls

    assert calls(protocol="joint") == pytest.approx(40)
    assert calls(order="both") == pytest.approx(40 * 16)
    assert calls(order="random", samples=3) == pytest.approx(40 * 24)


def test_a_service_of_ours_costs_calls_but_no_money(model, priced):
    here = model("judge", False, SERVICE, address="http://127.0.0.1:8000")
    (cost,) = estimate(judged(here), run_size(), [], priced)
    assert (cost.calls, cost.usd, cost.unpriced) == (pytest.approx(320), 0, set())


def test_a_service_without_a_price_is_named(model, priced):
    other = model("judge", False, SERVICE, model="two")
    (cost,) = estimate(judged(other), run_size(), [], priced)
    assert cost.usd == 0
    assert f"Without a price in config/prices.tsv: two of judge/{other.backend}" in report([cost])


def test_a_service_of_a_new_capability_is_not_said_to_lack_a_price(model, priced):
    other = model("emotion", False, SERVICE)
    (cost,) = estimate(judged(other), run_size(), [], priced)
    told = report([cost])
    assert "Without a price" not in told
    assert "cost.py does not say what a service of it bills: emotion." in told


def test_a_live_conversation_is_read_again_for_each_reply():
    """Ten conversations of 40 s: four replies each, which read a quarter, a half ... of it."""
    found = cost_.used(ModelSpec("duplex", "realtime"), Amount(400.0, 10), metrics=8)
    assert found == {
        "input token": 10 * 4 * PROMPT,
        "input audio token": pytest.approx(10 * (40 + 30 + 20 + 10) * (HEARD + SPOKEN / 2)),
        "output audio token": 400 * SPOKEN / 2,
        "output token": 10 * 4 * REPLY,
    }
    short = cost_.used(ModelSpec("duplex", "realtime"), Amount(20.0, 10), metrics=8)
    assert short["input token"] == 10 * PROMPT


def test_training_has_a_speed_of_its_own(model):
    base = model("dialogue")
    row = {"model": "finetune", "unit": "dialogue", "seconds": "2", "source": "told"}
    work = [Work("finetune", {}, {"model": base, "settings": {"epochs": 3}})]
    (cost,) = estimate(work, run_size(), [row, speed(base)])
    assert cost.gpu_hours == pytest.approx(run_size().dialogues("train") * 3 * 2 / 3600)


def test_every_backend_that_runs_on_a_gpu_has_a_stated_speed():
    stated = {row["model"] for row in read_table(SPEEDS, "speeds")}
    for capability in specs.capabilities():
        for backend in specs.backends(capability):
            spec = ModelSpec(capability, backend)
            assert not specs.constant(spec, "GPU") or f"{capability}/{backend}" in stated
