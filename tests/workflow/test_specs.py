"""Bad configuration is refused before any job, with the nearest valid name."""

from __future__ import annotations

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import documents
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow import code_digest, specs
from scripts.workflow.model_spec import ModelSpec

DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))


def changed(**keys) -> dict:
    return {**copy.deepcopy(DEFAULT), **keys}


def test_the_default_config_is_valid():
    documents.check(DEFAULT, "config", "config.yaml")


@pytest.mark.parametrize(
    "bad, sentence",
    [
        ({"evalute": []}, "unknown key 'evalute'; did you mean 'evaluate'?"),
        ({"identities": "mine.tsv"}, "the key 'identities' is called 'speaker_decisions' now."),
        (
            {"segment": {"vad": "silero", "shortest": 3, "longst": 9, "join_gap": 2}},
            "unknown key 'segment.longst'; did you mean 'longest'?",
        ),
        ({"shards": 0}, "shards: 0 is less than the minimum of 1"),
        ({"verify": {"unverified": "maybe"}}, "verify.unverified"),
    ],
)
def test_a_bad_key_is_told(bad, sentence):
    with pytest.raises(UserError) as error:
        documents.check(changed(**bad), "config", "config.yaml")
    assert sentence in str(error.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "", ".x", "a b", "x\0", "x" * 300, "角色"])
def test_a_name_that_is_part_of_paths_is_a_plain_one(name):
    model = {"capability": "vad", "backend": "silero"}
    with pytest.raises(UserError):
        documents.check(changed(models={**DEFAULT["models"], name: model}), "config", "config.yaml")


ENDLESS = st.sampled_from([float("nan"), float("inf"), float("-inf")])


def numbers(document, path=()):
    """The locations of the numbers in a document."""
    if isinstance(document, dict):
        return [at for key, part in document.items() for at in numbers(part, (*path, key))]
    return [path] if isinstance(document, int | float) and not isinstance(document, bool) else []


@given(st.sampled_from(numbers(DEFAULT)), ENDLESS)
def test_a_number_without_an_end_is_refused_wherever_it_stands(path, number):
    document = changed()
    *way, last = path
    inside = document
    for key in way:
        inside = inside[key]
    inside[last] = number
    with pytest.raises(UserError, match=r": (nan|-?inf) is not a finite number") as error:
        documents.check(document, "config", "config.yaml")
    assert ".".join(path) in str(error.value)


@pytest.mark.parametrize(
    "text", [".nan", ".inf", "-.inf", "-1", "-0.01", "'5'", "yes", "[1]", "''"]
)
@pytest.mark.parametrize("place", ["{}", "{{all: {}}}", "{{all: 5, judge: {}}}"])
def test_a_limit_that_is_none_is_refused_in_one_sentence(text, place):
    document = yaml.safe_load(f"max_usd: {place.format(text)}")
    with pytest.raises(UserError) as error:
        documents.check(changed(**document), "config", "config.yaml")
    told = str(error.value)
    key = {"{}": "max_usd", "{{all: {}}}": "max_usd.all"}.get(place, "max_usd.judge")
    assert told.startswith(f"config.yaml: {key}: ") and told.count("\n") == 0
    assert "finite" in told or "a number from 0 on or null" in told


@pytest.mark.parametrize("limit", [None, 0, 5, 0.5, {"all": 5, "judge": None}, {}])
def test_a_limit_is_a_number_or_one_a_stage(limit):
    documents.check(changed(max_usd=limit), "config", "config.yaml")


def test_a_stage_that_there_is_not_has_no_limit():
    with pytest.raises(UserError, match="max_usd: 'jugde' is not one of"):
        documents.check(changed(max_usd={"all": 5, "jugde": 1}), "config", "config.yaml")


MODELS = {
    "ear": {"capability": "asr", "backend": "faster_whisper", "weights": "whisper-base"},
    "deaf": {"capability": "asr", "backend": "faster_wisper"},
    "odd": {"capability": "asr", "backend": "faster_whisper", "wieghts": "whisper-base"},
    "half": {"capability": "tts", "backend": "kokoro"},
}


