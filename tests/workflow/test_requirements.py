"""Missing requirements of jobs are reported before any of them runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scripts.common.paths import ROOT
from scripts.rows.corpus import Medium, media_id
from scripts.services import settings
from scripts.workflow import requirements, specs
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.requirements import Work, models_of, needed, report
from tests.rows import written

SERVICE = '''"""A paid service."""
ENV = "api"
GPU = False

def load(model="one", address: str = "https://api.example.com/v1", key: str = "SOMEBODYS_KEY"):
    pass
'''
LOCAL = '''"""Reads two models, one of them by a name in its code."""
from scripts.common import weights
ENV = "torch"
GPU = True

def load(weights: str = "qwen3-8b", vocoder: str = "hifigan-unit", batch: int = 8):
    return weights.path("dnsmos")
'''


RULES = settings.rules(yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8")))


def missing(work, media, rules=RULES, had=frozenset()):
    return requirements.missing(work, media, rules, had)


@pytest.fixture
def backend(tmp_path, monkeypatch):
    """Function (capability/name, text, options) -> the spec of a backend created for the test."""
    monkeypatch.setattr(specs, "BACKENDS", tmp_path / "backends")
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))

    def spec(name: str, text: str, **options):
        file = tmp_path / "backends" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        capability, stem = name.split("/")
        return ModelSpec(capability, stem, options)

    return spec


def job(rule: str = "write", **params) -> Work:
    return Work(rule, {}, params)


def medium(location: str) -> dict[str, str]:
    return {"media": Path(location).stem, "batch": "films", "location": location}


def test_weights_are_those_of_options_of_defaults_and_of_the_code(backend):
    local = backend("llm/local", LOCAL)
    assert needed(local) == ["qwen3-8b", "hifigan-unit", "dnsmos"]
    assert needed(local._replace(options={"weights": "llama-3.1-8b"}))[0] == "llama-3.1-8b"
    assert "some/folder" in needed(local._replace(options={"weights": "some/folder"}))


def test_a_job_has_room_for_the_weights_that_it_loads(backend):
    """16.1 GB of Qwen3-8B and 4.7 MB of a vocoder, a fifth more, and what CUDA takes."""
    local = backend("llm/local", LOCAL)
    outer = backend("dialogue/outer", "GPU = False\ndef load(llm): ...", llm=local)
    (row,) = [row for row in requirements.weights.hub_table() if row["model"] == "qwen3-8b"]
    assert requirements.weights_mb([]) == 0
    assert (
        1200 * float(row["gb"])
        <= requirements.weights_mb([local])
        <= 1200 * float(row["gb"]) + 5000
    )
    assert (
        requirements.weights_mb([outer])
        == requirements.weights_mb([local])
        == requirements.weights_mb([local, local])
    )


def test_each_missing_model_is_named_with_its_licence_its_page_and_the_command(backend):
    local = backend("llm/local", LOCAL, weights="llama-3.1-8b")
    unmet = missing([job(llm=local), job(llms=[local, local])], [])
    assert [one.kind for one in unmet] == ["weights"] * 3 and all(x.blocking for x in unmet)
    page = report(unmet)
    line = next(text for text in page.splitlines() if " llama-3.1-8b, " in text)
    assert "Llama 3.1 Community License: https://huggingface.co/meta-llama/Llama-3.1" in line
    assert "`snakemake models`" in page and "`make weights`" in page
    assert "Ask for access on the pages of llama-3.1-8b, and set HF_TOKEN" in page


def test_media_that_were_there_and_are_gone_stop_a_run(tmp_path, monkeypatch):
    """Another that never was there does not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.mp4").write_bytes(b"film")
    rows = [medium(f"{name}.mp4") for name in "abc"]
    folder = tmp_path / "results/corpus/media"
    folder.mkdir(parents=True)
    about = {"work": "", "language": "English"}
    found = [Medium(id=media_id(row), file=row["location"], **about) for row in rows[1:]]
    found.append(Medium(id=media_id(rows[0]), file=None, dropped="it is not there", **about))
    written(folder / "films.jsonl", found)
    had = requirements.fetched(["films", "others"])
    assert had == {media_id(row) for row in rows[1:]}
    jobs = [job("fetch", rows=rows, tts=None)]
    unmet = missing(jobs, rows, had=had)
    assert [one.text for one in unmet[:2]] == ["c.mp4 (c)", "a.mp4 (a)"]
    assert "the first is in the results of an earlier run" in unmet[2].text
    assert "allow_lost_media: true" in report(unmet) and all(one.blocking for one in unmet)
    assert not any(one.blocking for one in missing(jobs, rows))


def test_what_is_there_is_not_missing(backend, tmp_path):
    local = backend("llm/local", LOCAL.replace('"hifigan-unit"', "None").replace("dnsmos", "no"))
    (tmp_path / "weights/qwen3-8b").mkdir(parents=True)
    assert len(missing([job(llm=local)], [])) == 1
    (tmp_path / "weights/qwen3-8b/receipt.json").write_text("{}")
    assert missing([job(llm=local)], []) == []


def test_an_unknown_name_of_weights_is_told(backend):
    unmet = missing([job(llm=backend("llm/local", LOCAL, weights="qwen3-9b"))], [])
    (one,) = [one for one in unmet if "qwen3-9b" in one.text]
    assert "no model 'qwen3-9b'" in one.text and "did you mean 'qwen3-8b'?" in one.text


