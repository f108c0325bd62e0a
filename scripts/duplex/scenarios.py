"""Service roles and what callers ask them (PersonaPlex, arXiv:2602.06053: 50 roles).

Seven questions a role: 0 asks for a proper noun, 1 and 2 for details of the context, 3 for what
cannot be had, 4 is rude, 5 is about the domain but not answered by the context, 6 about something
else. The paper's own questions were never published. Without a language model the scenarios come
from templates and are the same, byte for byte, everywhere; with one they are another set.
"""

import hashlib
from pathlib import Path

from scripts import backends
from scripts.backends.llm import LlmBackend
from scripts.common.errors import UserError
from scripts.common.prompts import read_prompt
from scripts.duplex import scenario_card, scenario_writer
from scripts.duplex.circular_choice import circular
from scripts.duplex.scenario_checks import checked
from scripts.duplex.service_roles import sentences_of, templated
from scripts.rows.jsonl import write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

LICENCE = "Apache-2.0"


def scenarios(
    domains: Path,
    service_roles: Path,
    prompt: Path,
    scenarios: Path,
    choices: Path,
    card: Path,
    llm: ModelSpec | None = None,
    roles: int = 50,
    attempts: int = 3,
    tokens: int = 1500,
    temperature: float = 0.7,
    seed: int = 0,
) -> None:
    """Write a Scenario row for each of `roles` roles, the questions as multiple choice (`choices`,
    Choice rows, for systems that read), and the data card of the set.

    `domains` and `service_roles` are the templates' sentences and words. An `llm` is asked with the
    prompt file instead, for each scenario at most `attempts` times, each of at most `tokens`; a
    scenario that it cannot give is a dropped row. Raises UserError for malformed files, for
    templates that break a rule of scripts/duplex/scenario_checks.py (the row is named), and for
    fewer roles in the table than are wanted.
    """
    asked = read_prompt(prompt, scenario_writer.PLACES, scenario_writer.FURTHER)
    if llm is None:
        rows = checked(templated(domains, service_roles), str(service_roles))
        if roles > len(rows):
            raise UserError(
                f"{roles} service roles are wanted, and {service_roles} has {len(rows)}; add some, "
                "or set a lower number."
            )
        rows, made = rows[:roles], scenario_card.TEMPLATES
    else:
        model: LlmBackend = backends.load(llm)
        names = list(sentences_of(domains)["domains"])
        rows = scenario_writer.written(
            model, asked, names, roles, attempts, tokens, temperature, seed
        )
        made = scenario_card.MODEL.format(model=model.name, prompt=Path(prompt).name)
    write_rows(scenarios, rows)
    write_rows(choices, [choice for row in rows for choice in circular(row)])
    digest = hashlib.sha256(Path(scenarios).read_bytes()).hexdigest()
    Path(card).write_text(scenario_card.card(rows, digest, made, LICENCE), "utf-8")
    usable = sum(row.dropped is None for row in rows)
    print(f"{len(rows)} service roles, {usable} usable, {7 * usable} questions.")


if __name__ == "__main__":
    stage.run(scenarios, globals().get("snakemake"))
