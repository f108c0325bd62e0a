"""Who is judged by a language model of their own is told."""

from __future__ import annotations

import yaml

from scripts.common.paths import ROOT
from scripts.workflow.self_judged import self_judged
from scripts.workflow.specs import resolve

DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))


def told(*systems: str, judge: str = "objective", **changed) -> list[str]:
    models = DEFAULT["models"] | changed
    found = {name: resolve(models, name, "dialogue", "evaluate") for name in systems}
    return self_judged(found, judge, resolve(models, judge, "judge", "judge"))


def test_a_system_with_the_judges_language_model_is_named():
    (sentence,) = told(*DEFAULT["evaluate"])
    assert "judge `objective` asks a language model (qwen2.5-0.5b) that cascade-0.5b answers" in (
        sentence
    )
    assert "cascade-1.5b" not in sentence


def test_other_language_models_and_recorded_answers_are_no_news():
    assert told("cascade-1.5b") == []
    spec = resolve(DEFAULT["models"], "objective", "judge", "judge")
    assert self_judged({"theirs": "a folder"}, "objective", spec) == []


def test_options_that_change_no_weights_do_not_hide_it():
    again = DEFAULT["models"]["qwen-0.5b"] | {"threads": 1}
    cascade = DEFAULT["models"]["cascade-0.5b"] | {"llm": "again"}
    assert told("other", again=again, other=cascade)


def test_the_same_weights_by_another_backend_do_not_hide_it():
    served = {"capability": "llm", "backend": "openai", "model": "own/Qwen2.5-0.5B"}
    served |= {"address": "http://127.0.0.1:8000/v1"}
    cascade = DEFAULT["models"]["cascade-0.5b"] | {"llm": "served"}
    assert "that other answers with" in told("other", served=served, other=cascade)[0]


def test_a_judge_that_listens_is_under_test_too():
    model = {"model": "gpt-audio-1.5", "version": "gpt-audio-1.5"}
    judge = {"capability": "judge", "backend": "openai_audio_judge"} | model
    system = {"capability": "dialogue", "backend": "openai_audio"} | model
    (sentence,) = told("GPT-Audio", judge="listening", listening=judge, **{"GPT-Audio": system})
    assert "judge `listening`" in sentence and "(gpt-audio-1.5) that GPT-Audio answers" in sentence
