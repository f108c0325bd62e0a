"""Every backend of the paper is tested; what cannot run is listed with its reason."""

from __future__ import annotations

import csv
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

HERE = Path(__file__).parent
HEAVY = [
    (capability, backend)
    for capability in specs.capabilities()
    for backend in specs.backends(capability)
    if "core" not in specs.envs(ModelSpec(capability, backend))
]
TESTS = [path.read_text("utf-8") for path in sorted(HERE.glob("test_*.py"))]


@pytest.mark.parametrize("capability, backend", HEAVY)
def test_each_backend_passes_its_contract_through_its_own_package(capability, backend):
    """A file of tests names it and its capability, and puts it to the acceptance check."""
    words = (rf"\b{capability}\b", rf"\b{backend}\b", r"\baccept\(\w+")
    assert [text for text in TESTS if all(re.search(word, text) for word in words)]


def test_what_does_not_run_is_listed_and_truly_is_not_here():
    with (HERE / "not_run.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert rows and all(all(row.values()) for row in rows)
    assert [row["package"] for row in rows if find_spec(row["package"])] == []


def test_no_test_here_is_skipped():
    words = ("pytest." + "skip", "import" + "orskip", "x" + "fail", "skip" + "if")
    assert not [word for word in words for text in TESTS if word in text]
