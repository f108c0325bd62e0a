"""What is wrong with the config of full duplex is told before any job, in one sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from scripts.common import documents
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.duplex.ahead import check_measuring, check_settings
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
WORDS = ModelSpec("asr", "faster_whisper", {"weights": "whisper-base", "word_times": True})


def local(path: str) -> str:
    return path if Path(path).exists() else str(ROOT / path)


def changed(key: str, value) -> dict:
    """The config with a value of `duplex` changed, by its path with dots."""
    config = copy.deepcopy(CONFIG)
    *above, last = f"duplex.{key}".split(".")
    inside = config
    for name in above:
        inside = inside[name]
    inside[last] = value
    return config


def test_the_default_settings_are_right():
    check_settings(CONFIG["duplex"], local)


@pytest.mark.parametrize(
    "key, value, sentence",
    [
        ("scenarios.asked", 51, "duplex.scenarios.asked: 51 roles cannot be asked of 50"),
        ("scenarios.roles", 51, r"duplex.scenarios.roles: 51 .*service_roles.tsv has 50"),
        ("known.each", 1000, "duplex.known.each: 1000 items of 'pause'.*known.yaml"),
        ("known.voices", ["a", "b", "c"], "duplex.known.voices: .*four or more"),
        ("known.system_voice", "bm_george", "duplex.known.voices: 'bm_george' is the system's"),
        ("expected", "README.md", "duplex.expected: .*README.md is not a JSON object"),
        ("expected", "none.json", "duplex.expected: .*none.json cannot be read: No such file"),
        (
            "collections",
            {"theirs": {"folder": "f", "layout": "fdb-1.0", "voice": "none.wav"}},
            "duplex.collections.theirs.voice: there is no file none.wav",
        ),
        ("systems", [], "duplex.systems: nothing is to be scored"),
    ],
)
def test_a_setting_that_a_job_would_refuse_is_told_ahead(key, value, sentence):
    with pytest.raises(UserError, match=sentence):
        check_settings(changed(key, value)["duplex"], local)


def test_recorded_sides_need_no_system(tmp_path):
    duplex = {**CONFIG["duplex"], "systems": [], "recorded": {"theirs": {"known": "folder"}}}
    (tmp_path / "expected.json").write_text(json.dumps({"0": [0.5, 0.5]}))
    check_settings({**duplex, "expected": str(tmp_path / "expected.json")}, local)


@pytest.mark.parametrize(
    "lines, sentence",
    [
        (["ann\t0123456789ab\t6"], "line 2: score: '6'"),
        (
            ["ann\t0123456789ab\t5", "ben\t0123456789ab\t5", "ann\t0123456789ab\t4"],
            "line 4: ann rated .* twice",
        ),
        (["ann\t0123456789ab"], "line 2: 2 cells where the header has 3"),
    ],
)
def test_ratings_that_cannot_be_used_are_told_ahead(tmp_path, lines, sentence):
    table = tmp_path / "ratings.tsv"
    table.write_text("\n".join(["rater\tsample\tscore", *lines, ""]))
    with pytest.raises(UserError, match=f"ratings.tsv, {sentence}"):
        check_settings(changed("ratings", str(table))["duplex"], local)


@pytest.mark.parametrize(
    "key, value, sentence",
    [
        ("collections", {"known": {"folder": "f", "layout": "fdb-1.0"}}, "other than service and"),
        (
            "collections",
            {"my set": {"folder": "f", "layout": "fdb-1.0"}},
            "'my set' does not match",
        ),
        (
            "collections",
            {"a": {"folder": "f", "layout": "fdb-1.1"}},
            "collections.a.layout.*fdb-1.5",
        ),
        ("recorded", {"theirs": {}}, "recorded.theirs: {} should be non-empty"),
        ("systems", ["echo", "echo"], "duplex.systems: .*non-unique"),
        ("asr", [], r"duplex.asr: \[\] should be non-empty"),
        ("known.each", 0, "duplex.known.each: 0 is less than the minimum of 1"),
        ("llm", None, "duplex.llm: None is not of type 'string'"),
    ],
)
def test_a_key_of_another_form_is_told(key, value, sentence):
    with pytest.raises(UserError, match=sentence):
        documents.check(changed(key, value), "config", "the configuration")


def test_recognisers_tell_times_and_are_told_apart():
    speakers = {"campplus": ModelSpec("speaker", "campplus")}
    check_measuring({"words": WORDS}, speakers)
    plain = WORDS._replace(options={"weights": "whisper-base"})
    with pytest.raises(UserError, match="duplex.asr: models.plain .* set `word_times: true` there"):
        check_measuring({"plain": plain}, speakers)
    again = WORDS._replace(options={**WORDS.options, "threads": 1})
    with pytest.raises(UserError, match="duplex.asr: 2 models are called faster_whisper whisper"):
        check_measuring({"words": WORDS, "again": again}, speakers)


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            "ENV = 'core'\nGPU = False\ndef load(path): ...\n",
            "models.mine: .* needs the option 'path'",
        ),
        ("ENV = 'core'\nGPU = False\ndef load() ...\n", "mine.py, line 3: no valid Python"),
        ("ENV = 'core'\nGPU = False\n", r"mine.py has no function load\(\*\*options\)"),
        ("GPU = False\ndef load(): ...\n", "mine.py does not set ENV"),
        ("ENV = 'core'\ndef load(): ...\n", "mine.py does not set GPU"),
    ],
)
def test_a_backend_of_ones_own_that_cannot_be_loaded_is_told(tmp_path, text, sentence):
    (tmp_path / "duplex").mkdir()
    (tmp_path / "duplex" / "mine.py").write_text(text)
    models = {"mine": {"capability": "duplex", "backend": "mine"}}
    with pytest.raises(UserError, match=sentence):
        specs.resolve(models, "mine", "duplex", "duplex.systems", [str(tmp_path)])
