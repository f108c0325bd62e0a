"""A backend of one's own that lacks a part of its contract is refused before any job."""

from __future__ import annotations

import ast

import pytest
import yaml

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow import specs
from scripts.workflow.contracts import lacks
from scripts.workflow.model_spec import ModelSpec

MINE = """
ENV = "core"
GPU = False


class Base:
    languages = ("English",)


class Mine(Base):
    def __init__(self):
        self.rate = 16_000

    def reply(self, requests): ...


def load():
    return Mine()
"""
MODELS = {"mine": {"capability": "dialogue", "backend": "mine"}}


def resolve(folder, text):
    (folder / "dialogue").mkdir()
    (folder / "dialogue/mine.py").write_text(text, "utf-8")
    return specs.resolve(MODELS, "mine", "dialogue", "evaluate", [str(folder)])


def test_what_a_class_lacks_is_told_with_its_line(tmp_path):
    with pytest.raises(UserError, match=r"mine.py, line 10: Mine has no voice_mode, which a back"):
        resolve(tmp_path, MINE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self.rate =", "self.voice_mode, self.rate = 'own',"),
        ("    languages", "    voice_mode: str = 'own'\n    languages"),
        ("def reply", "def __getattr__(self, name): ...\n    def reply"),
        ("class Base:", "class Base(Elsewhere):"),
        ("return Mine()", "return made()"),
    ],
)
def test_what_is_there_or_cannot_be_told_is_no_fault(tmp_path, old, new):
    assert resolve(tmp_path, MINE.replace(old, new)).backend == "mine"


def test_a_file_that_python_cannot_read_is_told_with_its_line(tmp_path):
    with pytest.raises(UserError, match="mine.py, line 19: no valid Python"):
        resolve(tmp_path, MINE + "def (\n")


def test_no_backend_of_this_project_lacks_anything():
    files = [file for file in specs.BACKENDS.glob("*/[!_]*.py")]
    assert len(files) > 30
    for file in files:
        contract = ast.parse((file.parent / "__init__.py").read_text("utf-8"))
        assert lacks(ast.parse(file.read_text("utf-8")), contract) is None, file.relative_to(ROOT)


def test_a_metric_without_a_formula_is_refused_with_its_line(tmp_path):
    text = (ROOT / "config/metrics.tsv").read_text("utf-8")
    (tmp_path / "metrics.tsv").write_text(f"{text}XX\tAn extra\tNone\tHow much?\n", "utf-8")
    models = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))["models"]
    judge = specs.resolve(models, "objective", "judge", "judge")
    specs.refuse_unscored(judge, ROOT / "config/metrics.tsv")
    with pytest.raises(UserError, match="metrics.tsv, line 10: judge/objective has no formula"):
        specs.refuse_unscored(judge, tmp_path / "metrics.tsv")
    listens = ModelSpec("judge", "gemini")
    specs.refuse_unscored(listens, tmp_path / "metrics.tsv")
