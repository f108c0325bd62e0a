"""Service scenarios from templates: the same sentences with other organisations, names and values.

config/duplex/domains.yaml has the sentences, config/duplex/service_roles.tsv what differs between
the roles. Nothing is drawn: the wording of a question goes by the place of the role in its domain,
so that the scenarios are the same, byte for byte, everywhere.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from scripts.common.documents import check, nearest
from scripts.common.errors import UserError
from scripts.common.tables import located, text_of
from scripts.rows.duplex import Question, Scenario

FACTS = {0: "proper", 1: "value1", 2: "value2"}  # the columns with the answers
LACKING = {2: "claimed", 3: "wanted", 5: "unspecified"}  # and with what the context does not say
WRONG = 3  # wrong answers to choose from


def templated(domains: Path, service_roles: Path) -> list[Scenario]:
    """A scenario for each role of the table, in its order.

    Raises UserError for a malformed file, a domain without sentences, a placeholder that is no
    column, and a domain with too few roles to take wrong answers from.
    """
    sentences = sentences_of(domains)
    rows, seen = [], Counter[str]()
    for where, row in located(service_roles, "service_roles"):
        if row["domain"] not in sentences["domains"]:
            raise UserError(
                f"{where}: {domains} has no domain '{row['domain']}'"
                f"{nearest(row['domain'], sentences['domains'])}"
            )
        rows.append((where, row, seen[row["domain"]]))
        seen[row["domain"]] += 1
    for domain, count in seen.items():
        if count <= WRONG:
            raise UserError(
                f"{service_roles}: the domain '{domain}' has {count} roles; it needs {WRONG + 1}, "
                "as the wrong answers of one are the right ones of the others."
            )
    order = list(sentences["domains"])
    made = []
    for where, row, place in rows:
        others = [other for _, other, _ in rows if other["domain"] == row["domain"]]
        others = (others[place + 1 :] + others[:place])[:WRONG]
        turn = place + order.index(row["domain"])
        made.append(_scenario(f"{domains} for {where}", sentences, row, others, place, turn))
    return made


def sentences_of(domains: Path) -> dict[str, Any]:
    """The content of domains.yaml. Raises UserError if it is malformed."""
    try:
        document = yaml.safe_load(text_of(domains))
    except yaml.YAMLError as error:
        raise UserError(f"{domains} is not YAML: {error}") from error
    check(document, "service_domains", str(domains))
    numbers = {key: sorted(document[key], key=str) for key in ("questions", "choices")}
    if numbers != {"questions": [*range(7)], "choices": [3, 4, 5, 6]}:
        raise UserError(
            f"{domains}: there must be questions 0 to 6 and choices 3 to 6, not {numbers}."
        )
    return document


def _scenario(
    where: str,
    sentences: dict[str, Any],
    row: dict[str, str],
    others: list[dict[str, str]],
    place: int,
    turn: int,
) -> Scenario:
    own = sentences["domains"][row["domain"]]

    def filled(wordings: list[str], **more: str) -> str:
        return _filled(wordings[turn % len(wordings)], row | more, where)

    parts = {
        "told": filled(sentences["claimed"]),
        "right": filled(sentences["right"]),
        "asked": filled([own["asked"]]),
        "complaint": filled(own["complaints"]),
    }
    facts = [_filled(text, row, where) for text in sentences["facts"]]
    facts += [f"{filled([own['detail']])} {row['value2']}.", row["limit"]]
    questions = []
    for index in range(7):
        column = FACTS.get(index)
        if column:
            choices = [row[column], *(other[column] for other in others)]
        else:
            choices = [_filled(text, row, where) for text in sentences["choices"][index]]
        questions.append(
            Question(
                index=index,
                text=filled(sentences["questions"][index], **parts),
                fact=row[column] if column else None,
                absent=row[LACKING[index]] if index in LACKING else None,
                choices=choices,
            )
        )
    return Scenario(
        id=f"{row['domain']}-{place + 1}",
        domain=row["domain"],
        organisation=row["organisation"],
        name=row["name"],
        facts=facts,
        context=context_of(row["organisation"], row["kind"], row["name"], facts),
        questions=questions,
    )


def context_of(organisation: str, kind: str, name: str, facts: list[str]) -> str:
    """The role prompt, in the form that the public prompts of service roles have."""
    return (
        f"You work for {organisation} which is {kind} and your name is {name}. "
        f"Information: {' '.join(facts)}"
    )


def _filled(text: str, places: dict[str, str], where: str) -> str:
    try:
        return text.format_map(places)
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            f"{where}: in {text!r} a part in braces is no column ({error}); valid are: "
            f"{', '.join(places)}."
        ) from error