@pytest.mark.parametrize(
    "name, capability, sentence",
    [
        ("eer", "asr", "no model is called 'eer'; did you mean 'ear'?"),
        ("deaf", "asr", "no backend 'faster_wisper' for asr; did you mean 'faster_whisper'?"),
        ("odd", "asr", "has no option 'wieghts'; did you mean 'weights'?"),
        ("ear", "tts", "'ear' is of capability asr, tts is needed"),
        ("half", "tts", "models.half: tts/kokoro needs the option 'speaker'"),
    ],
)
def test_a_bad_model_is_told(name, capability, sentence):
    with pytest.raises(UserError) as error:
        specs.resolve(MODELS, name, capability, "transcribe.asr")
    assert sentence in str(error.value)


def test_nested_models_are_resolved():
    spec = specs.resolve(DEFAULT["models"], DEFAULT["evaluate"][0], "dialogue", "evaluate")
    assert spec.options["asr"].backend == "faster_whisper"


DUPLEX = {
    **DEFAULT["models"],
    "turns": {
        "capability": "duplex",
        "backend": "end_of_turn",
        "dialogue": "cascade-0.5b",
        "vad": "silero",
        "tts": None,
    },
    "omni-turns": {
        "capability": "duplex",
        "backend": "end_of_turn",
        "dialogue": "omni",
        "vad": "silero",
    },
    "omni": {"capability": "dialogue", "backend": "qwen25_omni"},
    "by-turns": {"capability": "dialogue", "backend": "duplex", "duplex": "omni-turns"},
    "round": {"capability": "duplex", "backend": "end_of_turn", "dialogue": "about"},
    "about": {"capability": "dialogue", "backend": "duplex", "duplex": "round"},
}


def test_a_dialogue_system_is_a_duplex_one_and_the_other_way_round():
    turns = specs.resolve(DUPLEX, "turns", "duplex", "converse")
    assert specs.environment(turns) == "core" and not specs.wants_gpu(turns)
    assert turns.options["tts"] is None and turns.options["dialogue"].backend == "cascade"
    by_turns = specs.resolve(DUPLEX, "by-turns", "dialogue", "evaluate")
    assert [spec.label for spec in specs.with_nested([by_turns])] == [
        "dialogue/duplex",
        "duplex/end_of_turn",
        "dialogue/qwen25_omni",
        "vad/silero",
    ]
    assert specs.environment(by_turns) == "torch" and specs.wants_gpu(by_turns)
    assert not specs.asks_service(by_turns)


def test_a_model_that_is_a_part_of_itself_is_told():
    words = "models.about.duplex: 'round' is a part of itself .round > about > round."
    with pytest.raises(UserError, match=words):
        specs.resolve(DUPLEX, "round", "duplex", "converse")


def test_the_digest_follows_backends_and_skips_comments(tmp_path, monkeypatch):
    spec = specs.resolve(DEFAULT["models"], "whisper-base", "asr", "transcribe")
    before = code_digest.code("corpus/transcribe", spec)
    assert before == code_digest.code("corpus/transcribe", spec)
    assert before != code_digest.code("corpus/transcribe")
    assert before != code_digest.code("corpus/rate", spec)


def test_what_a_backend_of_ones_own_imports_counts_too():
    spec = ModelSpec("asr", "simulated", {}, "tests/backends")
    files = {str(path.relative_to(ROOT)) for path in code_digest.sources(None, spec)}
    assert {"tests/backends/asr/simulated.py", "tests/backends/simulation.py"} <= files


def test_a_job_depends_on_what_shapes_its_results_alone():
    spec = specs.resolve(DEFAULT["models"], "kokoro", "tts", "speak")
    files = {str(path.relative_to(ROOT)) for path in code_digest.sources("dialogues/speak", spec)}
    assert {"scripts/dialogues/speak.py", "scripts/backends/tts/kokoro.py"} < files
    assert {"scripts/backends/speaker/campplus.py", "scripts/backends/tts/_mandarin.py"} < files
    assert not {
        file for file in files if file.startswith(("scripts/workflow/", "scripts/services/"))
    }


