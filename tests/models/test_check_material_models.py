"""The preflight's checks that need a model, on a tiny Moshi."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from scripts.common.errors import UserError
from scripts.duplex.check_material import check_material
from scripts.duplex.finetune_duplex import passed
from scripts.rows.jsonl import write_rows
from scripts.workflow.model_spec import ModelSpec
from tests.models.duplex_lessons import SETTINGS, dialogues


def run(folder: Path, rows, audio: Path, **changed) -> dict:
    folder.mkdir(exist_ok=True)
    write_rows(folder / "rows.jsonl", rows)
    write_rows(folder / "scenarios.jsonl", [])
    given = {
        "material": folder / "rows.jsonl",
        "audio": audio,
        "scenarios": folder / "scenarios.jsonl",
        "report": folder / "report.json",
        "page": folder / "report.md",
        "duplex": ModelSpec("duplex", "moshi", {"device": "cpu"}),
        "settings": SETTINGS,
        "gate": -100.0,
        "heard": 2,
        "seed": 1,
    }
    check_material(**given | changed)
    return json.loads((folder / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module", autouse=True)
def tiny(tiny_model):
    torch.set_num_threads(1)
    return tiny_model("moshiko")


def test_good_material_passes(tmp_path, hum):
    rows = dialogues(tmp_path / "audio", hum)
    found = run(tmp_path, rows, tmp_path / "audio")
    assert found["passed"], found
    assert [check["name"] for check in found["checks"]] == [
        "rows",
        "texts",
        "codes",
        "step",
        "reload",
    ]
    values = {check["name"]: check["value"] for check in found["checks"]}
    assert values["rows"] == 0 and values["codes"] < 0 and 0 < values["step"] < 100
    assert values["reload"] < 1e-3
    passed(tmp_path / "report.json")
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "It has passed." in page and page.count("| yes |") == 5


def test_a_codec_below_the_gate_and_no_example_stop_the_training(tmp_path, hum):
    rows = dialogues(tmp_path / "audio", hum)
    found = run(tmp_path, rows, tmp_path / "audio", gate=90.0)
    assert not found["passed"] and [c["passed"] for c in found["checks"]] == [
        True,
        True,
        False,
        True,
        True,
    ]
    with pytest.raises(UserError, match="nothing is trained.*below the gate of 90 dB"):
        passed(tmp_path / "report.json")
    settings = SETTINGS | {"frames": 40}  # the dialogue fits, but not with its prompt
    found = run(tmp_path, rows, tmp_path / "audio", settings=settings)
    assert "frames with its prompt, more than 40" in found["checks"][1]["says"]
    assert "longer than 40 frames with its prompt" in found["checks"][-1]["says"]


def test_bad_rows_load_no_model(tmp_path, hum):
    rows = dialogues(tmp_path / "audio", hum)
    (tmp_path / "audio/d1.wav").unlink()
    found = run(tmp_path, rows, tmp_path / "audio")
    assert not found["passed"] and len(found["checks"]) == 1
    assert "1 of 2 dialogues cannot be used, first d1: its file" in found["checks"][0]["says"]
