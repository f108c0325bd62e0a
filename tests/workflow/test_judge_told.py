"""What the tables say of a judge: its model, how it is asked, the kind of its address, no host."""

from __future__ import annotations

import pytest
import yaml

from scripts.common.paths import ROOT
from scripts.workflow.judge_told import judge_told
from scripts.workflow.specs import resolve

MODELS = {
    name: model
    for overlay in ("paper", "config")
    for name, model in yaml.safe_load((ROOT / f"config/{overlay}.yaml").read_text("utf-8"))[
        "models"
    ].items()
}


def told(name: str, own_hosts=(), **changed) -> str:
    models = MODELS | {name: MODELS[name] | changed}
    return " ".join(judge_told({name: resolve(models, name, "judge", "judge")}, own_hosts))


def test_a_judge_that_measures_says_with_what_and_what_lifts_a_score_above_1():
    page = told("objective")
    assert "The judge `objective`: judge/objective, which measures each side by itself" in page
    assert "asr whisper-base" in page and "llm qwen2.5-0.5b" in page
    assert "runs in the job itself, without an address." in page
    assert "A score above 1: the judge gave" in page and "plain words out of the profile" in page


def test_a_judge_that_listens_says_how_it_is_asked():
    page = told("gemini-2.5-pro")
    assert (
        "The judge `gemini-2.5-pro`: gemini-2.5-pro, by judge/gemini, protocol per_metric" in page
    )
    assert "order paper (the tested system always first), samples 1" in page
    assert "a service on the internet." in page and "plain words" not in page


@pytest.mark.parametrize(
    "address, own, kind",
    [
        ("http://127.0.0.1:8000/v1", (), "a server on the machine of the run"),
        ("http://gpu7:8000/v1", ("gpu7:8000",), "a server of one's own network"),
        ("https://judge.example/v1", (), "a service on the internet"),
    ],
)
def test_of_an_address_only_the_kind_is_told(address, own, kind):
    page = told("gpt-audio-judge", own, address=address)
    assert kind in page and "example" not in page and "gpu7" not in page and "127" not in page


def test_of_released_scores_the_judge_is_what_they_name():
    assert "what their column `judge` names" in judge_told({})[0]
