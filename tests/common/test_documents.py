"""Schemas describe each key and column, config/README.md names every table and column, and what the
README names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scripts.common.documents import SCHEMAS, check
from scripts.common.errors import UserError
from scripts.common.paths import ROOT

FOUND = {
    path.name.removesuffix(".schema.yaml"): yaml.safe_load(path.read_text("utf-8"))
    for path in sorted(SCHEMAS.glob("*.yaml"))
}
TABLES = [name for name in FOUND if (ROOT / f"config/{name}.tsv").is_file()]


def properties(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property that a schema defines, with its location; conditions define none."""
    if isinstance(schema, dict):
        for name, inside in schema.get("properties", {}).items():
            yield f"{place}.{name}", inside
        for key, inside in schema.items():
            if key not in ("if", "then", "else"):
                yield from properties(inside, f"{place}.{key}")
    elif isinstance(schema, list):
        for inside in schema:
            yield from properties(inside, place)


@pytest.mark.parametrize("name", FOUND)
def test_every_property_says_what_it_is(name):
    """In a phrase that can end an error sentence: "; it is {description}."."""
    shared = {f"#/$defs/{key}": value for key, value in FOUND[name].get("$defs", {}).items()}
    for place, inside in properties(FOUND[name], name):
        said = inside.get("description", shared.get(inside.get("$ref"), {}).get("description", ""))
        assert said and not said.endswith("."), place


def test_what_is_no_number_is_told_with_what_it_should_be():
    row = {key: "x" for key in FOUND["weights"]["properties"]}
    with pytest.raises(UserError, match="bytes: 'x' .*; it is size of the joined members, a whole"):
        check(row, "weights", "here")


def sections() -> dict[str, str]:
    """The sections of config/README.md about tables, by the first word of their headings."""
    text = (ROOT / "config/README.md").read_text("utf-8")
    return {part.split(":")[0]: part for part in text.split("\n### ")[1:]}


def test_tables_have_schemas_and_sections():
    tables = {path.name for path in ROOT.glob("config/*.tsv")}
    assert tables == {f"{name}.tsv" for name in TABLES} == {*sections()} - {"published/"}


@pytest.mark.parametrize("name", TABLES)
def test_the_readme_names_every_column(name):
    section = sections()[f"{name}.tsv"]
    assert not [key for key in FOUND[name]["properties"] if f"`{key}`" not in section]


def test_the_readme_names_every_column_of_what_is_printed():
    metrics = (ROOT / "config/metrics.tsv").read_text("utf-8").splitlines()
    known = {line.split("\t")[0] for line in metrics}
    for path in ROOT.glob("config/published/*.tsv"):
        columns = path.read_text("utf-8").splitlines()[0].split("\t")
        if path.name == "table4.tsv":
            columns = columns[:1]  # the others are systems
        words = {path.name, *(f"`{column}`" for column in columns if column not in known)}
        assert not {word for word in words if word not in sections()["published/"]}, path.name


def test_the_readme_names_every_configuration():
    text = (ROOT / "config/README.md").read_text("utf-8")
    assert not [path.name for path in ROOT.glob("config/*.yaml") if path.name not in text]
    assert not [path.name for path in ROOT.glob("config/*/") if f"{path.name}/" not in text]


README = (ROOT / "README.md").read_text("utf-8")


def test_the_contents_of_the_readme_are_its_sections():
    _, *sections = re.findall(r"^## (.+)$", README.replace("## Contents\n", ""), re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in sections]
    contents = README.split("## Contents\n")[1].split("\n## ")[0]
    listed = re.findall(r"^- \[(.+)\]\(#(.+)\)$", contents, re.MULTILINE)
    assert listed == [*zip(sections, anchors, strict=True)]
    assert sections[:2] == ["Your own system", "Your own media"]


def test_what_the_readme_names_is_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?<=[`\n])make ([\w-]+)", README))
    assert targets and not [name for name in targets if f"\n{name}: " not in makefile]
    modules = {name.replace(".", "/") for name in re.findall(r"python -m ([\w.]+)", README)}
    assert not [name for name in modules if not [*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/")]]
    linked = re.findall(r"\]\(([\w/.]+)(?:#[\w-]+)?\)", README)
    assert linked and not [name for name in linked if not (ROOT / name).exists()]
