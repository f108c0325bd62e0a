"""identify as config/paper.yaml has it: what its services are really sent."""

from __future__ import annotations

import yaml

from scripts import backends
from scripts.common.tables import read_table
from scripts.workflow import specs
from tests.roles.test_identify import PROMPTS, run
from tests.roles.tiny import MEDIUM
from tests.servers.openai_paper import PaperModel


def test_somebody_else_is_what_the_papers_models_are_really_sent(tmp_path, monkeypatch, services):
    """In config/paper.yaml, of whose 90 works 86 have one role."""
    root, load = PROMPTS.parents[1], backends.load
    paper = yaml.safe_load((root / "config/paper.yaml").read_text("utf-8"))
    rows = read_table(root / "config/paper/roles.tsv", "roles")
    works = [row["work"] for row in rows]
    alone = [row for row in rows if works.count(row["work"]) == 1]
    assert len({*works}) == 90 and len(alone) == 86
    hero = alone[-1]
    services()
    monkeypatch.setenv("TEST_KEY", "sk-canary")
    with PaperModel() as server:
        own = {"address": server.address, "key": "TEST_KEY"}
        llms = [
            specs.resolve(paper["models"], name, "llm", "paper.yaml")
            for name in paper["identify"]["llms"]
        ]
        models = [lambda spec=s: load(spec._replace(options=spec.options | own)) for s in llms]
        medium = MEDIUM | {"work": hero["work"]}
        found = run(tmp_path, monkeypatch, models, roles=[hero], medium=medium)
        sent = [
            (asked.json["model"], asked.json["messages"][-1]["content"])
            for asked in server.requests
        ]
    assert {name for name, _ in sent} == {spec.options["model"] for spec in llms}
    assert len(sent) == 2 * 3  # of each model, about each speaker
    assert all(f"\nA. {hero['name']}\nB. somebody else" in text for _, text in sent)
    assert all(0 < vote.somebody_else < 1 for row in found for vote in row.votes)
