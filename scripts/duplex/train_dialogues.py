"""Texts of training dialogues, from the templates of config/duplex/training.yaml.

What an agent is told and what both say are drawn by hash of the seed and the dialogue's number, so
that a dialogue does not depend on how many there are. No two are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from scripts.common.documents import check
from scripts.common.errors import UserError
from scripts.common.tables import text_of
from scripts.duplex.scenario_checks import overlapping, plain
from scripts.duplex.service_roles import context_of
from scripts.rows.duplex import Scenario
from scripts.rows.jsonl import content_id

Speaker = Literal["agent", "caller"]
Entry = TypeVar("Entry")
DRAWS = 50  # for a dialogue that is not there yet
SHOWN = 5  # overlaps that an error names


@dataclass(frozen=True)
class Dialogue:
    """A dialogue before it is spoken; `lines` are in order."""

    id: str
    kind: Literal["service", "question"]
    scenario: str
    role_prompt: str
    voice_text: str
    lines: tuple[tuple[Speaker, str], ...]
    dropped: str | None = None  # why a model's cannot be used

    @property
    def texts(self) -> list[str]:
        """All that a model would read or hear of it."""
        return [self.role_prompt, self.voice_text, *(text for _, text in self.lines)]


def read_templates(path: Path) -> dict[str, Any]:
    """The content of training.yaml. Raises UserError if it is malformed."""
    try:
        document = yaml.safe_load(text_of(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from error
    check(document, "training_dialogues", str(path))
    for name, errand in document["errands"].items():
        speakers = [next(iter(turn)) for turn in errand["turns"]]
        for place, (one, other) in enumerate(zip(speakers, speakers[1:], strict=False), start=2):
            if one == other:
                raise UserError(
                    f"{path}: errands.{name}: line {place} is by the {one}, as the one before it; "
                    "speakers take turns."
                )
    return document


def written(path: Path, teacher: str, service: int, questions: int, seed: int) -> list[Dialogue]:
    """`service` dialogues with services, then `questions` questions to a `teacher` (the role text).

    Raises UserError for malformed templates, and where they do not give so many.
    """
    templates, found = read_templates(path), {}
    for kind, count in (("service", service), ("question", questions)):
        for number in range(1, count + 1):
            for attempt in range(DRAWS):
                draws = _Draws((seed, kind, number, attempt))
                one = (
                    _service(path, templates, number, draws)
                    if kind == "service"
                    else _question(templates, teacher, number, draws)
                )
                if one.lines not in found:
                    break
            else:
                raise UserError(
                    f"{path}: {count} dialogues of the kind '{kind}' are wanted, and the templates "
                    f"give no more than about {number - 1} different ones; add wordings, or lower "
                    f"`duplex.training`'s number."
                )
            found[one.lines] = one
    return [*found.values()]


def refuse_overlap(scenarios: list[Scenario], dialogues: list[Dialogue], where: Path) -> None:
    """Raise UserError for training dialogues that have something of the scenarios of a test."""
    texts = [(own.id, text) for own in dialogues if not own.dropped for text in own.texts]
    found = overlapping(scenarios, (text for _, text in texts))
    named = {(own.what, own.scenario): texts[own.text][0] for own in found}
    if named:
        shown = [
            f"'{what}' of scenario '{scenario}' (in {ident})"
            for (what, scenario), ident in [*named.items()][:SHOWN]
        ]
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        raise UserError(
            f"{where}: training dialogues have what systems are tested with: {', '.join(shown)}"
            f"{more}. Change the templates or the scenarios: what is trained on cannot be tested."
        )


def refuse_same(lines: Sequence[str], dialogues: list[Dialogue], where: Path) -> None:
    """Raise UserError for a training dialogue in which a line of a test is said."""
    wanted = {f" {plain(line)} ": line for line in lines if plain(line)}
    for own in dialogues:
        for text in own.texts:
            found = next(
                (line for words, line in wanted.items() if words in f" {plain(text)} "), None
            )
            if found:
                raise UserError(
                    f"{where}: '{found}' is said in what systems are tested with, and "
                    f"is in the training dialogue {own.id}, too; change it in one of the two."
                )


@dataclass(frozen=True)
class _Draws:
    key: tuple

    def of(self, entries: list[Entry], *what: object) -> Entry:
        return entries[int(content_id("training", *self.key, *what), 16) % len(entries)]


def _service(path: Path, templates: dict[str, Any], number: int, draws: _Draws) -> Dialogue:
    business = draws.of(templates["businesses"], "business")
    name, errand = draws.of([*templates["errands"].items()], "errand")
    good = draws.of(business["goods"], "good")
    places = {
        "organisation": draws.of(business["organisations"], "organisation"),
        "kind": business["kind"],
        "name": draws.of(templates["people"], "name"),
        "good": good,
        "other": draws.of([own for own in business["goods"] if own != good], "other"),
        "price": draws.of(templates["prices"], "price"),
        "discount": draws.of(templates["discounts"], "discount"),
        "time": draws.of(templates["times"], "time"),
        "day": draws.of(templates["days"], "day"),
    }

    def filled(text: str) -> str:
        try:
            return text.format_map(places)
        except (KeyError, ValueError, IndexError) as error:
            raise UserError(
                f"{path}: errands.{name}: in {text!r} a part in braces is unknown ({error}); valid "
                f"are: {', '.join(places)}."
            ) from error

    lines: list[tuple[Speaker, str]] = []
    for place, turn in enumerate(errand["turns"]):
        ((speaker, wordings),) = turn.items()
        lines.append((speaker, filled(draws.of(wordings, "line", place))))
    facts = [filled(text) for text in errand["facts"]]
    return Dialogue(
        id=f"service-{number:05}",
        kind="service",
        scenario=content_id(places["organisation"], places["name"], *facts),
        role_prompt=context_of(places["organisation"], places["kind"], places["name"], facts),
        voice_text=draws.of(templates["samples"], "sample"),
        lines=tuple(lines),
    )


def _question(templates: dict[str, Any], teacher: str, number: int, draws: _Draws) -> Dialogue:
    given = templates["questions"]
    question, answer = draws.of(given["pairs"], "pair")
    asked = f"{draws.of(given['openers'], 'opener')} {question}".strip()
    said = f"{draws.of(given['answerers'], 'answerer')} {answer}".strip()
    return Dialogue(
        id=f"question-{number:05}",
        kind="question",
        scenario=content_id(question),
        role_prompt=teacher,
        voice_text=draws.of(templates["samples"], "sample"),
        lines=(("caller", asked), ("agent", said)),
    )
