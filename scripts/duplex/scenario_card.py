"""The data card of a set of service scenarios, in Markdown."""

from __future__ import annotations

from collections import Counter

from scripts.duplex.scenario_checks import CHOICES, KINDS
from scripts.rows.duplex import Scenario

TEMPLATES = """\
From templates, without any model: `config/duplex/domains.yaml` has the sentences,
`config/duplex/service_roles.tsv` what differs between the roles. The file is the same, byte for
byte, everywhere."""
MODEL = """\
By a language model, {model}, after the prompt file `{prompt}`; replies that break a rule were
asked for again, and roles without a usable reply are kept as dropped rows with the reason."""
CARD = """\
# Service scenarios

{roles} service roles, {questions} questions (file sha256 `{digest}`).
A system is told who it is and what it knows (the context), hears a question and answers it.

## How it was made

{made}

Checked by rule: the fact that a question asks for is word for word in the context; what cannot be
had, or is not known, is not; no organisation, person, name, price, time or number of a role is in
another one; questions are unique; of the {choices} answers to choose from only the first is right.

## Counts

| domain | roles | questions | dropped |
| --- | ---: | ---: | ---: |
{domains}

| question | kind | questions |
| --- | --- | ---: |
{kinds}
{dropped}
## What it is for

To measure whether a full-duplex or other spoken dialogue system keeps to its role: names and
details of the context (0 to 2), requests that it must refuse (3), rudeness (4), what it cannot know
(5) and what is none of its business (6). Questions of one role are not independent: intervals are
by role.

## What it is not for

- Training: a system that has seen these texts cannot be measured with them (`overlapping` in
  scripts/duplex/scenario_checks.py finds them in training texts).
- Numbers of Service-Duplex-Bench: these are other questions of the same seven kinds, and scores on
  them cannot be compared with printed ones.
- Advice: organisations, persons, prices and numbers are invented. Any likeness is by chance.

## Known limits

- Synthetic, in English only, {limits}
- One question a conversation; each is spoken by a synthetic voice, without background.
- Multiple choice: the wrong answers to 0 to 2 are not in the context, and those to 3 to 6 follow
  one pattern a kind, which can be guessed without it.

## Licence

The texts are part of this project and have its licence ({licence}).
"""


def card(rows: list[Scenario], digest: str, made: str, licence: str) -> str:
    """The card of the rows of a file with the sha256 `digest`; `made`: how."""
    usable = [row for row in rows if row.dropped is None]
    all_of, used = Counter(row.domain for row in rows), Counter(row.domain for row in usable)
    asked = Counter(question.index for row in usable for question in row.questions)
    lines = [
        f"| {domain} | {used[domain]} | {used[domain] * len(KINDS)} | {count - used[domain]} |"
        for domain, count in sorted(all_of.items())
    ]
    kinds = [f"| {index} | {kind} | {asked[index]} |" for index, kind in enumerate(KINDS)]
    lost = [f"- {row.id}: {row.dropped}" for row in rows if row.dropped is not None]
    few = "and from templates: roles of one domain differ in names and values, not in style."
    return CARD.format(
        roles=len(usable),
        questions=sum(asked.values()),
        digest=digest,
        made=made,
        choices=CHOICES,
        domains="\n".join(lines),
        kinds="\n".join(kinds),
        dropped="\nDropped:\n\n" + "\n".join(lost) + "\n" if lost else "",
        limits=few if made == TEMPLATES else "and in the style of one language model.",
        licence=licence,
    )
