"""What a run will cost is told before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.common import config as settings
from scripts.common.estimate import KEPT, ROLE, USER, estimate, size, told
from scripts.common.missing import Work

ROOT = Path(__file__).resolve().parents[2]
SPEEDS = ROOT / "config/speeds.tsv"
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
PLAIN = '''"""For the test."""
ENV = "torch"
GPU = {gpu}
{more}

def load(device: str = "cuda"):
    pass
'''


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Function (capability, gpu, more code, options) -> a spec."""
    monkeypatch.setattr(settings, "BACKENDS", tmp_path)

    def spec(capability: str, gpu: bool = True, more: str = "", **options):
        name = f"made{len(list(tmp_path.rglob('*.py')))}"
        (tmp_path / capability).mkdir(exist_ok=True)
        (tmp_path / capability / f"{name}.py").write_text(PLAIN.format(gpu=gpu, more=more))
        return {"capability": capability, "backend": name, "options": options}

    return spec


def speed(spec: dict, seconds: str = "0.5", usd: str = "0", source: str = "measured") -> dict:
    name = f"{spec['capability']}/{spec['backend']}"
    return {
        "model": name,
        "unit": "audio second",
        "seconds": seconds,
        "usd": usd,
        "source": source,
    }


def whole(roles: int = 10, shards: int = 2, media: int = 3):
    config = {**DEFAULT, "shards": shards}
    config["write"] = {**DEFAULT["write"], "single": 100, "multi": 100}
    config["split"] = {"single": 2, "multi": 2}
    pools = [{"pool": "train" if n < roles - 2 else "out_of_domain"} for n in range(roles)]
    films = [{"batch": f"film{n}"} for n in range(media)]
    return size(config, films, [*pools, {"pool": ""}])


def test_the_size_of_a_run():
    run = whole()
    assert (run.roles, run.trained, run.media) == (10, 8, {"film0": 1, "film1": 1, "film2": 1})
    assert run.dialogues("test") == 40
    assert run.dialogues("train") + run.dialogues("out_of_domain") + 40 == pytest.approx(
        KEPT * 10 * 200
    )


def test_gpu_hours_are_work_times_speed(model):
    tts = model("tts")
    jobs = [
        Work("speak", {"split": "test", "shard": f"{k}-of-2"}, {"tts": tts, "user_tts": tts})
        for k in (1, 2)
    ]
    (cost,) = estimate(jobs, whole(), [speed(tts)])
    assert (cost.jobs, cost.gpu_jobs, cost.calls, cost.usd) == (2, 2, 0, 0)
    assert cost.gpu_hours == pytest.approx(40 * (USER + ROLE) * 0.5 / 3600)
    (half,) = estimate(jobs[:1], whole(), [speed(tts)])
    assert half.gpu_hours == pytest.approx(cost.gpu_hours / 2)
    assert half.gigabytes > 0


def test_two_synthesisers_share_the_lines(model):
    tts, users = model("tts"), model("tts")
    work = [
        Work("speak", {"split": "test", "shard": "1-of-1"}, {"tts": tts, "user_tts": users}),
    ]
    (cost,) = estimate(work, whole(shards=1), [speed(tts, "1"), speed(users, "0")])
    assert cost.gpu_hours == pytest.approx(40 * ROLE / 3600)


def test_a_model_on_the_cpu_costs_no_gpu(model):
    jobs = [Work("separate", {"batch": "film0"}, {"separation": model("separation", gpu=False)})]
    jobs += [Work("separate", {"batch": "film1"}, {"m": model("separation", device="cpu")})]
    (cost,) = estimate(jobs, whole(), [])
    assert (cost.gpu_jobs, cost.gpu_hours, cost.unknown) == (0, 0.0, set())
    (line,) = [line for line in told([cost]).splitlines() if line.startswith("separate")]
    assert line.split()[:3] == ["separate", "2", "0"]
    assert "1 other rules" in told([cost, *estimate([Work("table1", {}, {})], whole(), [])])


def test_a_speed_that_nobody_stated_is_named(model):
    found = model("asr")
    (cost,) = estimate([Work("transcribe", {"batch": "film0"}, {"asr": found})], whole(), [])
    name = f"asr/{found['backend']}"
    assert cost.unknown == {name} and cost.gpu_hours == 0
    assert f"config/speeds.tsv lacks them: {name}" in told([cost])
    row = speed(found, source="assumed (a guess)")
    (cost,) = estimate([Work("transcribe", {"batch": "film0"}, {"asr": found})], whole(), [row])
    assert f"only assumed: {name}" in told([cost]) and cost.gpu_hours > 0


def test_calls_and_cost_of_a_service(model):
    service = model("judge", gpu=False, more="PAID = True")
    jobs = [
        Work("judge", {"system": "s", "shard": f"{k}-of-2", "judge": "j"}, {"backend": service})
        for k in (1, 2)
    ]
    (cost,) = estimate(jobs, whole(), [speed(service, "0", usd="0.001")])
    assert cost.calls == 40 * 8 and cost.gpu_hours == 0
    assert cost.usd == pytest.approx(40 * 2 * ROLE * 0.001)
    line = next(line for line in told([cost]).splitlines() if line.startswith("judge"))
    assert line.split() == ["judge", "2", "0", "0.0", "320", "2.13", service["backend"]]


def test_training_has_a_speed_of_its_own(model):
    base = model("dialogue")
    row = {"model": "finetune", "unit": "dialogue", "seconds": "2", "usd": "0", "source": "told"}
    work = [Work("finetune", {}, {"model": base, "settings": {"epochs": 3}})]
    (cost,) = estimate(work, whole(), [row, speed(base)])
    assert cost.gpu_hours == pytest.approx(whole().dialogues("train") * 3 * 2 / 3600)


def test_every_backend_that_runs_on_a_gpu_has_a_stated_speed():
    stated = {row["model"] for row in settings.read_table(SPEEDS, "speeds")}
    for capability in settings.capabilities():
        for backend in settings.backends(capability):
            spec = {"capability": capability, "backend": backend}
            assert not settings.constant(spec, "GPU") or f"{capability}/{backend}" in stated