@pytest.mark.parametrize(
    "backend, options, gpu",
    [
        ("faster_whisper", {}, False),  # it can, and its default is the CPU
        ("faster_whisper", {"device": "cuda"}, True),
        ("whisper", {}, True),
        ("whisper", {"device": "cpu"}, False),
    ],
)
def test_a_gpu_is_wanted_as_option_or_default_say(backend, options, gpu):
    spec = ModelSpec("asr", backend, options)
    cascade = ModelSpec("dialogue", "cascade", {"asr": spec})
    assert specs.wants_gpu(spec) == specs.wants_gpu(cascade) == gpu


def test_a_job_runs_where_all_its_models_can():
    def spec(capability, backend, **options):
        return ModelSpec(capability, backend, options)

    dnsmos, demucs = spec("quality", "dnsmos"), spec("separation", "demucs")
    assert specs.environment() == specs.environment(dnsmos) == "core"
    assert specs.environment(dnsmos, demucs) == "torch"
    with pytest.raises(UserError, match="cannot run .*demucs .* and tts/cosyvoice2"):
        specs.environment(demucs, spec("tts", "cosyvoice2"))


def test_an_option_is_the_configs_or_the_default_of_load():
    campplus = ModelSpec("speaker", "campplus")
    assert specs.option(campplus, "threads") == 1
    assert specs.option(campplus._replace(options={"threads": 4}), "threads") == 4
    assert specs.option(campplus, "device") is None


def test_what_backends_share_is_no_backend():
    assert "pyannote" in specs.backends("diarization")
    assert not [name for name in specs.backends("diarization") if name.startswith("_")]


@pytest.mark.parametrize(
    "options, words",
    [
        (
            {"protocol": "per-metric"},
            "protocol: judge/gemini knows no 'per-metric'; did you",
        ),
        ({"order": "swapped"}, "knows no 'swapped'; valid are: both, paper, random"),
    ],
)
def test_a_value_that_an_option_does_not_have_is_refused_with_a_near_one(options, words):
    models = {"j": {"capability": "judge", "backend": "gemini", **options}}
    with pytest.raises(UserError, match=words):
        specs.resolve(models, "j", "judge", "judge")
    models["j"] |= {"protocol": "joint", "order": "random"}
    assert specs.resolve(models, "j", "judge", "judge").options["order"] == "random"


def own_backend(folder, name="mine", code="ENV = 'core'\nGPU = False\ndef load(depth=3): ..."):
    """A backend's file in a user's folder."""
    (folder / "asr").mkdir(parents=True, exist_ok=True)
    (folder / "asr" / f"{name}.py").write_text(code + "\n")
    return str(folder)


def test_a_backend_of_ones_own_is_found(tmp_path):
    folder = own_backend(tmp_path / "own")
    models = {"mine": {"capability": "asr", "backend": "mine", "depth": 5}}
    spec = specs.resolve(models, "mine", "asr", "transcribe", [folder])
    assert spec.folder == folder and specs.option(spec, "depth") == 5
    assert specs.environment(spec) == "core" and not specs.wants_gpu(spec)
    before = code_digest.code(None, spec)
    for cached in (specs.tree, code_digest._effective, code_digest._digest):
        cached.cache_clear()
    own_backend(tmp_path / "own", code="ENV = 'core'\nGPU = False\ndef load(depth=4): ...")
    assert code_digest.code(None, spec) != before
    models["mine"]["death"] = 1
    with pytest.raises(UserError, match="asr/mine has no option 'death'; did you mean 'depth'"):
        specs.resolve(models, "mine", "asr", "transcribe", [folder])


@pytest.mark.parametrize(
    "folder, name, sentence",
    [
        ("own", "whisper", "asr/whisper.py has the name of a backend in scripts/backends"),
        ("nowhere", "mine", "backend_paths: there is no folder '.*nowhere'"),
    ],
)
def test_a_folder_of_backends_that_cannot_be_used_is_told(tmp_path, folder, name, sentence):
    own_backend(tmp_path / "own", name)
    with pytest.raises(UserError, match=sentence):
        specs.backends("asr", [str(tmp_path / folder)])