@pytest.fixture
def rules(tmp_path):
    """Function (max_usd, hosts) -> rules of a run with a price for one model."""
    table = tmp_path / "prices.tsv"
    row = ("api.example.com", "one", "input token", "2", "1000000", "2026-01-01", "its page")
    head = ("host", "model", "unit", "usd", "per", "date", "source")
    table.write_text("\n".join("\t".join(line) for line in (head, row)) + "\n", "utf-8")

    def make(max_usd=None, hosts=()):
        new = {"max_usd": settings.caps(max_usd), "hosts": hosts}
        return replace(RULES, prices=table, store=tmp_path / "calls.sqlite", **new)

    return make


def test_a_service_needs_its_key_and_a_limit(backend, rules, monkeypatch):
    judge = backend("judge/service", SERVICE)
    jobs = [job("judge", backend=judge), job("judge", backend=judge)]
    monkeypatch.delenv("SOMEBODYS_KEY", raising=False)
    unmet = missing(jobs, [], rules())
    assert [(one.kind, one.blocking) for one in unmet] == [("key", True), ("limit", True)]
    assert unmet[0].text == "SOMEBODYS_KEY in the environment, for judge/service"
    assert unmet[1].text == "max_usd in the config, for judge/service"
    monkeypatch.setenv("SOMEBODYS_KEY", "secret")
    assert missing(jobs, [], rules(5.0)) == []
    assert missing(jobs, [], rules({"all": 5.0, "judge": 1.0})) == []
    unmet = missing(jobs, [], rules({"judge": 1.0}))
    assert [one.kind for one in unmet] == ["limit"] and "secret" not in report(unmet)


def test_a_service_needs_a_price_and_an_address_that_is_allowed(backend, rules, monkeypatch):
    monkeypatch.setenv("SOMEBODYS_KEY", "secret")
    other = backend("judge/service", SERVICE, model="two")
    (one,) = missing([job("judge", backend=other)], [], rules(5.0))
    assert one.kind == "price" and "no price of 'two' at api.example.com" in one.text
    open_line = backend("judge/service", SERVICE, address="http://api.example.com")
    (one,) = missing([job("judge", backend=open_line)], [], rules(5.0))
    assert one.kind == "address" and "not encrypted" in one.text


def test_a_server_of_ours_needs_neither_key_nor_limit(backend, rules, monkeypatch):
    monkeypatch.delenv("SOMEBODYS_KEY", raising=False)
    here = backend("judge/service", SERVICE, address="http://127.0.0.1:8000")
    assert missing([job("judge", backend=here)], [], rules()) == []
    node = backend("judge/service", SERVICE, address="http://gpu7:8000/v1")
    assert missing([job("judge", backend=node)], [], rules(hosts=("gpu7:8000",))) == []
    assert missing([job("judge", backend=node)], [], rules(5.0))[0].kind == "address"


def test_one_missing_medium_never_stops_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.mkv").write_bytes(b"film")
    rows = [medium("here.mkv"), medium("gone.mkv")]
    unmet = missing([job("fetch", rows=rows)], rows)
    assert [one.blocking for one in unmet] == [False, False]
    assert unmet[0].text == "gone.mkv (gone)"
    assert missing([job("fetch", rows=rows[:1])], rows) == []


def test_no_medium_at_all_stops(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [medium(f"{n}.mkv") for n in range(30)]
    unmet = missing([job("fetch", rows=rows)], rows)
    assert all(one.blocking for one in unmet)
    assert len(unmet) == 21 and unmet[-1].text == "and 10 more rows of the table"
    # Those of another batch were fetched before: there is something to work on.
    assert not any(x.blocking for x in missing([job("fetch", rows=rows[1:])], rows))


def test_packages_and_episodes_are_not_paths():
    rows = [medium("deb:game/TALK1"), medium("pypi:thing==1/a.wav"), medium("synth:none.yaml")]
    assert missing([job("fetch", rows=rows)], rows) == []


def test_a_synthesiser_is_needed_only_for_written_episodes(backend):
    tts = backend("tts/local", LOCAL)
    film = {"rows": [medium("film.mkv")], "tts": tts}
    assert models_of(Work("fetch", {}, film)) == []
    assert models_of(Work("fetch", {}, {**film, "rows": [medium("synth:a.yaml")]})) == [tts]


def test_the_users_voice_is_a_clip_and_its_words(backend, tmp_path):
    clip = tmp_path / "me.wav"
    text = LOCAL.replace('"qwen3-8b"', "None").replace('"hifigan-unit"', "None")
    text = text.replace("dnsmos", "no")
    tts = backend("tts/local", text, user_clip_english=str(clip), user_text_english="")
    unmet = missing([job("speak", tts=tts, user_tts=tts)], [])
    assert [one.kind for one in unmet] == ["voice", "voice"]
    assert str(clip) in unmet[0].text and "user_text_english of tts/local" in unmet[1].text
    clip.write_bytes(b"RIFF")
    tts.options["user_text_english"] = "Good morning."
    assert missing([job("speak", tts=tts, user_tts=tts)], []) == []


def test_models_inside_models_count():
    part = ModelSpec("asr", "faster_whisper")
    whole = ModelSpec("dialogue", "cascade", {"asr": part})
    assert models_of(job("respond", system=whole, name="x")) == [whole, part]
