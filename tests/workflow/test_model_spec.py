"""A spec is a param of rules, part of cache keys, and JSON on a command line."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec, from_json

EAR = ModelSpec("asr", "faster_whisper", {"weights": "whisper-base", "threads": 2})
CASCADE = ModelSpec("dialogue", "cascade", {"asr": EAR, "max_tokens": 40})

RECORDED = """
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.serialization import cache_key
from snakemake.persistence.file import FilePersistence

ear = ModelSpec("asr", "faster_whisper", {options})
spec = ModelSpec("dialogue", "cascade", {{"asr": ear, "max_tokens": 40}})
for param in (spec, [spec], {{"system": spec}}):
    print(FilePersistence._serialize_param_builtin(None, param), cache_key(param))
"""


def recorded(options: str, seed: str) -> str:
    """Snakemake's record of params with the spec, and its cache key, computed in another
    process."""
    command = [sys.executable, "-c", RECORDED.format(options=options)]
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    return subprocess.check_output(command, env=environment, text=True)


def test_equal_specs_are_equal_params_in_every_process():
    first = recorded('{"weights": "whisper-base", "threads": 2}', "1")
    assert first.count("whisper-base") == 3  # nothing of it is left out of a record
    assert recorded('{"threads": 2, "weights": "whisper-base"}', "2") == first
    changed = recorded('{"weights": "whisper-base", "threads": 3}', "1")
    assert not set(changed.splitlines()) & set(first.splitlines())


def test_a_spec_travels_into_the_script_of_a_job():
    assert pickle.loads(pickle.dumps(CASCADE, protocol=4)) == CASCADE
    assert CASCADE.parts == [EAR] and EAR.label == "asr/faster_whisper"


ASR = '{"capability": "asr", "backend": "faster_whisper", "options": {"threads": 2}}'


def given(monkeypatch, function, *arguments):
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    return stage._from_command_line(function)[0]


def test_a_command_line_names_models_in_json(monkeypatch):
    def one(asr: ModelSpec, rows: list[Path]) -> None: ...

    def several(llms: list[ModelSpec], judges: dict[str, ModelSpec], due: dict[str, list[str]]): ...

    for function in (one, several):  # as stages are annotated: without future annotations
        function.__annotations__ = {
            name: eval(kind, globals()) for name, kind in function.__annotations__.items()
        }
    spec = ModelSpec("asr", "faster_whisper", {"threads": 2})
    assert given(monkeypatch, one, "--asr", ASR, "--rows", "a") == {
        "asr": spec,
        "rows": [Path("a")],
    }
    found = given(
        monkeypatch, several, "--llms", f"[{ASR}]", "--judges", f'{{"ear": {ASR}}}', "--due", "{}"
    )
    assert found == {"llms": [spec], "judges": {"ear": spec}, "due": {}}
    with pytest.raises(UserError, match=r"--asr: a model is written .* lacks backend\."):
        given(monkeypatch, one, "--asr", '{"capability": "asr"}', "--rows", "a")


def test_a_model_that_a_stage_can_do_without(monkeypatch):
    def maybe(llm=None): ...

    maybe.__annotations__["llm"] = ModelSpec | None
    assert given(monkeypatch, maybe) == given(monkeypatch, maybe, "--llm", "null") == {"llm": None}
    spec = ModelSpec("asr", "faster_whisper", {"threads": 2})
    assert given(monkeypatch, maybe, "--llm", ASR) == {"llm": spec}
    with pytest.raises(UserError, match="--llm: a model is written"):
        given(monkeypatch, maybe, "--llm", "3")


def test_models_inside_a_model_are_read_too():
    inside = {"capability": "asr", "backend": "faster_whisper", "options": dict(EAR.options)}
    options = {"max_tokens": 40, "asr": inside}
    document = {"capability": "dialogue", "backend": "cascade", "options": options}
    assert from_json(document) == CASCADE


@pytest.mark.parametrize(
    "document, sentence",
    [
        ("whisper", "a model is written .*, not 'whisper'"),
        ({}, "lacks capability and backend"),
        ({"capability": "asr", "backend": "x", "wieghts": 1}, "knows no wieghts"),
    ],
)
def test_what_is_no_model_is_told(document, sentence):
    with pytest.raises(UserError, match=sentence):
        from_json(document)
